"""Fixtures: the template in two versions, and existing repositories."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # its servers and its runner

import act_runner
from act_package import JOB_TOKEN, OWNER, PUBLISHER, READER, uv_cache
from act_runner import Runner
from adopting import Repository, make_repository, make_template
from loopback_gitea import Forge, Ntfy

collect_ignore = ["repositories"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with the versions FIRST and SECOND."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def existing(tmp_path: Path) -> Callable[..., Repository]:
    """Make a fixture folder a repository with history."""
    return lambda name, **how: make_repository(name, tmp_path, **how)


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
def runner(tmp_path: Path) -> Runner:
    """The test's runner, whose uv is the one of the tests."""
    act_runner.collect_uvs(tmp_path / "uvs")
    return Runner.make(tmp_path / "runner", tmp_path / "uvs", uv_cache())
