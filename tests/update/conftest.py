"""Fixtures: a template with the versions of a year, and packages on them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

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
