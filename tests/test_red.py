"""docs/red.md has each sentence with which a job of a package can end, and none that no program says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rendering import ROOT

GITEA = ROOT / "template/.gitea"
PROGRAMS = [*sorted(GITEA.glob("*.py")), ROOT / "rollout/prepare.py", ROOT / "rollout/dependencies.py"]
SCRIPTS = [*sorted(GITEA.rglob("action.yaml")), *sorted(GITEA.rglob("*.jinja"))]


def text(node: ast.expr, known: dict[str, str]) -> str:
    """Returns the text of an expression; what is filled in is `…`, unless it is a name with one text."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
        return "".join(text(part, known) for part in parts)
    return known.get(node.id, "…") if isinstance(node, ast.Name) else "…"


def in_program(path: Path) -> Iterator[str]:
    """Gives what the calls of `need` and `fail` say, and the registry's refusals."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    known: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = text(node.value, known)
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("need", "fail"):
            # FIX.replace(…) is FIX.
            last = node.args[-1]
            last = last.func.value if isinstance(last, ast.Call) and isinstance(last.func, ast.Attribute) else last
            yield text(last, known)
        if isinstance(node, ast.FunctionDef) and node.name == "refusal":
            for part in ast.walk(node):
                if isinstance(part, ast.Return) and isinstance(part.value, ast.JoinedStr):
                    yield text(part.value, known)
                if isinstance(part, ast.Dict):
                    yield from (text(value, known) for value in part.values)
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "get":
                    yield text(part.args[-1], known)


def in_script(path: Path) -> Iterator[str]:
    """Gives what the steps of a workflow say before they fail."""
    for said in re.findall(r'(?:stop|echo) "([^"]{20,})"(?!.*>>)', path.read_text()):
        if not said.startswith(("$1", "Not in the first seven", "$UV_INSTALLER")):
            yield re.sub(r"\$(\w+|\{[^}]*\})", "…", said)


SAID = {said for path in PROGRAMS for said in in_program(path)} | {said for path in SCRIPTS for said in in_script(path)}
# The registry's refusal is a sentence of its own.
SENTENCES = sorted(said for said in SAID if re.search(r"\w{3,}", said) and said != "… Then run this job again.")


def rows() -> list[str]:
    """Returns what the first column of the page's tables shows as code."""
    page = (ROOT / "docs/red.md").read_text()
    cells = re.findall(r"(?m)^\| ([^|]+) \|", page)
    return [shown for cell in cells for shown in re.findall(r"`([^`]+)`", cell)]


def pattern(row: str) -> re.Pattern[str]:
    """Returns what matches a sentence: `…` in the row stands for anything."""
    return re.compile(".*".join(map(re.escape, row.split("…"))), re.DOTALL)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_last_line_has_a_row(sentence: str) -> None:
    """A person who pastes it into the search finds it."""
    assert [row for row in rows() if pattern(row).search(sentence)], sentence


@pytest.mark.parametrize("row", rows())
def test_each_row_is_said_by_a_program(row: str) -> None:
    """Nothing on the page is out of date."""
    assert [sentence for sentence in SENTENCES if pattern(row).search(sentence)], row


def test_there_are_sentences() -> None:
    """The programs are read: none of the kinds is missing."""
    assert len(SENTENCES) > 60
    for part in ("no such owner", "Not formatted", "another run has taken", "uv cannot lock"):
        assert [sentence for sentence in SENTENCES if part in sentence], part
