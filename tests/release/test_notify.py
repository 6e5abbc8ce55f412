"""The message: what it says, that it always comes, and that it never makes a run red."""

import ast
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from release_world import SHIPPED, shipped

NOTIFY = SHIPPED / "notify.py"
RAW = "${{ steps.upload.outputs.version }}"
GIVEN = {
    "GITEA_URL": "https://git.example.org",
    "INDEX_URL": "https://git.example.org/api/packages/acme/pypi/simple/",
    "NTFY_TOPIC": "ci",
    "GITHUB_REPOSITORY": "acme/handler-base",
    "GITHUB_REF_NAME": "main",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_SHA": "0123456789abcdef",
    "GITHUB_RUN_NUMBER": "42",
}
LINK = "https://git.example.org/acme/handler-base/actions/runs/42?by_index=1"


class Ntfy(http.server.ThreadingHTTPServer):
    """A listener that keeps what is posted."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.got: list[tuple[dict[str, str], Any]] = []
        self.status = 200
        ntfy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                """Keep it."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ntfy.got.append((dict(self.headers), json.loads(body)))
                self.send_response(ntfy.status)
                if 300 <= ntfy.status < 400:
                    self.send_header("Location", f"{ntfy.url}/login")
                self.end_headers()

            def do_GET(self) -> None:
                """Take a redirect for a message, as a page to log in would."""
                ntfy.got.append((dict(self.headers), {}))
                self.send_response(200)
                self.end_headers()

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def ntfy() -> Iterator[Ntfy]:
    """The listener."""
    with Ntfy() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def needs(lint: str, test: str, publish: str | None, **outputs: str) -> str:
    """Returns what the workflow hands over; publish None: missing, as on an older Gitea."""
    jobs: dict[str, Any] = {"lint": {"result": lint, "outputs": {}}, "test": {"result": test, "outputs": {}}}
    if publish:
        jobs["publish"] = {"result": publish, "outputs": outputs}
    return json.dumps(jobs)


def composed(handed: str, **changes: str) -> dict[str, Any]:
    """Returns the message."""
    return shipped("notify").compose({**GIVEN, "NEEDS": handed, **changes})


def sent(url: str, python: str = sys.executable, **changes: str) -> str:
    """Run the program, which must be green, and give its log."""
    env = {
        "PATH": os.environ["PATH"],
        **GIVEN,
        "NTFY_URL": url,
        "NEEDS": needs("success", "success", "skipped"),
        **changes,
    }
    done = subprocess.run([python, NOTIFY], env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_release() -> None:
    """What was published, how to get it, where to look."""
    message = composed(needs("success", "success", "success", version="1.2.3", name="handler-base"))
    assert message == {
        "topic": "ci",
        "title": "acme/handler-base: handler-base 1.2.3 released",
        "message": (
            f"uv add handler-base==1.2.3 --index gitea={GIVEN['INDEX_URL']}\n"
            f"push on main, commit 0123456789\nlint: success, test: success, publish: success\n{LINK}"
        ),
        "tags": ["white_check_mark"],
        "priority": 3,
        "click": LINK,
    }


def test_release_with_its_notes() -> None:
    """What a phone shows first is what is new."""
    handed = needs(
        "success", "success", "success", version="1.2.3", name="handler-base", notes='["New: a", "Fixed: b"]'
    )
    assert composed(handed)["message"].startswith("New: a\nFixed: b\nuv add handler-base==1.2.3 --index gitea=")


@pytest.mark.parametrize("notes", ["${{ steps.page.outputs.notes }}", "", "{", "7", "null", '{"a": 1}', '"text"'])
def test_notes_that_are_none(notes: str) -> None:
    """Raw text of an expression, or anything else."""
    handed = needs("success", "success", "success", version="1.2.3", name="handler-base", notes=notes)
    assert "${{" not in composed(handed)["message"]
    assert "uv add handler-base==1.2.3" in composed(handed)["message"]


def test_notes_are_bounded() -> None:
    """Whatever was handed over."""
    text = json.dumps(["x" * 10_000] * 1_000)
    handed = needs("success", "success", "success", version="1.2.3", name="handler-base", notes=text)
    message = composed(handed)["message"]
    assert len(message) < 3_000
    assert message.endswith(LINK)


@pytest.mark.parametrize(
    ("handed", "told"),
    [
        (needs("success", "success", "success", version="1.2.3", name="handler-base"), True),
        (needs("success", "success", "success"), False),
        (needs("success", "success", "skipped"), False),
        (needs("failure", "success", "skipped"), True),
        (needs("success", "success", "failure", version="1.2.3", name="handler-base"), True),
        (needs("success", "cancelled", "skipped"), True),
        (needs("skipped", "skipped", "skipped"), True),
    ],
)
def test_releases_and_failures_alone(handed: str, told: bool) -> None:
    """The answer ntfy_when spares a keeper of thirty packages the runs that passed and released nothing."""
    assert bool(composed(handed, NTFY_WHEN="releases and failures")) is told
    assert composed(handed, NTFY_WHEN="always")


def test_nothing_is_sent(ntfy: Ntfy) -> None:
    """The log says why."""
    log = sent(ntfy.url, NTFY_WHEN="releases and failures")
    assert log == "notify: nothing released and nothing failed, so no message is sent (ntfy_when).\n"
    assert ntfy.got == []


@pytest.mark.parametrize("token", ["secret-token\n", "secret-token\r\n", " secret-token", "secret\ntoken"])
def test_a_token_with_a_line_break(ntfy: Ntfy, token: str) -> None:
    """As a browser or an editor leaves it: a sentence, and not the token."""
    log = sent(ntfy.url, NTFY_TOKEN=token)
    assert "NTFY_TOKEN has a line break or a space at an end. Enter it again without." in log
    assert "secret" not in log
    assert ntfy.got == []


@pytest.mark.parametrize(
    ("handed", "title", "priority"),
    [
        (needs("success", "success", "success"), "passed, nothing released", 3),
        (needs("success", "success", "skipped", version=RAW), "passed, nothing released", 3),
        (needs("success", "success", None), "passed, nothing released", 3),
        (needs("failure", "success", "skipped", version=RAW, name=RAW, unfinished=RAW), "lint: failure", 4),
        (needs("failure", "failure", None), "lint, test: failure", 4),
        (needs("success", "success", "failure", version="1.2.3", name="handler-base"), "publish: failure", 4),
        (needs("success", "cancelled", "skipped"), "test: cancelled", 3),
        (needs("failure", "cancelled", "skipped"), "lint: failure", 4),
        (needs("cancelled", "cancelled", "cancelled"), "lint, test, publish: cancelled", 3),
        ("", "lint, test, publish: skipped", 3),
    ],
)
def test_result(handed: str, title: str, priority: int) -> None:
    """Skipped and cancelled are called so; raw text of an expression is never taken for a value."""
    message = composed(handed)
    assert message["title"] == f"acme/handler-base: {title}"
    assert message["priority"] == priority
    assert "${{" not in str(message)
    assert "uv add" not in message["message"]


def test_no_job_ran() -> None:
    """Nothing to tell is not success."""
    message = composed(needs("skipped", "skipped", "skipped"))
    assert message["title"].endswith("lint, test, publish: skipped")
    assert message["tags"] == ["no_entry_sign"]


def test_unfinished() -> None:
    """A version without files is named in every message until it has them."""
    text = composed(needs("success", "success", "failure", unfinished="1.2.3 1.2.2"))["message"]
    assert "Files missing: 1.2.3 1.2.2. Unless deleted, run the jobs of the tag's commit again." in text


def test_a_job_of_this_repository_alone() -> None:
    """Whatever else the workflow waits for is told, too."""
    jobs = json.loads(needs("success", "success", "success", version="1.2.3", name="template"))
    message = composed(json.dumps(jobs | {"rollout": {"result": "failure", "outputs": {}}}))
    assert message["title"].endswith(": rollout: failure")
    assert message["priority"] == 4
    assert "publish: success, rollout: failure" in message["message"]


@pytest.mark.parametrize("value", ["1.2", "1.2.3; rm", "v1.2.3", "\u0661.2.3", "1.2.3\n", RAW, ""])
def test_version_that_is_none(value: str) -> None:
    """Only digits are a version."""
    message = composed(needs("success", "success", "success", version=value, name="handler-base"))
    assert "uv add" not in message["message"]
    assert message["title"].endswith("passed, nothing released")


def test_pull_request_names_its_branch() -> None:
    """Not the number that stands for it."""
    handed = needs("success", "success", "skipped")
    text = composed(handed, GITHUB_EVENT_NAME="pull_request", GITHUB_HEAD_REF="topic", GITHUB_REF_NAME="7/merge")[
        "message"
    ]
    assert text.startswith("pull_request on topic, ")


def test_long_and_hostile_text_stays_whole_and_small() -> None:
    """At most what ntfy takes, cut between characters, the link still there."""
    branch = '"; $(x) `y` ${{ z }} ::add-mask::main \N{ROCKET}' * 1000
    message = composed(needs("success", "success", "success"), GITHUB_REF_NAME=branch)
    assert message["message"].startswith('push on "; $(x) `y` ${{ z }} ::add-mask::main \N{ROCKET}')
    assert len(message["message"].encode()) <= 4096
    assert message["message"].endswith(LINK)
    message = composed(needs("success", "success", "success"), GITEA_URL="https://" + "\N{ROCKET}" * 4000)
    assert len(message["message"].encode()) <= 4096
    assert message["message"].endswith("\N{ROCKET}")


@pytest.mark.parametrize("token", ["", "secret-token"])
def test_one_message_is_sent(ntfy: Ntfy, token: str) -> None:
    """One JSON post; the token only where there is one, and never in the log."""
    log = sent(ntfy.url, NTFY_TOKEN=token)
    assert len(ntfy.got) == 1
    headers, body = ntfy.got[0]
    assert body == composed(needs("success", "success", "skipped"))
    assert headers.get("Authorization") == (f"Bearer {token}" if token else None)
    assert not token or token not in log


def test_no_ntfy() -> None:
    """It is said, and green."""
    assert "NTFY_URL" in sent("")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 413, 429, 500])
def test_refused(ntfy: Ntfy, status: int) -> None:
    """A warning that names what to look at."""
    ntfy.status = status
    log = sent(ntfy.url)
    assert str(status) in log
    assert "NTFY_TOPIC" in log
    assert len(ntfy.got) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no address", "http://"])
def test_unreachable(url: str) -> None:
    """A warning."""
    assert "warning" in sent(url)


@pytest.mark.slow
def test_no_answer() -> None:
    """A server that takes the connection and says nothing is given up on: the log ends with a warning."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "warning" in sent(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("handed", ["{", "[]", '{"publish": null}', '{"publish": {"outputs": {"version": 3}}}'])
def test_needs_that_are_odd(ntfy: Ntfy, handed: str) -> None:
    """Whatever a Gitea hands over, the run stays green."""
    sent(ntfy.url, NEEDS=handed)


def test_runs_without_packages_and_on_old_python(ntfy: Ntfy) -> None:
    """Any Python of the runner will do."""
    old = next((found for minor in (8, 9, 10) if (found := shutil.which(f"python3.{minor}"))), None)
    if not old or subprocess.run([old, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("no old Python here")
    sent(ntfy.url, old)
    assert len(ntfy.got) == 1


def test_syntax_is_old() -> None:
    """The grammar of 3.8 takes the file."""
    assert ast.parse(NOTIFY.read_text(), feature_version=(3, 8)).body
