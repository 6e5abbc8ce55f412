"""Other people's code in a job: what it reaches where one job builds, tests and publishes, and what in ci.yaml.

In host mode, as here, jobs share a machine and a home. What only a container keeps apart is in tests/live.
"""

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from act_package import GREEN, Package, clean_environment

HERE = Path(__file__).parent / "attacks"
# Those that leave a file once they have worked, and what else there is. The last two keep the others from working.
KEEPING = "bash_env false_uv edited_program git_hook poisoned_cache"
FIRST, SECOND = f"rewritten_wheel {KEEPING}", "poisoned_home git_server"

VENDORED = """\
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"

[project]
name = "probing"
version = "1"

[tool.hatch.build.targets.wheel]
include = ["probing.py"]
"""
HATCH = """
[tool.hatch.build.hooks.custom]
"""
HOOK = """\
import runpy

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        runpy.run_path("probe.py")
"""


class Evil(http.server.ThreadingHTTPServer):
    """A server of somebody else's, which notes who asks it for what, and with which login."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.asked: list[tuple[str, str]] = []
        evil = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                """Refuse in a way that makes git show its login."""
                evil.asked.append((self.path, self.headers.get("Authorization", "")))
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.end_headers()

            do_POST = do_GET

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def evil() -> Iterator[Evil]:
    """The server, until the test ends."""
    with Evil() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def plant(package: Package, where: str, ways: str, loot: Path, evil: Evil) -> None:
    """Put the probe into the package, into a module, its tests, its build hook or a dependency, and push it."""
    loot.mkdir(exist_ok=True)
    probe = (HERE / "probe.py").read_text()
    probe = (
        probe.replace("@WAYS@", ways)
        .replace("@LOOT@", str(loot))
        .replace("@EVIL@", f"http://127.0.0.1:{evil.server_port}")
    )
    match where:
        case "module":
            package.write("handler_base/probe.py", probe)
        case "conftest":
            package.write("tests/conftest.py", probe)
        case "hook":
            package.write("probe.py", probe)
            package.write("hatch_build.py", HOOK)
            text = (package.path / "pyproject.toml").read_text()
            package.write("pyproject.toml", text.removesuffix(HATCH) + HATCH)
        case "dependency":
            package.write("vendored/pyproject.toml", VENDORED)
            package.write("vendored/probing.py", probe)
            package.write("handler_base/needs.py", "import probing\n\nNEEDED = probing\n")
            words = ["uv", "add", "-q", "--no-sync", "./vendored"]
            subprocess.run(words, cwd=package.path, env=clean_environment(package.path.parent / "dev"), check=True)
    package.write(".ruff.toml", "line-length = 120\nexclude = ['*']\n")
    package.commit(f"feat: more than it says, {ways}")


@pytest.mark.parametrize(
    "where", ["module", *(pytest.param(where, marks=pytest.mark.slow) for where in ("conftest", "hook", "dependency"))]
)
def test_what_code_of_the_package_reaches(
    new_package: Callable[..., Package], evil: Evil, tmp_path: Path, where: str
) -> None:
    """Where one job does it all, every way works; in ci.yaml none does, and what was built is what is published."""
    package, loot = new_package(), tmp_path / "loot"
    cache = {"UV_CACHE_DIR": str(tmp_path / "cache"), "REGISTRY_URL": f"{package.forge.inside}/api/packages/acme/pypi"}

    plant(package, where, FIRST, loot, evil)
    run = package.run(variables=cache, workflow=HERE / "one_job.yaml")
    assert run.code == 0, run
    assert {path.name for path in loot.iterdir()} == {"ran", *KEEPING.split()}, run
    (built,) = re.findall(r"([0-9a-f]{64})  \S+\.whl", run.log())
    # A hook runs before there is a wheel.
    assert where == "hook" or built not in [sha256(data).hexdigest() for data in package.files().values()], (
        "the wheel was not rewritten"
    )
    plant(package, where, SECOND, loot, evil)
    run = package.run(variables=cache, workflow=HERE / "one_job.yaml")
    # With a hook's settings in the home the job does not come that far.
    assert where == "hook" or any(login for _, login in evil.asked), "the token did not go to another server"
    assert any("/simple/" in path for path, _ in evil.asked), "the settings in the home did nothing"

    for folder in (package.runner.home, loot, package.forge.folder / "packages/acme"):
        shutil.rmtree(folder)
        folder.mkdir()
    package.git("push", "-q", "origin", ":refs/tags/v0.1.0")
    evil.asked.clear()
    plant(package, where, f"{FIRST} {SECOND}", loot, evil)
    run = package.run(variables=cache)
    assert run.jobs == GREEN, run
    assert {path.name for path in loot.iterdir()} == {"ran"}
    assert evil.asked == []
    built = dict(re.findall(r"dist: built (\S+), sha256 ([0-9a-f]{64})", run.log("test")))
    assert {name: sha256(data).hexdigest() for name, data in package.files().items()} == built
    assert package.tags() == {"v0.1.0": package.git("rev-parse", "HEAD")}
