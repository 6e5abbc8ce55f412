"""What is known about the repositories of an owner, and the actions that find it out for one repository."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import yaml
from catalog import Package, packages
from forge import Failed, call, pages
from packaging.utils import canonicalize_name
from packaging.version import Version
from template_versions import parse_version

# What a commit asks for is said in one place: the packages' own release program.
sys.path.append(str(Path(__file__).resolve().parents[1] / "template/.gitea"))

from version import level

WORKFLOW = "template-update.yaml"
ANSWERS = (".copier-answers.yml", ".copier-answers.gitea.yml")
LEVELS = ("", "fix", "feat", "major")
RED = ("failure", "error")


@dataclass
class Use:
    """A package that a repository has locked or requires."""

    package: str
    file: str
    version: str  # "" if none is pinned
    behind: int | None = None
    source: str = ""  # from where, if not from the owner's index


@dataclass
class Row:
    """What is known about a repository, and the result."""

    repository: str
    branch: str = ""
    open_pulls: int | None = None
    enrolled: bool | None = None  # None: not looked at yet
    project: str = ""
    version: str = "?"
    behind: int | None = None
    pulls: list[str] = field(default_factory=list)
    released: str = ""
    released_at: str = ""
    unreleased: str = ""
    run: str = ""
    uses: list[Use] = field(default_factory=list)
    result: str = ""
    failed: bool = False

    @property
    def path(self) -> str:
        """Its address in the API."""
        return f"repos/{self.repository}"


@dataclass
class Survey:
    """Everything that was found so far; it is filled while the program runs, so that a stop loses nothing."""

    owner: str  # empty if the repositories are listed in a file
    known: list[Version]
    rows: list[Row] = field(default_factory=list)
    packages: dict[tuple[str, str], Package] = field(default_factory=dict)  # by owner and name
    skipped: dict[str, str] = field(default_factory=dict)  # repositories that are left out, and why
    notes: list[str] = field(default_factory=list)
    stopped: str = ""  # why it ended early

    def package(self, row: Row) -> Package | None:
        """Returns the package that a repository publishes: of its name, else one that is linked to it."""
        named = self.packages.get((row.repository.partition("/")[0].lower(), canonicalize_name(row.project)))
        linked = (item for item in self.packages.values() if item.repository.lower() == row.repository.lower())
        return named or next(linked, None)

    def unenrolled(self) -> list[Package]:
        """Returns the packages in the registry that no repository on the template publishes.

        Only what is sure: a repository that was not looked at may be on it, and one that is left out need not be.
        """
        mine = [self.package(row) for row in self.rows if row.enrolled]
        unknown = {row.repository.lower() for row in self.rows if row.enrolled is None}
        unsure = unknown | {name.lower() for name in self.skipped} | ({""} if unknown else set())
        rest = [item for item in self.packages.values() if not any(item is other for other in mine)]
        return [item for item in rest if self.owner and item.repository.lower() not in unsure]


def left_out(found: dict[str, Any]) -> str:
    """Returns why a repository is never looked at, or an empty text."""
    for name in ("archived", "mirror", "empty"):
        if found.get(name):
            return name
    parent = (found.get("parent") or {}).get("full_name", "") if found.get("fork") else ""
    same = parent.partition("/")[0].lower() == str(found["full_name"]).partition("/")[0].lower()
    return "fork" if parent and same else ""


async def list_rows(client: httpx.AsyncClient, survey: Survey) -> None:
    """Fills in the owner's repositories.

    Raises:
        Failed: they cannot be listed.
    """
    # Users and organisations alike, and one scope for both.
    for found in await pages(client, f"users/{quote(survey.owner, safe='')}/repos"):
        try:
            if why := left_out(found):
                survey.skipped[found["full_name"]] = why
            else:
                survey.rows.append(Row(found["full_name"], found["default_branch"], found.get("open_pr_counter")))
        except (LookupError, TypeError, AttributeError):
            raise Failed("not an answer of Gitea: a repository without a name") from None
    survey.rows.sort(key=lambda row: row.repository.lower())


async def list_packages(client: httpx.AsyncClient, survey: Survey) -> None:
    """Fills in the packages of each owner. A registry that cannot be read is noted, and costs only its columns."""
    for owner in sorted({survey.owner} - {""} or {row.repository.partition("/")[0] for row in survey.rows}):
        try:
            survey.packages |= {(owner.lower(), item.name): item for item in await packages(client, owner)}
        except Failed as error:
            survey.notes.append(f"The registry of {owner} was not read, so released versions are not shown: {error}.")


async def read_answers(client: httpx.AsyncClient, survey: Survey, row: Row) -> None:
    """Fills in the template version that a repository's answers name, and how many versions came after it.

    Raises:
        Failed: the answers cannot be read, or a repository of the list has none.
    """
    for name in ANSWERS:
        answer = await call(client, "GET", f"{row.path}/raw/{name}", 404)
        try:
            answers = yaml.safe_load(answer.text) if answer.is_success else None
        except yaml.YAMLError:
            raise Failed(f"{name} is not YAML") from None
        if isinstance(answers, dict) and "gitea_owner" in answers:
            commit = str(answers.get("_commit", "?"))
            if mine := parse_version(commit):
                row.behind = sum(other > mine for other in survey.known)
            row.version = commit if mine or re.fullmatch("[0-9a-f]{7,40}", commit) else "not a version"
            row.enrolled, row.project = True, str(answers.get("project_name", ""))
            return
    row.enrolled = False
    if not survey.owner:
        raise Failed(f"not on the template: no {' or '.join(ANSWERS)}")
    row.result = "not on the template"


async def describe(client: httpx.AsyncClient, row: Row) -> None:
    """Fills in the default branch of a repository from the list; a listing of the owner has it already."""
    if not row.branch:
        found = (await call(client, "GET", row.path)).json()
        row.branch, row.open_pulls = found["default_branch"], found.get("open_pr_counter")
        if why := left_out(found):
            raise Failed(f"{why}: remove it from the list")


async def status(client: httpx.AsyncClient, survey: Survey, row: Row) -> None:
    """Fills in a repository's version, its update pull requests, its last release and what main has beyond that."""
    await describe(client, row)
    await read_answers(client, survey, row)
    if not row.enrolled:
        return
    if row.open_pulls != 0:
        found = await pages(client, f"{row.path}/pulls?state=open")
        branches = [(pull["number"], pull["head"]["ref"].removeprefix("template/")) for pull in found]
        row.pulls = [f"#{number} {branch}" for number, branch in branches if parse_version(branch)]
    package = survey.package(row)
    if package and (newest := package.newest):
        row.released, row.released_at = str(newest), package.versions[newest]
        row.unreleased = await unreleased(client, row)
    row.run = await last_run(client, row)
    row.result = "unknown version" if row.behind is None else "behind" if row.behind else "newest"


async def unreleased(client: httpx.AsyncClient, row: Row) -> str:
    """Returns what the commits after the newest release ask for: major, feat, fix, or nothing. A missing API too."""
    path = f"{row.path}/compare/v{quote(row.released)}...{quote(row.branch)}"
    answer = await call(client, "GET", path, 400, 403, 404, 405, 500)
    if not answer.is_success:
        return ""
    commits = answer.json().get("commits") or []
    return LEVELS[max((level(commit["commit"]["message"]) for commit in commits), default=0)]


async def last_run(client: httpx.AsyncClient, row: Row) -> str:
    """Returns "red" if the last run on the default branch failed. An API that is not there says nothing."""
    answer = await call(client, "GET", f"{row.path}/commits/{quote(row.branch)}/status", 400, 403, 404, 405, 500)
    return "red" if answer.is_success and answer.json().get("state") in RED else ""


async def ask(client: httpx.AsyncClient, survey: Survey, row: Row) -> None:
    """Starts a repository's update workflow on its default branch."""
    await describe(client, row)
    await read_answers(client, survey, row)
    if not row.enrolled:
        return
    if row.behind == 0:
        row.result = "up to date, not asked"
        return
    await call(client, "POST", f"{row.path}/actions/workflows/{WORKFLOW}/dispatches", ref=row.branch)
    row.result = "asked"
