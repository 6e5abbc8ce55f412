"""Run one step of a release program as the workflow does, with a fault at a boundary of its own STEPS.

`drive.py PROGRAM STEP`; FAULT is `kill:before:NAME`, `kill:after:NAME`, `lost:push` or `failed:push`. BUILT names a
folder that keeps what was built of a commit and a version, so that hundreds of trials build each of them once, and
leaves out the check of the wheel, which other tests are about.
"""

import functools
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def load(path: str) -> ModuleType:
    """Returns a release program as a module."""
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(path: str, name: str) -> None:
    """Run the step."""
    fault, built = (os.environ.pop(name, "") for name in ("FAULT", "BUILT"))
    sys.argv[0] = path  # its sentences begin with its name
    program = load(path)
    pauses = (0.05, 0.05, 0.05)
    if registry := sys.modules.get("registry"):
        registry.__dict__["PAUSES"] = pauses
    notes, lock = sys.modules["notes"], sys.modules.get("lock")
    notes.__dict__["http"] = functools.partial(notes.__dict__["http"], pauses=pauses)

    def killed(point: str) -> None:
        if fault == f"kill:{point}":
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(step: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(step)
        def run() -> None:
            killed(f"before:{step.__name__}")
            if not (built and step.__name__ == "check"):
                step()
            killed(f"after:{step.__name__}")

        return run

    def kept(make: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def copied(number: str, variable: str) -> None:
            folder = Path(built) / f"{program.git('rev-parse', 'HEAD')}-{number}"
            if not folder.exists():
                make(number, variable)
                fresh = Path(tempfile.mkdtemp(dir=built)) / "dist"
                shutil.copytree(program.DIST, fresh)
                try:
                    fresh.rename(folder)
                except OSError:  # another job has just kept it
                    assert folder.exists()
            shutil.copytree(folder, program.DIST, dirs_exist_ok=True)

        return copied

    if hasattr(program, "make") and built:
        program.make = kept(program.make)
    if lock:
        remote = lock.__dict__["remote"]

        def lossy(*arguments: str) -> tuple[bool, str]:
            if "push" not in arguments:
                return remote(*arguments)
            if fault == "lost:push":
                remote(*arguments)
            print("    error: RPC failed; HTTP 502", flush=True)
            return False, "error: RPC failed; HTTP 502"

        if fault in ("lost:push", "failed:push"):
            lock.__dict__["remote"] = lossy
    for steps in program.STEPS.values():
        steps[:] = map(wrapped, steps)
    os.umask(0o022)
    for step in program.STEPS[name]:
        step()


if __name__ == "__main__":
    main(*sys.argv[1:])
