"""The files of a repository as git sees them."""

import subprocess
from pathlib import Path


def tracked(folder: Path, *patterns: str) -> list[Path]:
    """The files of this repository that match, new ones included, ignored ones not."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    return [folder / name for name in listed.split("\0") if name and (folder / name).exists()]
