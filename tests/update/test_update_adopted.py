"""A year of pattern changes in a setuptools repository that was there before the template, without any hand work."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from versions import FIRST, NEWEST, VERSIONS, YEAR, Package, Template

PYPROJECT = """\
[build-system]
requires = ["setuptools>=68", "wheel"]
build-backend = "setuptools.build_meta"

# Ours since 2019.
[project]
name = "Greeter.Tools"
version = "3.2.0"
description = "Greets, politely."
requires-python = ">= 3.10"
dependencies = [
    "tomli >= 2",  # reads our settings
]

[project.optional-dependencies]
dev = ["pytest>=7"]
fast = []

[project.scripts]
greet = "greeter.command:main"

[tool.setuptools.packages.find]
where = ["src"]

[tool.ruff]
line-length = 100

[tool.ruff.lint]
select = ["F", "E", "UP"]
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "README.rst": "Greeter\n=======\n\nGreets.\n",
    "src/greeter/__init__.py": '"""Greets."""\n',
    "src/greeter/command.py": 'def main() -> None:\n    """Greet."""\n    print("Good day.")\n',
    "tests/test_command.py": "from greeter.command import main\n\n\ndef test_main() -> None:\n    main()\n",
    ".gitignore": "*.egg-info/\nbuild/\n.venv/\n__pycache__/\n.*_cache/\n",
    "uv.lock": "",
}


@pytest.fixture
def adopted(tmp_path: Path, env: dict[str, str], template: Template) -> Package:
    """The repository, brought onto the first version, its lock with an old tomli."""
    package = Package(tmp_path / "greeter", env)
    for name, text in FILES.items():
        if text:
            package.write(name, text)
    package.git("init", "--quiet", "-b", "main")
    package.do("uv", "lock", "--quiet", "--upgrade-package", "tomli==2.0.1")
    package.commit("feat: greet")
    package.copy(template, FIRST, gitea_owner="acme")
    package.commit("feat: release through the workflow")
    return package


STEPS = {"each": VERSIONS[1:], "some": [VERSIONS[4], NEWEST]}


@pytest.mark.slow
@pytest.mark.parametrize("steps", ["some", pytest.param("each", marks=pytest.mark.slow)])
def test_a_year_arrives_in_an_adopted_repository(
    adopted: Package, rendered: Callable[..., Package], steps: str
) -> None:
    """Version after version, each merged as it comes; some of them in the ordinary run."""
    mine = {
        name: text
        for name, text in adopted.files().items()
        if name in FILES and name not in ("pyproject.toml", "uv.lock")
    }
    assert len(mine) == len(FILES) - 2
    for version in STEPS[steps]:
        change, _ = YEAR[VERSIONS.index(version) - 1]
        report = adopted.update(version)
        assert adopted.git("status", "--porcelain"), f"nothing came of {change.__name__}"
        if change.__name__ == "uv_pin":
            assert "Kept" not in report, report
        adopted.git("add", "--all")
        adopted.commit(f"chore: template {version}")
    adopted.sound()
    now = adopted.files()
    assert {name: now.get(name) for name in mine} == mine
    assert re.search(r'name = "tomli"\nversion = "2\.0\.1"', adopted.read("uv.lock"))
    # What the template owns is the newest, what it has dropped is gone.
    fresh = rendered(
        NEWEST, project_name="greeter-tools", module_name="greeter", gitea_owner="acme", python_version="3.10"
    )
    assert {name for name in now if name.startswith(".gitea/")} == {n for n in fresh.owned() if n.startswith(".gitea/")}
    ci = {name: package.read(".gitea/workflows/ci.yaml") for name, package in (("now", adopted), ("fresh", fresh))}
    assert ci["now"] == ci["fresh"]
    # The pattern's values came, the user's stayed.
    project = tomllib.loads(adopted.read("pyproject.toml"))
    assert project["build-system"] == tomllib.loads(PYPROJECT)["build-system"]
    assert project["project"]["name"] == "Greeter.Tools"
    assert project["project"]["dependencies"] == ["tomli >= 2"]
    assert "pytest-timeout" in project["project"]["optional-dependencies"]["dev"]
    assert project["tool"]["ruff"]["line-length"] == 100
    assert {"F", "E", "UP", "B"} <= set(project["tool"]["ruff"]["lint"]["select"])
    assert "W" not in project["tool"]["ruff"]["lint"]["select"]
    assert "# Ours since 2019." in adopted.read("pyproject.toml")
    assert "# reads our settings" in adopted.read("pyproject.toml")


@pytest.mark.slow
def test_the_year_at_once_is_the_year_step_by_step(adopted: Package, tmp_path: Path, env: dict[str, str]) -> None:
    """Who updates once a year has what those have who update each time."""
    again = Package(tmp_path / "again" / "greeter", env)
    again.path.parent.mkdir()
    adopted.git("clone", "--quiet", adopted.path, again.path)
    for version in (VERSIONS[3], VERSIONS[7], NEWEST):
        adopted.update(version)
        adopted.commit(f"chore: template {version}")
    again.update(NEWEST)
    assert again.files() == adopted.files()
