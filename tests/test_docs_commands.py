"""The commands of README and docs, run as a person pastes them, by a template that is reached as the pages say."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from blocks import block
from rendering import ROOT, Render, Run

ADDRESS = "https://git.example.org/owner/python-package-template.git"
Paste = Callable[..., str]


@pytest.fixture
def published(template: Path, tmp_path: Path, run: Run) -> Path:
    """The template as its users reach it, with two versions: the second has one line more in CI."""
    folder = tmp_path / "python-package-template.git"
    shutil.copytree(template, folder)
    run("git", "tag", "v1.0.0", cwd=folder)
    file = folder / "template/.gitea/workflows/ci.yaml.jinja"
    file.write_text(file.read_text() + "# One line more.\n")
    run("git", "commit", "-qam", "feat: a line", cwd=folder)
    run("git", "tag", "v1.1.0", cwd=folder)
    return folder


@pytest.fixture
def paste(published: Path, run: Run, tmp_path: Path) -> Paste:
    """`paste(text, folder)` runs commands, for which the template's address leads to the published one."""
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{published}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    # What is newest to this repository's own environment.
    newest = re.search('exclude-newer = "(.*)"', (ROOT / "pyproject.toml").read_text())
    assert newest
    settings |= {"UV_EXCLUDE_NEWER": newest[1], "COPIER_CACHE_DIR": str(tmp_path / "copier")}

    def paste(text: str, folder: Path) -> str:
        done = run("bash", "-euc", text, cwd=folder, env=settings)
        return done.stdout + done.stderr

    return paste


def answers(package: Path) -> dict[str, str]:
    """Returns the stored answers."""
    return yaml.safe_load((package / ".copier-answers.yml").read_text())


@pytest.fixture
def package(paste: Paste, tmp_path: Path, run: Run) -> Path:
    """One that README's command made of the first version, and committed."""
    paste(block("copy").replace("copy --trust", "copy --trust --defaults -q -r v1.0.0"), tmp_path)
    folder = tmp_path / "handler-base"
    assert answers(folder)["_src_path"] == f"git+{ADDRESS}"
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "feat: first version"]):
        run("git", *words, cwd=folder)
    return folder


def test_start_a_package(paste: Paste, tmp_path: Path, run: Run) -> None:
    """Made, tested and committed; the tree is the one that the page shows."""
    said = paste(block("start").replace("copy --trust", "copy --trust --defaults"), tmp_path)
    assert "passed" in said
    package = tmp_path / "handler-base"
    assert answers(package)["_commit"] == "v1.1.0"
    assert run("git", "log", "--format=%s", cwd=package).stdout == "feat: first version\n"
    tree = re.findall(r"[├└]── (\S+)", (ROOT / "docs/start.md").read_text())
    there = {path.name for path in package.iterdir()}
    assert {Path(name).parts[0] for name in tree} == there - {
        *(".git", ".gitignore", ".venv", ".copier-answers.yml", ".pytest_cache", ".ruff_cache")
    }


def test_adopt(paste: Paste, render: Render, tmp_path: Path, run: Run) -> None:
    """A repository that has a package of its own."""
    folder = tmp_path / "mine"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine/__init__.py").write_text('"""Mine."""\n')
    text = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    (folder / "pyproject.toml").write_text(f'{text}[project]\nname = "mine"\nversion = "1.0"\n')
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "Begin"]):
        run("git", *words, cwd=folder)
    said = paste(block("adopt").replace("copy --trust", "copy --trust --defaults -d trial=none"), folder)
    assert "REGISTRY_TOKEN" in said
    assert answers(folder)["project_name"] == "mine"


def test_update(paste: Paste, package: Path) -> None:
    """To the newest version; the difference is what it brings."""
    said = paste(block("update"), package)
    assert "+# One line more." in said
    assert answers(package)["_commit"] == "v1.1.0"


def test_no_newer_dependencies(paste: Paste, package: Path) -> None:
    """One answer changes, and the version stays."""
    paste(block("no-newer-dependencies"), package)
    found = answers(package)
    assert (found["dependency_updates"], found["_commit"]) == ("never", "v1.0.0")


@pytest.mark.slow
def test_newer_dependencies(paste: Paste, package: Path) -> None:
    """The same, to another value."""
    paste(block("newer-dependencies").replace("monthly", "weekly"), package)
    assert answers(package)["dependency_updates"] == "weekly"
