"""Writes the pins of what runs beside a token or builds a package: every file of it, by its hash.

`uv run python tests/static/pins.py` writes them again, after a change of a version here, of the dependencies of
rollout/rollout.py, or of `exclude-newer` in pyproject.toml. A package gets its pins with its next update.
"""

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "rollout/rollout.py").read_text().partition("# /// script\n")[2].partition("# ///\n")[0]
ROLLOUT = tomllib.loads(SCRIPT.replace("# ", ""))["dependencies"]
# By file: what is pinned, the oldest Python that it is for, and what is left out. twine is without keyring, which would
# look for passwords on the machine and needs much else; truststore reads the certificates that the system trusts.
PINS = {
    "template/.gitea/twine.txt": ("twine==7.0.0\ntruststore==0.10.5", "3.11", "keyring"),
    "template/.gitea/build.txt": ("hatchling==1.33.0", "3.10", ""),
    "rollout/rollout.txt": ("\n".join(ROLLOUT), "3.11", ""),
}
OPTIONS = "--universal --generate-hashes --only-binary :all: --no-emit-index-url --no-annotate --no-header --quiet"


def pins(requirement: str, python: str, without: str, folder: Path) -> str:
    """Returns the text of a requirements file: everything that a requirement needs, without one package."""
    newest = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    (folder / "overrides.txt").write_text(f"{without}; python_version < '0'\n" if without else "")
    words = ["uv", "pip", "compile", *OPTIONS.split(), "--python-version", python, "--exclude-newer", newest]
    words += ["--no-config", "--override", str(folder / "overrides.txt"), "-"]
    done = subprocess.run(words, input=requirement, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout


if __name__ == "__main__":
    import tempfile

    for name, pinned in PINS.items():
        with tempfile.TemporaryDirectory() as made:
            (ROOT / name).write_text(pins(*pinned, Path(made)))
