"""The template's own release: a tag from its commits, by the program that it gives to packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder with an identity of its own, and give what it prints."""
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.mark.parametrize(
    ("subject", "tag"), [("feat: a question", "v0.1.0"), ("fix: a message", "v0.0.1"), ("docs: a word", "")]
)
def test_tag(tmp_path: Path, subject: str, tag: str) -> None:
    """A push to main becomes a tag on origin, and its version an output of the job; docs become neither."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    (clone / "template").mkdir()
    shutil.copytree(ROOT / "template/.gitea", clone / "template/.gitea")
    (clone / ".gitea").mkdir()
    shutil.copy(ROOT / ".gitea/tag.py", clone / ".gitea/tag.py")
    shutil.copy(ROOT / "pyproject.toml", clone / "pyproject.toml")
    git(clone, "checkout", "--quiet", "-B", "main")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", subject)
    git(clone, "push", "--quiet", "origin", "main")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNNER_TEMP": str(tmp_path / "runner")}
    environment |= {"GITHUB_SERVER_URL": tmp_path.as_uri(), "GITHUB_REPOSITORY": "origin"}
    environment |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, ".gitea/tag.py"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert git(origin, "tag") == tag
    output = tmp_path / "output"
    assert (output.read_text() if output.exists() else "") == (
        f"version={tag[1:]}\nname=python-package-template\n" if tag else ""
    )
