"""The server, the runner and the listener that all scenarios of a test process share."""

import contextlib
import itertools
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from authority import Authority

from .engine import Engine, available
from .gitea import ROOT, Actions, Live, Ntfy, Owner, Repo, Runner, Server, run

VARIABLES = ("GITEA_BINARY", "RUNNER_BINARY", "CHECKOUT_REPOSITORY")
ACTIONS = ("checkout", "upload-artifact", "download-artifact")
HOW = (
    "needs GITEA_BINARY and RUNNER_BINARY (release binaries of Gitea and of its runner, from their download pages) "
    "and CHECKOUT_REPOSITORY (a clone of actions/checkout)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose where jobs run."""
    where = "where the jobs run; the default is container where a Docker engine answers or dockerd can be started"
    parser.addoption("--runner", choices=("container", "host"), help=where)


def in_containers(config: pytest.Config) -> bool:
    """Returns whether jobs run in containers."""
    chosen = config.getoption("--runner", None)
    return available() if chosen is None else chosen == "container"


def named(variable: str) -> Path | None:
    """What an environment variable names, if it is there."""
    path = Path(os.environ.get(variable, "")).expanduser()
    return path.resolve() if os.environ.get(variable) and path.exists() else None


def clones() -> dict[str, Path]:
    """Returns the clones of actions that the environment names."""
    found = {action: named(f"{action.upper().replace('-', '_')}_REPOSITORY") for action in ACTIONS}
    return {action: clone for action, clone in found.items() if clone}


def missing() -> str:
    """Returns why nothing can be started, empty if it can."""
    gone = [name for name in VARIABLES if not named(name)]
    return f"{HOW}; not there: {', '.join(gone)}" if gone else ""


@contextlib.contextmanager
def started(folder: Path, engine: Engine | None, authority: Authority | None = None, **runner: Any) -> Iterator[Live]:
    """A Gitea with its runner, serving the actions of the workflows itself."""
    gitea, binary, _ = (named(name) for name in VARIABLES)
    if not gitea or not binary:
        pytest.skip(missing())
    for name in ("gitea", "actions"):
        (folder / name).mkdir()
    # Ended in the other order, also where one of them does not start.
    with contextlib.ExitStack() as stack:
        server = Server(gitea, folder / "gitea", authority)
        stack.callback(server.stop)
        actions = Actions(server, clones(), folder / "actions")
        takes = Runner(binary, folder / "runner", server, engine, **runner)
        stack.callback(takes.kill)
        yield Live(server, takes, Ntfy(authority), actions, folder)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Engine | None]:
    """The engine of the jobs' containers; none where they run on this machine."""
    if missing():
        pytest.skip(missing())
    if not in_containers(request.config):
        yield None
        return
    folder = tmp_path_factory.mktemp("engine")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        made = Engine(folder)
        stack.callback(made.stop)
        yield made


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, engine: Engine | None) -> Iterator[Live]:
    """What nearly all scenarios stand on."""
    folder = tmp_path_factory.mktemp("live")
    try:
        with started(folder, engine) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def containers(engine: Engine | None) -> Engine:
    """The engine, for what only containers have."""
    if not engine:
        pytest.skip("--runner host: the jobs run as the user of the tests, on their machine")
    return engine


class Make(Protocol):
    """Makes a repository on the server, out of a package that the template renders."""

    def __call__(self, owner: Owner, name: str = "sample", **more: str) -> Repo:
        """Render, with answers for this server. What has a / or . in its name is a file to add, the rest an answer."""


OWNER = "stands-for-the-owner"


def package(owner: Owner, folder: Path, name: str = "sample", **more: str) -> Repo:
    """Makes a repository of a package that `copier copy` renders, as a person runs it."""
    live = owner.live
    files = {path: text for path, text in more.items() if "." in path}
    answers = {answer: value for answer, value in more.items() if answer not in files}
    target = folder / name
    shutil.copytree(rendered(live, name, tuple(sorted(answers.items()))), target)
    for file in filter(Path.is_file, target.rglob("*")):
        if OWNER.encode() in (content := file.read_bytes()):
            file.write_bytes(content.replace(OWNER.encode(), owner.name.encode()))
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    return Repo(owner, name, target)


@cache
def rendered(live: Live, name: str, more: tuple[tuple[str, str], ...]) -> Path:
    """Returns a package as it is rendered for an owner of whom only the name is missing, with the served actions."""
    data = live.answers(OWNER, dict(more))
    target = live.folder / "rendered" / secrets.token_hex(3) / name
    target.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--quiet", "-r", "HEAD", *data]
    run([*command, str(ROOT), str(target)], target.parent, live.server.git_env(live.folder / "home"))
    live.actions.pin(target / ".gitea")
    return target


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes packages in the test's own folder."""

    def made(owner: Owner, name: str = "sample", **more: str) -> Repo:
        return package(owner, tmp_path, name, **more)

    return made


@pytest.fixture
def lone_runner(live: Live) -> Iterator[Runner]:
    """A runner with a label of its own, for one repository that holds its jobs up, or kills it."""
    label = f"lone-{secrets.token_hex(3)}"
    runner = Runner(live.runner.binary, live.folder / label, live.server, live.engine, label, capacity=4)
    yield runner
    runner.kill()


@pytest.fixture(autouse=True)
def told_version(request: pytest.FixtureRequest) -> None:
    """Note beside each scenario's result which Gitea it ran on."""
    if "live" in request.fixturenames:
        request.node.user_properties.append(("gitea", str(request.getfixturevalue("live").server)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each scenario took, and on which Gitea."""
    seconds: dict[str, float] = {}
    versions: set[object] = set()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport) and "gitea" in dict(report.user_properties):
            seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
            versions.add(dict(report.user_properties)["gitea"])
    if seconds:
        terminalreporter.section(f"scenarios on {', '.join(map(str, versions))} (/api/v1/version)")
    for test, duration in sorted(seconds.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{duration:7.1f} s  {test.rpartition('::')[2]}")


@pytest.fixture
def owner(live: Live, request: pytest.FixtureRequest) -> Owner:
    """A new organisation, named after the test."""
    return live.owner(re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:24].strip("-"))
