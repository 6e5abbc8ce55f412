"""Brings a repository from one version of the template onto another."""

import json
from itertools import pairwise
from pathlib import Path

import answers as stored
import journal
from answers import Answers
from checkout import refuse_links, refuse_sparse
from commands import Refused, changes, git
from context import Rendered, Run, needed, there
from files import content
from ownership import aside, owned, put_aside
from pattern import pattern
from repository import Project, read_project


def update(run: Run, given: Answers | None = None, named: list[str] | None = None) -> None:
    """Brings the repository from the version in HEAD onto the one that the new answers name.

    Args:
        run: The run. HEAD has the answers file as it was before.
        given: The new answers; None if Copier has already written them into the file.
        named: The answers that the user gave on the command line.

    Raises:
        Refused: it cannot be done. The caller restores what was written.
    """
    root, files, report = run.root, run.files, run.report
    refuse_sparse(root)
    answers = given or stored.load((root / run.answers_file).read_text("utf-8"))
    last = committed_answers(run)
    project = read_project(root)
    if not project.table:
        raise Refused("pyproject.toml no longer has a [project] table. Restore it (git log -- pyproject.toml).")
    answers, versions = stages(run, project, answers, last, named or [])
    names = sorted({name for version, _ in versions for name in filter(owned, version)})
    refuse_links(root, [*names, "pyproject.toml", "uv.lock"])
    if dirty := changes(root, "--", *names):
        raise Refused(
            f"Not committed: {', '.join(sorted(dirty))}. Commit it (or run git stash), then run the same command again."
        )
    text = project.text
    for (before, base), (new, theirs) in pairwise(versions):
        text = run.merge("pyproject.toml", base, theirs, ours=text)
        write_owned(run, new, before)
    if not before:
        report.kept.append(
            f"the template's version {last.get('_commit')} no longer exists, so it is not known which of its values "
            "and files you changed: your values in pyproject.toml stay; for the files see git diff HEAD"
        )
    if answers["cli"] and not last.get("cli"):
        write_cli(run, project, new, str(answers["module_name"]))
    files.write(run.answers_file, stored.dump(answers, new[run.answers_file]))
    run.lock()
    report.added += [name for name in files.made if name != "pyproject.toml"]
    for name in files.changed:
        if name not in ("pyproject.toml", run.answers_file, "uv.lock"):
            report.changed.append(name if (root / name).exists() else f"{name} is removed")
    report_answers(run, last, answers)
    journal.end()


def committed_answers(run: Run) -> Answers:
    """Returns the answers in HEAD, and notes the file as it was.

    Raises:
        Refused: HEAD has no answers file.
    """
    committed = git(run.root, "show", f"HEAD:./{run.answers_file}")
    if committed is None:
        raise Refused(
            f"{run.answers_file} is not committed, so the old answers are unknown. Commit it, then run the same "
            "command again."
        )
    run.files.before[run.answers_file] = f"{committed}\n".encode()
    return stored.load(committed)


def stages(
    run: Run, project: Project, answers: Answers, last: Answers, named: list[str]
) -> tuple[Answers, list[tuple[Rendered, str]]]:
    """Renders the versions of the template that the repository goes through: from the one in HEAD to the new one.

    An update that was killed, and whose files were committed, is finished first: then there are earlier ones.

    Args:
        run: The run.
        project: The repository.
        answers: The answers now.
        last: The answers in HEAD.
        named: The answers that the user gave on the command line.

    Returns:
        The answers, with what the user changed in the repository itself, and for each version, oldest first, its files
        and what of its pyproject.toml concerns this repository. Both are empty for the one in HEAD if it is gone.

    Raises:
        Refused: the new version cannot be rendered, or does not take one of the old answers.
    """
    old = [*(stored.load(note["answers"]) for note in journal.read()[:-1]), last]
    found = [(str(one.get("_commit")), one) for one in old]
    rendered = list(map(there, run.render(*found)))
    # Such as the name of the package: that it is another in the old version's files, too, is no change of the pattern.
    facts = stored.changed_facts(project, last, toml(rendered[-1]))
    answers = answers | facts
    changed = defaulted(last, answers, {*facts, *named})
    tried = [("HEAD", answers | {key: value}) for key, value in changed.items()]
    new, *more = run.render(("HEAD", answers), *tried, *((ref, one | facts) for ref, one in found if facts))
    refuse_defaults(changed, more[: len(tried)])
    bases = list(map(there, more[len(tried) :])) or rendered
    pairs = [pair for pair in zip(rendered, bases, strict=True) if pair[0] or pair[0] is rendered[-1]]
    texts = [(version, toml(base)) for version, base in [*pairs, (needed(new), needed(new))]]
    return answers, [(v, pattern(text, project, run.root, adopting=False) if text else "") for v, text in texts]


def refuse_defaults(changed: Answers, rendered: list[Rendered | Refused]) -> None:
    """Checks that the new version takes old answers. Copier takes the default in place of one that it refuses.

    Args:
        changed: Old answers that are others now, although the user did not say so.
        rendered: The new version with each of them.

    Raises:
        Refused: it does not take one.
    """
    pairs = zip(changed.items(), rendered, strict=True)
    if lines := [f"{key} is {shown(value)} ({one})" for (key, value), one in pairs if isinstance(one, Refused)]:
        raise Refused(
            f"The new version of the template does not take these answers: {'; '.join(lines)}. Choose others: run the "
            "same command again, with --data NAME=VALUE for each."
        )


def toml(version: Rendered) -> str:
    """Returns the pyproject.toml of a version; "" if the version is gone."""
    return version.get("pyproject.toml", b"").decode()


def defaulted(last: Answers, answers: Answers, known: set[str]) -> Answers:
    """Returns the old answers that are others now, but for those whose change is known."""
    changed = (key for key, value in last.items() if key in answers and answers[key] != value)
    return {key: last[key] for key in changed if not key.startswith("_") and key not in known}


def shown(answer: object) -> str:
    """Returns an answer as a person reads it."""
    return json.dumps(answer, ensure_ascii=False, default=str)


def report_answers(run: Run, last: Answers, answers: Answers) -> None:
    """Reports the answers that changed, came or went."""
    for key in sorted(last.keys() | answers.keys()):
        old, new = shown(last.get(key)), shown(answers.get(key))
        if key.startswith("_") or old == new:
            continue
        if key not in last:
            run.report.added.append(f"{run.answers_file}: {key} is {new}")
        else:
            run.report.changed.append(f"{run.answers_file}: {key} is {new if key in answers else 'gone'}, was {old}")


def write_owned(run: Run, new: Rendered, before: Rendered) -> None:
    """Writes the files that the template owns, whatever is in them, and reports what of the user's is replaced."""
    for name in filter(owned, sorted(before | new)):
        now = content(run.root / name)
        if before and name not in before:
            put_aside(run, name, (new[name],))
        elif before and name in new and now is None:
            run.report.kept.append(f"you deleted {name}: the template owns it, so it is back")
        # Git may have written its lines with other ends (core.autocrlf), here and in the template's clone.
        elif (
            before and now is not None and lines(now) not in (lines(before[name]), lines(new.get(name) or before[name]))
        ):
            hook = "an answer, pyproject.toml or .gitea/setup.sh" if name.startswith(".gitea") else "a test of its own"
            run.report.kept.append(f"your edit of {name} is replaced (git diff HEAD -- {name}): move it into {hook}")
        if name in new:
            run.files.write(name, new[name], name in new.executable)
        elif now is not None:
            run.files.remove(name)
            if (yours := content(run.root / aside(name))) is not None and aside(name) not in new:
                run.files.write(name, yours)
                run.files.remove(aside(name))
                run.report.kept.append(f"{name}: your {aside(name)} has its name again")


def lines(data: bytes) -> bytes:
    """Returns a text with line feeds alone at the ends of its lines."""
    return data.replace(b"\r\n", b"\n")


def write_cli(run: Run, project: Project, new: Rendered, module_name: str) -> None:
    """Writes the module of a command line that was just asked for, into the package.

    Raises:
        Refused: the package is not a folder.
    """
    folder = Path(project.source, module_name.split(", ")[0]).as_posix()
    if not (run.root / folder).is_dir():
        raise Refused(f"A command line needs the folder {folder}, which does not exist. Write the command yourself.")
    if not (run.root / folder / "cli.py").exists():
        run.files.write(f"{folder}/cli.py", new[f"{module_name}/cli.py"])
