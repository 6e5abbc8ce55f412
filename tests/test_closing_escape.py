"""The closing message shows what others wrote as data, also in what a person pastes."""

import subprocess
import sys
from pathlib import Path

import pytest
from rendering import ROOT

sys.path.insert(0, str(ROOT / "apply"))

from quoting import quote
from report import Report

WORDS = ["a b", "it's", "new\nline; touch pwned", "\x1b[2J\u202e", "tab\there", "ünï", "back\\slash'\n", "\udcff"]


def test_no_line_of_a_message_is_somebody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    """A name with a line break neither ends a comment nor starts a line."""
    bad = "one\ntouch pwned\r\x1b[2J\u202e"
    Report(added=[bad], changed=[bad], kept=[bad], next_steps=[(bad, "git status")]).show("Done.")
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.startswith("touch")]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("word", WORDS)
def test_a_command_that_is_pasted_names_the_file(word: str, tmp_path: Path) -> None:
    """Bash reads back the very word; what is shown has no control character."""
    shown = quote(word)
    assert shown.isprintable()
    printed = subprocess.run(["bash", "-c", f"printf %s {shown}"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert printed == word.encode("utf-8", "surrogateescape")
    assert list(tmp_path.iterdir()) == []
