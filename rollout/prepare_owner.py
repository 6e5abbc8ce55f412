"""Makes what the packages of an owner need in Gitea or Forgejo, and leaves what is there."""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from findings import Finding
from forge import Failed, call, connect, pages

TEAM = "packages"
WRITES = ("write", "admin", "owner")


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    owner: str
    repository: str  # empty: the owner alone
    bot: str
    create_owner: str  # how visible an owner that is made is, or empty: it is there
    private: bool  # for a repository that is made


@dataclass
class Owner:
    """What is known about the owner."""

    name: str
    organisation: bool = True
    visibility: str = "public"
    there: bool = True


class Maker:
    """Does things in Gitea if it may, and says what it did or would do."""

    def __init__(self, client: httpx.AsyncClient, apply: bool) -> None:
        """Uses this client; without `apply` nothing is written."""
        self.client, self.apply = client, apply

    async def get(self, path: str) -> dict[str, Any] | None:
        """Returns what is at a path of the API, or None if there is nothing.

        Raises:
            Failed: the server refuses, or does not answer.
        """
        answer = await call(self.client, "GET", path, 404)
        if answer.status_code == 404:
            return None
        found = answer.json() if answer.content else {}
        return found if isinstance(found, dict) else None

    async def do(self, text: str, method: str, path: str, **body: Any) -> Finding:
        """Calls the API, or says that it would.

        Raises:
            Failed: the server refuses. The text says what was being done.
        """
        if not self.apply:
            return Finding("would", text)
        try:
            await call(self.client, method, path, **body)
        except Failed as error:
            raise Failed(f"{text}: {error}") from None
        return Finding("done", text)


async def prepare(
    client: httpx.AsyncClient,
    server: str,
    token: str,
    wanted: Wanted,
    apply: bool = False,
    new_token: bool = False,
    registry_token: str = "",
    password: str = "",
) -> AsyncIterator[Finding]:
    """Makes what is missing: owner, account, team, repository, Actions, secrets.

    Args:
        client: Of the API, with the token.
        server: Gitea's address.
        token: Of an administrator, or of an owner of the organisation.
        wanted: What is asked for.
        apply: Do it. Without, nothing is written.
        new_token: Replace the token in the repository's secrets.
        registry_token: A token to put there; without, one is made.
        password: Of the account that uploads. Forgejo makes a token for nobody else.

    Returns:
        A finding for each part, in the order in which they are made.

    Raises:
        Failed: the server refuses, or does not answer.
    """
    maker = Maker(client, apply)
    me = (await call(client, "GET", "user")).json()
    owner = await find_owner(maker, wanted)
    yield await make_owner(maker, owner, wanted)
    if not owner.there and not wanted.create_owner:
        return
    bot = wanted.bot if owner.organisation else owner.name
    if owner.organisation:
        new = password or secrets.token_urlsafe(24)
        made = await make_bot(maker, bot, new, bool(me.get("is_admin")))
        yield made
        if made.bad:
            return
        password = new if made.state == "done" else password
        async for finding in make_team(maker, owner, bot):
            yield finding
    if wanted.repository:
        async for finding in make_repository(maker, owner, wanted, me["login"]):
            yield finding
        signed = httpx.BasicAuth(bot, password) if password else httpx.BasicAuth(me["login"], token)
        async with connect(server, "", 2) as account:
            account.auth = signed
            tokens = Tokens(account, bot, registry_token)
            async for finding in make_secrets(maker, tokens, owner, wanted.repository, new_token):
                yield finding


async def find_owner(maker: Maker, wanted: Wanted) -> Owner:
    """Returns what is known about the owner."""
    if found := await maker.get(f"orgs/{wanted.owner}"):
        return Owner(wanted.owner, True, str(found.get("visibility") or "public"))
    if found := await maker.get(f"users/{wanted.owner}"):
        return Owner(wanted.owner, False, str(found.get("visibility") or "public"))
    return Owner(wanted.owner, True, wanted.create_owner or "public", there=False)


async def make_owner(maker: Maker, owner: Owner, wanted: Wanted) -> Finding:
    """Makes the organisation if it is not there and somebody wants it."""
    if owner.there:
        kind = "organisation" if owner.organisation else "user"
        return Finding("ok", f"{kind} {owner.name} ({owner.visibility})")
    if not wanted.create_owner:
        fix = "check the name, or add --create-owner with public, limited or private: its packages are as visible"
        return Finding("by hand", f"{owner.name} is neither an organisation nor a user here", fix)
    text = f"organisation {owner.name} ({owner.visibility})"
    return await maker.do(text, "POST", "orgs", username=owner.name, visibility=owner.visibility)


async def make_bot(maker: Maker, bot: str, password: str, admin: bool) -> Finding:
    """Makes the account that uploads if it is not there."""
    if await maker.get(f"users/{bot}"):
        return Finding("ok", f"account {bot}")
    if not admin:
        fix = f"ask an administrator to create the account {bot}, or name one that is there with --bot"
        return Finding("by hand", f"there is no account {bot}, and only an administrator can create one", fix)
    # Nothing is sent to the address, and unless somebody gave the password nobody knows it after this run.
    new = {"username": bot, "email": f"{bot}@noreply.invalid", "password": password, "must_change_password": False}
    return await maker.do(f"account {bot}", "POST", "admin/users", **new, visibility="limited")


def may_publish(team: dict[str, Any]) -> bool:
    """Returns whether the members of a team may upload packages."""
    units = team.get("units_map") or {}
    return team.get("permission") in ("admin", "owner") or units.get("repo.packages") in WRITES


def more_rights(team: dict[str, Any]) -> list[str]:
    """Returns the rights of a team, other than those on packages."""
    if team.get("permission") in ("admin", "owner"):
        return [f"{team['permission']} of all repositories"]
    units = team.get("units_map") or {}
    return sorted(f"{unit.removeprefix('repo.')}: {right}" for unit, right in units.items() if right in WRITES)


async def make_team(maker: Maker, owner: Owner, bot: str) -> AsyncIterator[Finding]:
    """Makes the team whose only right is to write packages, with the account in it."""
    teams = await pages(maker.client, f"orgs/{owner.name}/teams") if owner.there else []
    for team in filter(may_publish, teams):
        if await maker.get(f"teams/{team['id']}/members/{bot}") is not None:
            yield Finding("ok", f"{bot} may write packages, by the team {team['name']}")
            if extra := [right for right in more_rights(team) if right != "packages: write"]:
                fix = f"give {bot} a team whose only right is Packages: write"
                yield Finding("note", f"the team {team['name']} may do more: {', '.join(extra)}", fix)
            return
    mine = next((team for team in teams if str(team["name"]).lower() == TEAM), None)
    if mine and not may_publish(mine):
        fix = f"give it Packages: write, in {owner.name}'s settings, Teams"
        yield Finding("by hand", f"the team {mine['name']} may not write packages", fix)
        return
    if not mine:
        text = f"team {TEAM}, whose only right is Packages: write"
        # All repositories: without a right on the repository, Gitea does not link a package to it.
        new: dict[str, Any] = {"name": TEAM, "permission": "write", "units_map": {"repo.packages": "write"}}
        yield await maker.do(text, "POST", f"orgs/{owner.name}/teams", **new, includes_all_repositories=True)
        if maker.apply:
            teams = await pages(maker.client, f"orgs/{owner.name}/teams")
            mine = next(team for team in teams if str(team["name"]).lower() == TEAM)
    number = mine["id"] if mine else 0
    yield await maker.do(f"{bot} in the team {TEAM}", "PUT", f"teams/{number}/members/{bot}")


async def make_repository(maker: Maker, owner: Owner, wanted: Wanted, me: str) -> AsyncIterator[Finding]:
    """Makes the repository if it is not there, and switches Actions on in it."""
    path = f"repos/{owner.name}/{wanted.repository}"
    found = await maker.get(path)
    kind = "private" if wanted.private else "public"
    new = {"name": wanted.repository, "private": wanted.private, "default_branch": "main"}
    where = f"orgs/{owner.name}/repos" if owner.organisation else f"admin/users/{owner.name}/repos"
    if not owner.organisation and owner.name.lower() == me.lower():
        where = "user/repos"
    if found:
        yield Finding("ok", f"repository {owner.name}/{wanted.repository}")
    else:
        yield await maker.do(f"repository {owner.name}/{wanted.repository} ({kind})", "POST", where, **new)
        found = await maker.get(path)
    if found and found.get("has_actions"):
        yield Finding("ok", "Actions are on in the repository")
        return
    yield await maker.do("switch Actions on in the repository", "PATCH", path, has_actions=True)
    if maker.apply and not (await maker.get(path) or {}).get("has_actions"):
        fix = "set ENABLED = true in the section [actions] of app.ini, restart Gitea, and run this again"
        yield Finding("by hand", "Actions are off on this server", fix)


class Tokens:
    """Makes tokens of the account that uploads: by its password, or as an administrator."""

    def __init__(self, client: httpx.AsyncClient, account: str, given: str) -> None:
        """Uses a client that has signed in with a password, or with an administrator's token as one."""
        self.client, self.account, self.given = client, account, given

    async def make(self, name: str, scope: str) -> str:
        """Returns a new token with one scope, in place of an older one with that name.

        Raises:
            Failed: the account alone may make its tokens.
        """
        if self.given and scope == "write:package":
            return self.given
        path = f"users/{self.account}/tokens"
        if any(token.get("name") == name for token in await pages(self.client, path)):
            await call(self.client, "DELETE", f"{path}/{name.replace(' ', '%20').replace('/', '%2F')}")
        made = (await call(self.client, "POST", path, name=name, scopes=[scope])).json()
        return str(made["sha1"])


async def names_of_secrets(maker: Maker, path: str) -> set[str]:
    """Returns the names of the secrets that a repository or an organisation has."""
    try:
        return {str(secret["name"]).upper() for secret in await pages(maker.client, f"{path}/actions/secrets")}
    except Failed as error:
        if not maker.apply and str(error).startswith("404"):
            return set()
        raise


async def make_secrets(
    maker: Maker, tokens: Tokens, owner: Owner, repository: str, new_token: bool
) -> AsyncIterator[Finding]:
    """Fills in the secrets that the workflow needs, for the registry and for an index that is not public."""
    kinds = [("REGISTRY_USER", "REGISTRY_TOKEN", "write:package", "publish")]
    if owner.visibility != "public":
        kinds.append(("INDEX_USER", "INDEX_TOKEN", "read:package", "install"))
    path = f"repos/{owner.name}/{repository}"
    mine = await names_of_secrets(maker, path) if await maker.get(path) else set()
    shared = await names_of_secrets(maker, f"orgs/{owner.name}") if owner.organisation and owner.there else set()
    for user, token, scope, purpose in kinds:
        if {user, token} <= mine and not new_token:
            yield Finding("ok", f"secrets {user} and {token}")
        elif {user, token} <= shared and not new_token:
            fix = f"add --new-token to give {repository} its own, then delete the organisation's"
            text = f"secrets {user} and {token} are the organisation's: whoever may push to any of its repositories"
            yield Finding("note", f"{text} can read them", fix)
        elif not maker.apply:
            yield Finding("would", f"secrets {user} and {token}, with a new token of {tokens.account} ({scope})")
        else:
            yield await store(maker, tokens, path, (user, token), (f"{purpose} {owner.name}/{repository}", scope))


async def store(maker: Maker, tokens: Tokens, path: str, names: Sequence[str], token: Sequence[str]) -> Finding:
    """Makes a token and puts it, with its account, into the secrets of a repository."""
    user, secret = names
    try:
        value = await tokens.make(*token)
    except Failed as error:
        fix = (
            f"sign in as {tokens.account}, make a token with the scope {token[1]} (Settings, Applications), and set it "
            f"as the secret {secret} beside {user}; or run this again with it in the environment as REGISTRY_TOKEN, "
            "or with the account's password as BOT_PASSWORD"
        )
        return Finding("by hand", f"no token of {tokens.account} could be made: {error}", fix)
    for name, data in ((user, tokens.account), (secret, value)):
        await call(maker.client, "PUT", f"{path}/actions/secrets/{name}", data=data)
    return Finding("done", f"secrets {user} and {secret}, with a new token of {tokens.account} ({token[1]})")
