"""An update that is stopped at any moment: what docs/updating.md says to do then leads to what it would have made."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sharing import Once
from test_update_edits import EDITS
from versions import FIRST, NEWEST, Package

WORDS = ("update", "--trust", "--defaults", "--vcs-ref")
EDITED = ("dependency", "name_taken", "commented")


@dataclass
class Undisturbed:
    """A package before an update, and what the update makes of it."""

    package: Package
    tree: str
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(once: Once, rendered: Callable[..., Package]) -> Undisturbed:
    """A package with edits of its owner's, updated once without a stop."""
    source = rendered(FIRST, python_version="3.10")

    def make(folder: Path) -> None:
        mine = Package(shutil.copytree(source.path, folder / "before", symlinks=True), source.env)
        for name in EDITED:
            EDITS[name].do(mine)
        mine.commit("fix: mine")
        after = Package(shutil.copytree(mine.path, folder / "after", symlinks=True), source.env)
        start = time.monotonic()
        after.do(sys.executable, "-m", "copier", *WORDS, NEWEST)
        (folder / "seconds").write_text(str(time.monotonic() - start))
        after.commit("chore: update")

    folder = once("undisturbed", make)
    after = Package(folder / "after", source.env)
    return Undisturbed(
        Package(folder / "before", source.env),
        after.git("rev-parse", "HEAD^{tree}"),
        float((folder / "seconds").read_text()),
    )


def stop(mine: Package, after: float, signals: list[signal.Signals]) -> None:
    """Start an update as a shell in a terminal does, and send its processes the signals."""
    process = subprocess.Popen(
        (shutil.which("env") or "env", "--default-signal=INT", sys.executable, "-m", "copier", *WORDS, NEWEST),
        cwd=mine.path,
        env=mine.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        for number in signals:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
    process.wait(300)
    # What Copier had started may still be taking back what it wrote.
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("a program of the update is still there")


def heal(mine: Package, stash: bool) -> str:
    """Do what docs/updating.md says after an update that was stopped, and return the tree that it leads to."""
    if mine.git("status", "--porcelain"):
        if stash:
            mine.git("stash", "--quiet", "--include-untracked")
        else:
            mine.commit("chore: as it was left")
    mine.update(NEWEST)
    mine.commit("chore: update")
    return mine.git("rev-parse", "HEAD^{tree}")


def stopped(undisturbed: Undisturbed, folder: Path, part: float, signals: list[signal.Signals], stash: bool) -> None:
    """Stop an update after a part of its time, and see that it heals."""
    mine = Package(shutil.copytree(undisturbed.package.path, folder, symlinks=True), undisturbed.package.env)
    stop(mine, part * undisturbed.seconds, signals)
    tree = heal(mine, stash)
    assert tree == undisturbed.tree, mine.git("diff", "--stat", undisturbed.tree, tree)
    assert not list((mine.path / ".git").glob("template-updates*"))


KILL, INT, HUP, TERM = signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGTERM
WAYS = {"killed": [KILL], "interrupted": [INT, INT, INT], "hung up": [HUP], "ended": [TERM]}


@pytest.mark.parametrize(
    ("part", "way", "stash"),
    [(0.75, "killed", False), pytest.param(0.9, "interrupted", False, marks=pytest.mark.slow)],
)
def test_an_update_that_is_stopped(
    undisturbed: Undisturbed, tmp_path: Path, part: float, way: str, stash: bool
) -> None:
    """Late, when it writes."""
    stopped(undisturbed, tmp_path / "mine", part, WAYS[way], stash)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_an_update_that_is_stopped_at_any_moment(undisturbed: Undisturbed, tmp_path: Path, seed: int) -> None:
    """In any way."""
    chance = random.Random(seed)
    way = chance.choice([*WAYS, "killed"])
    stopped(undisturbed, tmp_path / "mine", chance.uniform(0.1, 1.1), WAYS[way], chance.random() < 0.4)


def cut(mine: Package, undisturbed: Undisturbed, *names: str) -> None:
    """Leave some files as they are in the middle of an update: those of the newest version, and the answers."""
    mine.git("fetch", "--quiet", undisturbed.package.path.with_name("after"), "HEAD")
    mine.git("checkout", "--quiet", "FETCH_HEAD", "--", ".copier-answers.yml", *names)
    mine.do(sys.executable, Path(__file__).parents[2] / "apply/run.py", "begin", ".copier-answers.yml", NEWEST)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param((), marks=pytest.mark.slow),
        ("pyproject.toml",),
        pytest.param((".gitea/tell.py", ".gitea/tell_before.py", "uv.lock"), marks=pytest.mark.slow),
    ],
)
def test_half_an_update_is_finished(undisturbed: Undisturbed, tmp_path: Path, names: tuple[str, ...]) -> None:
    """After each of its steps, whoever committed that."""
    mine = Package(shutil.copytree(undisturbed.package.path, tmp_path / "mine"), undisturbed.package.env)
    cut(mine, undisturbed, *names)
    assert heal(mine, stash=False) == undisturbed.tree


@pytest.mark.slow
def test_an_older_start_counts_no_more(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Where HEAD has come to its answers in another way, what is there is the owner's."""
    mine = Package(shutil.copytree(undisturbed.package.path, tmp_path / "mine"), undisturbed.package.env)
    mine.do(sys.executable, Path(__file__).parents[2] / "apply/run.py", "begin", ".copier-answers.yml", NEWEST)
    mine.commit("docs: between")
    mine.update(NEWEST)
    mine.edit("pyproject.toml", "hatchling==1.32.0", "hatchling==1.33.0")  # as the first version had it
    mine.commit("chore: update, with another hatchling")
    mine.update(NEWEST)
    assert "hatchling==1.33.0" in mine.read("pyproject.toml")
