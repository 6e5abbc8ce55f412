"""Text from elsewhere is shown as data."""

import sys

import pytest
from rendering import ROOT

sys.path.insert(0, str(ROOT / "rollout"))

from escape import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fix: ünï 🎉 | `x`", "fix: ünï 🎉 | `x`"),
        ("a\n::set-env name=X::y", r"a\n::set-env name=X::y"),
        ("a\r\x1b[2Jb\x00", r"a\r\x1b[2Jb\x00"),
        ("\u202etxt.exe\u2028\u2066", r"\u202etxt.exe\u2028\u2066"),
        ("\udcff\ud800", r"\udcff\ud800"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    """Returns one line without control characters and bidirectional marks; the rest stays."""
    assert one_line(text) == shown
