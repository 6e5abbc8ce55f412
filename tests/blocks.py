"""The code blocks of the pages for users, and what is said of each in the comment above it.

`<!-- run: NAME -->` is a block that a test runs: the test gets its text with `block(NAME)`.
`<!-- not run: REASON -->` is one that no test runs.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNABLE = {"sh", "shell", "bash", "console", "dockerfile", "python"}  # languages
BLOCK = re.compile(
    r"(?ms)^(?P<indent>(?:> ?| )*)(?:<!-- (?P<mark>[^\n]*?) -->\n(?P=indent))?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$"
)


@dataclass(frozen=True)
class Block:
    """A code block: `run` is the name under which a test runs it, `reason` why none does. One of them is empty."""

    page: str
    line: int
    language: str
    run: str
    reason: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Returns the code blocks of a page, without their indentation."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        mark = match["mark"] or ""
        run, reason = (mark.removeprefix(kind) if mark.startswith(kind) else "" for kind in ("run: ", "not run: "))
        body = re.sub(
            f"(?m)^{re.escape(match['indent'].rstrip())} ?" if ">" in match["indent"] else f"(?m)^{match['indent']}",
            "",
            match["text"],
        )
        where = str(page.relative_to(ROOT))
        found.append(Block(where, text.count("\n", 0, match.start()) + 1, match["language"], run, reason, body))
    return found


def block(name: str) -> str:
    """Returns the text of the one block with this name.

    Raises:
        ValueError: there is none, or more than one.
    """
    (text,) = [found.text for page in PAGES for found in blocks(page) if found.run == name]
    return text
