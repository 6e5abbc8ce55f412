"""Fixtures: a rendered package with its Gitea, its runner and its ntfy, all of them the test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import act_runner
import pytest
from act_package import JOB_TOKEN, OWNER, PUBLISHER, READER, Package, make_package, render, uv_cache
from act_runner import Runner
from loopback_gitea import Forge, Ntfy
from sharing import Once


@pytest.fixture(scope="session")
def uv_version() -> str:
    """The version of the tests' own uv, which is also the one that the workflow asks for."""
    return act_runner.uv_version()


@pytest.fixture(scope="session")
def uvs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in for uv's installer can install, a folder per version."""
    folder = tmp_path_factory.mktemp("uvs")
    act_runner.collect_uvs(folder)
    return folder


@pytest.fixture(scope="session")
def rendered(once: Once) -> Callable[..., Path]:
    """Render a package, each set of answers once per run; tests leave it as it is."""

    def make(**answers: str) -> Path:
        name = answers.get("project_name", "handler-base")
        return once("act", lambda folder: render(folder / name, folder / "home", **answers), answers) / name

    return make


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    """The test's Gitea, with the organisation `OWNER`."""
    made = Forge(tmp_path / "gitea", JOB_TOKEN, PUBLISHER, READER)
    made.add_owner(OWNER)
    yield made
    made.close()


@pytest.fixture
def ntfy() -> Iterator[Ntfy]:
    """The test's ntfy."""
    made = Ntfy()
    yield made
    made.close()


@pytest.fixture
def runner(tmp_path: Path, uvs: Path) -> Runner:
    """The test's runner."""
    return Runner.make(tmp_path / "runner", uvs, uv_cache())


@pytest.fixture
def new_package(
    tmp_path: Path, forge: Forge, ntfy: Ntfy, runner: Runner, rendered: Callable[..., Path]
) -> Callable[..., Package]:
    """Make a package from answers, with the test's addresses in it, not committed yet."""

    def make(owner: str = OWNER, **answers: str) -> Package:
        if owner != OWNER:
            answers["gitea_owner"] = owner
        return make_package(rendered(**answers), tmp_path / "dev", forge, runner, ntfy, owner)

    return make


@pytest.fixture
def package(new_package: Callable[..., Package]) -> Package:
    """A new package whose first commit is pushed: the state from which a first release comes."""
    made = new_package()
    made.commit("feat: the first handlers")
    return made
