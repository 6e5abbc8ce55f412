"""The rendered README: real addresses, commands that the package takes, and no word that is not true."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rendering import KNOWN, Render, Run

URL = "https://git.test/sub"
INDEX = f"{URL}/api/packages/acme/pypi/simple/"


@pytest.fixture(scope="session")
def package(render: Render) -> Path:
    """A package with addresses of its own."""
    return render(**KNOWN["mlflow-utils"], gitea_url=URL, gitea_owner="acme")


@pytest.fixture(scope="session")
def readme(package: Path) -> str:
    """Its README."""
    return (package / "README.md").read_text(encoding="utf-8")


def blocks(readme: str, language: str) -> list[str]:
    """Returns the code blocks in a language."""
    return [token.content for token in MarkdownIt("commonmark").parse(readme) if token.info == language]


def test_work_commands_run(package: Path, readme: str, run: Run) -> None:
    """The first block works from top to bottom in a package that was just made."""
    commands = blocks(readme, "sh")[0].splitlines()
    assert commands[0] == "uv sync --extra dev"
    for command in commands:
        run("bash", "-euc", command, cwd=package)


def test_uv_names_the_index(readme: str) -> None:
    """What a user pastes names this package and its index, and installs by the first index that knows a name."""
    (command,) = [block for block in blocks(readme, "sh") if block.startswith("uv add ")]
    assert command == f"uv add mlflow-utils --index gitea={INDEX}\n"
    assert blocks(readme, "toml") == []


def test_pip_and_docker_name_the_index(readme: str) -> None:
    """With the package's own name, and never with an index beside it."""
    (docker,) = blocks(readme, "dockerfile")
    assert f"--index {INDEX} mlflow-utils==" in docker
    (pip,) = [block for block in blocks(readme, "sh") if block.startswith("pip ")]
    assert pip == f"pip install --index-url {INDEX} mlflow-utils\n"
    assert not [token for token in re.findall(r"```[^`]*```", readme) if "--extra-index-url" in token]
    assert "Not with `--extra-index-url`" in readme


def test_it_says_how_a_commit_becomes_a_version(readme: str) -> None:
    """The prefixes, the secrets, and that the version in pyproject.toml stays."""
    for word in ("`major:`", "`feat:`", "`fix:`", "`REGISTRY_USER`", "`REGISTRY_TOKEN`", "`write:package`"):
        assert word in readme
    assert "never changes on `main`" in readme


def test_without_a_description_it_has_no_gap(render: Render) -> None:
    """The first heading follows the title."""
    lines = (render(tasks=False) / "README.md").read_text().splitlines()
    assert lines[:3] == ["# handler-base", "", "## Work on it"]
