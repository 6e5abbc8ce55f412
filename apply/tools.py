"""The programs that bringing a repository onto the template needs: git, uv, and the ruff that uv.lock names."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from project import Refused

UV = os.environ.get("UV", "uv")
OWNED = (".gitea/", "tests/test_smoke.py")


def owned(name: str) -> bool:
    """Say whether the template owns a file."""
    return name.startswith(OWNED)


def git(root: Path, *words: str, stdin: bytes | None = None) -> str | None:
    """Run git quietly, and give what it said; None where it failed."""
    done = subprocess.run(("git", *words), cwd=root, input=stdin, check=False, capture_output=True)
    return None if done.returncode else done.stdout.decode("utf-8", "replace").rstrip("\n")


def changes(root: Path, *words: str) -> set[str]:
    """Name the files that git sees as changed or untracked; `words` go to git status."""
    shown = git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", *words) or ""
    return {entry[3:] for entry in shown.split("\0") if entry}


def uv(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run uv quietly, with these variables beside the others; the caller looks at its exit code."""
    how = {"env": os.environ | env, "check": False, "capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run((UV, *words), cwd=root, **how)


def lock(root: Path) -> None:
    """Lock with uv, which keeps the versions that uv.lock has where they still fit.

    Raises:
        Refused: uv cannot; its own last words come first.
    """
    # A backend that is asked for the dependencies may leave its notes beside the code.
    notes = [*root.glob("*.egg-info"), *root.glob("src/*.egg-info")]
    done = uv(root, "lock")
    for path in [*root.glob("*.egg-info"), *root.glob("src/*.egg-info")]:
        if path not in notes:
            shutil.rmtree(path)
    if done.returncode != 0:
        raise Refused(f"{done.stderr.strip()}\nuv could not lock (above). Mend that, then run the same command again.")


@dataclass
class Lint:
    """What ruff says of the user's files."""

    rules: list[str]  # that they break
    broken: list[str]  # that are no Python
    unformatted: bool
    failed: str  # why it said nothing, or ""


def lint(root: Path) -> Lint:
    """Ask the ruff of uv.lock, from a cache of uv's, about the files of this repository but the template's own."""
    packages = tomllib.loads((root / "uv.lock").read_text("utf-8"))["package"]
    version = next(package["version"] for package in packages if package["name"] == "ruff")
    ruff = ("tool", "run", "--quiet", f"ruff@{version}")
    # Not as an option: ruff's formatter has that since 0.16 alone. And `fix = true` is for the user's own runs.
    how = {"RUFF_OUTPUT_FORMAT": "json"}
    checked = uv(root, *ruff, "check", "--no-cache", "--no-fix", **how)
    formatted = uv(root, *ruff, "format", "--check", "--no-cache", **how)
    # Not those of submodules, which ruff looks at, too.
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard") or ""
    mine = {name for name in listed.split("\0") if not owned(name)}
    found = [
        (entry["code"] or "", name)
        for entry in json.loads(checked.stdout or "[]")
        if (name := Path(entry["filename"]).relative_to(root).as_posix()) in mine
    ]
    if formatted.stdout.startswith("["):
        entries = (entry for entry in json.loads(formatted.stdout) if entry["code"] == "unformatted")
        unformatted = {Path(entry["filename"]).relative_to(root).as_posix() for entry in entries}
    else:
        unformatted = set(re.findall("^Would reformat: (.*)$", formatted.stdout, re.MULTILINE))
    rule = re.compile("[A-Z]+[0-9]+")
    return Lint(
        sorted({code for code, _ in found if rule.fullmatch(code)}),
        sorted({name for code, name in found if not rule.fullmatch(code)}),
        not unformatted.isdisjoint(mine),
        "" if checked.stdout else " ".join(checked.stderr.split()),
    )
