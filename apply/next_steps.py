"""What the user has to do after an adoption, each step with its command, in an order in which the commands work."""

import re
import tomllib
from pathlib import Path

from answers import Answers
from commands import Refused, changes, git, ignored, uv
from lint import Lint
from merge import merge
from packaging.utils import canonicalize_name
from pattern import RUFF_FILES
from quoting import difference, join, quote
from repository import Project
from requirements import Requirements, distribution
from setup_metadata import read_metadata
from toml_edits import write


class NextSteps:
    """The steps after the adoption of one repository."""

    def __init__(self, root: Path, project: Project, lint: Lint, answers: Answers, written: set[str]) -> None:
        """Looks at the repository.
        Args:
            root: The repository, adopted.
            project: What it said about itself before.
            lint: What ruff reports now.
            answers: The answers.
            written: The files that this run or an earlier one has written.
        """
        self.root, self.project, self.lint, self.answers, self.written = root, project, lint, answers, written
        self.steps: list[tuple[str, str]] = []
        self.patched: set[str] = set()  # files that a step changes
        checked_out = git(root, "symbolic-ref", "--short", "HEAD")
        self.detached, self.branch = checked_out is None, checked_out or "adopt"
        self.main = main_branch(root, self.branch)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-") or answers["project_name"]
        self.home = f"{answers['gitea_url']}/{answers['gitea_owner']}/{name}"

    def add(self, why: str, command: str) -> None:
        """Adds a step."""
        self.steps.append((why, command))

    def all(self) -> list[tuple[str, str]]:
        """Returns all steps: why, and the command."""
        self.version()
        self.development()
        self.ruff()
        self.commit_and_format()
        tag = self.tag()
        if self.main != "main":
            self.add(
                f"the workflow only publishes from main: rename {self.main}",
                f"git branch -m {quote(self.main)} main",
            )
        where = f"{self.answers['gitea_url']}/org/{self.answers['gitea_owner']}/settings/actions/secrets"
        self.add("the owner (or the repository) needs the secrets REGISTRY_USER and REGISTRY_TOKEN", f"# {where}")
        if self.to_commit:
            self.steps.append(push(self.root, self.answers, self.home, self.branch, self.main, tag))
        if self.main != "main":
            self.add("choose main as the default branch in Gitea", f"# {self.home}/settings/branches")
        return self.steps

    def version(self) -> None:
        """A dynamic version, which the release cannot set."""
        if "version" not in self.project.table.get("dynamic", []) or self.project.by_tags:
            return
        try:
            metadata = read_metadata(self.root, "pyproject.toml")
        except Refused:
            metadata = None
        version = metadata.version if metadata else "0.0.0"
        old = (self.root / "pyproject.toml").read_bytes().decode()
        alone = len(tomllib.loads(old.removeprefix("\ufeff"))["project"]["dynamic"]) == 1
        new = merge(old, '[project]\ndynamic = ["version"]\n', "" if alone else "[project]\ndynamic = []\n").text
        new = merge(new, "", f'[project]\nversion = "{version}"\n').text
        self.add(
            "the release sets a version that is written in pyproject.toml: write today's version there",
            f"{difference('pyproject.toml', old, new)}\nuv lock",
        )

    def development(self) -> None:
        """Requirements files for tests, which `uv sync --extra dev` does not install."""
        names, missing = missing_requirements(self.root)
        if missing:
            self.add(
                f"{', '.join(names)}: add what the tests need of it to the extra `dev`",
                f"uv add --raw --optional dev {join(missing)}",
            )
            self.patched |= {"pyproject.toml", "uv.lock"}

    def ruff(self) -> None:
        """What ruff could not read, and settings in a file of its own, which the template does not change."""
        if self.lint.failed:
            self.add(
                f"{self.lint.failed} Fix that, then run the same command again: the broken rules are not known yet",
                "uv run --extra dev ruff check",
            )
        for name in [name for name in RUFF_FILES if (self.root / name).exists() and not self.lint.failed][:1]:
            old = (self.root / name).read_bytes().decode()
            wanted = 'extend-exclude = [".gitea", "tests/test_smoke.py"]\n'
            if self.lint.rules:  # a list in [lint] would overrule an old-style one, which has no table
                table = "" if "ignore" in tomllib.loads(old.removeprefix("\ufeff")) else "\n[lint]\n"
                wanted += f"{table}ignore = {write(self.lint.rules)}\n"
            if patch := difference(name, old, merge(old, "", wanted).text):
                self.add(f"your {name}: exclude the template's own files", patch)
                self.patched.add(name)
        if self.lint.broken:
            files = ", ".join(self.lint.broken)
            self.add(f"ruff cannot read {files}: fix or exclude them", "uv run --extra dev ruff check")

    def commit_and_format(self) -> None:
        """The commit of what was written, and one of formatted code."""
        if self.detached:
            self.add("no branch is checked out, so nothing would be pushed", f"git switch -c {self.branch}")
        self.to_commit = {*self.patched, *changes(self.root, "--ignored", "--", *self.written)}
        if self.to_commit:
            force = "-f " if ignored(self.root, *self.to_commit) else ""
            words = join(short(self.root, self.to_commit))
            only = f" -- {words}" if git(self.root, "diff", "--cached", "--name-only") else ""
            self.add("commit", f'git add {force}-- {words} && git commit -m "feat: release through the workflow"{only}')
        if not self.lint.unformatted:
            return
        if changes(self.root, "--untracked-files=no") - self.to_commit:  # unfinished work, which must not be committed
            then, command = ", and commit what that changed", "uv run --extra dev ruff format"
        else:
            then, command = "", 'uv run --extra dev ruff format && git commit -am "style: format"'
        self.add(f"format the code{then}; until then the lint job fails", command)

    def tag(self) -> str:
        """A version tag of another form than the release's. Returns the tag that is pushed, or ""."""
        tag, version = last_release(self.root, self.answers["project_name"])
        if tag != version:
            why = f"the release continues from tags such as {version}, and {tag} is none"
            self.add(why, f"git tag {version} {quote(tag + '^{commit}')}")
        return version


def missing_requirements(root: Path) -> tuple[list[str], list[str]]:
    """Returns requirements files for tests and tools, and what of them `uv sync --extra dev` would not install."""
    found = sorted([*root.glob("*requirements*.txt"), *root.glob("requirements/*.txt")])
    paths = [path for path in found if path.name == "requirements.txt" or re.search("dev|test", path.name)]
    if not paths:
        return [], []
    words = ("export", "--quiet", "--frozen", "--extra", "dev", "--no-hashes", "--no-emit-project")
    there = {distribution(line) for line in uv(root, *words).stdout.splitlines()}
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8-sig"))["project"]
    names, missing = [], dict[str, str]()
    for path in paths:
        try:
            asked = Requirements().read(path)
        except Refused:  # the file is the user's own, and nothing needs it
            continue
        wanted = {distribution(entry): entry for entry in asked.entries if distribution(entry) not in there}
        extras = [f"{project['name']}[{extra}]" for extra in asked.extras]
        wanted |= {extra: extra for extra in extras if extra not in project["optional-dependencies"]["dev"]}
        names += [path.relative_to(root).as_posix()] if wanted.keys() - missing else []
        missing = wanted | missing
    return names, list(missing.values())


def main_branch(root: Path, branch: str) -> str:
    """Returns the branch that is main, or that is to be renamed: origin's default branch, or a likely one."""
    heads = (git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads") or "").split()
    if "main" in heads or git(root, "rev-parse", "--verify", "refs/remotes/origin/main"):
        return "main"
    default = git(root, "symbolic-ref", "refs/remotes/origin/HEAD") or ""
    likely = "master" if "master" in heads else heads[0] if len(heads) == 1 else branch
    return default.removeprefix("refs/remotes/origin/") or likely


def push(root: Path, answers: Answers, home: str, branch: str, main: str, tag: str) -> tuple[str, str]:
    """Returns the push that starts the first release, to a remote in Gitea, and why.
    Args:
        root: The repository.
        answers: The answers.
        home: The repository's address in Gitea.
        branch: The branch with the commit.
        main: The branch that is main by then.
        tag: The tag to push as well, or "".
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
    why += f" only at {answers['gitea_url']}, and origin is at {where}" if elsewhere else ""
    return why, f"{add}git push -u {remote} {join([*pushed, tag] if tag else pushed)}"


def host(url: str) -> str:
    """Returns the host in a remote's address, or "" for a path."""
    found = re.match(r"[a-z+]+://(?:[^@/]*@)?([\w.-]+)|(?:[^@/:]*@)?([\w.-]+):(?!//)", url)
    return (found[1] or found[2]).lower() if found else ""


def short(root: Path, names: set[str]) -> list[str]:
    """Returns file names, with a folder in place of its files where all of them are among the names."""
    shorter = []
    for top in sorted({name.split("/")[0] for name in names}):
        below = {path.relative_to(root).as_posix() for path in (root / top).rglob("*") if path.is_file()}
        whole = below and below <= names
        shorter += [top] if whole else sorted(name for name in names if name.split("/")[0] == top)
    return shorter


def last_release(root: Path, name: str) -> tuple[str, str]:
    """Returns the highest version tag in HEAD, and the same version as the release writes it (v1.2.3), or "", "".

    Tags such as 1.2.3, release-1.2 and NAME-1.2.3 are version tags too; those with any other word are not.
    """
    highest: tuple[tuple[int, ...], bool, str] = ((), False, "")
    for tag in (git(root, "tag", "--merged", "HEAD") or "").split():
        found = re.fullmatch(r"(.*?)[-_/]?v?(\d+)\.(\d+)(?:\.(\d+))?", tag)
        if found and canonicalize_name(found[1]) in ("", "release", "version", name):
            version = tuple(int(part or 0) for part in found.groups()[1:])
            highest = max(highest, (version, tag == as_tag(version), tag))
    return highest[2], as_tag(highest[0])


def as_tag(version: tuple[int, ...]) -> str:
    """Returns a version as a tag, or ""."""
    return f"v{'.'.join(map(str, version))}" if version else ""
