"""Nothing of the user's is in danger: on a dirty tree, in undoing, when killed, with and without a terminal."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from adopting import FIRST, ROOT, Adopted, Repository, add_origin, adopt, commands, undo_commands, with_hook

COPY = ("copy", "--trust", "--defaults", "-r", FIRST)


def make_dirty(repository: Repository) -> None:
    """Leave work behind: staged, not staged, untracked, ignored; also in the files that are merged or replaced."""
    repository.write("staged.txt", "Mine.\n")
    repository.git("add", "staged.txt")
    repository.write("checked/more.py", "X = 1\n")
    repository.write("dist/ignored.txt", "Mine.\n")
    repository.write(".gitea/mine.txt", "Mine.\n")
    repository.write("tests/notes.txt", "Mine.\n")
    repository.write(".gitea/workflows/ci.yaml", "on: pull_request\n")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write("pyproject.toml", text.replace("Greets people", "Greets all people"))


@pytest.mark.parametrize("name", ["workflows-ci", "smoke-test", "setuptools-setup-py"])
def test_undo_on_a_clean_tree(
    name: str, existing: Callable[..., Repository], adopted: Callable[[str], Adopted]
) -> None:
    """The commands that the end names lead back, and spare what was made later."""
    untouched = existing(name)
    before, status = untouched.content(), untouched.status()
    empty = untouched.path / "mine/empty"
    empty.mkdir(parents=True)
    folders = {path.relative_to(untouched.path) for path in untouched.path.rglob("*/") if ".git" not in path.parts}
    repository, said = adopted(name)
    (repository.path / "mine/empty").mkdir(parents=True)
    undo = undo_commands(said)
    assert undo.startswith("git restore . && git clean -fd -- ")
    later = repository.path / ".gitea/later/setup.sh"
    repository.write(str(later.relative_to(repository.path)), "true\n")
    repository.need("bash", "-euo", "pipefail", "-c", undo)
    assert later.exists()
    shutil.rmtree(later.parent)
    if name != "workflows-ci":  # which has a .gitea of its own
        later.parents[1].rmdir()
    left = {path.relative_to(repository.path) for path in repository.path.rglob("*/") if ".git" not in path.parts}
    assert {path for path in left if ".venv" not in path.parts} == folders
    assert repository.content() == before
    assert repository.status() == status


def test_undo_on_a_dirty_tree(existing: Callable[..., Repository], template: Path) -> None:
    """What was not committed is there as it was, byte for byte."""
    repository = existing("workflows-ci")
    make_dirty(repository)
    before, status = repository.content(), repository.status()
    said = adopt(repository, template)
    after = repository.content()
    mine = {n: b for n, b in before.items() if n not in ("pyproject.toml", ".gitea/workflows/ci.yaml")}
    assert {n: after[n] for n in mine} == mine
    assert after[".gitea/workflows/ci.yaml.before"] == before[".gitea/workflows/ci.yaml"]
    assert b"Greets all people" in after["pyproject.toml"]
    assert "git restore ." not in said
    repository.need("bash", "-euo", "pipefail", "-c", undo_commands(said))
    assert repository.content() == before
    assert repository.status() == status


@pytest.mark.parametrize("dirty", [pytest.param(False, marks=pytest.mark.slow), True])
def test_an_ignored_lock(dirty: bool, existing: Callable[..., Repository], template: Path) -> None:
    """git holds no copy of it: taking everything back restores it all the same, and the commit has the new one."""
    repository = existing("workflows-ci")
    repository.write(".gitignore", "dist/\nuv.lock\n.venv/\n__pycache__/\n")
    repository.commit("fix: ignore")
    repository.need("uv", "lock", "--quiet")
    if dirty:
        make_dirty(repository)
    add_origin(repository)
    before, status = repository.content(), repository.status()
    said = adopt(repository, template)
    assert repository.content()["uv.lock"] != before["uv.lock"]
    repository.need("bash", "-euo", "pipefail", "-c", undo_commands(said))
    assert repository.content() == before
    assert repository.status() == status
    repository.need("bash", "-euo", "pipefail", "-c", commands(adopt(repository, template)))
    assert "uv.lock" in repository.git("ls-tree", "--name-only", "HEAD").split()


@pytest.mark.slow
def test_undo_of_a_second_run(existing: Callable[..., Repository], template: Path) -> None:
    """Another answer, before the first run is committed: back to the first run, with the user's own workflow beside."""
    repository = existing("workflows-ci")
    mine = repository.content()[".gitea/workflows/ci.yaml"]
    repository.write("notes/untracked.txt", "Mine.\n")
    adopt(repository, template)
    before, status = repository.content(), repository.status()
    said = adopt(repository, template, "-d", "gitea_owner=ml")
    after = repository.content()
    assert set(after) == set(before), "the template's own file was set aside"
    assert after[".gitea/workflows/ci.yaml"] != before[".gitea/workflows/ci.yaml"]
    assert after[".gitea/workflows/ci.yaml.before"] == mine
    repository.need("bash", "-euo", "pipefail", "-c", undo_commands(said))
    assert repository.content() == before
    assert repository.status() == status


def test_a_file_set_aside_stays(adopted: Callable[[str], Adopted], template: Path) -> None:
    """One that is edited after it was set aside takes no place but a free one."""
    repository, _ = adopted("workflows-ci")
    mine = repository.content()[".gitea/workflows/ci.yaml.before"]
    repository.write(".gitea/workflows/ci.yaml", "on: mine\n")
    said = adopt(repository, template)
    after = repository.content()
    assert after[".gitea/workflows/ci.yaml.before"] == mine
    assert after[".gitea/workflows/ci.yaml.before.before"] == b"on: mine\n"
    assert ".gitea/workflows/ci.yaml.before.before: your .gitea/workflows/ci.yaml. " in said


def test_the_commit_takes_only_its_own(existing: Callable[..., Repository], template: Path) -> None:
    """What the user has staged stays staged; an ignored uv.lock is committed all the same."""
    repository = existing("workflows-ci")
    repository.write(".gitignore", "dist/\nuv.lock\n.venv/\n__pycache__/\n")
    repository.write("checked/loose.py", "X  =  1\n")
    repository.commit("fix: ignore")
    make_dirty(repository)
    repository.write("checked/__init__.py", "unfinished = 1\n")
    add_origin(repository)
    said = commands(adopt(repository, template))
    repository.need("bash", "-euo", "pipefail", "-c", said)
    assert (repository.path / "checked/loose.py").read_text() == "X  =  1\n", "nothing is formatted"
    assert "unfinished" not in repository.git("show", "HEAD:checked/__init__.py")
    assert {"staged.txt", ".gitea/mine.txt"}.isdisjoint(repository.git("ls-tree", "-r", "--name-only", "HEAD").split())
    assert "uv.lock" in repository.git("ls-tree", "--name-only", "HEAD").split()
    assert "A  staged.txt" in repository.status().splitlines()


# Kills the task when it has put so many files in place, or is about to.
KILLER = """\
import os, signal, sys
def kill():
    open({marker!r}, "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
count, replace = [0], os.replace
def counted(source, target):
    if not sys.argv[0].endswith("main.py"):
        return replace(source, target)
    count[0] += 1
    if count[0] == {number} and {before}:
        kill()
    replace(source, target)
    if count[0] == {number}:
        kill()
os.replace = counted
"""


def test_killed_in_the_middle(
    existing: Callable[..., Repository], adopted: Callable[[str], Adopted], template: Path, tmp_path: Path
) -> None:
    """Each file is the old or the new one, whole; running it again ends as if nothing had been, the commit too."""
    whole = existing("workflows-ci")
    old, untouched = whole.content(), whole.path
    new = adopted("workflows-ci").repository.content()
    hook, marker = tmp_path / "hook", tmp_path / "killed"
    for number, before in ((1, True), (1, False), (4, True), (9, False)):
        repository = Repository(tmp_path / f"{number}{before}" / whole.path.name, whole.environment)
        shutil.copytree(untouched, repository.path)
        text = KILLER.format(marker=str(marker), number=number, before=before)
        done = repository.copier(*COPY, str(template), ".", **with_hook(repository, hook, text))
        assert done.returncode != 0
        assert marker.exists(), done.stdout
        marker.unlink()
        left = repository.content()
        for name in {*old, *new}:
            assert left.get(name) in (old.get(name), new.get(name)), f"{name} after {number}"
        temporary = set(left) - set(old) - set(new)
        assert all(re.fullmatch(r"(.*/)?\.[^/]+\.\w{8}", name) for name in temporary)
        for name in temporary:
            (repository.path / name).unlink()
    add_origin(repository)
    said = adopt(repository, template)
    after = repository.content()
    assert sorted(name for name in {*new, *after} if new.get(name) != after.get(name)) == []
    repository.need("bash", "-euo", "pipefail", "-c", commands(said))
    assert repository.git("status", "--porcelain") == "", "the list commits all"


def test_stopped_in_the_middle(existing: Callable[..., Repository], template: Path, tmp_path: Path) -> None:
    """A signal that can be caught takes everything back."""
    repository = existing("workflows-ci")
    before, status = repository.content(), repository.status()
    hook, marker = tmp_path / "hook", tmp_path / "killed"
    text = KILLER.format(marker=str(marker), number=4, before=False).replace("SIGKILL", "SIGTERM")
    done = repository.copier(*COPY, str(template), ".", **with_hook(repository, hook, text))
    assert done.returncode != 0
    assert marker.exists()
    assert repository.content() == before
    assert repository.status() == status


def at_a_terminal(repository: Repository, *words: str, expect: list[str]) -> str:
    """Run Copier at a terminal, press Enter at each question whose help begins so, and give all that was shown."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
    environment = repository.environment | {"TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "copier", *words],
        cwd=repository.path,
        env=environment,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    shown, seen, waiting = "", 0, list(expect)
    try:
        while True:
            ready, _, _ = select.select([main], [], [], 300)
            assert ready, f"still waiting for {waiting[:1]}: {shown[-2000:]}"
            try:
                data = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            shown += data.decode(errors="replace")
            # A terminal that is asked where its cursor is answers; else the prompt waits.
            if b"\x1b[6n" in data:
                os.write(main, b"\x1b[1;1R")
            while waiting and (at := shown.find(waiting[0], seen)) >= 0:
                seen = at + len(waiting.pop(0))
                os.write(main, b"\r")
        assert process.wait(300) == 0, shown
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(main)
    assert not waiting, f"not asked: {waiting}"
    return shown


def helps() -> dict[str, str]:
    """The first line of the help of each question that is asked."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: question["help"].splitlines()[0]
        for name, question in questions.items()
        if not name.startswith("_") and question.get("when", True) and question.get("ask", True)
    }


@pytest.mark.slow
def test_a_terminal_is_asked_nothing_that_the_repository_says(
    existing: Callable[..., Repository], template: Path
) -> None:
    """Name, package, description, floor and command line stand in pyproject.toml; the rest is asked once."""
    repository = existing("hatchling-flat")
    told = ("project_name", "module_name", "description", "python_version", "cli")
    asked = [text for name, text in helps().items() if name not in told]
    repository.write("untracked.txt", "Mine.\n")
    shown = at_a_terminal(repository, "copy", "--trust", "-r", FIRST, str(template), ".", expect=asked)
    assert not [name for name in told if helps()[name] in shown]
    answers = yaml.safe_load((repository.path / ".copier-answers.yml").read_text())
    assert answers["project_name"] == "handler-base"
    assert answers["description"] == "Shared base of the request handlers"
    assert answers["gitea_owner"] == "daviestechlabs"
    # Stored answers are asked for, and not lost, afterwards.
    repository.commit("feat: adopt")
    at_a_terminal(repository, "update", "--trust", expect=list(helps().values()))
    updated = yaml.safe_load((repository.path / ".copier-answers.yml").read_text())
    assert updated == answers | {"_commit": "v1.1.0"}


@pytest.mark.slow
def test_a_repository_without_metadata_is_asked_for_it(existing: Callable[..., Repository], template: Path) -> None:
    """requirements.txt names no package."""
    repository = existing("requirements-only")
    at_a_terminal(repository, "copy", "--trust", "-r", FIRST, str(template), ".", expect=list(helps().values()))
    assert (repository.path / "uv.lock").exists()


def test_answers_on_the_command_line(existing: Callable[..., Repository], template: Path) -> None:
    """`-d` holds where pyproject.toml says nothing; where it does, it wins, and that is told."""
    repository = existing("several-packages")
    said = adopt(repository, template, "-d", "gitea_owner=ml", "-d", "runner_label=big", "-d", "project_name=other")
    answers = yaml.safe_load((repository.path / ".copier-answers.yml").read_text())
    assert (answers["gitea_owner"], answers["runner_label"]) == ("ml", "big")
    assert answers["project_name"] == "ray-serve-apps"
    assert "project_name is ray-serve-apps, as the repository says, not other" in said
    jobs = yaml.safe_load((repository.path / ".gitea/workflows/ci.yaml").read_text())["jobs"]
    assert {job["runs-on"] for job in jobs.values()} == {"big"}
    assert "/ml/pypi/simple/" in (repository.path / "pyproject.toml").read_text()


def test_variables_for_other_runs_change_nothing(existing: Callable[..., Repository], template: Path) -> None:
    """A lock that is not written, another project, another Python, colors."""
    foreign = {
        "UV_FROZEN": "1",
        "UV_LOCKED": "1",
        "UV_PROJECT": "/nowhere",
        "UV_PYTHON": "3.8",
        "UV_NO_SYNC": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": "",
        "FORCE_COLOR": "1",
        "RUFF_OUTPUT_FORMAT": "concise",
    }
    repository = existing("lint-ruff")
    words = ("copy", "--trust", "--defaults", "-r", FIRST, "-d", "trial=none", str(template), ".")
    done = repository.copier(*words, **foreign)
    assert done.returncode == 0, done.stdout
    repository.need("uv", "lock", "--check")
    repository.commit("feat: adopt")
    done = repository.copier("update", "--trust", "--defaults", **foreign)
    assert done.returncode == 0, done.stdout
    repository.need("uv", "lock", "--check")
    assert "ruff" in (repository.path / "uv.lock").read_text()
