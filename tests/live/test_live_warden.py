"""The ground of the suite: nothing that it starts stays."""

import os
import sys
from pathlib import Path

from .gitea import Daemon, wait_for


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
