"""What a person reads at the end: what was added, changed and kept, and what is left to do, each with its command."""

import difflib
import re
import shlex
import shutil
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from files import Files
from merge import Merged, merge
from pattern import RUFF_FILES
from project import Project, Refused, array, distribution, normalise, requirements
from toml_edits import write
from tools import Lint, changes, git, uv

WORKFLOWS = ("ci.yaml", "template-update.yaml")


@dataclass
class Report:
    """The lists of the closing message."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)  # why, and the command
    undo: str = ""

    def merged(self, merged: Merged) -> None:
        """List what became of the keys of pyproject.toml."""
        for note in merged.added:
            self.added.append(f"pyproject.toml: {note['path']} = {write(note['value'])}")
        for note in merged.updated:
            self.changed.append(f"pyproject.toml: {note['path']} = {write(note['theirs'])}, was {write(note['ours'])}")
        self.changed += [f"pyproject.toml: {note['path']} is gone" for note in merged.removed]
        for note in merged.kept:
            ours, theirs = write(note["ours"]), write(note["theirs"])  # "none" for what is not there
            self.kept.append(f"pyproject.toml: {note['path']} is {ours}, the pattern has {theirs}")

    def show(self, title: str) -> None:
        """Print the lists that are not empty. Commands are not indented, so that they can be pasted."""
        print(f"\n{title}")
        for name, lines in (("Added", self.added), ("Changed", self.changed), ("Kept", self.kept)):
            if lines:
                print(f"\n{name}:", *lines, sep="\n  ")
        if self.left:
            print("\nLeft for you, in this order:")
            for why, command in self.left:
                print(f"# {why}", command, sep="\n")
        if self.undo:
            print(f"\nOr take it all back:\n{self.undo}")


def left_to_do(
    files: Files, project: Project, lint: Lint, answers: dict[str, Any], written: set[str]
) -> list[tuple[str, str]]:
    """List what a person has to do, each with its command, in an order in which the commands work.

    Args:
        files: What was written.
        project: The repository as it was before.
        lint: What ruff says of it now.
        answers: The answers that hold.
        written: The files that an adoption writes, in this run or in an earlier one that is not committed.
    """
    root = files.root
    left: list[tuple[str, str]] = []
    patched: list[str] = []
    if "version" in project.table.get("dynamic", []) and not project.by_tags:
        why = "the release sets a version that is written in pyproject.toml: write today's there"
        left.append((why, f"{static_version(root)}\nuv lock"))
    named, lacking = not_asked_for(root)
    if lacking:
        why = f"{', '.join(named)} beside pyproject.toml: what the tests need of it belongs into the extra `dev`"
        left.append((why, f"uv add --raw --optional dev {quoted(lacking)}"))
        patched += ["pyproject.toml", "uv.lock"]
    if lint.failed:
        why = f"{lint.failed} Mend that, then run the same command again: what the code breaks is not known yet"
        left.append((why, "uv run --extra dev ruff check"))
    for name in [name for name in RUFF_FILES if (root / name).exists() and not lint.failed][:1]:
        old = (root / name).read_bytes().decode()
        wanted = 'extend-exclude = [".gitea", "tests/test_smoke.py"]\n'
        if lint.rules:  # a list in [lint] would overrule one of the old style, which has no table
            table = "" if "ignore" in tomllib.loads(old.removeprefix("\ufeff")) else "\n[lint]\n"
            wanted += f"{table}ignore = {array(lint.rules)}\n"
        if patch := difference(name, old, merge(old, "", wanted).text):
            left.append((f"your {name}: the template's own files are not yours to lint", patch))
            patched.append(name)
    if lint.broken:
        left.append(
            (f"ruff cannot read {', '.join(lint.broken)}: mend or exclude them", "uv run --extra dev ruff check")
        )
    branch = git(root, "symbolic-ref", "--short", "HEAD")
    if branch is None:
        branch = "adopt"
        left.append(("you are on no branch, and nothing would be pushed", f"git switch -c {branch}"))
    names = {*patched, *changes(root, "--ignored", "--", *written)}
    if names:
        force = "-f " if ignored(root, names) else ""
        words = quoted(short(root, names))
        only = f" -- {words}" if git(root, "diff", "--cached", "--name-only") else ""
        left.append(
            ("commit", f'git add {force}-- {words} && git commit -m "feat: release through the workflow"{only}')
        )
    if lint.unformatted:
        command, then = 'uv run --extra dev ruff format && git commit -am "style: format"', ""
        if changes(root, "--untracked-files=no") - names:  # unfinished work, which is not to be committed
            command, then = command.partition(" && ")[0], ", and commit what that changed"
        left.append((f"format the code{then}; until then the lint job is red", command))
    tag, version = last_release(root, answers["project_name"])
    if tag != version:
        why = f"the release counts on from tags such as {version}, and {tag} is none"
        left.append((why, f"git tag {version} {shlex.quote(tag + '^{commit}')}"))
    main = main_branch(root, branch)
    if main != "main":
        why = f"the workflow publishes from main alone: rename {main}"
        left.append((why, f"git branch -m {shlex.quote(main)} main"))
    where = f"{answers['gitea_url']}/org/{answers['gitea_owner']}/settings/actions/secrets"
    left.append(("the owner (or the repository) needs the secrets REGISTRY_USER and REGISTRY_TOKEN", f"# {where}"))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-") or answers["project_name"]
    home = f"{answers['gitea_url']}/{answers['gitea_owner']}/{name}"
    if names:
        left.append(push(root, answers, home, branch, main, version))
    if main != "main":
        left.append(("choose main in Gitea (Settings, Branches)", f"# {home}/settings/branches"))
    return left


def not_asked_for(root: Path) -> tuple[list[str], list[str]]:
    """Name requirements files for tests and tools, and what of them `uv sync --extra dev` would not install."""
    found = sorted([*root.glob("*requirements*.txt"), *root.glob("requirements/*.txt")])
    paths = [path for path in found if path.name == "requirements.txt" or re.search("dev|test", path.name)]
    if not paths:
        return [], []
    words = ("export", "--quiet", "--frozen", "--extra", "dev", "--no-hashes", "--no-emit-project")
    there = {distribution(line) for line in uv(root, *words).stdout.splitlines()}
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8-sig"))["project"]
    named, lacking = [], dict[str, str]()
    for path in paths:
        try:
            entries = requirements(path, set(), [])
        except Refused:  # the file is the user's own, and nothing needs it
            continue
        wanted = {distribution(entry): entry for entry in entries if distribution(entry) not in there}
        for extras in re.findall(r"^(?:-e|--editable)?[ =]*\./?(\[.*?\])", path.read_text("utf-8"), re.MULTILINE):
            itself = project["name"] + extras.replace(" ", "")
            if itself not in project["optional-dependencies"]["dev"]:
                wanted[itself] = itself
        named += [path.relative_to(root).as_posix()] if wanted.keys() - lacking else []
        lacking = wanted | lacking
    return named, list(lacking.values())


def main_branch(root: Path, branch: str) -> str:
    """Name the branch that is main, or that has to be renamed to it: origin's default one, or what is likely it."""
    heads = (git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads") or "").split()
    if "main" in heads or git(root, "rev-parse", "--verify", "refs/remotes/origin/main"):
        return "main"
    default = git(root, "symbolic-ref", "refs/remotes/origin/HEAD") or ""
    likely = "master" if "master" in heads else heads[0] if len(heads) == 1 else branch
    return default.removeprefix("refs/remotes/origin/") or likely


def push(root: Path, answers: dict[str, Any], home: str, branch: str, main: str, version: str) -> tuple[str, str]:
    """Give the push that the first release follows, to a remote in Gitea.

    Args:
        root: The repository.
        answers: The answers that hold.
        home: The address that the repository has in Gitea.
        branch: The branch with the commit.
        main: The branch that is main by then.
        version: The tag that has to be there, too, or "".
    """
    where = host(git(root, "remote", "get-url", "origin") or "")
    elsewhere = where not in ("", host(answers["gitea_url"]), host(answers["gitea_internal_url"]))
    remote = "gitea" if elsewhere else "origin"
    add = "" if git(root, "remote", "get-url", remote) else f"git remote add {remote} {home}.git && "
    pushed = [] if branch == main else [branch]
    if not pushed or git(root, "rev-parse", "--verify", f"refs/remotes/{remote}/main") is None:
        pushed.insert(0, "main")
    why = f"push, then merge {branch} into main" if branch != main else "push"
    why += ": lint, test and the first release run"
    why += f" at {answers['gitea_url']} alone, and origin is at {where}" if elsewhere else ""
    return why, f"{add}git push -u {remote} {quoted([*pushed, version] if version else pushed)}"


def host(url: str) -> str:
    """Give the host in the address of a remote; empty for a path."""
    found = re.match(r"[a-z+]+://(?:[^@/]*@)?([\w.-]+)|(?:[^@/:]*@)?([\w.-]+):(?!//)", url)
    return (found[1] or found[2]).lower() if found else ""


def beside(root: Path) -> list[str]:
    """List workflows of the user's that the new ones meet."""
    found = [path.name for path in sorted((root / ".gitea/workflows").glob("*.y*ml")) if path.name not in WORKFLOWS]
    lines = [f".gitea/workflows/{name} runs beside ci.yaml: see that it does not publish too" for name in found]
    if (root / ".github/workflows").is_dir():
        lines.append(".github/workflows: Gitea passes over it, now that there is .gitea/workflows")
    return lines


def undoing(files: Files, dirty: set[str]) -> str:
    """Give the commands that take everything back, and nothing that git does not hold.

    Args:
        files: What was written.
        dirty: The files that git saw as changed or untracked before. A copy of each that was changed goes into git's
            objects, and of one that git ignores.
    """
    commands = []
    if files.made:  # without a name, git clean would take everything
        commands.append(f"git clean {'-fdx' if ignored(files.root, files.made) else '-fd'} -- {quoted(files.made)}")
    untracked = {name for name in files.changed if git(files.root, "ls-files", "--error-unmatch", "--", name) is None}
    if not dirty | untracked:
        return " && ".join(["git restore .", *commands])
    for name in files.changed:
        if name not in dirty | untracked:
            commands.append(f"git restore -- {shlex.quote(name)}")
        elif old := git(files.root, "hash-object", "-w", "--stdin", stdin=files.before[name]):
            commands.append(f"git cat-file blob {old} > {shlex.quote(name)}")
    return "\n".join(commands)


def ignored(root: Path, names: Iterable[str]) -> bool:
    """Say whether git ignores one of these files."""
    return bool(git(root, "check-ignore", "--", *names))


def short(root: Path, names: set[str]) -> list[str]:
    """Name files, a folder in place of its files where all of them are among these."""
    shorter = []
    for top in sorted({name.split("/")[0] for name in names}):
        below = {path.relative_to(root).as_posix() for path in (root / top).rglob("*") if path.is_file()}
        whole = below and below <= names
        shorter += [top] if whole else sorted(name for name in names if name.split("/")[0] == top)
    return shorter


def quoted(names: list[str]) -> str:
    """Write names for a shell."""
    return " ".join(map(shlex.quote, names))


def last_release(root: Path, name: str) -> tuple[str, str]:
    """Give the highest version tag that HEAD holds, and how the release writes it: v1.2.3. Empty without one.

    Tags such as 1.2.3, release-1.2 and NAME-1.2.3 are version tags, too, those with any other word in front are not.
    """
    highest: tuple[tuple[int, ...], bool, str] = ((), False, "")
    for tag in (git(root, "tag", "--merged", "HEAD") or "").split():
        found = re.fullmatch(r"(.*?)[-_/]?v?(\d+)\.(\d+)(?:\.(\d+))?", tag)
        if found and normalise(found[1]) in ("", "release", "version", name):
            version = tuple(int(part or 0) for part in found.groups()[1:])
            highest = max(highest, (version, tag == written(version), tag))
    return highest[2], written(highest[0])


def written(version: tuple[int, ...]) -> str:
    """Write a version as a tag."""
    return f"v{'.'.join(map(str, version))}" if version else ""


def static_version(root: Path) -> str:
    """Give the command that makes a dynamic version static: a patch of pyproject.toml."""
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copytree(root, f"{temporary}/copy", symlinks=True, ignore=shutil.ignore_patterns(".venv", "venv"))
        uv(root, "build", "--quiet", "--wheel", "--out-dir", temporary, f"{temporary}/copy")
        wheel = next(Path(temporary).glob("*.whl"), None)
    # What a tool made of a commit, and of this folder with its changes, is behind the plus.
    version = wheel.name.split("-")[1].partition("+")[0] if wheel else "0.0.0"
    old = (root / "pyproject.toml").read_bytes().decode()
    alone = len(tomllib.loads(old.removeprefix("\ufeff"))["project"]["dynamic"]) == 1
    new = merge(old, '[project]\ndynamic = ["version"]\n', "" if alone else "[project]\ndynamic = []\n").text
    return difference("pyproject.toml", old, merge(new, "", f'[project]\nversion = "{version}"\n').text)


def difference(name: str, old: str, new: str) -> str:
    """Give the command that changes a file from old to new; empty where both are the same."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{name}", f"b/{name}")
    patch = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    # A line that is pasted into a terminal loses its carriage return.
    return f"git apply --ignore-whitespace - <<'END'\n{patch}END" if patch else ""
