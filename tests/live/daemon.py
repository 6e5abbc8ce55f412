"""Programs in the background that end with the tests, and waiting for what they do."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent

T = TypeVar("T")


class Red(AssertionError):
    """A promise of the workflow that the server does not see kept."""


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 60, pause: float = 0.3) -> T:
    """Look again and again until there is something other than None or False, and give that.

    Raises Red when the time is up.
    """
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise Red(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
    return seen


class Daemon:
    """A program in the background, with all it starts, that cannot outlive the test run."""

    def __init__(
        self, command: list[str], log: Path, cwd: Path, env: Mapping[str, str], last: Sequence[str] = ()
    ) -> None:
        """Start the program; what it prints goes into the log. The last command runs when all else has ended."""
        self.log = log
        with log.open("ab") as out:
            self.warden = subprocess.Popen(
                [sys.executable, str(HERE / "warden.py"), json.dumps(last), *command],
                **{"cwd": cwd, "env": env, "stdin": subprocess.PIPE, "stdout": out, "stderr": out},
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL for the program and everything below it, as when its machine is gone."""
        if self.warden.stdin:
            self.warden.stdin.close()
        self.warden.wait()
