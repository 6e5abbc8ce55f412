"""What Copier runs after rendering: lock a new package, or bring an existing repository onto the template.

Standard library only: Copier's own Python runs it, on any machine.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(operation: str, *arguments: str) -> int:
    """Run `lock`, or `adopt` or `update` (apply.py) with its arguments, in the current folder.

    Returns:
        The exit code. A new package is whole without its lock, so `lock` only says what went wrong.
    """
    uv = os.environ.get("UV") or shutil.which("uv")
    if operation == "lock":
        if uv is None:
            print("uv was not found, so there is no uv.lock yet. Install uv, then run in the new folder: uv lock")
        elif subprocess.run([uv, "lock", "--quiet"], check=False).returncode != 0:
            print("There is no uv.lock yet (uv says why above). When that is mended, run in the new folder: uv lock")
        return 0
    code = 1
    try:
        code = apply(uv, operation, *arguments)
    finally:
        # Copier has written the new version into the answers already, into a tree that it found clean.
        if operation == "update" and code != 0:
            subprocess.run(["git", "checkout", "--quiet", "HEAD", "--", arguments[1]], check=False)
    return code


def apply(uv: str | None, operation: str, *arguments: str) -> int:
    """Run apply.py, and give its exit code; 1 where there is no uv to run it."""
    if uv is None:
        print("uv was not found, and an existing repository is brought onto the template with it. Nothing was written.")
        print("Install uv (or start Copier with uvx), then run the same command again.")
        return 1
    # With the machine's settings of uv, as a project at the root has no others: not those of any pyproject.toml.
    program = Path(__file__).with_name("apply.py")
    script = [uv, "run", "--quiet", "--project", program.anchor, "--script", str(program)]
    environment = {**os.environ, "UV": uv, "COPIER_PYTHON": sys.executable}
    return subprocess.run([*script, operation, *arguments], check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
