"""Brings a repository from one version of the template onto another."""

from pathlib import Path

import answers as stored
from answers import Answers
from commands import Refused, changes, git
from context import Rendered, Run, needed
from files import content
from ownership import owned, put_aside
from pattern import pattern
from repository import Project, read_project


def update(run: Run, given: Answers | None = None) -> None:
    """Brings the repository from the version in HEAD onto the one that the new answers name.

    Args:
        run: The run. HEAD has the answers file as it was before.
        given: The new answers; None if Copier has already written them into the file.

    Raises:
        Refused: it cannot be done. The caller restores what was written.
    """
    root, files, report = run.root, run.files, run.report
    answers = given or stored.load((root / run.answers_file).read_text("utf-8"))
    last = committed_answers(run)
    project = read_project(root)
    if not project.table:
        raise Refused("pyproject.toml no longer has a [project] table. Restore it (git log -- pyproject.toml).")
    facts = stored.changed_facts(project, last)
    answers = answers | facts
    new, before, base = render(run, answers, last, facts)
    theirs = pattern(new["pyproject.toml"].decode(), project, root, adopting=False)
    old = pattern(base, project, root, adopting=False) if base else ""
    run.merge("pyproject.toml", old, theirs, ours=project.text)
    if not before:
        report.kept.append(
            f"The template's version {last.get('_commit')} is gone, so nobody can tell which of its values in "
            "pyproject.toml you changed: all of yours stay; nor which of its files: see git diff HEAD"
        )
    write_owned(run, new, before)
    if answers["cli"] and not last.get("cli"):
        write_cli(run, project, new, str(answers["module_name"]))
    files.write(run.answers_file, stored.dump(answers, new[run.answers_file]))
    run.lock()
    report.added += [name for name in files.made if name != "pyproject.toml"]
    for name in files.changed:
        if name not in ("pyproject.toml", run.answers_file, "uv.lock"):
            report.changed.append(name if (root / name).exists() else f"{name} is removed")


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


def render(run: Run, answers: Answers, last: Answers, facts: Answers) -> tuple[Rendered, Rendered, str]:
    """Renders the new version and the old one.

    Args:
        run: The run.
        answers: The answers now.
        last: The answers of the old version.
        facts: What the user changed in the repository itself since then, such as the package's name.

    Returns:
        The new files, the old ones, and the old pyproject.toml with the facts, which are no change of the pattern.
        The last two are empty if the old version is gone.
    """
    version = str(last.get("_commit"))
    versions = [("HEAD", answers), (version, last)] + ([(version, last | facts)] if facts else [])
    new, *old = run.render(*versions)
    if any(isinstance(rendered, Refused) for rendered in old):
        return needed(new), {}, ""
    return needed(new), needed(old[0]), needed(old[-1])["pyproject.toml"].decode()


def write_owned(run: Run, new: Rendered, before: Rendered) -> None:
    """Writes the files that the template owns, whatever is in them, and reports what of the user's is replaced.

    Raises:
        Refused: one has changes that are not committed.
    """
    names = list(filter(owned, sorted(before | new)))
    if dirty := changes(run.root, "--", *names):
        raise Refused(
            f"Not committed: {', '.join(sorted(dirty))}. Commit it (or run git stash), then run the same command again."
        )
    for name in names:
        now = content(run.root / name)
        if before and name not in before:
            put_aside(run, name, (new[name],))
        elif before and name in new and now is None:
            run.report.kept.append(f"not your deletion of {name}: the template owns it, and it is back")
        # Git may have written its lines with other ends (core.autocrlf).
        elif before and now is not None and now.replace(b"\r\n", b"\n") not in (before[name], new.get(name)):
            hook = "an answer, pyproject.toml or .gitea/setup.sh" if name.startswith(".gitea") else "a test of its own"
            run.report.kept.append(f"not your edit of {name} (git diff HEAD -- {name}): move it into {hook}")
        if name in new:
            run.files.write(name, new[name])
        elif now is not None:
            run.files.remove(name)


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
