"""What the rollout prints: one page, to a reader that stops early, after Ctrl-C and when a server hangs."""

import json
import os
import re
import signal
import subprocess
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from acme import LOCK, OURS, command, run
from authority import Authority
from gitea_api import BOT, Repository
from gitea_owner import GiteaOwner
from versions import ROOT, Template

HANGS = 300  # seconds after which something here hangs, however slow the machine is
HOSTILE = "<script>alert(1)</script>|\u202e"


class Page(HTMLParser):
    """What a page has: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, words: str) -> None:
        """Keep a text."""
        self.words += f"{words}\n"


def test_the_page_is_whole_and_escaped(template: Template, acme: GiteaOwner) -> None:
    """It loads nothing, runs nothing, and shows what others wrote as text."""
    acme.known["acme/mlflow"].files = {"uv.lock": LOCK.format(HOSTILE, OURS)}
    done = run(template, acme, "status", "installed", "--owner", "acme", "--format", "html")
    assert done.returncode == 0, done.stderr
    page = Page(done.stdout)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "svg", "base", "form"}
    assert not [name for _, found in page.tags for name in found if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in done.stdout
    assert HOSTILE[:-1] in page.words
    assert "\u202e" not in done.stdout
    assert [found["content"] for tag, found in page.tags if tag == "meta" and "http-equiv" in found] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]
    assert {"handler-base", "mlflow"} <= set(re.findall(r"[\w-]+", page.words))


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_a_reader_that_stops_early_is_no_error(template: Template, acme: GiteaOwner, form: str) -> None:
    """As `| head` does: no traceback."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            command(template, "status", "--owner", "acme", "--format", form),
            **{"stdout": write, "stderr": subprocess.PIPE, "text": True, "check": False, "cwd": ROOT},
            env=template.env | {"GITEA_URL": acme.inside, "ROLLOUT_TOKEN": BOT},
        )
    finally:
        os.close(write)
    assert done.returncode == 0, done.stderr
    assert not re.search("Traceback|BrokenPipe", done.stderr)


@pytest.mark.parametrize("form", ["text", pytest.param("json", marks=pytest.mark.slow)])
def test_ctrl_c_shows_what_is_known(template: Template, acme: GiteaOwner, form: str) -> None:
    """The table of the rest, and 130."""
    over, reached = threading.Event(), threading.Event()

    def stop(_: str, repository: str) -> None:
        if repository == "acme/ray-serve":
            reached.set()
            over.wait(HANGS)

    acme.stop = stop
    process = subprocess.Popen(
        ("env", "--default-signal=INT", *command(template, "status", "--owner", "acme", "--format", form)),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT},
        env=template.env | {"GITEA_URL": acme.inside, "ROLLOUT_TOKEN": BOT},
    )
    try:
        ended = [process.stderr.readline() for _ in range(5)]  # of six repositories, one of which hangs
        assert "[5/6]" in ended[-1]
        assert reached.wait(HANGS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANGS)
    finally:
        over.set()
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if form == "json":
        found = json.loads(out)
        assert found["stopped"] == "Interrupted"
        assert [row["repository"] for row in found["repositories"] if not row["result"]] == ["acme/ray-serve"]
    else:
        assert "| 0.10.0 2026-02-01 | feat |" in out
        assert "Interrupted: 1 repository not finished." in out


def test_a_server_that_hangs_costs_a_bounded_time(template: Template, acme: GiteaOwner) -> None:
    """Everything has one deadline, whatever the number of repositories and the limit of each."""
    over = threading.Event()
    for number in range(300):
        acme.known[f"acme/more-{number}"] = Repository(f"acme/more-{number}", answers=None)
    acme.stop = lambda name, _: over.wait(HANGS) and None if name == "raw" else None
    try:
        done = run(template, acme, "status", "--owner", "acme", "--deadline", "3")
    finally:
        over.set()
    assert done.returncode == 1
    assert "Stopped after 3 s (--deadline): 306 repositories not finished." in done.stdout
    assert "Traceback" not in done.stderr


def test_an_unknown_certificate_is_a_sentence(template: Template, acme: GiteaOwner, tmp_path: Path) -> None:
    """It says which variable helps, and that variable does."""
    authority = Authority(tmp_path / "authority")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = authority.server.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        env = {"GITEA_URL": f"https://127.0.0.1:{server.server_port}"}
        refused = run(template, acme, "status", "--owner", "acme", **env)
        trusted = run(template, acme, "status", "--owner", "acme", **env, SSL_CERT_FILE=str(authority.certificate))
        server.shutdown()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
    assert "set SSL_CERT_FILE to the certificate of its authority" in refused.stderr
    assert trusted.stderr.startswith("The repositories of acme cannot be listed: 501 ")
