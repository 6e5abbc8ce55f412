"""What the user has to do after an adoption, each step with its command, in an order in which the commands work."""

import re
import tomllib
from pathlib import Path

from answers import Answers
from commands import Refused, changes, git, ignored, listed
from context import Run
from development import missing_requirements
from lint import Lint
from merge import merge
from packaging.utils import canonicalize_name
from quoting import difference, join, quote
from repository import Project
from setup_metadata import read_metadata
from style import below, settings_file
from toml_edits import write
from trial import LINT_FAILS, Tried, try_first_push


class NextSteps:
    """The steps after the adoption of one repository."""

    def __init__(self, run: Run, project: Project, lint: Lint, answers: Answers, written: set[str]) -> None:
        """Looks at the repository.
        Args:
            run: The run, in the repository that is adopted now.
            project: What it said about itself before.
            lint: What ruff reports now.
            answers: The answers.
            written: The files that this run or an earlier one has written.
        """
        self.run, self.root = run, run.root
        self.project, self.lint, self.answers, self.written = project, lint, answers, written
        self.steps: list[tuple[str, str]] = []
        self.patched: set[str] = set()  # files that a step changes
        checked_out = git(self.root, "symbolic-ref", "--short", "HEAD")
        self.detached, self.branch = checked_out is None, checked_out or "adopt"
        self.main = main_branch(self.root, self.branch)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.root.name).strip("-") or answers["project_name"]
        self.home = f"{answers['gitea_url']}/{answers['gitea_owner']}/{name}"

    def add(self, why: str, command: str) -> None:
        """Adds a step."""
        self.steps.append((why, command))

    def all(self, trial: str) -> list[tuple[str, str]]:
        """Returns all steps: why, and the command.

        Args:
            trial: What is tried of the first push (`package`, `tests` or `none`).
        """
        self.version()
        if self.answers["publish"]:
            self.second_smoke_test()
        self.ruff()
        tried = Tried([], *missing_requirements(self.root))
        if trial != "none":
            tried = try_first_push(self.run, self.answers, [command for _, command in self.steps], trial == "tests")
        if tried.missing:
            self.development(tried)
        # A file that ruff cannot read is a step already.
        self.steps += [step for step in tried.steps if step[0] != LINT_FAILS or not self.lint.failed]
        self.commit()
        tag = self.tag()
        if self.main != "main":
            self.add(
                f"the workflow only publishes from main: rename {self.main}",
                f"git branch -m {quote(self.main)} main",
            )
        if self.answers["publish"]:
            self.add(
                "the repository needs the secrets REGISTRY_USER and REGISTRY_TOKEN: a command of the template makes"
                " them (docs/gitea.md)",
                f"# {self.home}/settings/actions/secrets",
            )
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

    def development(self, tried: Tried) -> None:
        """Requirements of the tests, which `uv sync --extra dev` does not install."""
        self.add(
            f"{', '.join(tried.places)}: add what the tests need of it to the extra `dev`",
            f"uv add --raw --optional dev {join(tried.missing)}",
        )
        self.patched |= {"pyproject.toml", "uv.lock"}

    def ruff(self) -> None:
        """What ruff could not read."""
        if self.lint.failed:
            self.add(
                f"{self.lint.failed} Fix that, then run the same command again: the broken rules are not known yet",
                "uv run --extra dev ruff check",
            )
        for place in dict.fromkeys(settings_file(self.root, name) for name in self.lint.unreadable):
            names = [name for name in self.lint.unreadable if settings_file(self.root, name) == place]
            old = (self.root / place).read_bytes().decode()
            table = "[tool.ruff]\n" if place.endswith("pyproject.toml") else ""
            new = merge(old, "", f"{table}extend-exclude = {write([below(place, name) for name in names])}\n").text
            self.add(f"ruff cannot read {', '.join(names)}: fix or exclude them", difference(place, old, new))
            self.patched.add(place)

    def second_smoke_test(self) -> None:
        """Another test_smoke.py, which pytest takes for the template's where neither folder is a package."""
        for name in listed(self.root):
            folder, _, file = name.rpartition("/")
            packages = [(self.root / place / "__init__.py").exists() for place in (folder, "tests")]
            if file == "test_smoke.py" and folder != "tests" and not any(packages):
                new = f"{folder}/test_smoke_{folder.rpartition('/')[2]}.py".lstrip("/")
                self.add(
                    f"pytest takes {name} and tests/test_smoke.py for the same module: rename yours",
                    f"git mv {join([name, new])}",
                )

    def commit(self) -> None:
        """The commit of what was written."""
        if self.detached:
            self.add("no branch is checked out, so nothing would be pushed", f"git switch -c {self.branch}")
        self.to_commit = {*self.patched, *changes(self.root, "--ignored", "--", *self.written)}
        if self.to_commit:
            force = "-f " if ignored(self.root, *self.to_commit) else ""
            words = join(short(self.root, self.to_commit))
            only = f" -- {words}" if git(self.root, "diff", "--cached", "--name-only") else ""
            self.add("commit", f'git add {force}-- {words} && git commit -m "feat: release through the workflow"{only}')

    def tag(self) -> str:
        """A version tag of another form than the release's. Returns the tag that is pushed, or ""."""
        tag, version = last_release(self.root, self.answers["project_name"])
        if tag != version:
            why = f"the release reads only tags such as {version}: add it to the commit of {tag}"
            self.add(why, f"git tag {version} {quote(tag + '^{commit}')}")
        return version


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
    why += ": lint, test and the first release run" if answers["publish"] else ": lint and test run"
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
