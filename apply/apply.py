# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging==26.3", "pyyaml==6.0.3", "tomlrt==2.3.2"]
# ///
"""Bring an existing repository onto the template (`adopt`), or onto a newer version of it (`update`).

Copier has written nothing but the answers (on update). Whatever can be refused is looked at first; then each file is
put in place whole, and all of it is taken back when something fails. Ownership is as docs/ownership.md has it:

- template-owned files become the new render, whatever was in them;
- seed files are written where nothing of the user's is, once;
- pyproject.toml is merged by keys (merge.py);
- uv.lock is locked again, which keeps the versions that it has.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import yaml
from closing import Report, beside, left_to_do, undoing
from files import Files, content
from merge import MergeError, merge
from pattern import RUFF_FILES, passed_over, pattern
from project import NOT_PACKAGES, Project, Refused, array, normalise, read
from tools import UV, changes, git, lint, lock, owned

Answers = dict[str, Any]


def render(template: Path, reference: str, answers: Answers, answers_file: str, target: Path) -> Path:
    """Render a version of the template with these answers into a new folder, and give that.

    Raises:
        Refused: that version is not there, or does not take the answers; the text is Copier's last line.
    """
    data = target.with_suffix(".yml")
    data.write_text(yaml.safe_dump({k: v for k, v in answers.items() if not k.startswith("_")}), "utf-8")
    copier = [os.environ["COPIER_PYTHON"], "-m", "copier", "copy", "--quiet", "--defaults", "--trust", "--skip-tasks"]
    command = [*copier, "-r", reference, "-a", answers_file, "--data-file", str(data), str(template), str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise Refused((done.stderr.strip().splitlines() or ["Copier could not render the template."])[-1])
    return target


def files_of(folder: Path) -> list[str]:
    """Name the files below a folder, as POSIX paths, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def truth(project: Project, answers: Answers, last: Answers | None) -> Answers:
    """Let pyproject.toml and the folders overrule the answers, but for an answer that was changed just now.

    Args:
        project: The repository as it is.
        answers: The answers given, or already stored and perhaps changed by this update.
        last: The answers of the version that the repository is on; None on adoption.
    Returns:
        The answers that hold.
    """
    table = project.table
    facts: Answers = {}
    if "name" in table:
        facts["project_name"] = normalise(str(table["name"]))
    if isinstance(table.get("description"), str):
        facts["description"] = " ".join(table["description"].split())
    if floor := re.search(r">=?\s*3\.(\d+)", str(table.get("requires-python", ""))):
        facts["python_version"] = f"3.{min(max(int(floor[1]), 10), 15)}"
    if project.modules:
        facts["module_name"] = ", ".join(project.modules)
    if last is None:
        return {**answers, **facts}
    # Folders beside the package may be anything, unless pyproject.toml names them.
    wheel = project.tools.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    named = wheel.get("packages") and not any(not m.isidentifier() or m in NOT_PACKAGES for m in project.modules)
    if not named and all(name in project.modules for name in last["module_name"].split(", ")):
        facts.pop("module_name", None)
    return {**answers, **{key: value for key, value in facts.items() if value != last.get(key)}}


def merge_pyproject(files: Files, ours: str, base: str, theirs: str) -> Report:
    """Merge the pattern into pyproject.toml and report by key."""
    report = Report()
    try:
        merged = merge(ours, base, theirs, ("pyproject.toml", "the old pattern", "the pattern"))
    except MergeError as error:
        raise Refused(str(error)) from error
    files.write("pyproject.toml", merged.text.encode())
    report.merged(merged)
    return report


def parsed(text: str) -> Answers:
    """Parse TOML that may begin with a byte order mark."""
    return tomllib.loads(text.removeprefix("\ufeff"))


def ignore_rules(files: Files, project: Project, rules: list[str], report: Report) -> None:
    """Switch off the lint rules that the existing code breaks, each to be taken out again by a person."""
    table = "ruff" if "ignore" in project.tools.get("ruff", {}) else "ruff.lint"
    comment = "# Older code breaks these. Take them out one at a time."
    old = (files.root / "pyproject.toml").read_bytes().decode()
    new = merge(old, "", f"[tool.{table}]\n{comment}\nignore = {array(rules)}\n").text
    if comment not in new:  # a list of the user's took them in
        lines, before = new.splitlines(True), set(old.splitlines(True))
        at = next(i for i, line in enumerate(lines) if line not in before and any(rule in line for rule in rules))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        end = "\r\n" if lines[at].endswith("\r\n") else "\n"
        commented = "".join([*lines[:at], f"{indent}{comment}{end}", *lines[at:]])
        new = commented if parsed(commented) == parsed(new) else new
    files.write("pyproject.toml", new.encode())
    report.added.append(f"pyproject.toml: tool.{table}.ignore {', '.join(rules)}, which the code breaks today")


def write_answers(files: Files, name: str, answers: Answers) -> None:
    """Write the answers as Copier does, so that its next update reads and rewrites them."""
    header = "# Copier writes this file: change an answer with `copier update --trust`, not here.\n"
    body = yaml.dump(answers, indent=4, allow_unicode=True, default_flow_style=False)
    files.write(name, (header + body).encode())


def write_cli(files: Files, project: Project, new: Path, module_name: str) -> None:
    """Write the module of a command line that was asked for just now, beside the code.

    Raises:
        Refused: the code is no folder.
    """
    folder = f"{project.source}/{module_name.split(', ')[0]}".lstrip("/")
    if not (files.root / folder).is_dir():
        raise Refused(f"A command line needs the folder {folder}, which is not there. Write the command yourself.")
    if not (files.root / folder / "cli.py").exists():
        files.write(f"{folder}/cli.py", (new / module_name / "cli.py").read_bytes())


def refuse_strangers(root: Path, answers_file: str) -> None:
    """See that the folder is the root of its repository, holds a commit, and is of no other template.

    Raises:
        Refused: it is not.
    """
    top = git(root, "rev-parse", "--show-toplevel")
    if top is not None and Path(top).resolve() != root.resolve():
        raise Refused(
            f"This folder is inside the repository {top}, and Gitea runs workflows of a repository's root alone. "
            "Give the package a repository of its own (git subtree split), then run the same command there."
        )
    if git(root, "rev-parse", "--verify", "HEAD") is None:
        raise Refused(
            "Nothing is committed in this folder, so git could not take anything back. Commit what is here "
            "(git init -b main, git add, git commit), then run the same command again."
        )
    if (root / answers_file).exists():
        stored = yaml.safe_load((root / answers_file).read_text("utf-8")) or {}
        if not {"gitea_owner", "module_name"} <= set(stored):
            raise Refused(
                f"{answers_file} is of another Copier template ({stored.get('_src_path')}). To have both, run the same "
                "command with `-a .copier-answers.gitea.yml`."
            )


def refuse_links(root: Path, names: list[str]) -> None:
    """See that no file that is to be written is a symbolic link, or lies behind one.

    Raises:
        Refused: one does; it would be replaced, or git would not look behind it.
    """
    for path in map(Path, names):
        if link := next((part for part in (path, *path.parents) if (root / part).is_symlink()), None):
            raise Refused(
                f"{link} is a symbolic link, and the template's files are plain ones. Put what it points to in its "
                "place, then run the same command again."
            )


def earlier_render(template: Path, answers_file: str, root: Path, target: Path) -> dict[str, bytes]:
    """Give what an earlier run wrote that is not committed yet, by name; nothing where there was none."""
    if not (root / answers_file).exists():
        return {}
    stored = yaml.safe_load((root / answers_file).read_text("utf-8"))
    try:
        old = render(template, str(stored.get("_commit")), stored, answers_file, target)
    except Refused:
        return {}
    return {name: (old / name).read_bytes() for name in files_of(old)}


def aside(name: str) -> str:
    """Name the place beside a template-owned file for the user's own file of that name."""
    # A workflow of another suffix does not run; a test of another name goes on running.
    return f"{name.removesuffix('.py')}_before.py" if name.endswith(".py") else f"{name}.before"


def put_aside(files: Files, name: str, known: tuple[bytes | None, ...], report: Report) -> None:
    """Keep a file of the user's, whose name the template takes, beside it, unless its text is a known one."""
    old = content(files.root / name)
    if old is None or old in known:
        return
    place = aside(name)
    while content(files.root / place) not in (None, old):
        place = aside(place)
    files.write(place, old)
    report.kept.append(f"{place}: your {name}. Move what you need of it, then delete it")


def adopt(template: Path, answers_file: str, given: Answers, files: Files, folder: Path) -> Report:
    """Bring the repository onto the template; what is the user's stays.

    Raises:
        Refused: it cannot be done; the caller takes back what was written.
    """
    root = files.root
    refuse_strangers(root, answers_file)
    if git(root, "show", f"HEAD:./{answers_file}") is not None:  # `copier recopy`, for a version that is gone
        return update(template, answers_file, files, folder, given)
    dirty = changes(root)
    project = read(root, UV)
    answers = truth(project, given, None)
    new = render(template, "HEAD", answers, answers_file, folder / "new")
    earlier = earlier_render(template, answers_file, root, folder / "old")
    theirs = pattern((new / "pyproject.toml").read_text("utf-8"), project, root, adopting=True)
    refuse_links(root, [*filter(owned, files_of(new)), "pyproject.toml", "uv.lock", answers_file])
    report = merge_pyproject(files, project.text, "", theirs)
    for name in filter(owned, files_of(new)):
        text = (new / name).read_bytes()
        put_aside(files, name, (text, earlier.get(name)), report)
        files.write(name, text)
    module = answers["module_name"]
    coded = project.modules or (root / module).exists()  # nothing is written beside code of the user's
    for name in files_of(new):
        code = coded and name.startswith(f"{module}/")
        readme = name == "README.md" and any(root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*"))
        seed = not owned(name) and name not in ("pyproject.toml", answers_file)
        if seed and not code and not readme and not (root / name).exists():
            files.write(name, (new / name).read_bytes())
    write_answers(files, answers_file, answers)
    files.keep("uv.lock")
    lock(root)
    linted = lint(root)
    if linted.rules and not any((root / name).exists() for name in RUFF_FILES):
        ignore_rules(files, project, linted.rules, report)
    report.added += files.made
    report.changed += [name for name in files.changed if name != "pyproject.toml"]
    report.kept += [
        f"{key} is {answers[key]}, as the repository says, not {given[key]}"
        for key in ("project_name", "module_name")
        if given[key] != answers[key]
    ]
    report.kept += [
        f"{entry} in pyproject.toml: once the index has it, uv add {entry.split(' @ ')[0]} --index gitea"
        for entry in project.requirements
        if " @ " in entry
    ]
    if project.unpinned:
        named = ", ".join(project.unpinned)
        report.kept.append(
            f"build-system.requires names {named}: with == a release that was cut off builds the same again"
        )
    report.kept += project.notes + passed_over(root, project) + beside(root)
    # Of an earlier run, too, which may have been killed. A seed that was edited since is the user's to commit.
    written = {answers_file, "pyproject.toml", "uv.lock", *files.before, *map(aside, filter(owned, files_of(new)))}
    written |= {n for n in files_of(new) if content(root / n) in ((new / n).read_bytes(), earlier.get(n, b""))}
    report.left = left_to_do(files, project, linted, answers, written)
    if files.made or files.changed:
        report.undo = undoing(files, dirty)
    return report


def update(template: Path, answers_file: str, files: Files, folder: Path, given: Answers | None = None) -> Report:
    """Bring the repository from the version that HEAD says onto the one that the new answers name.

    Args:
        template: The template, at the new version.
        answers_file: The file's name; HEAD has it as it was before.
        files: The repository's.
        folder: An empty one.
        given: The new answers; None where Copier has just written them into the file.
    Raises:
        Refused: it cannot be done; the caller takes back what was written.
    """
    root = files.root
    answers = given or yaml.safe_load((root / answers_file).read_text("utf-8"))
    committed = git(root, "show", f"HEAD:./{answers_file}")
    if committed is None:
        raise Refused(f"{answers_file} is not committed, so nobody knows the old answers. Commit it, then try again.")
    files.before[answers_file] = f"{committed}\n".encode()
    last = yaml.safe_load(committed)
    project = read(root, UV)
    if not project.table:
        raise Refused("pyproject.toml has no [project] table any more. Put it back (git log -- pyproject.toml).")
    overruled = truth(project, {}, last)
    answers = {**answers, **overruled}
    new, base, before = render(template, "HEAD", answers, answers_file, folder / "new"), "", {}
    try:
        version = str(last.get("_commit"))
        old = render(template, version, last, answers_file, folder / "old")
        before = {name: (old / name).read_bytes() for name in files_of(old)}
        # What the user renamed is no change of the pattern's.
        if overruled:
            old = render(template, version, {**last, **overruled}, answers_file, folder / "renamed")
        base = pattern((old / "pyproject.toml").read_text("utf-8"), project, root, adopting=False)
        gone = []
    except Refused:
        gone = [
            f"The template's version {last.get('_commit')} is gone, so nobody can tell which of its values in "
            "pyproject.toml you changed: all of yours stay; nor which of its files: see git diff HEAD"
        ]
    theirs = pattern((new / "pyproject.toml").read_text("utf-8"), project, root, adopting=False)
    report = merge_pyproject(files, project.text, base, theirs)
    report.kept += gone
    after = {name: (new / name).read_bytes() for name in files_of(new)}
    names = list(filter(owned, sorted(before | after)))
    if dirty := changes(root, "--", *names):
        raise Refused(
            f"Not committed: {', '.join(sorted(dirty))}. Commit it (or git stash), then run the same command again."
        )
    for name in names:
        now = content(root / name)
        if before and name not in before:
            put_aside(files, name, (after[name],), report)
        elif before and name in after and now is None:
            report.kept.append(f"not your deletion of {name}: it is the template's, and is back")
        # Git may have written its lines with other ends (core.autocrlf).
        elif before and now is not None and now.replace(b"\r\n", b"\n") not in (before[name], after.get(name)):
            hook = "an answer, pyproject.toml or .gitea/setup.sh" if name.startswith(".gitea") else "a test of its own"
            report.kept.append(f"not your edit of {name} (git diff HEAD -- {name}): it belongs into {hook}")
        if name in after:
            files.write(name, after[name])
        elif now is not None:
            files.remove(name)
    if answers["cli"] and not last.get("cli"):
        write_cli(files, project, new, answers["module_name"])
    write_answers(files, answers_file, answers)
    files.keep("uv.lock")
    lock(root)
    report.added += [name for name in files.made if name != "pyproject.toml"]
    for name in files.changed:
        if name not in ("pyproject.toml", answers_file, "uv.lock"):
            report.changed.append(name if (root / name).exists() else f"{name} is gone")
    return report


def main() -> int:
    """Run `adopt TEMPLATE ANSWERS_FILE ANSWERS` or `update TEMPLATE ANSWERS_FILE` in the current folder."""
    operation, template, answers_file, *rest = sys.argv[1:]
    files = Files(Path.cwd())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    try:
        with tempfile.TemporaryDirectory() as temporary:
            if operation == "adopt":
                report = adopt(Path(template), answers_file, json.loads(rest[0]), files, Path(temporary))
                report.show(f"{files.root.name} is on the template.")
            else:
                report = update(Path(template), answers_file, files, Path(temporary))
                report.show(f"{files.root.name} is on the template's new version.")
    except Refused as refused:
        files.undo()
        print(f"\n{refused}\nNothing was written.", file=sys.stderr)
        return 1
    except BaseException:
        files.undo()
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
