"""Fixtures of the release tests: an environment of their own, repositories, a registry."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uv
from release_world import SHIPPED, Registry, Repository, World, package
from sharing import Once

# The way to the package index and to the machine's certificates; nothing else of the developer's is handed on.
NETWORK = re.compile(r"(?i)ssl_cert_(file|dir)|(all|https?|no)_proxy|uv_(default_index|insecure_host|system_certs)")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a fresh account with uv, Python and git; uv's cache alone is the developer's, for speed."""
    home = tmp_path_factory.mktemp("home")
    # Thousands of tiny repositories: nothing of them has to outlive a power cut.
    config = "[user]\nname = Dev\nemail = dev@example.com\n[init]\ndefaultBranch = main\n"
    (home / "gitconfig").write_text(f"{config}[core]\nfsync = none\n[gc]\nauto = 0\n[maintenance]\nauto = false\n")
    tools = home / "tools"
    tools.mkdir()
    for name, target in {"uv": uv.find_uv_bin(), "python3": os.path.realpath(sys.executable)}.items():
        (tools / name).symlink_to(target)
    (tools / "uvx").symlink_to(Path(uv.find_uv_bin()).with_name("uvx"))
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not Path(entry).is_relative_to(sys.prefix)]

    def says(*words: str) -> str:
        return subprocess.run([uv.find_uv_bin(), *words], cwd="/", capture_output=True, text=True, check=True).stdout

    found = {
        **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
        "PATH": os.pathsep.join([str(tools), *path]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "UV_CACHE_DIR": says("cache", "dir").strip(),
        "UV_PYTHON_INSTALL_DIR": says("python", "dir").strip(),
        "UV_PYTHON_DOWNLOADS": "never",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return found


@pytest.fixture(scope="session")
def twine(once: Once, environment: dict[str, str]) -> Path:
    """An environment with the twine that packages get, for all trials of a run."""

    def make(folder: Path) -> None:
        words = ["uv", "venv", "-q", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(words, env=environment, check=True)
        words = ["uv", "pip", "sync", "-q", "--require-hashes", "--python", str(folder), str(SHIPPED / "twine.txt")]
        subprocess.run(words, env=environment, check=True, capture_output=True)

    return once("twine", make)


@pytest.fixture
def history(tmp_path: Path, environment: dict[str, str]) -> Repository:
    """A package's repository without a commit."""
    return package(tmp_path / "repository", environment)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Registry]:
    """One registry for all tests of a process."""
    made = Registry(tmp_path_factory.mktemp("registry"), environment)
    yield made
    made.close()


@pytest.fixture
def registry(server: Registry) -> Registry:
    """The registry, empty."""
    server.empty()
    return server


@pytest.fixture(scope="session")
def built(once: Once) -> Path:
    """What was built of a commit, for all trials of a run; drive.py adds to it, each build at once and whole."""
    return once("built", lambda folder: None)


@pytest.fixture
def world(tmp_path: Path, registry: Registry, environment: dict[str, str], twine: Path, built: Path) -> World:
    """A package with its origin, whose builds are kept and whose wheel is not checked."""
    return World(tmp_path, registry, environment, twine, built, None)


@pytest.fixture
def whole_world(tmp_path: Path, registry: Registry, environment: dict[str, str], twine: Path) -> World:
    """A package with its origin, and nothing left out."""
    return World(tmp_path, registry, environment, twine, None, None)


@pytest.fixture
def sabotaged(
    registry: Registry, environment: dict[str, str], twine: Path, built: Path
) -> Callable[[Path, str], World]:
    """Make a world in a folder whose release.py is a changed one; the registry starts empty."""

    def make(folder: Path, release_py: str) -> World:
        registry.empty()
        return World(folder, registry, environment, twine, built, release_py)

    return make
