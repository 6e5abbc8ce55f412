"""Two indexes on loopback: the owner's, and a public one on which somebody has every name of the owner's."""

import base64
import json
import threading
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import shift_path_info

import pypiserver
import pytest
from rendering import Run
from sharing import Once

OWNER = "acme"
PREFIX = f"/api/packages/{OWNER}/pypi"
# What is in which index. The package of this owner needs another one of its own.
PACKAGES = {
    "owner": [("handler-base", "1.0", ["mlflow-utils"]), ("mlflow-utils", "1.0", [])],
    "public": [("handler-base", "99.0", []), ("mlflow-utils", "99.0", [])],
}
PYPROJECT = """\
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
dependencies = {needs}

[project.scripts]
{name} = "{module}:main"
"""
MODULE = """\
from importlib.metadata import version


def main():
    print(version("{name}"))
"""
OURS = {"handler-base": "1.0", "mlflow-utils": "1.0"}


class Quiet(WSGIRequestHandler):
    """Says nothing: pytest's output belongs to pytest."""

    def log_message(self, *_: Any) -> None:
        """Drop what would be printed for each request."""


class Server(ThreadingMixIn, WSGIServer):
    """Answers several requests at a time."""

    daemon_threads = True


@dataclass
class Indexes:
    """The two indexes, and the settings of a machine whose public index is the second."""

    folder: Path
    server: str
    public: str
    asked: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)  # names whose last version was deleted
    status: str = ""  # what the owner's index answers to everything, if not its pages
    login: str = ""  # user:token that the owner's index asks for, if it is not public

    @property
    def owner(self) -> str:
        """The address of the owner's index."""
        return f"{self.server}{PREFIX}/simple/"

    @property
    def env(self) -> dict[str, str]:
        """Variables with which installers take the second index for the public one."""
        return {"XDG_CONFIG_HOME": str(self.folder / "config"), "PIP_INDEX_URL": self.public}


@pytest.fixture(scope="session")
def built(once: Once, run: Run) -> Path:
    """A folder of wheels for each index."""

    def make(folder: Path) -> None:
        for index, packages in PACKAGES.items():
            for name, version, needs in packages:
                source = folder / "sources" / f"{name}-{version}"
                module = name.replace("-", "_")
                (source / module).mkdir(parents=True)
                (source / module / "__init__.py").write_text(MODULE.format(name=name))
                text = PYPROJECT.format(name=name, version=version, needs=needs, module=module)
                (source / "pyproject.toml").write_text(text)
                run("uv", "build", "--wheel", "--no-create-gitignore", "--out-dir", folder / index, cwd=source)

    return once("two-indexes", make)


@pytest.fixture
def indexes(built: Path, tmp_path: Path) -> Iterator[Indexes]:
    """Both, at free ports; what the second lacks is on the real one."""
    own = pypiserver.app(roots=[built / "owner"], disable_fallback=True, backend_arg="simple-dir")
    public = pypiserver.app(roots=[built / "public"], backend_arg="simple-dir")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        made.asked.append(environ["PATH_INFO"])
        expected = "Basic " + base64.b64encode(made.login.encode()).decode()
        if made.login and environ.get("HTTP_AUTHORIZATION") != expected:
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="Gitea"')])
            return [b"Unauthorized"]
        found = all(shift_path_info(environ) == part for part in PREFIX.strip("/").split("/"))
        if made.status or not found or made.gone & set(environ["PATH_INFO"].split("/")):
            start_response(made.status or "404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        return own(environ, start_response)

    servers = [make_server("127.0.0.1", 0, served, Server, Quiet) for served in (app, public)]
    addresses = [f"http://127.0.0.1:{server.server_port}" for server in servers]
    made = Indexes(tmp_path, addresses[0], f"{addresses[1]}/simple/")
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text(f'[[index]]\nurl = "{made.public}"\ndefault = true\n')
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    yield made
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def locked(package: Path) -> dict[str, str]:
    """Returns the internal packages in uv.lock with their versions."""
    entries = tomllib.loads((package / "uv.lock").read_text())["package"]
    return {entry["name"]: entry["version"] for entry in entries if entry["name"] in OURS}


def installed(run: Run, python: Path, folder: Path) -> dict[str, str]:
    """Returns the internal packages that an environment has, with their versions."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = json.loads(run(python, "-I", "-c", code, cwd=folder).stdout)
    return {name: version for name, version in found.items() if name in OURS}
