"""Make uv.lock for a new package. The package is whole without it, so what goes wrong here is told, not raised."""

import os
import shutil
import subprocess


def main() -> None:
    """Run `uv lock` in the current folder, with the uv that started Copier or the one on PATH."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        print("uv was not found, so there is no uv.lock yet. Install uv, then run in the new folder: uv lock")
    elif subprocess.run([uv, "lock", "--quiet"], check=False).returncode != 0:
        print("There is no uv.lock yet (uv says why above). When that is mended, run in the new folder: uv lock")


if __name__ == "__main__":
    main()
