"""The server, the runner and the listener that all scenarios of a test process share."""

import contextlib
import itertools
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

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


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Live]:
    """A Gitea with its runner, serving the actions of the workflows itself."""
    gitea, runner, checkout = (named(name) for name in VARIABLES)
    if not (gitea and runner and checkout):
        pytest.skip(f"{HOW}; not there: {', '.join(name for name in VARIABLES if not named(name))}")
    folder = tmp_path_factory.mktemp("live")
    for name in ("gitea", "engine", "actions"):
        (folder / name).mkdir()
    # Ended in the other order, also where one of them does not start.
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        engine = None
        if in_containers(request.config):
            engine = Engine(folder / "engine")
            stack.callback(engine.stop)
        server = Server(gitea, folder / "gitea")
        stack.callback(server.stop)
        actions = Actions(server, clones(), folder / "actions")
        started = Runner(runner, folder / "runner", server, engine)
        stack.callback(started.kill)
        yield Live(server, started, Ntfy(), actions, folder)


class Make(Protocol):
    """Makes a repository on the server, out of a package that the template renders."""

    def __call__(self, owner: Owner, name: str = "sample", **more: str) -> Repo:
        """Render, with answers for this server. What has a / or . in its name is a file to add, the rest an answer."""


@pytest.fixture
def make(live: Live, tmp_path: Path) -> Make:
    """Renders a package with `copier copy`, as a person does, and makes a repository of it."""

    def made(owner: Owner, name: str = "sample", **more: str) -> Repo:
        files = {path: text for path, text in more.items() if "." in path}
        answers = {
            **{"gitea_url": live.server.url, "gitea_internal_url": live.server.internal_url},
            **{"gitea_owner": owner.name, "ntfy_url": live.ntfy.url, "ntfy_topic": owner.name},
            **{answer: value for answer, value in more.items() if answer not in files},
        }
        data = [word for answer, value in answers.items() for word in ("--data", f"{answer}={value}")]
        folder = tmp_path / name
        command = [sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--quiet", "-r", "HEAD", *data]
        run([*command, str(ROOT), str(folder)], tmp_path, live.server.git_env(live.folder / "home"))
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        live.actions.pin(folder / ".gitea")
        return Repo(owner, name, folder)

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
        request.node.user_properties.append(("gitea", request.getfixturevalue("live").server.version))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each scenario took, and on which Gitea."""
    seconds: dict[str, float] = {}
    versions: set[object] = set()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport) and "gitea" in dict(report.user_properties):
            seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
            versions.add(dict(report.user_properties)["gitea"])
    if seconds:
        terminalreporter.section(f"scenarios on Gitea {', '.join(map(str, versions))} (/api/v1/version)")
    for test, duration in sorted(seconds.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{duration:7.1f} s  {test.rpartition('::')[2]}")


@pytest.fixture
def owner(live: Live, request: pytest.FixtureRequest) -> Owner:
    """A new organisation, named after the test."""
    return live.owner(re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:24].strip("-"))
