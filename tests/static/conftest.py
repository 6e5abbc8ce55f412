"""Fixtures: the workflow files under check, those of a rendered package and this repository's own."""

import sys
from pathlib import Path

import pytest

# One way to render a package, the one that the runs under act use.
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from act_package import ROOT, render
from sharing import Once


@pytest.fixture(scope="session")
def package(once: Once) -> Path:
    """A package rendered from the defaults of the record."""
    return once("act", lambda folder: render(folder / "handler-base", folder / "home"), {}) / "handler-base"


@pytest.fixture(scope="session", params=["rendered", "own"])
def repository(request: pytest.FixtureRequest) -> Path:
    """A repository with workflows: a rendered package, or this one."""
    if request.param == "own":
        return ROOT
    return request.getfixturevalue("package")


@pytest.fixture(scope="session")
def workflows(repository: Path) -> list[Path]:
    """The repository's workflow files."""
    folder = repository / ".gitea" / "workflows"
    found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    assert found, f"no workflow in {repository}"
    return found


@pytest.fixture(scope="session")
def actions(repository: Path) -> list[Path]:
    """The repository's composite actions."""
    return sorted((repository / ".gitea").glob("actions/*/action.y*ml"))
