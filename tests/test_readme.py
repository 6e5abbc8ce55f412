"""The rendered README: real addresses, commands that the package takes, and no word that is not true."""

import re
from pathlib import Path

import pytest
import yaml
from blocks import block
from jinja2 import Environment
from markdown_it import MarkdownIt
from rendering import KNOWN, ROOT, Render, Run

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


def test_each_block_is_one_that_a_test_runs(readme: str) -> None:
    """The first here; the command for another package of the owner's and those that install in test_indexes.py."""
    found = [token.info for token in MarkdownIt("commonmark").parse(readme) if token.type == "fence"]
    assert found == ["sh", "sh", "sh", "dockerfile", "sh"]


def test_uv_names_the_index(readme: str) -> None:
    """What a user pastes names this package and its index, and installs by the first index that knows a name."""
    (command,) = [block for block in blocks(readme, "sh") if block.startswith("uv add ")]
    assert command == f"uv add mlflow-utils --index gitea={INDEX}\n"
    assert blocks(readme, "toml") == []


def test_pip_and_docker_name_the_index(package: Path, readme: str) -> None:
    """With the package's own name, and never with an index beside it."""
    (docker,) = blocks(readme, "dockerfile")
    assert f"--index gitea={INDEX} mlflow-utils==" in docker
    (pinned,) = re.findall(r'UV_VERSION: "(.+)"', (package / ".gitea/workflows/ci.yaml").read_text())
    assert f"pip install uv=={pinned} && " in docker
    assert f"pip install uv=={pinned}\n" in block("dockerfile")
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


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("git+https://git.example.org/acme/templates.git", "https://git.example.org/acme/templates"),
        ("https://git.example.org:3000/acme/templates", "https://git.example.org:3000/acme/templates"),
        ("https://me:token@git.example.org/acme/templates.git", ""),
        ("git@git.example.org:acme/templates.git", ""),
        ("../templates", ""),
    ],
)
def test_it_links_the_template_where_that_is_a_page(plain_template: Path, source: str, page: str) -> None:
    """A path or an address for git alone is none, and one with a login is printed nowhere."""
    settings = yaml.safe_load((plain_template / "copier.yml").read_text())["_envops"]
    env = Environment(**settings, extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"])
    answers = {"project_name": "handler-base", "publish": True, "_copier_answers": {"_src_path": source}}
    text = env.from_string((plain_template / "template/README.md.jinja").read_text()).render(answers)
    links = re.findall(r"`docs/consuming.md` of \[the template\]\((.*)\)", text)
    assert links == ([page] if page else [])
    assert (ROOT / "docs/consuming.md").exists()
    assert "token@" not in text
