"""Notes which updates have started, so that the next one finishes one that was killed.

The notes are a file in git's folder: a list of the answers and the commit from which each update started, and of the
template's version that it is for. Standard library only: run.py uses it, with Copier's own Python.
"""

import json
import os
import re
from pathlib import Path
from typing import TypedDict

from commands import git

HERE = Path()


class Note(TypedDict):
    """A started update."""

    commit: str  # HEAD
    answers: str  # the text of the answers file in HEAD
    version: str  # which the answers file names afterwards


def place() -> Path:
    """Returns where the notes are."""
    return Path(git(HERE, "rev-parse", "--git-path", "template-updates.json") or "")


def begin(answers_file: str, version: str) -> None:
    """Notes that an update starts. Earlier notes stay only if HEAD has what came of a killed update."""
    answers, head = git(HERE, "show", f"HEAD:./{answers_file}") or "", git(HERE, "rev-parse", "HEAD") or ""
    found = re.search(r"(?m)^_commit: ['\"]?([^'\"\s]+)", answers)
    before = (git(HERE, "log", "-1", "--format=%P", "--", answers_file) or "").split()  # the answers that are there
    notes = read()
    while notes and (not found or notes[-1]["version"] != found[1] or notes[-1]["commit"] not in (head, *before)):
        notes.pop()
    notes.append({"commit": head, "answers": answers, "version": version})
    new = place().with_suffix(".new")
    new.write_text(json.dumps(notes), "utf-8")
    os.replace(new, place())


def read() -> list[Note]:
    """Returns the notes, oldest first."""
    try:
        found: list[Note] = json.loads(place().read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return found


def end() -> None:
    """Removes the notes: the update is done."""
    place().unlink(missing_ok=True)
