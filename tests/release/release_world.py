"""A package with an origin and a registry, and the publish jobs of its pushes, faults included."""

import base64
import hashlib
import http.client
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "template/.gitea"
DRIVE = Path(__file__).with_name("drive.py")
USER, TOKEN, JOB_TOKEN = "ci-bot", "registry-secret-5f2b", "job-secret-77aa"
VERSION_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")

PYPROJECT = """\
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"

[project]
name = "handler-base"
version = "0.0.0"
requires-python = ">=3.11"

[project.optional-dependencies]
dev = ["pytest>=9.2"]
"""
SMOKE = """\
import handler_base


def test_it_is_the_installed_one():
    assert "site-packages" in handler_base.__file__
"""


def shipped(name: str = "release") -> ModuleType:
    """Load one of the files that the template ships, as a module of its own."""
    if str(SHIPPED) not in sys.path:
        sys.path.append(str(SHIPPED))  # where they find each other
    spec = importlib.util.spec_from_file_location(f"shipped_{name}", SHIPPED / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with kept_environment():
        spec.loader.exec_module(module)
    return module


@contextmanager
def kept_environment() -> Iterator[None]:
    """Put os.environ back afterwards: release.py takes its secrets out of it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Repository:
    """A git repository with an environment of its own."""

    def __init__(self, path: Path, environment: dict[str, str]) -> None:
        """Make the repository where there is none yet."""
        self.path, self.environment = path, environment
        # Fixed, so that the same changes give the same commits.
        self.clock = itertools.count(1_700_000_000, 60)
        if not path.exists():
            path.mkdir(parents=True)
            self.git("init", "-q", "-b", "main")

    def git(self, *words: str, data: bytes | None = None) -> str:
        """Run git here and give its output."""
        command = ["git", *words]
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, input=data, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode(errors="replace").strip()

    def commit(self, message: str | bytes, **files: str) -> str:
        """Commit files (or nothing but the message) and give the commit."""
        for name, text in files.items():
            self.write(name, text)
        raw = message if isinstance(message, bytes) else message.encode()
        self.git("add", "-A")
        date = f"{next(self.clock)} +0000"
        self.environment = {**self.environment, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", data=raw)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)


def package(path: Path, environment: dict[str, str], release_py: str | None = None) -> Repository:
    """Make a small package, not committed, with the release files that the template ships or a changed one."""
    repository = Repository(path, environment)
    repository.write("pyproject.toml", PYPROJECT)
    repository.write("handler_base/__init__.py", "")
    repository.write("tests/test_smoke.py", SMOKE)
    for file in (*SHIPPED.glob("*.py"), *SHIPPED.glob("*.txt")):
        repository.write(f".gitea/{file.name}", file.read_text())
    if release_py:
        repository.write(".gitea/release.py", release_py)
    repository.write(".gitignore", ".venv/\n")
    return repository


def planned(repository: Repository) -> tuple[str, str]:
    """Returns the version that HEAD is released as ("" if none) and why there is none, as the shipped program says."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import version; print(*version.planned(), sep='\\n')"
    words = [sys.executable, "-c", code, str(SHIPPED)]
    done = subprocess.run(words, cwd=repository.path, env=repository.environment, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    version, why = done.stdout.decode().removesuffix("\n").split("\n")
    return version, why


class Registry:
    """A pypiserver: basic authentication for uploads, no overwriting."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """Start it and wait until it listens."""
        digest = "{SHA}" + base64.b64encode(hashlib.sha1(TOKEN.encode()).digest()).decode()
        self.packages = folder / "packages"
        self.packages.mkdir(parents=True)
        (folder / "passwords").write_text(f"{USER}:{digest}\n")
        self.log = folder / "server.log"
        # Port 0 is refused by pypiserver, so the wish for one is handed on to the socket by a line of its own.
        serve = (
            "import sys, wsgiref.simple_server as w, socketserver, pypiserver\n"
            "class Server(socketserver.ThreadingMixIn, w.WSGIServer): daemon_threads = True\n"
            "app = pypiserver.app(roots=[sys.argv[1]], password_file=sys.argv[2], authenticate=['update'],\n"
            "    hash_algo='sha256', disable_fallback=True, overwrite=False, backend_arg='simple-dir')\n"
            "server = w.make_server('127.0.0.1', 0, app, server_class=Server)\n"
            "print(server.server_port, flush=True)\n"
            "server.serve_forever()\n"
        )
        words = [sys.executable, "-c", serve, str(self.packages), str(folder / "passwords")]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.port = int(line)

    def files(self) -> dict[str, str]:
        """Returns what was published: file name to sha256."""
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in self.packages.iterdir()}

    def empty(self) -> None:
        """Forget all packages."""
        for file in self.packages.iterdir():
            file.unlink()

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.communicate()


class Front:
    """What one job sees of the registry: it hands requests on, with a fault if the job is to have one.

    `down:N`: no request is answered after N of them; `dropped:N`: the Nth upload is lost; `unanswered:N`: it is
    stored, the answer is lost; `killed:N`: the job dies when it has sent it.
    """

    def __init__(self, registry: Registry, fault: str = "") -> None:
        """Listen on a port of its own."""
        self.fault, _, number = fault.partition(":")
        self.number = int(number or 0)
        self.requests, self.uploads = itertools.count(1), itertools.count(1)
        self.hit = False
        self.kill: Callable[[], None] = lambda: None
        front = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                """Hand on, or not."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                count = next(front.requests)
                upload = next(front.uploads) if b'name="content"' in body else 0
                struck = count > front.number if front.fault == "down" else upload == front.number > 0
                front.hit |= bool(front.fault) and struck
                if front.fault in ("down", "dropped", "killed") and struck:
                    if front.fault == "killed":
                        front.kill()
                    self.close_connection = True
                    return
                link = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=300)
                link.request(self.command, self.path, body, dict(self.headers))
                answer = link.getresponse()
                data = answer.read()
                link.close()
                if front.fault == "unanswered" and struck:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name in ("Content-Type", "Location"):
                    if answer.headers.get(name):
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that was killed is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@dataclass
class Job:
    """A test job and its publish job: their commit, their fault, and how they went."""

    commit: str
    fault: str = ""
    green: bool = False
    hit: bool = False
    log: str = ""
    # What the test job handed over, if it was green, and where its files are.
    handed: dict[str, str] | None = None
    artifact: Path | None = None
    outputs: dict[str, str] = field(default_factory=dict)


class World:
    """One package, its origin, its registry and its jobs."""

    def __init__(
        self,
        folder: Path,
        registry: Registry,
        environment: dict[str, str],
        twine: Path,
        built: Path | None,
        release_py: str | None,
    ) -> None:
        """Make the package and its bare origin; `built` keeps builds and leaves out the check (see drive.py)."""
        self.folder, self.registry, self.environment, self.built = folder, registry, environment, built
        self.twine = twine
        self.origin = Repository(folder / "acme/handler-base.git", environment)
        self.origin.git("config", "core.bare", "true")
        # Hooks of a local origin get the environment of the push, so the job that shall be refused says so itself.
        hook = '#!/bin/sh\n[ -z "$REFUSED" ] || { echo "error: Tag ${1#refs/tags/} is protected" >&2; exit 1; }\n'
        self.origin.write(".git/hooks/update", hook)
        (self.origin.path / ".git/hooks/update").chmod(0o755)
        self.work = package(folder / "work", environment, release_py)
        self.work.git("remote", "add", "origin", str(self.origin.path))
        self.numbers = itertools.count(1)
        self.steps: list[str] = []

    def push(self, message: str, **files: str) -> str:
        """Commit to main, push, and give the commit."""
        commit = self.work.commit(message, **files)
        self.work.git("push", "-q", "origin", "HEAD:main")
        return commit

    def checkout(self, commit: str) -> Path:
        """Returns a job's checkout: all branches and tags, the commit on main."""
        path = self.folder / f"job-{next(self.numbers)}"
        self.work.git("clone", "-q", "--no-checkout", str(self.origin.path), str(path))
        job = Repository(path, self.environment)
        job.git("update-ref", "refs/remotes/origin/main", commit)  # so actions/checkout leaves it, even on old commits
        job.git("checkout", "-q", "-B", "main", commit)
        return path

    def run(
        self,
        job: Job,
        path: Path | None = None,
        before: Callable[[str], object] = len,
        alone: Job | None = None,
        **variables: str,
    ) -> Job:
        """Run the steps of test and publish, as far as they are green; `before` is called with each step's name.

        With `alone`, an earlier job, publish alone is run again, with what test handed over then.
        """
        path = path or self.checkout(job.commit)
        kind = job.fault.partition(":")[0]
        front = Front(self.registry, job.fault if kind in ("down", "dropped", "unanswered", "killed") else "")
        env = {
            **self.environment,
            "GITHUB_SERVER_URL": self.folder.as_uri(),
            "GITHUB_REPOSITORY": "acme/handler-base",
            "REGISTRY_URL": front.url,
            "GITEA_URL": "https://git.example.org",
            "INDEX_URL": "https://git.example.org/api/packages/acme/pypi/simple/",
            **({"BUILT": str(self.built)} if self.built else {}),
            **({"FAULT": job.fault} if kind in ("kill", "lost", "failed") else {}),
            **({"REFUSED": "1"} if kind == "refused" else {}),
            **variables,
        }
        registry = {"REGISTRY_USER": USER, "REGISTRY_TOKEN": "wrong" if kind == "password" else TOKEN}
        given = {
            "preflight": registry | {"JOB_TOKEN": JOB_TOKEN},
            "upload": registry,
            "tag": {"JOB_TOKEN": JOB_TOKEN},
            "page": {"JOB_TOKEN": JOB_TOKEN},
        }
        temp = self.folder / f"{path.name}-{next(self.numbers)}"
        try:
            if alone:
                job.handed, job.artifact = alone.handed, alone.artifact
            else:
                outputs = self._phase(job, front, path, "dist", temp, env, {}, before)
                if outputs is None:
                    return job
                job.handed = {name: outputs.get(name, "") for name in ("version", "files")}
                if outputs:
                    job.artifact = temp.with_name(f"{temp.name}-artifact")
                    shutil.copytree(outputs["dist"], job.artifact)
            shutil.rmtree(temp, ignore_errors=True)
            if job.artifact:
                shutil.copytree(job.artifact, temp / "release/dist")
            assert job.handed is not None
            env |= {"VERSION": job.handed["version"], "FILES": job.handed["files"]}
            outputs = self._phase(job, front, path, "release", temp, env, given, before)
            job.green = outputs is not None
        finally:
            front.close()
            job.hit |= front.hit
            shutil.rmtree(temp, ignore_errors=True)
        return job

    def _phase(
        self,
        job: Job,
        front: Front,
        path: Path,
        program: str,
        temp: Path,
        env: dict[str, str],
        given: dict[str, dict[str, str]],
        before: Callable[[str], object],
    ) -> dict[str, str] | None:
        """Run the steps of one job, as the program that runs names them; give its outputs, or None if it is red."""
        temp.mkdir(exist_ok=True)
        (temp / "output").touch()
        env = {**env, "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(temp / "output")}
        source = (path / f".gitea/{program}.py").read_text()
        (table,) = re.findall(r"(?ms)^STEPS = (\{.*?\})$", source)
        green = True
        for step in re.findall(r'"(\w+)": \[', table):
            before(step)
            with subprocess.Popen(
                [
                    self.twine / "bin/python" if program == "release" else sys.executable,
                    DRIVE,
                    f".gitea/{program}.py",
                    step,
                ],
                cwd=path,
                env={**env, **given.get(step, {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process:
                front.kill = lambda group=process.pid: killed(group)
                job.log += f"## {step}\n{process.communicate()[0]}"
            job.hit |= process.returncode == -9
            if process.returncode:
                green = False
                break
        outputs = dict(line.split("=", 1) for line in (temp / "output").read_text().splitlines())
        if program == "release":
            job.outputs = outputs
        return outputs if green else None

    def tags(self) -> dict[str, str]:
        """Returns the version tags of origin and their commits."""
        lines = self.origin.git("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags").splitlines()
        return dict(line.split() for line in lines)

    def defects(self, wanted: list[str]) -> list[str]:
        """Returns what is wrong with origin and registry once all is quiet; `wanted` are the commits that release."""
        found, tags, versions = [], self.tags(), {}
        commits = self.work.git("rev-list", "HEAD").split()
        for name, digest in self.registry.files().items():
            match = re.fullmatch(r"handler_base-(\d+\.\d+\.\d+)(-py3-none-any\.whl|\.tar\.gz)", name)
            assert match, name
            versions.setdefault(f"v{match[1]}", {})[name] = digest
        for tag, files in versions.items():
            if tag not in tags:
                found.append(f"version {tag} without a tag")
            if len(files) != 2:
                found.append(f"half a version {tag}")
            builds = [(commit, (self.built or self.folder) / f"{commit}-{tag[1:]}") for commit in commits]
            makers = {commit for commit, build in builds for name in files if digest_of(build / name) == files[name]}
            if len(makers) > 1:
                found.append(f"version {tag} with files of {len(makers)} commits")
            for name in files:
                if (
                    tag in tags
                    and digest_of((self.built or self.folder) / f"{tags[tag]}-{tag[1:]}" / name) != files[name]
                ):
                    found.append(f"{name} is not the build of its tag")
        found += [f"tag {tag} without files" for tag in tags if tag not in versions]
        for commit in wanted:
            if not any(self.holds(tags[tag], commit) for tag in tags):
                found.append(f"release of {commit} lost")
        for low, high in itertools.permutations(tags, 2):
            if tags[low] != tags[high] and self.holds(tags[high], tags[low]) and order(high) < order(low):
                found.append(f"{high} is newer than {low}")
        return found

    def holds(self, commit: str, older: str) -> bool:
        """Returns whether a commit holds another one."""
        words = ["git", "merge-base", "--is-ancestor", older, commit]
        return subprocess.run(words, cwd=self.origin.path, env=self.environment, check=False).returncode == 0


def digest_of(path: Path) -> str:
    """Returns a file's sha256, empty where it was never built."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def order(tag: str) -> tuple[int, ...]:
    """Returns a version tag's place in order."""
    match = VERSION_TAG.fullmatch(tag)
    assert match, tag
    return tuple(map(int, match.groups()))


def killed(group: int) -> None:
    """Kill a job as a whole."""
    with suppress(ProcessLookupError):
        os.killpg(group, 9)
