"""What a look at a server found, line by line, as text and as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from escape import one_line


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    state: str  # one of STATES
    text: str
    fix: str = ""  # of what is bad; else a hint

    @property
    def bad(self) -> bool:
        """Returns whether somebody has to do something."""
        return self.state in ("wrong", "by hand")


STATES = {
    "ok": "it is as it should be",
    "wrong": "it is not, and a release or an update would fail or be unsafe",
    "note": "it works; read what it means",
    "unknown": "it cannot be seen from here, or with this token",
    "would": "--apply does it",
    "done": "it was done now",
    "by hand": "somebody with more rights has to do it",
}
WIDE = max(map(len, STATES))


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Gives a line for each finding, and one for what to do."""
    for found in findings:
        yield f"{found.state:{WIDE}}  {one_line(found.text)}"
        if found.fix:
            yield f"{'':{WIDE}}  {'Fix' if found.bad else 'Hint'}: {one_line(found.fix)}"


def as_json(findings: Sequence[Finding]) -> str:
    """Returns the findings as JSON: a list of objects with state, text and fix."""
    return json.dumps([asdict(found) for found in findings], indent=2)
