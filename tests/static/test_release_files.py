"""What the release files promise to whoever reads them: few lines, types, nothing to install."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from act_package import ROOT

NAMES = (
    *("shared.py", "version.py", "dist.py", "lock.py", "registry.py", "notes.py", "release.py"),
    *("check_index.py", "template_update.py", "update_text.py", "notify.py"),
)
FILES = [ROOT / "template/.gitea" / name for name in NAMES]


def code_lines(path: Path) -> int:
    """Count the lines of code: without blank lines, comments and docstrings."""
    text = path.read_text()
    told = {number for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.strip()[0] != "#"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            told -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(told)


def test_they_are_short() -> None:
    """Thirty people read them."""
    assert sum(map(code_lines, FILES)) <= 1004


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_they_need_the_standard_library_alone(path: Path) -> None:
    """They run where nothing but Python is."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    own = {file.stem for file in FILES}
    pinned = set(re.findall(r"(?m)^(\S+)==", (ROOT / "template/.gitea/twine.txt").read_text()))
    more = pinned if path.name in ("registry.py", "release.py") else set[str]()  # what runs with twine
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | own | more


def test_the_release_programs_are_typed() -> None:
    """Every function says what it takes and gives. (notify.py has its types in comments, which old Pythons skip.)"""
    words = ["ruff", "check", "--isolated", "--select", "ANN", *map(str, FILES[:-1])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
