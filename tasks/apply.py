# /// script
# requires-python = ">=3.11"
# dependencies = ["pyyaml==6.0.3", "tomlkit==0.15.2"]
# ///
"""Bring an existing repository onto the template (`adopt`), or onto a newer version of it (`update`).

Copier has written nothing but the answers (on update). Everything is worked out first; then each file is put in place
whole, and all of it is taken back when something fails. Ownership is as docs/ownership.md has it:

- template-owned files become the new render, whatever was in them;
- seed files are written where nothing of the user's is, once;
- pyproject.toml is merged by keys (merge.py);
- uv.lock is locked again, which keeps the versions that it has.
"""

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
import yaml
from merge import MergeError, merge
from project import Project, Refused, array, normalise, read

UV = os.environ.get("UV", "uv")
OWNED = (".gitea/", "tests/test_smoke.py")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
Answers = dict[str, Any]


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command quietly; the caller looks at its exit code."""
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, errors="replace")


@dataclass
class Report:
    """What the closing message says: lists of lines."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)  # why, command

    def show(self, title: str) -> None:
        """Print the lists that are not empty."""
        print(f"\n{title}")
        for name, lines in (("Added", self.added), ("Changed", self.changed), ("Kept", self.kept)):
            if lines:
                print(f"\n{name}:", *lines, sep="\n  ")
        if self.left:
            print("\nLeft for you, in this order:")
            for why, command in self.left:
                print(f"  # {why}")
                print(*(f"  {line}" for line in command.splitlines()), sep="\n")


class Files:
    """Writes in one repository that can be taken back. A file is replaced whole or not at all."""

    def __init__(self, root: Path) -> None:
        """Take the root of the repository, an absolute path."""
        self.root = root
        self.before: dict[str, bytes | None] = {}

    def keep(self, name: str) -> None:
        """Remember a file as it is now, before somebody changes it."""
        path = self.root / name
        self.before.setdefault(name, path.read_bytes() if path.exists() else None)

    def write(self, name: str, content: bytes) -> bool:
        """Put a file in place, and say whether that changed anything."""
        path = self.root / name
        if path.exists() and path.read_bytes() == content:
            return False
        self.keep(name)
        for folder in reversed(path.relative_to(self.root).parents):
            (self.root / folder).mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            new.write(content)
        if path.exists():
            shutil.copymode(path, new.name)
        else:
            os.chmod(new.name, 0o666 & ~umask())
        os.replace(new.name, path)
        return True

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.keep(name)
        (self.root / name).unlink(missing_ok=True)

    def undo(self) -> None:
        """Take every write back, and the folders that it made."""
        for name, content in self.before.items():
            path = self.root / name
            if content is not None:
                self.write(name, content)
                continue
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self.root).parents[:-1]:
                if (self.root / folder).is_dir() and not any((self.root / folder).iterdir()):
                    (self.root / folder).rmdir()

    def changed(self) -> tuple[list[str], list[str]]:
        """Name the files that were made, and those that are other than before."""
        now = {name: self.root / name for name in self.before}
        made = [name for name, path in now.items() if self.before[name] is None and path.exists()]
        other = [
            n for n, path in now.items() if n not in made and (not path.exists() or path.read_bytes() != self.before[n])
        ]
        return sorted(made), sorted(other)


def umask() -> int:
    """Give the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def rendered(template: Path, reference: str, answers: Answers) -> Iterator[Path]:
    """Render a version of the template with these answers into a temporary folder.

    Raises:
        Refused: that version is not there, or does not take the answers; the text is Copier's last line.
    """
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "answers.yml")
        data.write_text(yaml.safe_dump({k: v for k, v in answers.items() if not k.startswith("_")}), "utf-8")
        target = Path(temporary, "project")
        python = os.environ["COPIER_PYTHON"]
        copier = [python, "-m", "copier", "copy", "--quiet", "--defaults", "--trust", "--skip-tasks"]
        done = run(*copier, "-r", reference, "--data-file", str(data), str(template), str(target))
        if done.returncode != 0:
            raise Refused((done.stderr.strip().splitlines() or ["Copier could not render the template."])[-1])
        yield target


def files_of(folder: Path) -> list[str]:
    """Name the files below a folder, as POSIX paths, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def owned(name: str) -> bool:
    """Say whether the template owns a file."""
    return name.startswith(OWNED)


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
    if floor := re.search(r">=?\s*(3\.\d+)", str(table.get("requires-python", ""))):
        minor = min(max(int(floor[1].split(".")[1]), 10), 15)
        facts["python_version"] = f"3.{minor}"
    if project.modules:
        facts["module_name"] = ", ".join(project.modules)
    if last is None:
        return {**answers, **facts}
    if all(name in project.modules for name in last["module_name"].split(", ")):
        facts.pop("module_name", None)
    return {**answers, **{key: value for key, value in facts.items() if value != last.get(key)}}


def pattern(text: str, project: Project, root: Path, adopting: bool) -> str:
    """Take out of a rendered pyproject.toml what does not concern this repository.

    A pattern is for a new package. In an existing one the user's own [project], build backend, pytest and ruff
    settings hold; to lay the pattern's over them would change what is built or which tests run.
    """
    document = tomlkit.parse(text)
    table, tool = project.table, project.toml.get("tool", {})
    patterns: Any = document["project"]
    development: Any = patterns["optional-dependencies"]["dev"]
    if table:
        for key in set(patterns) - {"requires-python", "optional-dependencies"}:
            if adopting:
                del patterns[key]
        dynamic = table.get("dynamic", [])
        if "optional-dependencies" in dynamic:
            raise Refused(
                "The optional dependencies in pyproject.toml are dynamic, and the template adds a `dev` extra. "
                "Write them into [project.optional-dependencies], then run the same command again."
            )
        if "requires-python" in dynamic:
            patterns.pop("requires-python", None)
        # uv syncs the group `dev` along with the extra: what is there need not, and may not, be asked for twice.
        group = [entry for entry in project.toml.get("dependency-groups", {}).get("dev", []) if isinstance(entry, str)]
        names = {normalise(re.split(r"[^A-Za-z0-9._-]", entry)[0]) for entry in group}
        for entry in list(development):
            if normalise(re.split(r"[^A-Za-z0-9._-]", entry)[0]) in names:
                development.remove(entry)
    if project.backend and (adopting or project.backend != "hatchling.build"):
        tools: Any = document["tool"]
        del document["build-system"], tools["hatch"]
    tools = document["tool"]
    has_tests = any(root.glob("tests/**/test_*.py")) or any(root.glob("test_*.py"))
    if adopting and (has_tests or (root / "pytest.ini").exists() or "pytest" in tool):
        del tools["pytest"]
    if (root / "ruff.toml").exists() or (root / ".ruff.toml").exists():
        del tools["ruff"]
    elif "select" in tool.get("ruff", {}) or "ALL" in tool.get("ruff", {}).get("lint", {}).get("select", []):
        del tools["ruff"]["lint"]
    return tomlkit.dumps(document)


def lock(files: Files) -> None:
    """Lock with uv, which keeps the versions that uv.lock has where they still fit.

    Raises:
        Refused: uv cannot; its own last words come first.
    """
    files.keep("uv.lock")
    done = run(UV, "lock", cwd=files.root)
    if done.returncode != 0:
        raise Refused(f"{done.stderr.strip()}\nuv could not lock (above). Mend that, then run the same command again.")


def ruff(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the ruff that uv.lock holds, from a cache of uv's."""
    packages = tomllib.loads((root / "uv.lock").read_text("utf-8"))["package"]
    version = next(package["version"] for package in packages if package["name"] == "ruff")
    return run(UV, "tool", "run", "--quiet", "--no-config", f"ruff@{version}", *arguments, cwd=root)


def ignored_rules(root: Path, files: Files, report: Report) -> None:
    """Switch off the lint rules that the existing code breaks, each to be taken out again by a person."""
    found = ruff(root, "check", "--no-cache", "--output-format", "json")
    findings = json.loads(found.stdout or "[]")
    codes = sorted({finding["code"] for finding in findings if re.fullmatch(r"[A-Z]+\d+", finding["code"] or "")})
    if not codes:
        return
    if (root / "ruff.toml").exists() or (root / ".ruff.toml").exists():
        report.left.append((f"the code breaks rules of your ruff.toml: {', '.join(codes)}", "uvx ruff check"))
        return
    wanted = (
        f"[tool.ruff.lint]\n# Rules that older code breaks. Take them out one at a time.\nignore = {array(codes)}\n"
    )
    merged = merge((root / "pyproject.toml").read_bytes().decode(), "", wanted)
    files.write("pyproject.toml", merged.text.encode())
    report.added.append(f"pyproject.toml: tool.ruff.lint.ignore {', '.join(codes)}, which the code breaks today")


def in_git(root: Path) -> bool:
    """Say whether the folder is the root of a git repository.

    Raises:
        Refused: it is a folder inside one: Gitea reads workflows from the root alone.
    """
    top = run("git", "rev-parse", "--show-toplevel", cwd=root)
    if top.returncode != 0:
        return False
    if Path(top.stdout.rstrip("\n")).resolve() != root.resolve():
        raise Refused(
            f"This folder is inside the repository {top.stdout.strip()}, and Gitea runs workflows of a repository's "
            "root alone. Give the package a repository of its own (git subtree split), then run the same command there."
        )
    return True


def write_answers(files: Files, name: str, answers: Answers) -> None:
    """Write the answers as Copier does, so that its next update reads and rewrites them."""
    header = "# Copier writes this file: change an answer with `copier update --trust`, not here.\n"
    body = yaml.dump(answers, indent=4, allow_unicode=True, default_flow_style=False)
    files.write(name, (header + body).encode())


def place_owned(new: Path, files: Files, report: Report, keep_own: bool) -> None:
    """Put the template-owned files in place; on adoption keep another file of the same name beside it."""
    for name in filter(owned, files_of(new)):
        path, content = files.root / name, (new / name).read_bytes()
        if keep_own and path.exists() and path.read_bytes() != content:
            # A workflow of another suffix does not run; a test of another name goes on running.
            beside = f"{name.removesuffix('.py')}_before.py" if name.endswith(".py") else f"{name}.before"
            files.write(beside, path.read_bytes())
            report.kept.append(f"{beside}: your {name}; move what you need of it, then delete it")
        existed = path.exists()
        if files.write(name, content):
            (report.changed if existed else report.added).append(name)


def merge_pyproject(files: Files, ours: str, base: str, theirs: str, report: Report) -> None:
    """Merge the pattern into pyproject.toml and report by key."""
    try:
        merged = merge(ours, base, theirs)
    except MergeError as error:
        raise Refused(f"pyproject.toml: {error}") from error
    mark = b"\xef\xbb\xbf" if (files.root / "pyproject.toml").exists() and starts_with_mark(files.root) else b""
    files.write("pyproject.toml", mark + merged.text.encode())
    report.added += [f"pyproject.toml: {note['path']} = {json.dumps(note['value'])}" for note in merged.added]
    report.changed += [
        f"pyproject.toml: {note['path']} = {json.dumps(note['theirs'])}, was {json.dumps(note['ours'])}"
        for note in merged.updated
    ]
    report.changed += [f"pyproject.toml: {note['path']} is gone" for note in merged.removed]
    for note in merged.kept:
        mine = "deleted" if note["ours"] is None else json.dumps(note["ours"])
        pattern_says = "has none" if note["theirs"] is None else f"says {json.dumps(note['theirs'])}"
        report.kept.append(f"pyproject.toml: {note['path']} is {mine}, the pattern {pattern_says}")


def starts_with_mark(root: Path) -> bool:
    """Say whether pyproject.toml begins with a byte order mark."""
    return (root / "pyproject.toml").read_bytes().startswith(b"\xef\xbb\xbf")


def adopt(template: Path, answers_file: str, given: Answers, files: Files) -> Report:
    """Bring the repository onto the template; what is the user's stays.

    Raises:
        Refused: it cannot be done; the caller takes back what was written.
    """
    root, report = files.root, Report()
    git = in_git(root)
    clean = git and not run("git", "status", "--porcelain", cwd=root).stdout
    if (root / answers_file).exists():
        stored = yaml.safe_load((root / answers_file).read_text("utf-8")) or {}
        if not {"gitea_owner", "module_name"} <= set(stored):
            raise Refused(
                f"{answers_file} is of another Copier template ({stored.get('_src_path')}). To have both, run the same "
                "command with `-a .copier-answers.gitea.yml`."
            )
    project = read(root, UV)
    answers = truth(project, given, None)
    first = not project.table  # there was no package in terms of pyproject.toml
    with rendered(template, "HEAD", answers) as new:
        text = (new / "pyproject.toml").read_text("utf-8")
        if first:
            text = seeded(text, project)
        theirs = pattern(text, project, root, adopting=True)
        merge_pyproject(files, project.text, "", theirs, report)
        place_owned(new, files, report, keep_own=True)
        for name in files_of(new):
            seed = not owned(name) and name not in ("pyproject.toml", answers_file)
            code = name.startswith(answers["module_name"].split(", ")[0] + "/")
            another_readme = name == "README.md" and any(root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*"))
            if seed and not another_readme and not (code and project.modules) and not (root / name).exists():
                files.write(name, (new / name).read_bytes())
                report.added.append(name)
    write_answers(files, answers_file, answers)
    report.added.append(answers_file)
    existed = (root / "uv.lock").exists()
    lock(files)
    if not existed:
        report.added.append("uv.lock")
    ignored_rules(root, files, report)
    for key in ("project_name", "module_name"):
        if given[key] != answers[key]:
            report.kept.append(f"{key} is {answers[key]}, as the repository says, not {given[key]}")
    left_to_do(root, project, answers, files, report, git)
    if git:
        report.left.append(("undo, instead of the above", undoing(files, clean)))
    return report


def seeded(text: str, project: Project) -> str:
    """Put what the repository has into the pattern that becomes its first [project] table."""
    document: Any = tomlkit.parse(text)
    if project.modules and project.source:
        packages = [f"{project.source}/{name}" for name in project.modules]
        document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] = packages
    if project.requirements:
        document["project"]["dependencies"] = tomlkit.parse(f"x = {array(project.requirements)}")["x"]
    names = {normalise(re.split(r"[^A-Za-z0-9._-]", entry)[0]) for entry in project.development}
    if extra := project.development:
        own = document["project"]["optional-dependencies"]["dev"]
        rest = [str(entry) for entry in own if normalise(re.split(r"[^A-Za-z0-9._-]", entry)[0]) not in names]
        document["project"]["optional-dependencies"]["dev"] = tomlkit.parse(f"x = {array(extra + rest)}")["x"]
    if any(re.search(r"\s@\s", entry) for entry in project.requirements + project.development):
        document["tool"]["hatch"]["metadata"] = {"allow-direct-references": True}
    return tomlkit.dumps(document)


def left_to_do(root: Path, project: Project, answers: Answers, files: Files, report: Report, git: bool) -> None:
    """List what a person has to do, each with its command, in an order in which the commands work."""
    left = report.left.append
    if "version" in project.table.get("dynamic", []) and not by_tags(project):
        left(
            (
                "the release sets a version that is written in pyproject.toml, so write today's there",
                static_version(root),
            )
        )
    if direct := [entry.split(" @ ")[0] for entry in project.requirements if " @ " in entry]:
        left((f"{', '.join(direct)}: once it is published, take it from the index", "uv add NAME --index gitea"))
    if (root / ".github/workflows").is_dir():
        left(("Gitea passes over .github/workflows where .gitea/workflows is", "git rm -r .github/workflows"))
    ours = ("ci.yaml", "template-update.yaml")
    if others := [path.name for path in sorted((root / ".gitea/workflows").glob("*.y*ml")) if path.name not in ours]:
        left((f"{', '.join(others)} runs beside ci.yaml: see that it does not publish too", "less .gitea/workflows/*"))
    if not git:
        left(("this is no git repository yet", "git init -b main"))
    made, changed = files.changed()
    names = " ".join(map(shlex.quote, [*made, *changed]))
    left(("commit", f'git add {names} && git commit -m "feat: release through the workflow"'))
    if ruff(root, "format", "--check", "--no-cache").returncode == 1:
        format_all = 'uv run --extra dev ruff format && git commit -am "style: format"'
        left(("format the code; until then the lint job is red", format_all))
    if run("git", "symbolic-ref", "--short", "HEAD", cwd=root).stdout.strip() == "master":
        why = "the workflow publishes from main alone: rename, push, then choose main in Gitea (Settings, Branches)"
        left((why, "git branch -m master main"))
    where = f"{answers['gitea_url']}/org/{answers['gitea_owner']}/settings/actions/secrets"
    left(("give the owner (or the repository) the secrets REGISTRY_USER and REGISTRY_TOKEN", f"# {where}"))


def by_tags(project: Project) -> bool:
    """Say whether the version comes from git's tags, which the release can pretend."""
    requires = " ".join(project.toml.get("build-system", {}).get("requires", []))
    return bool(re.search(r"(setuptools|hatch|poetry|pdm)[-_.](scm|vcs)", requires))


def static_version(root: Path) -> str:
    """Give the command that makes a dynamic version static: a patch of pyproject.toml."""
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copytree(root, f"{temporary}/copy", symlinks=True, ignore=shutil.ignore_patterns(".venv", "venv"))
        run(UV, "build", "--quiet", "--wheel", "--out-dir", temporary, f"{temporary}/copy")
        wheel = next(Path(temporary).glob("*.whl"), None)
        version = wheel.name.split("-")[1] if wheel else "0.0.0"
    before = (root / "pyproject.toml").read_bytes().decode()
    document: Any = tomlkit.parse(before)
    document["project"]["dynamic"].remove("version")
    document["project"]["version"] = version
    names = ("a/pyproject.toml", "b/pyproject.toml")
    patch = difflib.unified_diff(before.splitlines(True), tomlkit.dumps(document).splitlines(True), *names)
    return f"git apply - <<'END'\n{''.join(patch)}END"


def undoing(files: Files, clean: bool) -> str:
    """Say how to take it all back, without danger to anything that git does not hold."""
    made, changed = files.changed()
    created = " ".join(map(shlex.quote, made))
    if clean:
        return f"git restore . && git clean -fd -- {created}"
    return f"# written: {', '.join(made)}\n# changed: {', '.join(changed)}"


def update(template: Path, answers_file: str, files: Files) -> Report:
    """Bring the repository from the version that HEAD says onto the one that Copier has just noted in the answers.

    Raises:
        Refused: it cannot be done; the caller takes back what was written.
    """
    root, report = files.root, Report()
    answers = yaml.safe_load((root / answers_file).read_text("utf-8"))
    last = yaml.safe_load(run("git", "show", f"HEAD:./{answers_file}", cwd=root).stdout)
    project = read(root, UV)
    if not project.table:
        raise Refused("pyproject.toml has no [project] table any more. Put it back (git log -- pyproject.toml).")
    answers = truth(project, answers, last)
    with rendered(template, "HEAD", answers) as new, base_of(template, last, report) as old:
        theirs = pattern((new / "pyproject.toml").read_text("utf-8"), project, root, adopting=False)
        base = pattern((old / "pyproject.toml").read_text("utf-8"), project, root, adopting=False) if old else ""
        merge_pyproject(files, project.text, base, theirs, report)
        for name in filter(owned, files_of(old) if old else []):
            path = root / name
            if path.exists() and path.read_bytes() != (old / name).read_bytes():
                hook = (
                    "an answer, a value in pyproject.toml, or .gitea/setup.sh"
                    if name.startswith(".gitea")
                    else "a test file of its own"
                )
                report.kept.append(f"{name} had an edit of yours (git diff HEAD -- {name}): it belongs into {hook}")
            if not (new / name).exists() and path.exists():
                files.remove(name)
                report.changed.append(f"{name} is gone")
        place_owned(new, files, report, keep_own=False)
        for name in files_of(new) if old else []:
            if not owned(name) and not (old / name).exists() and not (root / name).exists():
                files.write(name, (new / name).read_bytes())
                report.added.append(name)
    write_answers(files, answers_file, answers)
    lock(files)
    return report


@contextmanager
def base_of(template: Path, last: Answers, report: Report) -> Iterator[Path | None]:
    """Render the version that the repository is on; None, and a line in the report, where that is gone."""
    try:
        context = rendered(template, str(last["_commit"]), last)
        old = context.__enter__()
    except Refused:
        report.kept.append(
            f"The template's version {last.get('_commit')} is gone, so nobody can tell which of its values in "
            "pyproject.toml you changed: all of yours stay"
        )
        yield None
        return
    try:
        yield old
    finally:
        context.__exit__(None, None, None)


def main() -> int:
    """Run `adopt TEMPLATE ANSWERS_FILE ANSWERS` or `update TEMPLATE ANSWERS_FILE` in the current folder."""
    operation, template, answers_file, *rest = sys.argv[1:]
    files = Files(Path.cwd())
    try:
        if operation == "adopt":
            answers = json.loads(rest[0])
            adopt(Path(template), answers_file, answers, files).show(f"{files.root.name} is on the template.")
        else:
            update(Path(template), answers_file, files).show(f"{files.root.name} is on the template's new version.")
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
