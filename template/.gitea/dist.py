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

from notes import commits, misses
from shared import SECRET, git, need, output, run, say, sums
from version import DIST, STATE, planned, project, whole

TREE, SMOKE = STATE / "tree", STATE / "smoke"
FIX = "fix what it says above, and push."
LFS = b"version https://git-lfs"
LFS_FIX = "install git-lfs on the runner, and add `git lfs install && git lfs pull` to .gitea/setup.sh."
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


def place(source: Path, tree: Path, commit: str) -> None:
    """Checks a commit out into a new folder, with the submodules and the Git LFS files that `source` has fetched."""
    git("clone", "--quiet", "--shared", "--no-checkout", source, tree)
    git("-c", f"lfs.storage={source / '.git/lfs'}", "checkout", "--quiet", "--detach", commit, cwd=tree)
    listing = git("ls-tree", "-r", "-z", commit, cwd=tree)
    for digest, path in re.findall(r"(?:^|\0)160000 commit ([0-9a-f]+)\t([^\0]+)", listing):
        line = "add the line `git submodule update --init --recursive` to .gitea/setup.sh."
        need((source / path / ".git").exists(), f"the submodule {path} is not there, so files would be missing: {line}")
        place(source / path, tree / path, digest)
        shutil.rmtree(tree / path / ".git")


def make(number: str, variable: str) -> None:
    """Builds a version from a fresh clone of the commit: nothing of the job's tree gets in, the bytes stay the same."""
    place(Path.cwd(), TREE, git("rev-parse", "HEAD"))
    env = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")} | ({variable: number} if variable else {})
    need(variable or run("uv", "version", number, "--frozen", cwd=TREE)[0], f"uv cannot write the version: {FIX}")
    if SECRET["INDEX_TOKEN"]:  # uv asks the owner's index for what builds the package, too
        env |= {"UV_INDEX_GITEA_USERNAME": SECRET["INDEX_USER"], "UV_INDEX_GITEA_PASSWORD": SECRET["INDEX_TOKEN"]}
    words = ("uv", "build", "--no-create-gitignore", "--out-dir", DIST, *pinned())
    need(run(*words, cwd=TREE, env=env)[0], f"the package does not build: {FIX}")
    for sdist in DIST.glob("*.gz"):
        pack(sdist, int(env["SOURCE_DATE_EPOCH"]))


def pack(sdist: Path, when: int) -> None:
    """Packs an sdist again: not every backend leaves out when and by whom, and newer Pythons write another header."""
    with (
        tarfile.open(sdist) as old,
        (STATE / "sdist").open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as new,
    ):
        for entry in sorted(old, key=lambda entry: entry.name):
            entry.mtime, entry.pax_headers = when, {}
            entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
            content = old.extractfile(entry) if entry.isreg() else None
            lfs = content and content.read(len(LFS)) == LFS
            need(not lfs, f"{entry.name} is only a Git LFS pointer: {LFS_FIX}")
            if content:
                content.seek(0)
            new.addfile(entry, content)
    (STATE / "sdist").replace(sdist)


def build() -> None:
    """Builds the files of this commit's version, and hands their names and sha256 to the workflow."""
    shutil.rmtree(STATE, ignore_errors=True)
    DIST.mkdir(parents=True)
    (name, _, variable), (version, why) = project(), planned()
    say(f"version {version}" if version else f"nothing to release: {why}")
    for line in misses(commits(1000)[1]):
        say(line)
    number = version or "0.0.0"  # built all the same, to be tested
    make(number, variable)
    files = sums(DIST)
    handed = " ".join(f"{file}={digest}" for file, digest in files.items())
    right = len(files) == 2 and whole(list(files), number) and re.fullmatch(r"[\w.+-]+=\w+ [\w.+-]+=\w+", handed)
    need(right, f"the build did not make one wheel and one sdist of {name} {number}: have the backend make these two.")
    for file, digest in files.items():
        say(f"built {file}, sha256 {digest}")
    if version:
        output(version=version, dist=str(DIST), files=handed)


def twine(*arguments: str | Path) -> bool:
    """Installs twine for this job, checking the hash of every file, and runs it. Returns whether it succeeded."""
    home, pins = STATE / "twine", Path(__file__).with_name("twine.txt")
    if not (home / "bin/twine").exists():
        made = run("uv", "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, home)[0]
        sync = ("uv", "pip", "sync", "--quiet", "--no-config", "--require-hashes", "--no-build", "--python", home, pins)
        need(made and run(*sync)[0], "twine could not be installed, see above: run this job again.")
    return run(home / "bin/python", "-I", "-m", "twine", *arguments)[0]


def check() -> None:
    """Tests the wheel as users get it: away from the sources, with what uv.lock names beside it and nothing else."""
    need(twine("check", *DIST.iterdir()), f"twine finds the package's description broken: {FIX}")
    need((TREE / "tests/test_smoke.py").exists(), "tests/test_smoke.py, which tests the wheel, is gone: restore it.")
    SMOKE.mkdir()
    shutil.copy(TREE / "tests/test_smoke.py", SMOKE)
    python = Path(".venv/bin/python").absolute()
    need(run(*INSTALL, python, *DIST.glob("*.whl"))[0], f"the wheel does not install: {FIX}")
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    need(run(python, *PYTEST.split(), cwd=SMOKE, env=alone)[0], f"the wheel does not pass tests/test_smoke.py: {FIX}")


STEPS = {"build": [build], "check": [check]}

if __name__ == "__main__":
    os.umask(0o022)  # a file's mode must not depend on the runner
    for step in STEPS[sys.argv[1]]:
        step()
