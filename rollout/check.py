"""Looks at a Gitea or Forgejo and says, line by line, what holds for the packages of an owner and what to do."""

import os
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import httpx
import yaml
from check_addresses import internal_url, ntfy, root_url, template
from findings import Finding
from forge import TIMEOUT, Failed, pages
from look import Findings, Look
from packaging.version import InvalidVersion, Version

ANSWERS = (".copier-answers.yml", ".copier-answers.gitea.yml")
OLDEST = {"Gitea": "1.22", "Forgejo": "11"}
WAITS = {"Gitea": "1.26", "Forgejo": "14"}  # from here on pushes to main wait for each other
SEEN_BY = {
    "public": "everyone who reaches the server",
    "limited": "everyone who is signed in",
    "private": "its members",
}


async def check(
    client: httpx.AsyncClient,
    server: str,
    owner: str,
    repository: str = "",
    registry_token: str = "",
    answers: dict[str, Any] | None = None,
) -> Findings:
    """Returns a finding for each thing that a release or an update of an owner's package needs.

    Args:
        client: Of the API. Without a token much is unknown.
        server: Gitea's address.
        owner: Organisation or user that owns the registry.
        repository: Of a package; empty to look at the owner alone.
        registry_token: The value of REGISTRY_TOKEN, to ask whether it could upload; may be empty.
        answers: Of a package that is not pushed yet; without, the repository's.

    Raises:
        Failed: the server does not answer.
    """
    look = Look(client, server, owner, repository, registry_token, answers=answers or {})
    async for finding in version(look):
        yield finding
    parts: list[Callable[[Look], Findings]] = [who_sees, token]
    if repository:
        parts += [actions, workflow, runner, secrets, tags]
    for part in parts:
        async for finding in guarded(part, look):
            yield finding
    for part in (root_url, internal_url, ntfy, template) if look.answers else ():
        async for finding in guarded(part, look):
            yield finding


async def guarded(part: Callable[[Look], Findings], look: Look) -> Findings:
    """Gives what a part finds; when the server refuses, that is the finding."""
    try:
        async for finding in part(look):
            yield finding
    except Failed as error:
        yield Finding("unknown", f"{part.__name__.replace('_', ' ')}: {error}")


async def version(look: Look) -> Findings:
    """Is the server new enough?"""
    said = str((await look.get("version")).json()["version"])
    product = look.product = "Forgejo" if "+gitea-" in said else "Gitea"
    try:
        mine = Version(re.split(r"[+-]", said)[0])
    except InvalidVersion:
        yield Finding("unknown", f"version of the server: {said!r}")
        return
    if mine < Version(OLDEST[product]):
        yield Finding("wrong", f"{product} {mine}", f"update it to {OLDEST[product]} or later")
    elif mine < Version(WAITS[product]):
        text = f"{product} {mine}: a push to main can cancel the run of the one before; run that one again"
        yield Finding("note", f"{text}. From {WAITS[product]} on they wait for each other")
    else:
        yield Finding("ok", f"{product} {mine}")


async def who_sees(look: Look) -> Findings:
    """Is the owner there, and who can see its packages?"""
    for kind in ("orgs", "users"):
        answer = await look.get(f"{kind}/{look.owner}", 404)
        if answer.is_success:
            look.organisation = kind == "orgs"
            seen = str(answer.json().get("visibility") or "public")
            yield Finding("ok", f"packages of {look.owner} can be seen by {SEEN_BY.get(seen, seen)}")
            return
    fix = "check the name, or make it: prepare --create-owner (a private one needs a token of a member)"
    yield Finding("wrong", f"there is no organisation or user {look.owner}", fix)


async def token(look: Look) -> Findings:
    """Could REGISTRY_TOKEN upload, and nothing more? Asks the registry, with an upload that has no file."""
    if not look.registry_token:
        text = "whether REGISTRY_TOKEN can upload: it is not in the environment"
        yield Finding("unknown", text, "set it, and run this again (nothing is uploaded)")
        return
    auth = httpx.BasicAuth(os.environ.get("REGISTRY_USER", "user"), look.registry_token)
    async with httpx.AsyncClient(timeout=TIMEOUT, auth=auth) as client:
        url = f"{look.server}/api/packages/{look.owner}/pypi"
        answer = await client.post(url, files={":action": (None, "file_upload")})
        scopes = await client.get(f"{look.server}/api/v1/user")
    if answer.status_code == 400:
        yield Finding("ok", f"REGISTRY_TOKEN can upload to {look.owner}")
    elif "reqPackageAccess" in answer.text:
        fix = f"give the token the scope write:package, and its account a team of {look.owner} with Packages: write"
        yield Finding("wrong", f"Gitea knows REGISTRY_TOKEN, but it may not upload to {look.owner}", fix)
    elif answer.status_code == 401:
        yield Finding("wrong", "Gitea does not know REGISTRY_TOKEN", "prepare --new-token makes another one")
    elif answer.status_code == 404:
        fix = "switch them on: ENABLED = true in the section [packages] of app.ini"
        yield Finding("wrong", f"there is no owner {look.owner}, or packages are off", fix)
    else:
        yield Finding("unknown", f"whether REGISTRY_TOKEN can upload: the registry answered {answer.status_code}")
    if answer.status_code == 400 and scopes.is_success:
        fix = "replace it by one whose only scope is write:package: prepare --new-token"
        yield Finding("note", "REGISTRY_TOKEN may do more than upload", fix)


async def actions(look: Look) -> Findings:
    """Is the repository there, with Actions on?"""
    answer = await look.get(look.path, 404)
    if not answer.is_success:
        fix = "prepare makes it; or use a token whose account may read it"
        yield Finding("wrong", f"there is no repository {look.owner}/{look.repository}", fix)
        return
    found, look.there = answer.json(), True
    if found.get("has_actions"):
        yield Finding("ok", "Actions are on")
    else:
        fix = "prepare switches them on; on the server, ENABLED = true in the section [actions] of app.ini"
        yield Finding("wrong", "Actions are off in the repository, or on the server", fix)
    if found.get("default_branch") != "main":
        fix = "rename the branch to main: the workflow releases from it"
        yield Finding("wrong", f"the default branch is {found.get('default_branch')}", fix)


async def workflow(look: Look) -> Findings:
    """Is the template's workflow there, for this owner? The answers tell the addresses and the label."""
    for name in ANSWERS if look.there and not look.answers else ():
        answer = await look.get(f"{look.path}/raw/{name}", 404)
        try:
            found = yaml.safe_load(answer.text) if answer.is_success else None
        except yaml.YAMLError:
            found = None
        if isinstance(found, dict) and "gitea_owner" in found:
            look.answers = found
            break
    if not look.answers:
        text = "addresses and template: the default branch has no answers file of the template yet"
        yield Finding(
            "unknown", text, "add --answers FOLDER/.copier-answers.yml to check a package before its first push"
        )
        return
    if look.answer("gitea_owner").lower() != look.owner.lower():
        fix = "uvx copier update --trust --defaults --vcs-ref=:current: --data gitea_owner=" + look.owner
        yield Finding("wrong", f"the package publishes to {look.answer('gitea_owner')}", fix)
    if look.product != "Forgejo" or not look.there:
        return
    listed = await look.get(f"{look.path}/contents/.forgejo/workflows", 404)
    if listed.is_success and listed.json():  # an empty repository lists no files, whatever the path
        fix = "move its files to .gitea/workflows with git mv"
        yield Finding("wrong", "Forgejo runs .forgejo/workflows, and ignores .gitea/workflows", fix)


async def runner(look: Look) -> Findings:
    """Is a runner with the package's label online, and does it run jobs in containers?"""
    label = look.answer("runner_label") or "ubuntu-latest"
    found: list[dict[str, Any]] = []
    seen = 0
    owner = f"orgs/{look.owner}" if look.organisation else "user"
    for path in (look.path, owner, "admin"):
        answer = await look.get(f"{path}/actions/runners?limit=50", 401, 403, 404, 405)
        if answer.is_success:
            seen += 1
            # Forgejo lists them without a frame, and their labels as texts.
            listing = answer.json()
            found += listing if isinstance(listing, list) else listing.get("runners") or []
    mine = [one for one in found if label in labels_of(one)]
    online = [str(one.get("name")) for one in mine if one.get("status") != "offline" and not one.get("disabled")]
    if online:
        yield Finding("ok", f"runner with the label {label}: {', '.join(sorted(set(online)))}")
    elif mine:
        yield Finding("wrong", f"each runner with the label {label} is offline", "start it")
    elif seen == 3:
        labels = sorted({name for one in found for name in labels_of(one)})
        other = f", or answer runner_label with one of: {', '.join(labels)}" if labels else ""
        yield Finding("wrong", f"no runner has the label {label}", f"register one with it{other}")
    else:
        text = f"runner with the label {label}: the token may not list all runners, or this version cannot"
        yield Finding("unknown", text, "look in Gitea: Settings, Actions, Runners")
    async for finding in isolation(look):
        yield finding


def labels_of(runner: dict[str, Any]) -> list[str]:
    """Returns the labels of a runner as the API lists it."""
    return [str(item.get("name") if isinstance(item, dict) else item) for item in runner.get("labels") or []]


async def isolation(look: Look) -> Findings:
    """Does the runner that took the last run use containers? Its log says so."""
    if not look.there:
        return
    runs = await look.get(f"{look.path}/actions/runs?limit=1&status=success", 403, 404, 405)
    for run in (runs.json().get("workflow_runs") or []) if runs.is_success else []:
        jobs = await look.get(f"{look.path}/actions/runs/{run['id']}/jobs", 404)
        for job in (jobs.json().get("jobs") or [])[:1] if jobs.is_success else []:
            log = await look.get(f"{look.path}/actions/jobs/{job['id']}/logs", 404)
            # What the runner says before the first step, so that no step can say it.
            if log.is_success and re.search("(Start|docker create) image=", log.text[:3000].partition("Run Main ")[0]):
                yield Finding("ok", f"jobs run in containers ({job.get('runner_name')})")
            elif log.is_success:
                fix = "let it run containers: a host runner keeps no secret from the code that it runs (security.md)"
                yield Finding("note", f"jobs run on the runner's own machine ({job.get('runner_name')})", fix)


async def listed(look: Look, path: str) -> set[str] | None:
    """Returns the names of the secrets of a repository or an organisation, or None if they cannot be listed."""
    try:
        return {str(secret["name"]).upper() for secret in await pages(look.client, f"{path}/actions/secrets")}
    except Failed:
        return None


async def secrets(look: Look) -> Findings:
    """Are the secrets there?"""
    if not look.there:
        return
    mine = await listed(look, look.path)
    shared = await listed(look, f"orgs/{look.owner}") if look.organisation else set()
    needed = {"REGISTRY_USER", "REGISTRY_TOKEN"} if look.answers.get("publish", True) else set[str]()
    if mine is None and shared is None:
        yield Finding("unknown", "secrets: only an owner's token can list them")
        return
    look.secrets = (mine or set()) | (shared or set())
    if missing := sorted(needed - look.secrets):
        yield Finding("wrong", f"no secret {' and '.join(missing)}", "prepare makes them")
    elif needed:
        yield Finding("ok", f"secrets {' and '.join(sorted(needed))}")
    for name in sorted({"REGISTRY_TOKEN", "TEMPLATE_TOKEN"} & (shared or set()) - (mine or set())):
        fix = "prepare --new-token gives the repository its own; then delete the organisation's"
        text = f"{name} is the organisation's: whoever may push to any of its repositories can read it"
        yield Finding("note", text, fix if name == "REGISTRY_TOKEN" else "")


def matches(pattern: str, tag: str) -> bool:
    """Returns whether a rule for tags is for this one: a pattern with stars, or a regular expression in slashes."""
    if len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
        try:
            return bool(re.search(pattern[1:-1], tag))
        except re.error:
            return False
    return fnmatchcase(tag, pattern)


async def tags(look: Look) -> Findings:
    """May the workflow make tags?"""
    if not look.there:
        return
    try:
        rules = await pages(look.client, f"{look.path}/tag_protections")
    except Failed as error:
        yield Finding("unknown", f"rules for tags: {error}", "look in Gitea: the repository's Settings, Tags")
        return
    if found := [str(rule.get("name_pattern")) for rule in rules if matches(str(rule.get("name_pattern")), "v1.2.3")]:
        fix = "delete the rule, in the repository's Settings, Tags"
        yield Finding("wrong", f"tags {', '.join(found)} are protected, so the workflow cannot make a version", fix)
    else:
        yield Finding("ok", "the workflow may make version tags")
