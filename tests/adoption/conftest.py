"""Fixtures: the template in two versions, and existing repositories."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # its servers and its runner

import act_runner
from act_package import JOB_TOKEN, OWNER, PUBLISHER, READER, clean_environment, uv_cache
from act_runner import Runner
from adopting import SITUATIONS, Adopted, Repository, adopt, make_repository, make_template
from loopback_gitea import Forge, Ntfy
from sharing import Once

collect_ignore = ["repositories"]


@pytest.fixture(scope="session")
def template(once: Once) -> Path:
    """The template as a repository with the versions FIRST and SECOND; tests leave it as it is."""
    return once("adoption-template", make_template) / "template"


@pytest.fixture
def existing(tmp_path: Path) -> Callable[..., Repository]:
    """Make a fixture folder a repository with history."""
    return lambda name, **how: make_repository(name, tmp_path, **how)


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Repository]:
    """`repository(files)` is a repository with these files, committed."""

    def make(files: dict[str, str], name: str = "small") -> Repository:
        made = Repository(tmp_path / name, clean_environment(tmp_path / "home"))
        made.path.mkdir()
        for file, text in files.items():
            made.write(file, text)
        made.git("init", "-q", "-b", "main")
        made.commit("Everything so far")
        return made

    return make


@pytest.fixture
def adopted(tmp_path: Path, once: Once, template: Path) -> Callable[[str], Adopted]:
    """Returns a fixture folder as a repository that was just adopted, not committed, and the closing message.

    Each is adopted once in a run, with no answer given; what is returned is a copy of it.
    """

    def copy(name: str) -> Adopted:
        def make(folder: Path) -> None:
            (folder / "said").write_text(adopt(make_repository(name, folder), template), newline="")

        source = once(f"adopted-{name}", make)
        folder = SITUATIONS[name].repository or name
        path = tmp_path / "adopted" / folder
        shutil.copytree(source / folder, path, symlinks=True)
        made = Repository(path, clean_environment(tmp_path / "home"))
        made.git("status")  # the copy's files are newer than what the index says of them
        return Adopted(made, (source / "said").read_bytes().decode())

    return copy


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
