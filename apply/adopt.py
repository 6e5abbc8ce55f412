"""Brings an existing repository onto the template; what is the user's stays."""

from collections import defaultdict
from pathlib import Path

import answers as stored
import journal
from answers import Answers
from application import refuse_application
from checkout import refuse_folder, refuse_links, refuse_shallow, refuse_sparse
from commands import changes, git
from context import Rendered, Run, needed, there
from files import content
from indexes import refuse_sources, source_notes
from lint import Lint, lint
from next_steps import NextSteps
from ownership import aside, owned, put_aside
from pattern import SMOKE_TEST, pattern, smoke_test_left_out
from report import other_workflows, undo_commands
from repository import Project, read_project
from style import below, per_file, settings_file
from toml_edits import write
from update import update
from version_notes import refuse_epoch, version_notes


def adopt(run: Run, given: Answers, trial: str) -> None:
    """Brings the repository onto the template.

    Args:
        run: The run.
        given: The answers that the user gave.
        trial: What is tried of the first push (`package`, `tests` or `none`).

    Raises:
        Refused: it cannot be done. The caller restores what was written.
    """
    root, files, report = run.root, run.files, run.report
    refuse_folder(root)
    stored.refuse_other_template(root / run.answers_file)
    if git(root, "show", f"HEAD:./{run.answers_file}") is not None:
        journal.begin(run.answers_file, str(given.get("_commit")))
        return update(run, given)  # `copier recopy`, for a version that is gone
    refuse_shallow(root)
    refuse_sparse(root)
    changed_before = changes(root)
    project = read_project(root, build=True)
    refuse_epoch(root, project)
    answers = given | stored.facts(project)
    refuse_application(root, project, answers)
    refuse_sources(root, project, answers, run.answers_file)
    new, unchecked, earlier = render(run, answers)
    refuse_links(root, [*filter(owned, new), "pyproject.toml", "uv.lock", run.answers_file])
    theirs = pattern(new["pyproject.toml"].decode(), project, root, adopting=True)
    run.merge("pyproject.toml", "", theirs, ours=project.text)
    write_seeds(run, new, project, answers)
    run.lock()
    linted = lint(root)
    keep_style(run, linted, [".gitea/ci", *[SMOKE_TEST] * answers["publish"]])
    if linted.unformatted and not linted.only_markdown and answers["format_check"]:
        answers, new = answers | {"format_check": False}, unchecked
    write_owned(run, new, earlier)
    files.write(run.answers_file, stored.dump(answers, new[run.answers_file]))
    report.added += files.made
    report.changed += [name for name in files.changed if name not in run.merged]
    report_kept(run, project, given, answers, linted)
    report.next_steps = NextSteps(run, project, linted, answers, written_files(run, new, earlier)).all(trial)
    report.undo = undo_commands(files, changed_before)


def render(run: Run, answers: Answers) -> tuple[Rendered, Rendered, Rendered]:
    """Returns the files of the template, those without a check of the format, and those of an earlier run that is not
    committed yet (often none).
    """
    versions = [("HEAD", answers), ("HEAD", answers | {"format_check": False})]
    if (run.root / run.answers_file).exists():
        earlier = stored.load((run.root / run.answers_file).read_text("utf-8"))
        versions.append((str(earlier.get("_commit")), earlier))
    new, unchecked, *old = run.render(*versions)
    return needed(new), needed(unchecked), there(old[0]) if old else Rendered()


def write_owned(run: Run, new: Rendered, earlier: Rendered) -> None:
    """Writes the files that the template owns."""
    for name in filter(owned, new):
        put_aside(run, name, (new[name], earlier.get(name)))
        run.files.write(name, new[name], name in new.executable)


def write_seeds(run: Run, new: Rendered, project: Project, answers: Answers) -> None:
    """Writes the seed files that do not exist yet. Writes no code where there is a package already."""
    module = str(answers["module_name"])
    coded = project.modules or project.table or not answers["publish"] or (run.root / module).exists()
    readme = any(run.root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*"))
    for name, text in new.items():
        code = coded and name.startswith(f"{module}/")
        seed = not owned(name) and name not in ("pyproject.toml", run.answers_file)
        if seed and not code and not (readme and name == "README.md") and not (run.root / name).exists():
            run.files.write(name, text)


def keep_style(run: Run, linted: Lint, own: list[str]) -> None:
    """Has ruff pass: it leaves out the template's own files, and rules where older code breaks them."""
    excluded, broken = defaultdict[str, list[str]](list), defaultdict[str, list[tuple[str, str]]](list)
    for name in (*own, *["README.md"] * linted.only_markdown):
        place = settings_file(run.root, name)
        if name == "README.md" or Path(place).name != "pyproject.toml":  # the pattern has those for this one
            excluded[place].append({".gitea/ci": ".gitea", "README.md": "*.md"}.get(name, below(place, name)))
    for rule, name in linted.broken:
        place = settings_file(run.root, name)
        broken[place].append((rule, below(place, name)))
    for place in {**excluded, **broken}:
        table = "tool.ruff." if Path(place).name == "pyproject.toml" else ""
        text = f"[{table.rstrip('.')}]\n" * bool(table)
        text += f"extend-exclude = {write(excluded[place])}\n" * bool(excluded[place])
        if broken[place]:
            text += f"[{table}lint.extend-per-file-ignores]\n"
            text += "# Older code breaks these rules. Fix the code, then delete its line.\n"
            text += "".join(f"{write(path)} = {write(rules)}\n" for path, rules in per_file(broken[place]).items())
        run.merge(place, "", text)


def report_kept(run: Run, project: Project, given: Answers, answers: Answers, linted: Lint) -> None:
    """Reports what stays as the user has it."""
    kept = run.report.kept
    kept += [
        f"{key} is {answers[key]}, as the repository says, not {given[key]}"
        for key in ("project_name", "module_name")
        if given[key] != answers[key]
    ]
    kept += [
        f"{entry} in pyproject.toml: once the index has it, run uv add {entry.split(' @ ')[0]} --index gitea"
        for entry in project.requirements
        if " @ " in entry
    ]
    if project.unpinned:
        kept.append(
            f"build-system.requires has {', '.join(project.unpinned)}: pin it with ==, so that an interrupted release "
            "builds the same files again"
        )
    kept += version_notes(run.root, project, answers["project_name"])
    if project.wheel and not project.wheel.endswith("-any.whl"):
        kept.append(
            f"the wheel is for one platform ({project.wheel}): the workflow releases that of its runner's system and "
            "Python; installers on others build the sdist, for which they need the compiler"
        )
    if not answers["format_check"]:
        kept.append(
            f"no check of the format: `ruff format` would change {len(linted.unformatted)} files. To have one, run it, "
            "commit, then run: copier update --trust --defaults --vcs-ref=:current: --data format_check=true"
        )
    if answers["publish"]:
        kept += smoke_test_left_out(run.root, project) + source_notes(project)
    kept += project.notes + other_workflows(run.root)


def written_files(run: Run, new: Rendered, earlier: Rendered) -> set[str]:
    """Returns the files that this run or an earlier one, which may have been killed, has written."""
    written = {run.answers_file, "uv.lock", *run.merged, *run.files.before, *map(aside, filter(owned, new))}
    # A seed file that was edited since is the user's to commit.
    return written | {n for n in new if content(run.root / n) in (new[n], earlier.get(n, b""))}
