"""What Copier runs after rendering: locks a new package, or starts main.py for an existing repository.

Standard library only: Copier's own Python runs this file on any machine.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which PYTHONSAFEPATH leaves out

import journal
from commands import changes, git

# What would change what uv, ruff and Copier do here: settings for the user's own runs.
FOREIGN = re.compile(
    r"UV_(FROZEN|LOCKED|ISOLATED|NO_SYNC|NO_PROJECT|PROJECT\w*|WORKING\w*|PYTHON|RUN_\w+)|RUFF_\w+|PYTEST_\w+|"
    r"PYTHON(PATH|SAFEPATH|STARTUP|HOME)|VIRTUAL_ENV\w*|CONDA_\w+|FORCE_COLOR|CLICOLOR_FORCE"
)


def main(operation: str, *arguments: str) -> int:
    """Runs `lock`, `begin` (journal.py), or `adopt` or `update` (main.py), with its arguments, in the current folder.

    Returns:
        The exit code. A new package works without its lock, so `lock` only prints what went wrong.
    """
    uv = os.environ.get("UV") or shutil.which("uv")
    for name in filter(FOREIGN.fullmatch, list(os.environ)):
        del os.environ[name]
    if operation == "lock":
        if uv is None:
            print("There is no uv.lock yet, because uv was not found. Install uv, then run in the new folder: uv lock")
        elif (workspace := workspace_of(uv)) != os.getcwd():
            print(f"There is no uv.lock yet, because the folder belongs to the uv workspace in {workspace}.")
            print("Move it out of that folder, then run in it: uv lock")
        elif subprocess.run([uv, "lock", "--quiet"], check=False).returncode != 0:
            print("There is no uv.lock yet, because `uv lock` failed (above). Fix that, then run it in the new folder.")
        return 0
    if operation == "begin":
        journal.begin(*arguments)
        return 0
    # main.py gets the same signal, and restores what it wrote: only then this ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    code = 1
    try:
        code = start(uv, operation, *arguments)
    finally:
        if operation == "update" and code != 0:
            take_back(arguments[1])
    return code


def take_back(answers_file: str) -> None:
    """Restores the answers after an update that failed: Copier has written the new version into them.

    The tree was clean before. If there is more, the update was killed, and the next one finishes it (journal.py).
    """
    changed = changes(Path())
    if changed == {answers_file}:
        git(Path(), "checkout", "--quiet", "HEAD", "--", answers_file)
    elif changed:
        print("The update was stopped before its end. Commit what is here (or run git stash --include-untracked), then")
        print("run the same command again: it finishes the update.")


def workspace_of(uv: str) -> str:
    """Returns the root of the uv workspace that the current folder is in: the folder itself if it is in none."""
    done = subprocess.run([uv, "workspace", "dir"], check=False, capture_output=True, text=True)
    return os.path.realpath(done.stdout.strip()) if done.returncode == 0 else os.getcwd()


def start(uv: str | None, operation: str, *arguments: str) -> int:
    """Starts main.py with uv, and returns its exit code; 1 if there is no uv."""
    if uv is None:
        print("uv was not found, and an existing repository needs it. Nothing was written.")
        print("Install uv (or start Copier with uvx), then run the same command again.")
        return 1
    program = Path(__file__).with_name("main.py")
    # The root of the file system is no project, so uv reads the machine's settings only, not those of a pyproject.toml.
    script = [uv, "run", "--quiet", "--project", program.anchor, "--script", str(program)]
    environment = {**os.environ, "UV": uv, "COPIER_PYTHON": sys.executable}
    return subprocess.run([*script, operation, *arguments], check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
