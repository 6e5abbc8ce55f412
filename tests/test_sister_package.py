"""A package takes another package of its owner from the owner's index, by the one command that its README names."""

import re
import threading
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info

import pypiserver
import pytest
from rendering import Render, Run

OWNER = "acme"
PREFIX = f"/api/packages/{OWNER}/pypi"


class Quiet(WSGIRequestHandler):
    """Says nothing: pytest's output belongs to pytest."""

    def log_message(self, *_: Any) -> None:
        """Drop what would be printed for each request."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A registry server at the path that Gitea gives an owner's: its address, and the folder with what it lists."""
    listed = tmp_path / "registry"
    listed.mkdir()
    index = pypiserver.app(roots=[listed], disable_fallback=True)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for part in PREFIX.strip("/").split("/"):
            if shift_path_info(environ) != part:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"not found"]
        return index(environ, start_response)

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", listed
        server.shutdown()
        thread.join()


def test_sister_package_is_added_by_one_command(
    registry: tuple[str, Path], render: Render, run: Run, tmp_path: Path
) -> None:
    """It comes from the owner's index and is written so, the lock stays good, and the public index serves the rest."""
    url, listed = registry
    sister = render(project_name="sister", tasks=False)
    run("uv", "build", "--out-dir", tmp_path / "dist", cwd=sister)
    for file in (tmp_path / "dist").glob("sister-*"):
        file.rename(listed / file.name)
    package = render(gitea_url=url, gitea_owner=OWNER)

    (command,) = re.findall("`(uv add NAME --index [^`]+)`", (package / "README.md").read_text())
    run(*command.replace("NAME", "sister").split(), cwd=package)

    held = tomllib.loads((package / "pyproject.toml").read_text())
    assert held["project"]["dependencies"] == ["sister>=0.0.0"]
    assert held["tool"]["uv"]["sources"] == {"sister": {"index": "gitea"}}
    assert held["tool"]["uv"]["index"] == [{"name": "gitea", "url": f"{url}{PREFIX}/simple/", "explicit": True}]
    locked = tomllib.loads((package / "uv.lock").read_text())["package"]
    sources = {entry["name"]: entry["source"].get("registry", "") for entry in locked}
    assert sources["sister"] == f"{url}{PREFIX}/simple/"
    assert not sources["pytest"].startswith(url)

    run("uv", "lock", "--check", cwd=package)
    run("uv", "sync", "--frozen", "--extra", "dev", cwd=package)
    run("uv", "run", "--no-sync", "python", "-c", "import sister", cwd=package)
    run("uv", "run", "--no-sync", "ruff", "check", cwd=package)
    run("uv", "run", "--no-sync", "pytest", "-v", cwd=package)
