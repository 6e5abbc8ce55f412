"""Fixtures: a template with the versions of a year, and packages on them."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The runner and the servers of the tests of CI serve here, too.
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import act_runner
from gitea_api import Gitea
from scene import NEW, OLD, Scene, two_versions
from versions import FIRST, Package, Template, a_year, clean_environment


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has set nothing."""
    return clean_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Template:
    """The template with the versions of a year; tests leave it as it is."""
    return a_year(tmp_path_factory.mktemp("template") / "template", env)


@pytest.fixture(scope="session")
def rendered(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], template: Template
) -> Callable[..., Package]:
    """Render a package of a version, each set of answers once per session."""
    made: dict[tuple[str, ...], Package] = {}

    def render(version: str = FIRST, **answers: str) -> Package:
        key = (version, *(f"{name}={value}" for name, value in sorted(answers.items())))
        if key not in made:
            package = Package(tmp_path_factory.mktemp("rendered") / "handler-base", env)
            package.copy(template, version, **answers)
            package.git("init", "--quiet", "-b", "main")
            package.commit("feat: the first version")
            made[key] = package
        return made[key]

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
def two(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Template:
    """A template of two versions, whose commits have hostile subjects; tests leave it as it is."""
    return two_versions(tmp_path_factory.mktemp("two") / "template", env)


@pytest.fixture(scope="session")
def on_old(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], two: Template) -> Package:
    """A package on the older of the two, with addresses that each test puts its own in the place of."""
    made = Package(tmp_path_factory.mktemp("old") / "handler-base", env)
    made.copy(two, OLD, **Scene.ANSWERS)
    return made


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
