# /// script
# requires-python = ">=3.11"
# ///
"""Builds and tests the files of a release. The test job runs `dist.py build`, and after the tests `dist.py check`.

Code of the package runs here: its build backend, its build hooks and its smoke test. So this job has no secret, and
what it built goes to the publish job with its sha256. Only the standard library. The template owns this file.
"""

import gzip
import os
import re
import shutil
import sys
import tarfile
import tomllib
from pathlib import Path

from shared import SECRET, git, need, output, run, say, sums
from version import DIST, STATE, planned, project, twine, whole

TREE, SMOKE = STATE / "tree", STATE / "smoke"
FIX = "fix what it says above, and push."
PYTEST = "-I -m pytest -c /dev/null --rootdir . -p no:cacheprovider --import-mode=importlib test_smoke.py"
INSTALL = ("uv", "pip", "install", "--no-config", "--no-deps", "--reinstall", "--python")


def pinned() -> tuple[str | Path, ...]:
    """Returns uv's options that check every file of the backend by its hash, if build.txt has that backend."""
    pins = Path(__file__).with_name("build.txt").absolute()
    requires = tomllib.loads(git("show", "HEAD:pyproject.toml")).get("build-system", {}).get("requires", [])
    if requires and set(requires) <= set(re.findall(r"(?m)^(\S+) \\$", pins.read_text())):
        return "--build-constraints", pins, "--require-hashes"
    say("build.txt has another backend than this package, so no hash of it is checked")
    return ()


def make(number: str, dynamic: bool) -> None:
    """Builds a version from a fresh clone of the commit: nothing of the job's tree gets in, the bytes stay the same."""
    git("clone", "--quiet", "--shared", "--no-checkout", ".", str(TREE))
    git("-C", str(TREE), "checkout", "--quiet", "--detach", git("rev-parse", "HEAD"))
    env = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")}
    if dynamic:
        env["SETUPTOOLS_SCM_PRETEND_VERSION"] = number  # hatch-vcs takes no package's own variable
    need(dynamic or run("uv", "version", number, "--frozen", cwd=TREE)[0], f"uv cannot write the version: {FIX}")
    if SECRET["INDEX_TOKEN"]:  # uv asks the owner's index for what builds the package, too
        env |= {"UV_INDEX_GITEA_USERNAME": SECRET["INDEX_USER"], "UV_INDEX_GITEA_PASSWORD": SECRET["INDEX_TOKEN"]}
    words = ("uv", "build", "--no-create-gitignore", "--out-dir", DIST, *pinned())
    need(run(*words, cwd=TREE, env=env)[0], f"the package does not build: {FIX}")
    for sdist in DIST.glob("*.gz"):  # not every backend leaves out when and by whom an sdist was made
        with tarfile.open(sdist) as old, tarfile.open(STATE / "sdist.tar", "w") as new:
            for entry in sorted(old, key=lambda entry: entry.name):
                entry.mtime, entry.pax_headers = int(env["SOURCE_DATE_EPOCH"]), {}
                entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
                new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
        packed = gzip.compress((STATE / "sdist.tar").read_bytes(), mtime=0)
        sdist.write_bytes(packed[:9] + b"\xff" + packed[10:])  # Python 3.11 writes its system there, newer ones do not


def build() -> None:
    """Builds the files of this commit's version, and hands their names and sha256 to the workflow."""
    shutil.rmtree(STATE, ignore_errors=True)
    DIST.mkdir(parents=True)
    (name, _, dynamic), (version, why) = project(), planned()
    say(f"version {version}" if version else f"nothing to release: {why}")
    number = version or "0.0.0"  # built all the same, to be tested
    make(number, dynamic)
    files = sums(DIST)
    handed = " ".join(f"{file}={digest}" for file, digest in files.items())
    right = len(files) == 2 and whole(list(files), number) and re.fullmatch(r"[\w.+-]+=\w+ [\w.+-]+=\w+", handed)
    need(right, f"the build did not make one wheel and one sdist of {name} {number}: let the backend make these two.")
    for file, digest in files.items():
        say(f"built {file}, sha256 {digest}")
    if version:
        output(version=version, dist=str(DIST), files=handed)


def check() -> None:
    """Tests the wheel as users get it: away from the sources, with what uv.lock names beside it and nothing else."""
    need(twine("check", *DIST.iterdir())[0], f"twine finds the package's description broken: {FIX}")
    need((TREE / "tests/test_smoke.py").exists(), "tests/test_smoke.py, which tests the wheel, is gone: bring it back.")
    SMOKE.mkdir()
    shutil.copy(TREE / "tests/test_smoke.py", SMOKE)
    python = Path(".venv/bin/python").absolute()
    need(run(*INSTALL, python, *DIST.glob("*.whl"))[0], f"the wheel does not install: {FIX}")
    need(run(python, *PYTEST.split(), cwd=SMOKE)[0], f"the wheel does not pass tests/test_smoke.py: {FIX}")


STEPS = {"build": [build], "check": [check]}

if __name__ == "__main__":
    os.umask(0o022)  # a file's mode must not depend on the runner
    for step in STEPS[sys.argv[1]]:
        step()
