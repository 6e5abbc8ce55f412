"""A Gitea's worth of servers on loopback: git over HTTP, the package registry, the link and release API, and ntfy.

The registry is pypiserver and the repository is git's own http-backend, each mounted at the path that Gitea gives it.
Where pypiserver's answer differs from Gitea's recorded one (a wrong password, a file that is there already), Gitea's
status and words are given instead, so that the release reads what it will read in life.
"""

import base64
import io
import json
import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver
from passlib.apache import HtpasswdFile

Answer = tuple[str, list[tuple[str, str]], bytes]
Environ = dict[str, Any]

REFUSED = b'{"errors":null,"message":"Failed to authenticate user","url":"/api/swagger"}'
NO_RIGHT = b'{"errors":null,"message":"reqPackageAccess","url":"/api/swagger"}'


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> Environ:
        """Add a way to hang up, and the path as it was sent: WSGI has neither."""
        environ = super().get_environ()
        environ["loopback.path"] = self.path.partition("?")[0]
        environ["loopback.hang_up"] = lambda: self.connection.shutdown(socket.SHUT_RDWR)
        return environ

    def log_message(self, *_: Any) -> None:
        """Say nothing: pytest's output belongs to pytest."""


class Listener:
    """An HTTP server on a free loopback port, running from construction until `close`."""

    def __init__(self, app: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        """Serve `app` (WSGI) at `self.url`."""
        self._server = make_server("127.0.0.1", 0, app, _Server, _Handler)
        self._server.set_app(app)
        self._open = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop answering; the port refuses connections from now on. May be called twice."""
        if self._open:
            self._open = False
            self._server.shutdown()
            self._server.server_close()


@dataclass(frozen=True)
class Request:
    """One request as the server saw it, with the status that it answered."""

    door: str
    method: str
    path: str
    user: str
    password: str
    status: int


@dataclass
class Owner:
    """A Gitea organisation: its packages, who may upload, who may read when it is private."""

    name: str
    files: Path
    app: Any
    private: bool


class Forge:
    """The Gitea of one test. `inside` and `outside` are its two addresses, under a path that no other test has."""

    def __init__(self, folder: Path, job_token: str, publisher: tuple[str, str], reader: tuple[str, str]) -> None:
        """Keep everything below `folder`; let `job_token` push, `publisher` upload, `reader` read private owners."""
        self.folder = folder
        self.job_token, self.publisher, self.reader = job_token, publisher, reader
        self.log: list[Request] = []
        self.link_status = "201 Created"
        self.pages: dict[tuple[str, str], dict[str, Any]] = {}  # by repository and tag
        # A fault is asked before each upload (number of the upload, from 1, since it was armed) and says "lost"
        # (nothing is stored, the connection ends), "unanswered" (stored, but nobody hears of it) or nothing.
        self.fault: Callable[[int], str | None] = lambda _number: None
        # With a status, or while the file is there, the registry answers nothing else; git and the pages go on.
        self.registry_status: str | None = None
        self.down_when = folder / "registry-is-down"
        self._uploads = 0
        self._owners: dict[str, Owner] = {}
        self._lock = threading.Lock()
        # uv caches by address: a path of its own keeps a test from meeting another's files on a port used again.
        self._root = f"/{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        self._accounts = folder / "htpasswd"
        accounts = HtpasswdFile(str(self._accounts), new=True)
        for user, password in (publisher, reader):
            accounts.set_password(user, password)
        accounts.save()
        self._doors = {name: Listener(self._application(name)) for name in ("inside", "outside")}
        self.inside = self._doors["inside"].url + self._root
        self.outside = self._doors["outside"].url + self._root

    def close(self) -> None:
        """Stop both doors."""
        for door in self._doors.values():
            door.close()

    def close_inside(self) -> None:
        """Let the address in the cluster answer nothing, as for anybody outside."""
        self._doors["inside"].close()

    def close_outside(self) -> None:
        """Let the outside address answer nothing, as from within a cluster without a way out."""
        self._doors["outside"].close()

    def add_owner(self, name: str, private: bool = False) -> Owner:
        """Make an organisation with an empty registry."""
        files = self.folder / "packages" / name
        files.mkdir(parents=True)
        app = pypiserver.app(
            roots=[files],
            password_file=str(self._accounts),
            authenticate=["update", "list", "download"] if private else ["update"],
            overwrite=False,
            hash_algo="sha256",
            disable_fallback=True,
            verbosity=0,
        )
        self._owners[name] = Owner(name, files, app, private)
        return self._owners[name]

    def add_repository(self, owner: str, name: str) -> Path:
        """Make an empty bare repository whose default branch is main, and return its path."""
        path = self.folder / "git" / owner / f"{name}.git"
        subprocess.run(
            ["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True, env=_git_environment(self.folder)
        )
        return path

    def index_url(self, owner: str) -> str:
        """The address that installers read, at the outside door."""
        return f"{self.outside}/api/packages/{owner}/pypi/simple/"

    def files(self, owner: str) -> dict[str, bytes]:
        """What the owner's registry holds: file name to content."""
        return {path.name: path.read_bytes() for path in sorted(self._owners[owner].files.iterdir()) if path.is_file()}

    def requests(self, door: str | None = None, part: str = "", method: str | None = None) -> list[Request]:
        """The requests so far, of one door, with `part` in their path, of one method."""
        with self._lock:
            return [r for r in self.log if door in (None, r.door) and part in r.path and method in (None, r.method)]

    def stored(self, owner: str) -> list[Request]:
        """The uploads that the owner's registry took."""
        path = f"/api/packages/{owner}/pypi"
        return [r for r in self.requests(method="POST") if r.path.endswith(path) and r.status == 201]

    def arm(self, fault: Callable[[int], str | None]) -> None:
        """Let uploads fail from now on as `fault` says; `disarm` ends it."""
        self._uploads, self.fault = 0, fault

    def disarm(self) -> None:
        """Let uploads succeed again."""
        self.arm(lambda _number: None)

    def _application(self, door: str) -> Callable[[Environ, Any], Iterable[bytes]]:
        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            user, password = _basic_auth(environ)
            path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
            body = environ["wsgi.input"] = _Bounded(environ)
            status, headers, answer = self._route(environ, path.removeprefix(self._root), method, user, password)
            query = "?" + environ["QUERY_STRING"] if environ.get("QUERY_STRING") else ""
            with self._lock:
                self.log.append(Request(door, method, path + query, user, password, int(status.split()[0])))
            body.drain()
            if status.startswith("000"):
                environ["loopback.hang_up"]()
                status, headers, answer = "500 Gone", [], b""
            start_response(status, [*headers, ("Content-Length", str(len(answer)))])
            return [answer]

        return app

    def _route(self, environ: Environ, path: str, method: str, user: str, password: str) -> Answer:
        parts = path.strip("/").split("/")
        if not environ["PATH_INFO"].startswith(self._root + "/"):
            return _text("404 Not Found", "no such Gitea")
        if parts[:2] == ["api", "packages"] and parts[2] in self._owners and parts[3:4] == ["pypi"]:
            return self._registry(environ, self._owners[parts[2]], parts, method, user, password)
        if parts[:3] == ["api", "v1", "packages"] and "link" in parts:
            # Gitea fails on a form without a part, whatever the request is for.
            form = environ.get("CONTENT_TYPE", "").startswith("multipart/")
            again = bool(self.requests(part=path)) and self.link_status.startswith("201")
            status = "400 Bad Request" if again else self.link_status
            return _text("500 Internal Server Error" if form else status, "")
        if parts[:3] == ["api", "v1", "repos"] and parts[5:6] == ["releases"]:
            return self._releases(environ, parts[3:5], parts[6:])
        if len(parts) > 2 and parts[0] in self._owners:
            return self._git(environ, path, method, user, password)
        return _text("404 Not Found", "not found")

    def _releases(self, environ: Environ, repository: list[str], rest: list[str]) -> Answer:
        """Keep the page of a tag, as Gitea's API does."""
        if environ.get("HTTP_AUTHORIZATION") != f"token {self.job_token}":
            return _json("403 Forbidden", b'{"message":"no"}')
        if environ["REQUEST_METHOD"] == "GET":
            page = self.pages.get(("/".join(repository), rest[-1]))
            return _json("200 OK" if page else "404 Not Found", json.dumps(page or {}).encode())
        page = json.loads(environ["wsgi.input"].read())
        with self._lock:
            key = ("/".join(repository), page["tag_name"])
            status = "409 Conflict" if key in self.pages else "201 Created"
            self.pages.setdefault(key, page | {"id": len(self.pages) + 1})
        return _json(status, b"{}")

    def _registry(
        self, environ: Environ, owner: Owner, parts: list[str], method: str, user: str, password: str
    ) -> Answer:
        if self.registry_status or self.down_when.exists():
            return _text(self.registry_status or "502 Bad Gateway", "bad gateway")
        mount = f"{self._root}/api/packages/{owner.name}/pypi"
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount, environ["PATH_INFO"].removeprefix(mount) or "/"
        known = (user, password) in (self.publisher, self.reader)
        if method == "HEAD":
            return _text("405 Method Not Allowed", "")
        if method == "POST":
            if not user and not password:
                return _json("401 Unauthorized", NO_RIGHT)
            if not known:
                return _json("401 Unauthorized", REFUSED)
            if (user, password) != self.publisher:
                return _json("401 Unauthorized", NO_RIGHT)
            return self._upload(environ, owner)
        if parts[4:] == ["simple"]:
            return _text("404 Not Found", "there is no root index")
        return _call(owner.app, environ)

    def _upload(self, environ: Environ, owner: Owner) -> Answer:
        body = environ["wsgi.input"].read()
        if b'name="content"; filename=' not in body:
            return _text("400 Bad Request", "http: no such file")
        environ["wsgi.input"] = _Bounded.of(body)
        # One at a time, as Gitea's database has it: pypiserver looks and writes in two steps.
        with self._lock:
            self._uploads += 1
            fault = self.fault(self._uploads)
            if fault == "lost":
                return _text("000 hang up", "")
            status, headers, answer = _call(owner.app, environ)
        if fault == "unanswered":
            return _text("000 hang up", "")
        if b"already exists" in answer:
            return _text("409 Conflict", "package file already exists")
        return ("201 Created", headers, b"") if status.startswith("200") else (status, headers, answer)

    def _git(self, environ: Environ, path: str, method: str, user: str, password: str) -> Answer:
        push = "git-receive-pack" in path + environ.get("QUERY_STRING", "")
        if push and password != self.job_token:
            wanted = [("WWW-Authenticate", 'Basic realm="Gitea"'), ("Content-Type", "text/plain")]
            return "401 Unauthorized", wanted, b"Unauthorized\n"
        owner, repository, *rest = path.strip("/").split("/")
        repository = repository.removesuffix(".git") + ".git"
        cgi = _git_environment(self.folder) | {
            "GIT_PROJECT_ROOT": str(self.folder / "git"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": "/" + "/".join([owner, repository, *rest]),
            "QUERY_STRING": environ.get("QUERY_STRING", ""),
            "REQUEST_METHOD": method,
            "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "HTTP_GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""),
            "REMOTE_USER": user or "anonymous",
            "REMOTE_ADDR": "127.0.0.1",
        }
        body = environ["wsgi.input"].read()
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=cgi, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for key, value in headers if key == "Status"), "200 OK")
        return status, [(k, v) for k, v in headers if k not in ("Status", "Content-Length")], content


@dataclass
class Ntfy:
    """The listener in ntfy's place: keeps each message, answers `status`."""

    status: str = "200 OK"
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start listening."""
        self._listener = Listener(self._answer)
        self.url = self._listener.url

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _answer(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.received.append(json.loads(body) | {"path": environ["PATH_INFO"], "size": len(body)})
        self.headers.append({key: value for key, value in environ.items() if key.startswith("HTTP_")})
        start_response(self.status, [("Content-Type", "application/json")])
        return [b"{}"]


class _Bounded:
    """The request's body, which on a socket has no end of its own."""

    def __init__(self, environ: Environ) -> None:
        self._source, self._left = environ["wsgi.input"], int(environ.get("CONTENT_LENGTH") or 0)

    @classmethod
    def of(cls, body: bytes) -> "_Bounded":
        return cls({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._source.read(wanted)
        self._left -= len(data)
        return data

    def drain(self) -> None:
        self.read()


def _call(app: Any, environ: Environ) -> Answer:
    """Run a WSGI application and give its whole answer."""
    seen: list[Any] = []
    parts = app(environ, lambda status, headers, *_: seen.extend((status, headers)))
    try:
        body = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    return seen[0], [(k, v) for k, v in seen[1] if k.lower() != "content-length"], body


def _text(status: str, body: str) -> Answer:
    return status, [("Content-Type", "text/plain")], body.encode()


def _json(status: str, body: bytes) -> Answer:
    return status, [("Content-Type", "application/json")], body


def _basic_auth(environ: Environ) -> tuple[str, str]:
    kind, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() != "basic":
        return "", value
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password


def _git_environment(home: Path) -> dict[str, str]:
    """A git that reads nobody's settings: `home` has none."""
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(home)}
