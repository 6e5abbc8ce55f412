"""The ground of the suite: nothing that it starts stays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ACTIONS, clones
from .daemon import HERE, Daemon, Red, wait_for
from .gitea import ROOT, Live


def alive(pid: int) -> bool:
    """Whether a process runs (a dead one that nobody has asked after is not alive)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_daemon_takes_all_with_it(tmp_path: Path) -> None:
    """Also a grandchild in a session of its own whose parent is gone, as a runner's steps are."""
    pids = tmp_path / "pids"
    orphan = "import os, time; os.fork() and os._exit(0); os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"
    command = ["sh", "-c", f"{sys.executable} -c '{orphan}'; echo $$; exec sleep 600"]
    daemon = Daemon(command, pids, tmp_path, os.environ)
    try:
        wait_for("both processes", lambda: len(pids.read_text().split()) == 2)
        found = [int(pid) for pid in pids.read_text().split()]
        assert [alive(pid) for pid in found] == [True, True]
    finally:
        daemon.kill()
    assert [alive(pid) for pid in found] == [False, False]


def processes(word: str) -> list[str]:
    """Returns the processes that have a word in their command, their control group or `session ID`."""
    found = []
    for process in (Path("/proc", name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
            words = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            said = f"{words} session {session} {(process / 'cgroup').read_text()}"
        except (OSError, ValueError):  # gone by now
            continue
        if state != "Z" and word in said:
            found.append(f"{process.name}: {said}")
    return found


def left(words: list[str]) -> list[str]:
    """Returns what is still there of a run: processes, mounts, control groups and sockets."""
    top = Path("/sys/fs/cgroup")
    files = [*top.glob("live-*"), *top.glob("*/live-*"), *Path("/run").glob("live-*.sock")]
    lines = [*map(str, files), *Path("/proc/mounts").read_text().splitlines()]
    return [line for word in words for line in (*processes(word), *lines) if word in line]


def job_of(base: Path) -> str:
    """Returns the name of a run's engine, or its folder where it has none, once a job runs; before, nothing."""
    for config in base.glob("*/live*/runner/config.yaml"):
        image = re.search(r"docker://(live-\w+)", config.read_text())
        if processes(f"/{image[1]}/" if image else f"{config.parent}/work"):
            return image[1] if image else str(base)
    return ""


def end_in_a_job(base: Path, where: str, ending: signal.Signals) -> None:
    """Start a run in a folder, end it in the middle of a job, and see that nothing stays."""
    options = ["-n", "1", "--basetemp", str(base), "--runner", where]
    test = f"{HERE / 'test_live_containers.py'}::test_a_file_is_handed_from_job_to_job"
    with base.with_suffix(".log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, test],
            **{"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log},
            start_new_session=True,
        )
    words = [str(base), f"session {started.pid} "]
    try:
        words.append(wait_for("a job", lambda: job_of(base) or (started.poll() is not None and "ended"), 240))
        assert started.poll() is None, base.with_suffix(".log").read_text()
    finally:
        started.send_signal(ending)
        started.wait(300)
    try:
        wait_for("the end of all that was started", lambda: not left(words), 300)
    except Red:
        pytest.fail("\n".join(left(words)))


@pytest.mark.skipif(len(clones()) < len(ACTIONS), reason="the run that is ended hands files from job to job")
def test_a_run_that_is_ended_leaves_nothing(live: Live, tmp_path: Path) -> None:
    """Interrupted, ended and killed, each in the folder of the one before: a run also starts clean."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        end_in_a_job(tmp_path / "run", "container" if live.engine else "host", ending)
