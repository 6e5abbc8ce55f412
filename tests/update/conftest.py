"""Fixtures: a template with the versions of a year, and packages on them."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The runner and the servers of the tests of CI serve here, too.
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import act_runner
from acme import founded
from gitea_api import Gitea
from gitea_owner import GiteaOwner
from scene import NEW, OLD, Scene, two_versions
from sharing import Once
from versions import FIRST, Package, Template, a_year, clean_environment


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has set nothing."""
    return clean_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def template(once: Once, env: dict[str, str]) -> Template:
    """The template with the versions of a year; tests leave it as it is."""
    return Template(once("a-year", lambda folder: a_year(folder / "template", env)) / "template", env)


@pytest.fixture(scope="session")
def rendered(once: Once, env: dict[str, str], template: Template) -> Callable[..., Package]:
    """Render a package of a version, each set of answers once per run; tests leave it as it is."""

    def render(version: str = FIRST, **answers: str) -> Package:
        def make(folder: Path) -> None:
            package = Package(folder / "handler-base", env)
            package.copy(template, version, **answers)
            package.git("init", "--quiet", "-b", "main")
            package.commit("feat: the first version")

        return Package(once("updated", make, version, answers) / "handler-base", env)

    return render


@pytest.fixture
def package(tmp_path: Path, rendered: Callable[..., Package]) -> Callable[..., Package]:
    """Make a package of a version, committed; the test's own."""

    def make(version: str = FIRST, **answers: str) -> Package:
        source = rendered(version, **answers)
        shutil.copytree(source.path, tmp_path / source.path.name, symlinks=True)
        return Package(tmp_path / source.path.name, source.env)

    return make


@pytest.fixture(scope="session")
def two(once: Once, env: dict[str, str]) -> Template:
    """A template of two versions, whose commits have hostile subjects; tests leave it as it is."""
    return Template(once("two", lambda folder: two_versions(folder / "template", env)) / "template", env)


@pytest.fixture(scope="session")
def on_old(once: Once, env: dict[str, str], two: Template) -> Package:
    """A package on the older of the two, with addresses that each test puts its own in the place of."""
    made = once("on-old", lambda folder: Package(folder / "handler-base", env).copy(two, OLD, **Scene.ANSWERS))
    return Package(made / "handler-base", env)


@pytest.fixture(scope="session")
def uvs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in for uv's installer can install."""
    folder = tmp_path_factory.mktemp("uvs")
    act_runner.collect_uvs(folder)
    return folder


@pytest.fixture
def gitea(tmp_path: Path) -> Iterator[Gitea]:
    """The test's Gitea; every call of its API has to be one that Gitea documents."""
    made = Gitea(tmp_path / "gitea")
    yield made
    made.close()
    assert made.wrong == []


@pytest.fixture
def scene(tmp_path: Path, gitea: Gitea, uvs: Path, two: Template, on_old: Package) -> Scene:
    """A package on the older version, its Gitea with the template, and its runner."""
    assert NEW in two.git("tag")
    return Scene.make(tmp_path, gitea, uvs, two, on_old)


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[GiteaOwner]:
    """A Gitea with an owner of a few repositories."""
    made = founded(tmp_path / "acme")
    yield made
    made.close()
    assert made.wrong == []
