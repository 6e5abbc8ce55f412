"""Run a command, and end it with everything that it started as soon as standard input closes; then run the last one.

`warden.py LAST COMMAND…`, LAST being a list in JSON, which may be empty.

Whoever starts this holds the other end of the pipe, so the command cannot outlive a test run, however that run ends:
done, failed, interrupted or killed. A runner starts its steps in process groups of their own; being their reaper
(Linux) is what makes this program find them all. The shims of a Docker engine and what runs in its containers are
found in the same way.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def descendants() -> list[int]:
    """The ids of all processes below this one."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        # A process may be gone by the time it is looked at.
        with contextlib.suppress(OSError, IndexError):
            parent = int(Path("/proc", name, "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def main(last: list[str], command: list[str]) -> None:
    """Start the command, wait for the end of standard input, leave nothing running."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The command also ends should this program be killed.
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    )
    while sys.stdin.buffer.read(4096):
        pass
    while pids := descendants():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # The killed are this program's children by now: taken off the list one by one until none is left.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
    if last:
        subprocess.run(last, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
