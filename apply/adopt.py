"""Brings an existing repository onto the template; what is the user's stays."""

from pathlib import Path

import answers as stored
import tomlrt
from answers import Answers
from commands import Refused, changes, foreign, git
from compiled import compiled
from context import Rendered, Run, needed
from files import content
from lint import lint
from merge import merge
from next_steps import NextSteps
from ownership import aside, owned, put_aside
from pattern import RUFF_FILES, pattern, smoke_test_left_out
from report import other_workflows, undo_commands
from repository import Project, read_project
from setup_metadata import array
from toml_edits import write
from update import update
from version_notes import refuse_epoch, version_notes


def adopt(run: Run, given: Answers) -> None:
    """Brings the repository onto the template.

    Args:
        run: The run.
        given: The answers that the user gave.

    Raises:
        Refused: it cannot be done. The caller restores what was written.
    """
    root, files, report = run.root, run.files, run.report
    refuse_folder(root)
    stored.refuse_other_template(root / run.answers_file)
    if git(root, "show", f"HEAD:./{run.answers_file}") is not None:
        return update(run, given)  # `copier recopy`, for a version that is gone
    changed_before = changes(root)
    project = read_project(root)
    refuse_epoch(root, project)
    answers = given | stored.facts(project)
    new, earlier = render(run, answers)
    refuse_links(root, [*filter(owned, new), "pyproject.toml", "uv.lock", run.answers_file])
    run.merge_pyproject(project.text, "", pattern(new["pyproject.toml"].decode(), project, root, adopting=True))
    write_owned(run, new, earlier)
    write_seeds(run, new, project, answers)
    files.write(run.answers_file, stored.dump(answers, new[run.answers_file]))
    run.lock()
    linted = lint(root)
    if linted.rules and not any((root / name).exists() for name in RUFF_FILES):
        ignore_rules(run, project, linted.rules)
    report.added += files.made
    report.changed += [name for name in files.changed if name != "pyproject.toml"]
    report_kept(run, project, given, answers)
    written = written_files(run, new, earlier)
    report.next_steps = NextSteps(root, project, linted, answers, written).all()
    report.undo = undo_commands(files, changed_before)


def refuse_folder(root: Path) -> None:
    """Checks that a folder is the root of a git repository with a commit.

    Raises:
        Refused: it is not.
    """
    if remedy := foreign(root):
        raise Refused(
            "git refuses this folder, which belongs to another user of this machine. If you trust it, run\n"
            f"{remedy}\nthen run the same command again."
        )
    top = git(root, "rev-parse", "--show-toplevel")
    if top is not None and Path(top).resolve() != root.resolve():
        raise Refused(
            f"This folder is inside the repository {top}, and Gitea only runs workflows at the root of a repository. "
            "Give the package a repository of its own (git subtree split), then run the same command there."
        )
    if git(root, "rev-parse", "--verify", "HEAD") is None:
        raise Refused(
            "This folder has no commit, so git could not restore anything. Commit what is here "
            "(git init -b main, git add, git commit), then run the same command again."
        )
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise Refused(
            "This clone is shallow: commits and tags are missing, so the versions would be wrong. Get them with "
            "`git fetch --unshallow --tags`, then run the same command again."
        )


def refuse_links(root: Path, names: list[str]) -> None:
    """Checks that no file to be written is a symbolic link, or is behind one.

    Raises:
        Refused: one is. It would be replaced, or git would not see the file.
    """
    for path in map(Path, names):
        if link := next((part for part in (path, *path.parents) if (root / part).is_symlink()), None):
            raise Refused(
                f"{link} is a symbolic link, but the template writes plain files there. Replace it with what it "
                "points to, then run the same command again."
            )


def render(run: Run, answers: Answers) -> tuple[Rendered, Rendered]:
    """Returns the files of the template, and those of an earlier run that is not committed yet (often none)."""
    versions = [("HEAD", answers)]
    if (run.root / run.answers_file).exists():
        earlier = stored.load((run.root / run.answers_file).read_text("utf-8"))
        versions.append((str(earlier.get("_commit")), earlier))
    new, *old = run.render(*versions)
    return needed(new), {} if not old or isinstance(old[0], Refused) else old[0]


def write_owned(run: Run, new: Rendered, earlier: Rendered) -> None:
    """Writes the files that the template owns."""
    for name in filter(owned, new):
        put_aside(run, name, (new[name], earlier.get(name)))
        run.files.write(name, new[name])


def write_seeds(run: Run, new: Rendered, project: Project, answers: Answers) -> None:
    """Writes the seed files that do not exist yet. Writes nothing next to the user's code."""
    module = str(answers["module_name"])
    coded = project.modules or (run.root / module).exists()
    readme = any(run.root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*"))
    for name, text in new.items():
        code = coded and name.startswith(f"{module}/")
        seed = not owned(name) and name not in ("pyproject.toml", run.answers_file)
        if seed and not code and not (readme and name == "README.md") and not (run.root / name).exists():
            run.files.write(name, text)


def ignore_rules(run: Run, project: Project, rules: list[str]) -> None:
    """Ignores the lint rules that the existing code breaks, with a comment that asks to remove them again."""
    place = ["tool", "ruff"] + ([] if "ignore" in project.tools.get("ruff", {}) else ["lint"])
    comment = "Older code breaks these rules. Remove them one at a time."
    old = (run.root / "pyproject.toml").read_bytes().decode()
    new = merge(old, "", f"[{'.'.join(place)}]\nignore = {write(array(rules))}\n").text
    mark = "\ufeff" if new.startswith("\ufeff") else ""
    document = tomlrt.loads(new.removeprefix(mark))
    table = document.table(place[0])
    for key in place[1:]:
        table = table.table(key)
    table.leading_comments["ignore"] = (*table.leading_comments.get("ignore", ()), comment)
    run.files.write("pyproject.toml", (mark + tomlrt.dumps(document)).encode())
    run.report.added.append(f"pyproject.toml: {'.'.join(place)}.ignore {', '.join(rules)}, which the code breaks today")


def report_kept(run: Run, project: Project, given: Answers, answers: Answers) -> None:
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
    kept += version_notes(run.root, project, answers["project_name"]) + compiled(run.root, project)
    kept += project.notes + smoke_test_left_out(run.root, project) + other_workflows(run.root)


def written_files(run: Run, new: Rendered, earlier: Rendered) -> set[str]:
    """Returns the files that this run or an earlier one, which may have been killed, has written."""
    written = {run.answers_file, "pyproject.toml", "uv.lock", *run.files.before, *map(aside, filter(owned, new))}
    # A seed file that was edited since is the user's to commit.
    return written | {n for n in new if content(run.root / n) in (new[n], earlier.get(n, b""))}
