"""What `prepare` and `check` say of a Gitea. Its API stands in here; tests/live/test_live_prepare.py has a real one."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from rendering import ROOT

sys.path.insert(0, str(ROOT / "rollout"))

import check
import check_addresses
from findings import STATES, Finding, as_json, as_text
from forge import Failed
from prepare_owner import Wanted, prepare

SERVER = "https://git.test"
LABEL = {"labels": [{"name": "ubuntu-latest"}]}
ANSWERS = """\
gitea_owner: acme
gitea_url: https://git.test
gitea_internal_url: http://git.internal:3000
ntfy_url: https://ntfy.test
runner_label: ubuntu-latest
_src_path: ../template
"""
# All that `check` asks for, as it should be.
GOOD: dict[str, Any] = {
    "version": {"version": "1.26.4"},
    "orgs/acme": {"visibility": "public"},
    "repos/acme/base": {"has_actions": True, "default_branch": "main"},
    "repos/acme/base/raw/.copier-answers.yml": ANSWERS,
    "repos/acme/base/actions/runners": {"runners": [{"name": "one", "status": "idle", **LABEL}]},
    "orgs/acme/actions/runners": {"runners": []},
    "admin/actions/runners": {"runners": []},
    "repos/acme/base/actions/secrets": [{"name": "REGISTRY_USER"}, {"name": "REGISTRY_TOKEN"}],
    "orgs/acme/actions/secrets": [],
    "repos/acme/base/tag_protections": [{"name_pattern": "release-*"}],
}
FORGEJO_15 = {"version": {"version": "15.0.3+gitea-1.22.0"}}
HOME = {"authorization_endpoint": "https://git.test/login/oauth/authorize"}
ELSEWHERE: dict[str, Any] = {
    "https://git.test/.well-known/openid-configuration": HOME,
    "http://git.internal:3000/.well-known/openid-configuration": HOME,
    "https://ntfy.test/v1/health": {"healthy": True},
}
GONE = httpx.Response(404, json={"message": "not found"})


def answer(what: Any) -> httpx.Response:
    """Returns what a server answers: an answer as it is, a text, or JSON."""
    if isinstance(what, httpx.Response):
        return what
    return httpx.Response(200, text=what) if isinstance(what, str) else httpx.Response(200, json=what)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """`look(path=…)` returns what `check` finds where some answers differ from the good ones."""

    def look(changed: dict[str, Any] | None = None, repository: str = "base", registry: str = "") -> list[Finding]:
        api, web = {**GOOD, **(changed or {})}, {**ELSEWHERE, **(changed or {})}

        def handle(request: httpx.Request) -> httpx.Response:
            path = request.url.path.removeprefix("/api/v1/")
            return answer(api.get(path, GONE))

        async def anonymous(url: str) -> httpx.Response:
            if url not in web:
                raise Failed(f"no answer from {url}")
            return answer(web[url])

        monkeypatch.setattr(check_addresses, "anonymous", anonymous)

        async def all_of() -> list[Finding]:
            transport = httpx.MockTransport(handle)
            async with httpx.AsyncClient(transport=transport, base_url=f"{SERVER}/api/v1/") as client:
                return [found async for found in check.check(client, SERVER, "acme", repository, registry)]

        return asyncio.run(all_of())

    return look


def test_all_is_well(look: Callable[..., list[Finding]]) -> None:
    """Each line says what holds; what cannot be seen is no fault."""
    found = look()
    assert not [one for one in found if one.bad]
    assert [one.text for one in found if one.state == "ok"] == [
        "Gitea 1.26.4",
        "packages of acme can be seen by everyone who reaches the server",
        "Actions are on",
        "runner with the label ubuntu-latest: one",
        "secrets REGISTRY_TOKEN and REGISTRY_USER",
        "the workflow may make version tags",
        "ROOT_URL is gitea_url: https://git.test",
        "gitea_internal_url is the same server: http://git.internal:3000",
        "ntfy answers: https://ntfy.test",
    ]


def test_an_empty_repository_ignores_no_workflows(look: Callable[..., list[Finding]]) -> None:
    """Forgejo, and Gitea before 1.25, list no files of it, whatever the path."""
    found = look({**FORGEJO_15, f"{REPOSITORY}/contents/.forgejo/workflows": []})
    assert not [one.text for one in found if one.bad]


OFF = {"has_actions": False, "default_branch": "master"}
REPOSITORY = "repos/acme/base"
OFFLINE = {"runners": [{"name": "one", "status": "offline", **LABEL}]}
OTHER = {"runners": [{"name": "two", "status": "online", "labels": [{"name": "big"}]}]}
ELSEWHERE_HOME = {"authorization_endpoint": "http://localhost:3000/login/oauth/authorize"}
FORGEJO = [{"name": "three", "status": "active", "labels": ["docker", "ubuntu-latest"]}]
HIDDEN = httpx.Response(403, json={"message": "no"})


@pytest.mark.parametrize(
    ("changed", "state", "text", "fix"),
    [
        ({"version": {"version": "1.21.11"}}, "wrong", "Gitea 1.21.11", "update it to 1.22 or later"),
        ({"version": {"version": "1.25.5"}}, "note", "Gitea 1.25.5: a push to main can cancel", ""),
        ({"version": {"version": "28.1.0"}}, "ok", "Gitea 28.1.0", ""),
        ({"version": {"version": "10.0.3+gitea-1.22.0"}}, "wrong", "Forgejo 10.0.3", "update it to 11 or later"),
        ({"version": {"version": "15.0.3+gitea-1.22.0"}}, "ok", "Forgejo 15.0.3", ""),
        ({"version": {"version": "main"}}, "unknown", "version of the server: 'main'", ""),
        ({"orgs/acme": GONE}, "wrong", "there is no organisation or user acme", "check the name"),
        ({"orgs/acme": {"visibility": "limited"}}, "ok", "can be seen by everyone who is signed in", ""),
        ({REPOSITORY: GONE}, "wrong", "there is no repository acme/base", "prepare makes it"),
        ({REPOSITORY: OFF}, "wrong", "Actions are off", "prepare switches them on"),
        ({REPOSITORY: OFF}, "wrong", "the default branch is master", "rename the branch to main"),
        ({f"{REPOSITORY}/raw/.copier-answers.yml": GONE}, "unknown", "addresses and template", "add --answers"),
        ({f"{REPOSITORY}/raw/.copier-answers.yml": "a: [b"}, "unknown", "addresses and template", "add --answers"),
        (
            {f"{REPOSITORY}/raw/.copier-answers.yml": ANSWERS.replace("acme", "other")},
            "wrong",
            "the package publishes to other",
            "--data gitea_owner=acme",
        ),
        (
            {**FORGEJO_15, f"{REPOSITORY}/contents/.forgejo/workflows": [{"name": "ci.yaml"}]},
            "wrong",
            "Forgejo runs .forgejo/workflows",
            "git mv",
        ),
        ({f"{REPOSITORY}/actions/runners": OFFLINE}, "wrong", "ubuntu-latest is offline", "start it"),
        ({f"{REPOSITORY}/actions/runners": OTHER}, "wrong", "no runner has the label", "one of: big"),
        ({f"{REPOSITORY}/actions/runners": FORGEJO}, "ok", "runner with the label ubuntu-latest: three", ""),
        ({f"{REPOSITORY}/actions/runners": {}, "admin/actions/runners": HIDDEN}, "unknown", "may not list", "look in"),
        ({f"{REPOSITORY}/actions/secrets": []}, "wrong", "no secret REGISTRY_TOKEN and REGISTRY_USER", "prepare"),
        (
            {f"{REPOSITORY}/actions/secrets": HIDDEN, "orgs/acme/actions/secrets": HIDDEN},
            "unknown",
            "secrets: only an owner's token can list them",
            "",
        ),
        (
            {
                f"{REPOSITORY}/actions/secrets": [],
                "orgs/acme/actions/secrets": [{"name": "REGISTRY_USER"}, {"name": "REGISTRY_TOKEN"}],
            },
            "note",
            "REGISTRY_TOKEN is the organisation's",
            "prepare --new-token",
        ),
        ({f"{REPOSITORY}/tag_protections": [{"name_pattern": "v*"}]}, "wrong", "tags v* are protected", "delete"),
        ({f"{REPOSITORY}/tag_protections": [{"name_pattern": "/^v\\d/"}]}, "wrong", "are protected", "delete"),
        ({f"{REPOSITORY}/tag_protections": HIDDEN}, "unknown", "rules for tags: 403", "Settings, Tags"),
        (
            {"https://git.test/.well-known/openid-configuration": ELSEWHERE_HOME},
            "wrong",
            "ROOT_URL is http://localhost:3000, and gitea_url is https://git.test",
            "set ROOT_URL = https://git.test/",
        ),
        ({"https://git.test/.well-known/openid-configuration": "<html>"}, "unknown", "whether ROOT_URL", ""),
        (
            {"http://git.internal:3000/.well-known/openid-configuration": {}},
            "wrong",
            "gitea_internal_url is another server",
            "correct that answer",
        ),
        (
            {"http://git.internal:3000/.well-known/openid-configuration": ELSEWHERE_HOME},
            "wrong",
            "gitea_internal_url is another server",
            "correct that answer",
        ),
        ({"https://ntfy.test/v1/health": "<html>"}, "wrong", "no ntfy answers at https://ntfy.test", "start it"),
    ],
)
def test_each_fault_is_one_line_with_what_to_do(
    look: Callable[..., list[Finding]],
    changed: dict[str, Any],
    state: str,
    text: str,
    fix: str,
) -> None:
    """The rest is looked at all the same."""
    (found,) = (one for one in look(changed) if text in one.text)
    assert (found.state, fix in found.fix) == (state, True), found
    assert bool(found.fix) >= found.bad


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that has a repository of git as template.git."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "template.git"], check=True)
    tree = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin"],
        **{"cwd": tmp_path / "template.git", "input": b"", "capture_output": True, "check": True},
    ).stdout.decode().strip()  # fmt: skip
    who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["commit-tree", "-m", "feat: x", tree], ["update-server-info"]):
        done = subprocess.run(
            ["git", *words], cwd=tmp_path / "template.git", env={**os.environ, **who}, capture_output=True, check=True
        )
        if commit := done.stdout.decode().strip():
            subprocess.run(["git", "update-ref", "HEAD", commit], cwd=tmp_path / "template.git", check=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("name", "secret", "state", "text"),
    [
        ("template.git", "", "ok", "updates can read the template: "),
        ("gone.git", "", "wrong", "updates cannot read the template: "),
        ("gone.git", "TEMPLATE_READ_TOKEN", "ok", "the template needs a token, and the secret"),
    ],
)
def test_whether_updates_can_read_the_template(
    look: Callable[..., list[Finding]], web: str, name: str, secret: str, state: str, text: str
) -> None:
    """As the workflow reads it: without anybody's credentials, or with the secret."""
    kept = GOOD[f"{REPOSITORY}/actions/secrets"] + [{"name": secret}]
    stored = ANSWERS.replace("../template", f"git+{web}/{name}")
    found = look({f"{REPOSITORY}/raw/.copier-answers.yml": stored, f"{REPOSITORY}/actions/secrets": kept})
    assert [one.state for one in found if one.text.startswith(text)] == [state], found


MAKE = Wanted("acme", "base", "ci-bot", "", True)
THERE: dict[str, Any] = {
    "user": {"login": "keeper", "is_admin": True},
    "orgs/acme": {"visibility": "public"},
    "users/ci-bot": {"login": "ci-bot"},
    "orgs/acme/teams": [{"id": 7, "name": "Packages", "permission": "write", "units_map": {"repo.packages": "write"}}],
    "teams/7/members/ci-bot": {"login": "ci-bot"},
    "repos/acme/base": {"has_actions": True},
    "repos/acme/base/actions/secrets": [{"name": "REGISTRY_USER"}, {"name": "REGISTRY_TOKEN"}],
    "orgs/acme/actions/secrets": [],
}


def prepared(changed: dict[str, Any], **how: Any) -> tuple[list[Finding], list[str]]:
    """Returns what `prepare --apply` finds where some answers differ, and the calls that would write."""
    api, wrote, found = {**THERE, **changed}, [], []

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        if request.method != "GET":
            wrote.append(f"{request.method} {path}")
            return answer(api.get(f"{request.method} {path}", httpx.Response(201, json={})))
        return answer(api.get(path, GONE))

    async def all_of() -> None:
        transport = httpx.MockTransport(handle)
        async with httpx.AsyncClient(transport=transport, base_url=f"{SERVER}/api/v1/") as client:
            async for one in prepare(client, SERVER, "token", MAKE, True, **how):
                found.append(one)

    asyncio.run(all_of())
    return found, wrote


def test_what_is_there_is_left_alone() -> None:
    """Nothing is written."""
    found, wrote = prepared({})
    assert ({one.state for one in found}, wrote) == ({"ok"}, [])


TEAM = {"id": 7, "name": "packages", "permission": "read", "units_map": {"repo.code": "read"}}
WIDE = {"id": 8, "name": "devs", "permission": "write", "units_map": {"repo.packages": "write", "repo.code": "write"}}
NOT_YET = {"teams/7/members/ci-bot": GONE}


@pytest.mark.parametrize(
    ("changed", "state", "text"),
    [
        ({"orgs/acme": GONE}, "by hand", "acme is neither an organisation nor a user here"),
        ({"users/ci-bot": GONE, "user": {"login": "x"}}, "by hand", "only an administrator can create one"),
        ({"orgs/acme/teams": [TEAM], **NOT_YET}, "by hand", "the team packages may not write packages"),
        (
            {"orgs/acme/teams": [WIDE], "teams/8/members/ci-bot": {}},
            "note",
            "the team devs may do more: code: write",
        ),
        ({"repos/acme/base": {"has_actions": False}}, "by hand", "Actions are off on this server"),
        (
            {
                "repos/acme/base/actions/secrets": [],
                "orgs/acme/actions/secrets": THERE["repos/acme/base/actions/secrets"],
            },
            "note",
            "whoever may push to any of its repositories can read them",
        ),
    ],
)
def test_what_a_person_has_to_do_or_know(changed: dict[str, Any], state: str, text: str) -> None:
    """In one line, with the way out."""
    (found,) = (one for one in prepared(changed)[0] if one.state == state)
    assert text in found.text
    assert found.fix


def test_a_member_is_added_to_the_team_that_is_there() -> None:
    """Whatever case its name has."""
    _, wrote = prepared(NOT_YET)
    assert wrote == ["PUT teams/7/members/ci-bot"]


def test_a_token_that_is_given_is_stored() -> None:
    """With the account's name, and no other is made."""
    found, wrote = prepared({"repos/acme/base/actions/secrets": []}, registry_token="given-by-a-person")
    assert wrote == [f"PUT repos/acme/base/actions/secrets/REGISTRY_{name}" for name in ("USER", "TOKEN")]
    assert "given-by-a-person" not in str(found)


def test_a_refusal_names_what_was_being_done() -> None:
    """And what the server said."""
    with pytest.raises(Failed, match=r"^ci-bot in the team packages: 403 no$"):
        prepared({**NOT_YET, "PUT teams/7/members/ci-bot": HIDDEN})


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the program."""
    program = [sys.executable, str(ROOT / "rollout/gitea.py"), *words]
    env = {name: os.environ[name] for name in ("PATH", "HOME")} | environment
    return subprocess.run(program, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "environment", "sentence"),
    [
        (["check", "acme"], {}, "GITEA_URL is not set."),
        (["prepare", "acme"], {"GITEA_URL": SERVER}, "GITEA_TOKEN is not set."),
        (["check", "../acme"], {"GITEA_URL": SERVER}, "'../acme' is not a valid name in Gitea"),
        (["check", "acme", "b", "--answers", "/gone"], {"GITEA_URL": "http://127.0.0.1:9"}, "/gone cannot be read"),
        (["check", "acme"], {"GITEA_URL": "http://127.0.0.1:9"}, "check stopped: no connection"),
    ],
)
def test_bad_input_is_a_sentence(words: list[str], environment: dict[str, str], sentence: str) -> None:
    """And no traceback."""
    done = command(*words, **environment)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_findings_are_lines_and_json() -> None:
    """Whatever a server says stays on its line."""
    found = [Finding("wrong", "a\n::error::b", "do c"), Finding("ok", "d")]
    wide = max(map(len, STATES))
    assert list(as_text(found)) == [f"{'wrong':{wide}}  a\\n::error::b", f"{'':{wide}}  Fix: do c", f"{'ok':{wide}}  d"]
    assert json.loads(as_json(found))[1] == {"state": "ok", "text": "d", "fix": ""}
