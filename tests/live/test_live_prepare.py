"""An owner that the project's own command makes, from nothing to a release, and what `check` says of it."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blocks import block

from .gitea import ADMIN, ROOT, Live, Owner, Repo, run
from .scenarios import released


class Prepared(Owner):
    """An organisation that nobody made yet, on a server that is there."""

    def __init__(self, live: Live, name: str) -> None:
        """Takes a name."""
        self.live, self.server = live, live.server
        self.name, self.bot = f"{name}-{secrets.token_hex(3)}", f"bot-{secrets.token_hex(3)}"
        # Forgejo makes a token only with the password of its account.
        self.password = {"BOT_PASSWORD": live.server.password} if live.server.product == "Forgejo" else {}

    def gitea(self, action: str, *words: str, repository: str = "sample", **environment: str) -> "Said":
        """Runs the command as an administrator, unless another token is given."""
        program = str(ROOT / "rollout/gitea.py")
        command = [sys.executable, program, action, self.name, *filter(None, [repository]), "--format", "json", *words]
        if action == "prepare":
            command += ["--bot", self.bot]
        env = self.server.git_env(self.live.folder / "home")
        env |= {"GITEA_URL": self.server.internal_url, "GITEA_TOKEN": self.server.token, **environment}
        return Said(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False))


class Said:
    """What the command found."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        """Reads its JSON. No token is in it."""
        self.code, self.errors = done.returncode, done.stderr
        self.found: list[dict[str, Any]] = json.loads(done.stdout)
        self.all = done.stdout + done.stderr
        assert not re.search(r"\b[0-9a-f]{40}\b", self.all), self.all

    def states(self) -> set[str]:
        """Returns the states of all lines."""
        return {line["state"] for line in self.found}

    def texts(self, state: str) -> list[str]:
        """Returns the texts of the lines in a state."""
        return [line["text"] for line in self.found if line["state"] == state]


def copied(owner: Prepared, folder: Path) -> list[str]:
    """Makes a package by `copier copy`, and returns the commands of its closing message."""
    words = ["copy", "--trust", "--defaults", "-r", "HEAD", *owner.live.answers(owner.name, {})]
    command = [sys.executable, "-m", "copier", *words, str(ROOT), str(folder)]
    env = owner.server.git_env(owner.live.folder / "home")
    done = subprocess.run(command, cwd=folder.parent, env=env, capture_output=True, text=True, check=True)
    owner.live.actions.pin(folder / ".gitea")
    return re.findall(r"(?m)^  (\S.*)$", done.stderr.partition(" is ready. Next steps:")[2])


@pytest.fixture
def owner(live: Live) -> Prepared:
    """A name that no organisation has."""
    return Prepared(live, "new")


def test_from_nothing_to_a_release(owner: Prepared, live: Live, tmp_path: Path) -> None:
    """Shown, made, left alone; what `copier copy` says last leads to a release; `check` sees that, and what breaks."""
    server = owner.server
    shown = owner.gitea("prepare", "--create-owner", "private")
    assert (shown.code, shown.states()) == (0, {"would"}), shown.all
    assert server.http.get(f"/api/v1/orgs/{owner.name}").status_code == 404
    made = owner.gitea("prepare", "--create-owner", "private", "--apply", **owner.password)
    assert made.code == 0, made.all
    assert made.states() <= {"done", "ok"}
    assert len(made.texts("done")) >= 7
    again = owner.gitea("prepare", "--apply")
    assert (again.code, again.states()) == (0, {"ok"}), again.all

    folder = tmp_path / "sample"
    test, commit, prepare, push = copied(owner, folder)
    before = owner.gitea("check", "--answers", str(folder / ".copier-answers.yml"))
    assert (before.code, before.texts("wrong")) == (0, []), before.all
    env = server.git_env(live.folder / "home")
    run(["bash", "-euc", f"{test}\n{commit}"], tmp_path, env)
    run(["bash", "-euc", prepare], ROOT, env | {"GITEA_URL": server.internal_url, "GITEA_TOKEN": server.token})
    run(["bash", "-euc", push], folder, env)
    repo = Repo(owner, "sample", folder, there=True)
    released(repo, repo.wait_run(repo.git("rev-parse", "HEAD").strip()), "0.1.0")

    good = owner.gitea("check")
    assert (good.code, good.texts("wrong")) == (0, []), good.all
    assert (
        good.texts("ok")[:2]
        == [
            *([str(server)] if server.queues_runs() else []),
            f"packages of {owner.name} can be seen by its members",
            "Actions are on",
        ][:2]
    )
    if server.since((1, 25)):
        where = "jobs run in containers" if live.engine else "jobs run on the runner's own machine"
        assert [line for line in good.texts("ok") + good.texts("note") if line.startswith(where)], good.all
    for text in ("ROOT_URL is gitea_url", "gitea_internal_url is the same server", "ntfy answers", "secrets REGISTRY"):
        assert [line for line in good.texts("ok") if line.startswith(text)], good.all

    server.api("DELETE", f"repos/{repo.path}/actions/secrets/REGISTRY_TOKEN")
    server.api("PATCH", f"repos/{repo.path}", {"has_actions": False})
    broken = owner.gitea("check")
    assert broken.code == 1
    assert any("Actions are off" in text for text in broken.texts("wrong")), broken.all
    # A repository whose Actions are off has no secrets to look at.
    healed = owner.gitea("prepare", "--apply", **owner.password)
    assert healed.code == 0, healed.all
    assert healed.texts("done") == [
        "switch Actions on in the repository",
        f"secrets REGISTRY_USER and REGISTRY_TOKEN, with a new token of {owner.bot} (write:package)",
    ]
    if server.since((1, 23), (11, 0)):
        server.api("POST", f"repos/{repo.path}/tag_protections", {"name_pattern": "v*", "whitelist_usernames": [ADMIN]})
        assert owner.gitea("check").texts("wrong") == ["tags v* are protected, so the workflow cannot make a version"]


def test_the_commands_of_the_page(owner: Prepared) -> None:
    """As a person pastes them, with the names of this server."""
    text = block("prepare") + block("check")
    for written, here in (
        ("https://git.example.org", owner.server.internal_url),
        ("GITEA_TOKEN=…", f"GITEA_TOKEN={owner.server.token}"),
        (" acme ", f" {owner.name} "),
    ):
        assert written in text
        text = text.replace(written, here)
    said = run(["bash", "-euc", text], ROOT, owner.server.git_env(owner.live.folder / "home"))
    assert f"would    repository {owner.name}/handler-base (private)\n" in said
    assert f"done     repository {owner.name}/handler-base (private)\n" in said
    assert "ok       secrets REGISTRY_TOKEN and REGISTRY_USER\n" in said


def test_what_a_token_may(owner: Prepared) -> None:
    """The registry is asked, and nothing is uploaded."""
    server = owner.server
    assert owner.gitea("prepare", "--create-owner", "public", "--apply", repository="").code == 0
    person = server.user(f"person-{secrets.token_hex(3)}")
    (team,) = (team for team in server.api("GET", f"orgs/{owner.name}/teams") if team["name"] == "packages")

    def said(*scopes: str, token: str = "") -> list[tuple[str, str]]:
        found = owner.gitea("check", repository="", REGISTRY_TOKEN=token or server.token_of(person, *scopes)).found
        return [(line["state"], line["text"]) for line in found if "REGISTRY_TOKEN" in line["text"]]

    refused = ("wrong", f"Gitea knows REGISTRY_TOKEN, but it may not upload to {owner.name}")
    assert said("write:package") == [refused], "the account is in no team"
    server.api("PUT", f"teams/{team['id']}/members/{person}")
    assert said("write:package") == [("ok", f"REGISTRY_TOKEN can upload to {owner.name}")]
    assert said("read:package") == [refused]
    more = said("write:package", "read:user")
    assert more[1:] == [("note", "REGISTRY_TOKEN may do more than upload")]
    assert said(token="not-a-token") == [("wrong", "Gitea does not know REGISTRY_TOKEN")]


def test_an_owner_s_token_leaves_to_others_what_it_may_not(owner: Prepared) -> None:
    """Without an administrator: nothing without the account, then all but its token, which a person makes."""
    server = owner.server
    person = server.user(f"person-{secrets.token_hex(3)}")
    scopes = ("write:organization", "write:repository", "write:user")
    mine = {"GITEA_TOKEN": server.token_of(person, *scopes)}
    none = owner.gitea("prepare", "--create-owner", "public", "--apply", **mine)
    assert none.code == 1
    assert none.texts("by hand") == [f"there is no account {owner.bot}, and only an administrator can create one"]
    server.user(owner.bot)
    most = owner.gitea("prepare", "--apply", **mine)
    assert most.code == 1, most.all
    (left,) = (line for line in most.found if line["state"] == "by hand")
    assert left["text"].startswith(f"no token of {owner.bot} could be made: ")
    assert f"sign in as {owner.bot}, make a token with the scope write:package" in left["fix"]
    by_password = owner.gitea("prepare", "--apply", **mine, BOT_PASSWORD=server.password)
    assert (by_password.code, by_password.texts("by hand")) == (0, []), by_password.all
    assert server.password not in by_password.all
    server.api("DELETE", f"repos/{owner.name}/sample/actions/secrets/REGISTRY_TOKEN")
    token = server.token_of(owner.bot, "write:package")
    done = owner.gitea("prepare", "--apply", **mine, REGISTRY_TOKEN=token)
    assert (done.code, done.texts("by hand")) == (0, []), done.all
    assert token not in done.all
    assert owner.gitea("check", **mine, REGISTRY_TOKEN=token).texts("wrong") == []


def test_a_user_s_own_packages(owner: Prepared) -> None:
    """Need neither organisation nor team; the token is the user's."""
    owner.name = owner.server.user(owner.name)
    mine = {"GITEA_TOKEN": owner.server.token_of(owner.name, "write:repository", "write:user", "read:organization")}
    made = owner.gitea("prepare", "--apply", **mine, **owner.password)
    assert made.code == 0, made.all
    assert made.texts("done")[-1].endswith(f"with a new token of {owner.name} (write:package)")
    assert owner.gitea("prepare", "--apply", **mine).states() == {"ok"}
    assert owner.gitea("check", **mine).texts("wrong") == []


def test_a_token_that_may_nothing_is_named(owner: Prepared) -> None:
    """Before anything is made."""
    assert "Gitea does not know GITEA_TOKEN" in owner.gitea("check", GITEA_TOKEN="0").errors
    person = owner.server.user(f"person-{secrets.token_hex(3)}")
    narrow = owner.gitea("prepare", "--apply", GITEA_TOKEN=owner.server.token_of(person, "read:package"))
    assert (narrow.code, narrow.found) == (1, [])
    assert "Give GITEA_TOKEN the scopes that --help names" in narrow.errors
