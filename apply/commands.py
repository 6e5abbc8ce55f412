"""Runs git and uv in a repository. Standard library only: run.py uses it, with Copier's own Python."""

import os
import re
import shutil
import subprocess
from pathlib import Path

UV = os.environ.get("UV", "uv")


class Refused(Exception):
    """The repository cannot be changed. The text says what happened, why, and what to do."""


def git(root: Path, *words: str, stdin: bytes | None = None) -> str | None:
    """Returns what git prints, without its last line end; None if it fails. No hook of the user's runs."""
    done = subprocess.run(
        ("git", "-c", f"core.hooksPath={os.devnull}", *words), cwd=root, input=stdin, check=False, capture_output=True
    )
    return None if done.returncode else done.stdout.decode("utf-8", "replace").rstrip("\n")


def foreign(root: Path) -> str:
    """Returns the command that lets git work in a folder of another user, as git names it; "" if git works there."""
    done = subprocess.run(("git", "rev-parse", "--git-dir"), cwd=root, check=False, capture_output=True)
    found = re.search(r"git config --global --add safe\.directory .+", done.stderr.decode("utf-8", "replace"))
    return found[0] if found else ""


def changes(root: Path, *words: str) -> set[str]:
    """Returns the files that git sees as changed or untracked; `words` are passed to git status."""
    shown = git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", *words) or ""
    return {entry[3:] for entry in shown.split("\0") if entry}


def listed(root: Path) -> list[str]:
    """Returns the files that git tracks or would track, without ignored ones."""
    shown = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard") or ""
    return [name for name in shown.split("\0") if name]


def ignored(root: Path, *names: str) -> bool:
    """Returns whether git ignores one of these files."""
    return bool(names and git(root, "check-ignore", "--", *names))


def uv(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs uv with these variables added to the environment; the caller checks the exit code."""
    return subprocess.run(
        (UV, *words), cwd=root, env=os.environ | env, check=False, capture_output=True, text=True, errors="replace"
    )


def lock(root: Path) -> None:
    """Runs `uv lock`, which keeps the versions in uv.lock that still fit.

    Raises:
        Refused: uv fails (its last words come first), or would lock another folder.
    """
    where = uv(root, "workspace", "dir").stdout.strip()
    if where and Path(where).resolve() != root.resolve():
        raise Refused(
            f"This folder belongs to the uv workspace in {where}, so uv would write the uv.lock there. Move it out of "
            f"that folder, or exclude it in {where}/pyproject.toml (tool.uv.workspace.exclude), then run the same "
            "command again."
        )
    # A build backend that is asked for the dependencies may write its metadata next to the code.
    before = {*root.glob("*.egg-info"), *root.glob("src/*.egg-info")}
    done = uv(root, "lock")
    for path in {*root.glob("*.egg-info"), *root.glob("src/*.egg-info")} - before:
        shutil.rmtree(path)
    if done.returncode != 0:
        remedy = older_pythons(done.stderr) or "Fix that"
        raise Refused(f"{done.stderr.strip()}\n`uv lock` failed (above). {remedy}, then run the same command again.")


def older_pythons(said: str) -> str:
    """Returns what helps if uv finds no versions for the oldest Pythons of requires-python; "" if that is not it."""
    hint = r"`requires-python` value \((.+?)\) includes .*?\(e\.g\., ([\w.-]+)\S* only supports >=([\d.]+)\)"
    if not (found := re.search(hint, " ".join(said.split()))):
        return ""
    floor, name, needed = found.groups()
    return (
        f'Write requires-python = ">={needed}" in pyproject.toml; or, to keep {floor}, write '
        f"; python_version >= '{needed}' after {name} and its version there"
    )
