"""What is expensive is made once in a run of the tests, whichever worker comes first, and used by all of them."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

Once = Callable[..., Path]


def once(factory: pytest.TempPathFactory) -> Once:
    """Returns `once(name, make, *key)`, which returns a folder that all tests of this run read and none changes.

    `make(folder)` fills it, for the first who asks for this name and key; the others wait for that.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], object], *key: object) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:12]
        place = shared / "shared" / f"{name}-{digest}"
        place.parent.mkdir(exist_ok=True)
        folder, whole = place / "it", place / "whole"
        with FileLock(f"{place}.lock"):
            if not whole.exists():
                # Half of one is what a failure left behind: the next who asks sees the failure, too.
                shutil.rmtree(place, ignore_errors=True)
                folder.mkdir(parents=True)
                make(folder)
                whole.touch()
        return folder

    return made


@cache
def python_folder() -> Path:
    """Returns a folder with this Python and nothing else, to stand first on a PATH.

    A version manager's `python3` is a script that starts twenty programs, and each start of uv starts it.
    """
    folder = Path(tempfile.mkdtemp(prefix="python-"))
    real = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in ("python", "python3", real.name):
        (folder / name).symlink_to(real)
    return folder
