"""The pictures of README and docs: they load nothing, name nobody's machine, and are what the programs say today."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from blocks import PAGES, blocks
from rendering import ROOT, Run

PICTURES = ROOT / "docs/pictures"
DIAGRAMS = [block for page in PAGES for block in blocks(page) if block.language == "mermaid"]


@pytest.mark.parametrize("name", ["copy", "adopt"])
def test_a_terminal_picture_loads_nothing(name: str) -> None:
    """No font, no picture, no script; and no folder of a machine."""
    text = (PICTURES / f"{name}.svg").read_text()
    assert re.findall(r'(?:href|src|url\((?!#))\s*=?\s*"?([^")\s]+)', text) == []
    assert not re.search(r"<script|@import|@font-face|/(home|root|tmp|Users)/", text)
    assert len(text) < 60_000


def test_every_picture_is_shown_and_there() -> None:
    """With a text for those who do not see it."""
    shown = {
        (page.parent / path).resolve()
        for page in PAGES
        for alt, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text())
        if len(alt.split()) > 2
    }
    assert shown == {path for path in PICTURES.iterdir() if path.suffix in (".svg", ".png")}


@pytest.mark.slow
def test_terminal_pictures_are_not_stale(tmp_path: Path, run: Run) -> None:
    """Fix: uv run docs/pictures/terminal.py."""
    clone = tmp_path / "clone"
    run("git", "clone", "-q", ROOT, clone, cwd=tmp_path)
    before = {path.name: path.read_text() for path in (clone / "docs/pictures").glob("*.svg")}
    run("uv", "run", "-q", "docs/pictures/terminal.py", cwd=clone)
    assert {path.name: path.read_text() for path in (clone / "docs/pictures").glob("*.svg")} == before
    assert len(before) == 2


@pytest.mark.slow
def test_diagrams_are_mermaid(tmp_path: Path) -> None:
    """By its own parser, which Gitea's page uses."""
    if not shutil.which("npm"):
        pytest.skip("needs npm")
    shutil.copytree(ROOT / "tests/mermaid", tmp_path / "mermaid")
    folder = tmp_path / "mermaid"
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run(install, cwd=folder, check=True)

    def parsed(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", "parse.mjs"], cwd=folder, input=text, capture_output=True, text=True, check=False
        )

    assert DIAGRAMS
    for diagram in DIAGRAMS:
        done = parsed(diagram.text)
        assert (done.returncode, done.stdout) == (0, "flowchart-v2\n"), f"{diagram.page}: {done.stderr}"
    assert parsed(f"{DIAGRAMS[0].text}\n  a --> [b").returncode == 1
