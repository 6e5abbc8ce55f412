"""The files: of exactly the commit, the same bytes each time, tested as a user gets them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from release_world import DRIVE, PYPROJECT, Repository, package

SCM = {
    "hatch-vcs": """\
[build-system]
requires = ["hatchling==1.33.0", "hatch-vcs==0.5.0"]
build-backend = "hatchling.build"
[tool.hatch.version]
source = "vcs"
[tool.hatch.build.hooks.vcs]
version-file = "handler_base/_version.py"
""",
    "setuptools-scm": """\
[build-system]
requires = ["setuptools==80.9.0", "setuptools-scm==9.2.2"]
build-backend = "setuptools.build_meta"
[tool.setuptools_scm]
[tool.setuptools]
packages = ["handler_base"]
""",
}


def build(
    repository: Repository, *, expect: int = 0, until: str = "check", python: str = sys.executable
) -> tuple[dict[str, bytes], str]:
    """Run the build step (up to one of its parts) in a clean temporary folder; give the files and the log."""
    temp = repository.path.parent / "temp"
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir()
    env = {**repository.environment, "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(temp / "output")}
    log, code = "", 0
    for step in ("build", "check")[: 1 if until == "build" else 2]:
        words = [python, str(DRIVE), ".gitea/dist.py", step]
        done = subprocess.run(words, cwd=repository.path, env=env, capture_output=True, text=True, check=False)
        log, code = log + done.stdout + done.stderr, done.returncode
        if code:
            break
    assert code == expect, log
    files = {
        path.name: path.read_bytes() for path in (temp / "release/dist").glob("*") if path.suffix in (".whl", ".gz")
    }
    return files, log


def synced(repository: Repository) -> None:
    """Make the environment that the sync action makes."""
    words = ["uv", "sync", "-q", "--frozen", "--extra", "dev"]
    subprocess.run(words, cwd=repository.path, env=repository.environment, check=True)


def locked(repository: Repository) -> None:
    """Lock without an environment."""
    subprocess.run(["uv", "lock", "-q"], cwd=repository.path, env=repository.environment, check=True)


def metadata(files: dict[str, bytes], folder: Path) -> str:
    """Returns the wheel's METADATA."""
    (wheel,) = (name for name in files if name.endswith(".whl"))
    (folder / wheel).write_bytes(files[wheel])
    with zipfile.ZipFile(folder / wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return archive.read(name).decode()


def pythons() -> list[str]:
    """Returns the newest interpreter of each minor version from 3.11 on that is here and starts."""
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    places = [*Path("/usr/bin").glob("python3.1?"), *Path.home().glob(".pyenv/versions/3.1*/bin/python3.1?")]
    for path in places:
        words = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(words, check=False).returncode == 0:
            found.setdefault(path.name.removeprefix("python"), str(path))
    return list(found.values())


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_same_commit_same_bytes(history: Repository, tmp_path: Path, environment: dict[str, str], python: str) -> None:
    """In another folder, with another umask, locale, time zone, home and Python, from a dirty tree, at another time."""
    history.write("handler_base/tool.py", "A = 1\n")
    history.write("handler_base/data \N{ROCKET}.txt", "x" * 100_000)
    history.commit("feat: a")
    first, _ = build(history, until="build")
    assert sorted(first) == ["handler_base-0.1.0-py3-none-any.whl", "handler_base-0.1.0.tar.gz"]
    # No name, no time, no operating system (RFC 1952): each Python writes these ten bytes.
    assert first["handler_base-0.1.0.tar.gz"][:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"

    (tmp_path / "elsewhere/home").mkdir(parents=True)
    other_env = {
        **environment,
        "HOME": str(tmp_path / "elsewhere/home"),
        "LANG": "C",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
    }
    old = os.umask(0o077)
    try:
        history.git("clone", "-q", str(history.path), str(tmp_path / "elsewhere/other-name"))
        other = Repository(tmp_path / "elsewhere/other-name", other_env)
        other.write("handler_base/tool.py", "A = 2\n")
        other.write("handler_base/planted.py", "")
        os.utime(other.path / "handler_base/__init__.py", (1, 1))
        second, _ = build(other, until="build", python=python)
    finally:
        os.umask(old)
    assert {name: hashlib.sha256(data).hexdigest() for name, data in second.items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in first.items()
    }


def test_backend_is_compared_with_its_hashes(history: Repository, tmp_path: Path) -> None:
    """Another file of the pinned backend is not run; a backend of the package's own is, and the log says so."""
    pins = history.path / ".gitea/build.txt"
    pins.write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", pins.read_text()))
    history.commit("feat: a")
    _, log = build(history, until="build", expect=1)
    assert "the package does not build" in log.splitlines()[-1]
    history.write("pyproject.toml", PYPROJECT.replace("==1.33.0", ""))
    history.commit("fix: another backend")
    files, log = build(history, until="build")
    assert len(files) == 2
    assert "so no hash of it is checked" in log


def test_files_come_from_the_commit_only(history: Repository, tmp_path: Path) -> None:
    """Not from the job's tree, whatever a hook left there."""
    history.commit("feat: a")
    history.write("handler_base/planted.py", "")
    history.write("handler_base/__init__.py", "raise SystemExit\n")
    files, _ = build(history, until="build")
    (sdist,) = (name for name in files if name.endswith(".gz"))
    (tmp_path / sdist).write_bytes(files[sdist])
    with tarfile.open(tmp_path / sdist) as archive:
        assert not [name for name in archive.getnames() if "planted" in name]
        held = archive.extractfile("handler_base-0.1.0/handler_base/__init__.py")
        assert held
        assert held.read() == b""
    assert history.git("status", "--porcelain") == "M handler_base/__init__.py\n?? handler_base/planted.py"


@pytest.mark.parametrize(
    "line",
    ['version = "0.0.0"', "version = '0.0.0'", 'version="0.0.0"', '"version" = """0.0.0"""', 'version = "0.0" # x'],
)
def test_version_in_any_form(history: Repository, tmp_path: Path, line: str) -> None:
    """Only the project's own version is written, and no other table's."""
    text = PYPROJECT.replace('version = "0.0.0"', line) + '\n[tool.other]\nversion = "0.0.0"\n'
    history.write("pyproject.toml", text)
    history.commit("feat: a")
    files, _ = build(history, until="build")
    assert "\nVersion: 0.1.0\n" in metadata(files, tmp_path)
    tree = (tmp_path / "temp/release/tree/pyproject.toml").read_text()
    assert tree.endswith('\n[tool.other]\nversion = "0.0.0"\n')
    assert (history.path / "pyproject.toml").read_text() == text


@pytest.mark.parametrize(
    "source", [pytest.param(s, marks=pytest.mark.slow) if s == "setuptools-scm" else s for s in SCM]
)
def test_version_from_git(history: Repository, tmp_path: Path, source: str) -> None:
    """Both plugins are told the version, before there is a tag."""
    text = PYPROJECT.replace('version = "0.0.0"\n', 'dynamic = ["version"]\n')
    history.write("pyproject.toml", SCM[source] + text[text.index("\n[project]") :])
    history.commit("feat: a")
    files, _ = build(history, until="build")
    assert sorted(files) == ["handler_base-0.1.0-py3-none-any.whl", "handler_base-0.1.0.tar.gz"]
    assert "\nVersion: 0.1.0\n" in metadata(files, tmp_path)
    assert build(history, until="build")[0] == files


@pytest.mark.slow
def test_version_that_the_backend_makes_up(history: Repository) -> None:
    """A plugin that only finds files, beside a version of another origin: no file of a wrong version gets through."""
    text = PYPROJECT.replace('version = "0.0.0"\n', 'dynamic = ["version"]\n').replace(
        '==1.33.0"', '==1.33.0", "hatch-vcs"'
    )
    history.write("pyproject.toml", text + '\n[tool.hatch.version]\npath = "handler_base/__init__.py"\n')
    history.write("handler_base/__init__.py", '__version__ = "7.0.0"\n')
    history.commit("feat: a")
    _, log = build(history, until="build", expect=1)
    assert "dist: the build did not make one wheel and one sdist of handler-base 0.1.0" in log.splitlines()[-1]


def test_wheel_passes_its_smoke_test(history: Repository) -> None:
    """The installed wheel is tested, by the commit's own test, away from the tree and from everything beside it."""
    locked(history)
    history.write("tests/conftest.py", "raise SystemExit('a conftest was read')\n")
    history.write("pytest.ini", "[pytest]\naddopts = --no-such-option\n")
    history.commit("feat: a")
    synced(history)
    history.write("tests/test_smoke.py", "raise SystemExit('the tree was read')\n")
    history.write("pytest.py", "raise SystemExit('the tree was imported')\n")
    files, log = build(history)
    assert len(files) == 2
    assert "1 passed" in log


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("handler_base/__init__.py", "import no_such_module\n", "does not pass tests/test_smoke.py"),
        (
            "pyproject.toml",
            PYPROJECT + "\n[tool.hatch.build.targets.wheel]\npackages = ['nowhere']\n",
            "does not pass tests/test_smoke.py",
        ),
        ("pyproject.toml", PYPROJECT.replace("hatchling.build", "no.such.backend"), "does not build"),
    ],
)
def test_broken_package(history: Repository, name: str, text: str, words: str) -> None:
    """A wheel that does not build or import ends the step with one sentence."""
    locked(history)
    history.write(name, text)
    history.commit("feat: a")
    if words != "does not build":
        synced(history)
    _, log = build(history, expect=1)
    last = log.splitlines()[-1]
    assert last.startswith("dist: ")
    assert words in last


def test_missing_smoke_test(history: Repository) -> None:
    """The template's file, which someone deleted."""
    locked(history)
    (history.path / "tests/test_smoke.py").unlink()
    history.commit("feat: a")
    synced(history)
    _, log = build(history, expect=1)
    assert log.splitlines()[-1].startswith("dist: tests/test_smoke.py")


@pytest.mark.slow
def test_package_without_readme_releases(history: Repository) -> None:
    """Twine warns and lets it pass."""
    assert "readme" not in PYPROJECT
    locked(history)
    history.commit("feat: a")
    synced(history)
    _, log = build(history)
    assert "long_description" in log


def test_output_of_programs_is_no_command(tmp_path: Path, environment: dict[str, str]) -> None:
    """A backend that prints the runner's commands is shown, indented."""
    repository = package(tmp_path / "repository", environment)
    text = PYPROJECT.replace('"hatchling.build"', '"backend"\nbackend-path = ["."]')
    repository.write("pyproject.toml", text)
    lines = "".join(
        f"print({line!r})\n" for line in ("::set-output name=a::b", "##[set-env name=a]b", "x\r::add-mask::main")
    )
    repository.write("backend.py", f"from hatchling.build import *\n{lines}")
    repository.commit("feat: a")
    _, log = build(repository, until="build")
    assert "::set-output name=a::b" in log
    for line in log.splitlines():
        assert line.startswith(("    ", "dist: ")), line


def test_version_does_not_reach_what_builds_the_package(history: Repository, tmp_path: Path) -> None:
    """A build requirement that is built itself, by setuptools-scm, keeps its own version."""
    needed = Repository(tmp_path / "needed", history.environment)
    scm = SCM["setuptools-scm"].replace('["handler_base"]', '["needed"]')
    needed.write("pyproject.toml", f'{scm}\n[project]\nname = "needed"\ndynamic = ["version"]\n')
    needed.write("needed/__init__.py", "")
    needed.commit("feat: a")
    needed.git("tag", "v7.7.7")
    text = PYPROJECT.replace('version = "0.0.0"\n', 'dynamic = ["version"]\n')
    needs = f'"setuptools-scm==9.2.2", "needed @ git+file://{needed.path}"'
    scm = SCM["setuptools-scm"].replace('"setuptools-scm==9.2.2"', needs)
    history.write("pyproject.toml", scm + text[text.index("\n[project]") :])
    check = "from importlib.metadata import version\nassert version('needed') == '7.7.7', version('needed')\n"
    history.write("setup.py", f"{check}from setuptools import setup\nsetup()\n")
    history.commit("feat: a")
    files, _ = build(history, until="build")
    assert sorted(files) == ["handler_base-0.1.0-py3-none-any.whl", "handler_base-0.1.0.tar.gz"]


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 4\n".format("0" * 64)


def test_a_file_that_git_lfs_keeps(history: Repository, tmp_path: Path) -> None:
    """Its pointer is not published; where the runner has the file, it is. (A filter stands in for git-lfs here.)"""
    history.write(".gitattributes", "*.bin filter=lfs\n")
    history.write("handler_base/model.bin", LFS)
    history.commit("feat: a")
    _, log = build(history, until="build", expect=1)
    last = log.splitlines()[-1]
    assert "handler_base-0.1.0/handler_base/model.bin is only a Git LFS pointer" in last
    assert "`git lfs install && git lfs pull` to .gitea/setup.sh" in last
    history.environment = {**history.environment, "GIT_CONFIG_COUNT": "1"}
    history.environment |= {"GIT_CONFIG_KEY_0": "filter.lfs.smudge", "GIT_CONFIG_VALUE_0": "cat > /dev/null; echo real"}
    files, _ = build(history, until="build")
    (tmp_path / "x.tar.gz").write_bytes(files["handler_base-0.1.0.tar.gz"])
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        held = archive.extractfile("handler_base-0.1.0/handler_base/model.bin")
        assert held
        assert held.read() == b"real\n"


def test_a_submodule(history: Repository, tmp_path: Path, environment: dict[str, str]) -> None:
    """Without its files nothing is built; with them, those of the commit are in the package, nested ones too."""
    local = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    inner, outer = (Repository(tmp_path / name, {**environment, **local}) for name in ("inner", "outer"))
    inner.commit("a", **{"inner.py": ""})
    outer.write("outer.py", "")
    outer.git("submodule", "--quiet", "add", str(inner.path), "in ner")
    outer.commit("b")
    history.environment = {**history.environment, **local}
    history.git("submodule", "--quiet", "add", str(outer.path), "handler_base/vendor")
    history.commit("feat: a")
    (tmp_path / "job").mkdir()
    job = Repository(tmp_path / "job/clone", history.environment)
    job.git("pull", "-q", str(history.path), "main")
    _, log = build(job, until="build", expect=1)
    last = log.splitlines()[-1]
    assert "the submodule handler_base/vendor is not there, so files would be missing" in last
    assert "`git submodule update --init --recursive` to .gitea/setup.sh" in last
    job.git("submodule", "--quiet", "update", "--init", "--recursive")
    job.write("handler_base/vendor/planted.py", "")
    files, _ = build(job, until="build")
    (tmp_path / "x.tar.gz").write_bytes(files["handler_base-0.1.0.tar.gz"])
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        names = [name.removeprefix("handler_base-0.1.0/handler_base/") for name in archive.getnames()]
    assert {"vendor/outer.py", "vendor/in ner/inner.py"} <= set(names)
    assert "vendor/planted.py" not in names
    assert not [name for name in names if "/.git/" in name or name.endswith("/.git")]


@pytest.mark.parametrize("kind", ["tag", "branch"])
@pytest.mark.parametrize(
    "name", ["HEAD", *(pytest.param(n, marks=pytest.mark.slow) for n in ("main", "origin", "v0.1.0..HEAD", "-q"))]
)
def test_names_that_git_may_take_for_others(history: Repository, kind: str, name: str) -> None:
    """A tag or a branch that is called as git calls something else changes nothing."""
    history.commit("chore: start")
    history.git("tag", "v0.1.0")
    decoy = history.git("commit-tree", "-m", "major: decoy", "HEAD^{tree}")
    path = history.path / ".git/refs" / ("tags" if kind == "tag" else "heads") / name
    if name != "main" or kind == "tag":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{decoy}\n")
    history.commit("fix: a")
    files, _ = build(history, until="build")
    assert sorted(files) == ["handler_base-0.1.1-py3-none-any.whl", "handler_base-0.1.1.tar.gz"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_package(history: Repository) -> None:
    """A file of 200 MB that does not get smaller: neither the build nor the sums hold it as a whole."""
    with (history.path / "handler_base/large.bin").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1_000_000))
    history.commit("feat: a")
    temp = history.path.parent / "temp"
    code = "import resource, sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__'); "
    code += "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    env = {**history.environment, "RUNNER_TEMP": str(temp), "PYTHONPATH": str(history.path / ".gitea")}
    words = [sys.executable, "-c", code, str(history.path / ".gitea/dist.py"), "build"]
    done = subprocess.run(words, cwd=history.path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split("peak")[1]) < 100  # MB
    shutil.rmtree(temp)
