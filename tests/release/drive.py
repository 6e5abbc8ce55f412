"""Run one step of a release.py as the workflow does, with a fault at a boundary of its own STEPS.

`drive.py RELEASE_PY STEP`; FAULT is `kill:before:NAME`, `kill:after:NAME`, `lost:push` or `failed:push`. BUILT names a
folder that keeps what `build` made for a commit and a version, so that hundreds of trials build each of them once, and
leaves out the smoke test, which other tests are about.
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
    """Give a release.py as a module."""
    spec = importlib.util.spec_from_file_location("release", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(path: str, name: str) -> None:
    """Run the step."""
    fault, built = os.environ.pop("FAULT", ""), os.environ.pop("BUILT", "")
    release = load(path)
    release.PAUSES = (0.05, 0.05, 0.05)

    def killed(point: str) -> None:
        if fault == f"kill:{point}":
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(step: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(step)
        def run() -> None:
            killed(f"before:{step.__name__}")
            if built and step.__name__ == "check":
                release.reserved()
            elif built and step.__name__ == "build":
                kept(step)
            else:
                step()
            killed(f"after:{step.__name__}")

        return run

    def kept(build: Callable[[], None]) -> None:
        folder = Path(built) / f"{release.git('rev-parse', 'HEAD')}-{release.reserved()}"
        if not folder.exists():
            build()
            fresh = Path(tempfile.mkdtemp(dir=built)) / "dist"
            shutil.copytree(release.DIST, fresh)
            try:
                fresh.rename(folder)
            except OSError:  # another job has just kept it
                assert folder.exists()
        shutil.copytree(folder, release.DIST, dirs_exist_ok=True)

    remote = release.remote

    def lossy(*arguments: str) -> tuple[bool, str]:
        if arguments[0] != "push":
            return remote(*arguments)
        if fault == "lost:push":
            remote(*arguments)
        print("    error: RPC failed; HTTP 502", flush=True)
        return False, "error: RPC failed; HTTP 502"

    if fault in ("lost:push", "failed:push"):
        release.remote = lossy
    for steps in release.STEPS.values():
        steps[:] = map(wrapped, steps)
    os.umask(0o022)
    for step in release.STEPS[name]:
        step()


if __name__ == "__main__":
    main(*sys.argv[1:])
