"""uv.lock is made with the package; without uv, or without a network, the package is made all the same."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rendering import Run

Copied = Callable[..., tuple[Path, str]]


@pytest.fixture
def copied(template: Path, copier_command: Run, tmp_path: Path) -> Copied:
    """`copied(**variables)` makes a package with these variables, and returns its folder and what was said."""

    def copied(**variables: str | None) -> tuple[Path, str]:
        folder = tmp_path / "handler-base"
        words = ["copy", "--trust", "--defaults", "--quiet", "-r", "HEAD", template, folder]
        done = copier_command(*words, cwd=tmp_path, env=variables)
        return folder, done.stdout + done.stderr

    return copied


@pytest.fixture
def path_without_uv(environment: dict[str, str]) -> str:
    """The PATH without the folders that have uv."""
    entries = [entry for entry in environment["PATH"].split(os.pathsep) if not Path(entry, "uv").exists()]
    path = os.pathsep.join(entries)
    assert shutil.which("git", path=path)
    return path


def made_without_lock(package: Path, run: Run) -> None:
    """Assert that only the lock is missing, and that the command that was named makes it."""
    assert (package / "pyproject.toml").is_file()
    assert (package / "tests" / "test_smoke.py").is_file()
    assert not (package / "uv.lock").exists()
    run("uv", "lock", cwd=package)
    run("uv", "lock", "--check", cwd=package)


def test_uv_missing(copied: Copied, path_without_uv: str, run: Run) -> None:
    """The message says what is missing and what to run."""
    package, said = copied(PATH=path_without_uv)
    assert "uv was not found" in said
    assert "run in the new folder: uv lock" in said
    made_without_lock(package, run)


def test_uv_offline(copied: Copied, run: Run, tmp_path: Path) -> None:
    """uv says why, the message says what to run."""
    package, said = copied(UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "empty-cache"))
    assert "network was disabled" in said
    assert "run it in the new folder" in said
    made_without_lock(package, run)


def test_uv_that_is_not_on_the_path(copied: Copied, path_without_uv: str, tools: Path, run: Run) -> None:
    """The uv that started Copier names itself in a variable."""
    package, said = copied(PATH=path_without_uv, UV=str(tools / "uv"))
    assert "uv lock" not in said
    run("uv", "lock", "--check", cwd=package)


def test_no_trust_no_package(template: Path, copier_command: Run, tmp_path: Path) -> None:
    """Copier runs no task of a template that is not trusted, and says which option is missing."""
    words = ["copy", "--defaults", "-r", "HEAD", template, tmp_path / "handler-base"]
    done = copier_command(*words, cwd=tmp_path, code=4)
    assert "--trust" in done.stderr
    assert not (tmp_path / "handler-base").exists()


def test_in_a_workspace(copied: Copied, run: Run, tmp_path: Path) -> None:
    """uv would write the lock of the folder around it, which is somebody else's."""
    table = '[project]\nname = "around"\nversion = "1"\nrequires-python = ">=3.11"\n'
    (tmp_path / "pyproject.toml").write_text(f'{table}[tool.uv.workspace]\nmembers = ["*"]\n')
    (tmp_path / "uv.lock").write_text("mine\n")
    package, said = copied()
    assert f"the folder belongs to the uv workspace in {tmp_path}" in said
    assert (tmp_path / "uv.lock").read_text() == "mine\n"
    moved = package.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    made_without_lock(moved, run)
