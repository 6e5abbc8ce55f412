"""Which repository has which version of the owner's own packages."""

import re
import tomllib
from typing import Any
from urllib.parse import quote

import httpx
from forge import Failed, call
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from survey import Row, Survey, Use, describe

REQUIREMENTS = re.compile(r"requirements[\w.-]*\.txt|[\w.-]*requirements\.txt")
FILES = 20  # of requirements, in one repository


async def installed(client: httpx.AsyncClient, survey: Survey, row: Row) -> None:
    """Fills in the owner's packages that a repository's uv.lock or requirements files have, with their versions.

    Only files in the root folder count, on the default branch.
    """
    await describe(client, row)
    tree = (await call(client, "GET", f"{row.path}/git/trees/HEAD", 404, 409)).json().get("tree") or []
    names = sorted(item["path"] for item in tree if item["type"] == "blob")
    wanted = [name for name in names if name == "uv.lock"]
    wanted += [name for name in names if REQUIREMENTS.fullmatch(name)][:FILES]
    owner = survey.owner or row.repository.partition("/")[0]
    for name in wanted:
        text = (await call(client, "GET", f"{row.path}/raw/{quote(name)}")).text
        uses = locked(text, owner, survey) if name == "uv.lock" else required(text, name, owner, survey)
        row.uses += [use for use in uses if use not in row.uses]
    row.result = row.result or "read"


def locked(text: str, owner: str, survey: Survey) -> list[Use]:
    """Returns the owner's packages in a uv.lock, without the project itself.

    Raises:
        Failed: it is no uv.lock.
    """
    try:
        entries = tomllib.loads(text).get("package", [])
    except tomllib.TOMLDecodeError:
        raise Failed("uv.lock is not TOML: lock again") from None
    uses = []
    for entry in entries if isinstance(entries, list) else []:
        source = entry.get("source", {})
        if not source.keys() & {"registry", "git", "url", "path"}:
            continue  # the project, or a member of its workspace
        place = str(next(iter(source.values())))
        ours = f"/api/packages/{owner}/pypi/".lower() in f"{place}/".lower()
        if ours or (owner.lower(), canonicalize_name(entry["name"])) in survey.packages:
            uses.append(use(entry, "uv.lock", owner, survey, "" if ours else place))
    return uses


def use(entry: dict[str, Any], file: str, owner: str, survey: Survey, source: str) -> Use:
    """Returns a use of a package, with how many released versions came after its version."""
    name, version = canonicalize_name(entry["name"]), str(entry.get("version", ""))
    package = survey.packages.get((owner.lower(), name))
    try:
        behind = package.behind(Version(version)) if package and version else None
    except InvalidVersion:
        behind = None
    return Use(name, file, version, behind, re.sub(r"//[^/@]*@", "//", source))


def required(text: str, file: str, owner: str, survey: Survey) -> list[Use]:
    """Returns the owner's packages in a requirements file; only one that is pinned has a version."""
    uses = []
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        words = re.split(r"\s+#|\s--", line.strip())[0]
        try:
            requirement = Requirement(words)
        except InvalidRequirement:
            continue  # an option, a comment or a path
        if (owner.lower(), canonicalize_name(requirement.name)) in survey.packages:
            pinned = re.fullmatch(r"={2,3}\s*([^*,]+)", str(requirement.specifier))
            entry = {"name": requirement.name, "version": pinned[1] if pinned else ""}
            uses.append(use(entry, file, owner, survey, requirement.url or ""))
    return uses
