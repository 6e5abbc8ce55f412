"""A push to main becomes a version: the plain course of things, and what publishes nothing."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from act_package import (
    GREEN,
    INSIDE,
    NTFY,
    OUTSIDE,
    PUBLISHER,
    Package,
    clean_environment,
    patched_workflow,
    render,
    without_gates,
)
from act_runner import Run, write_program


def install(words: list[str], folder: Path) -> None:
    """Run an installer away from every source tree."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        words, cwd=folder, env=clean_environment(folder / "home"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)


def says(python: Path, folder: Path) -> str:
    """What an environment's Python says of the installed handler-base: it imports, from there, and has a version."""
    program = "import handler_base, importlib.metadata as m; print(m.version('handler-base'), handler_base.__file__)"
    words = [str(python), "-I", "-c", program]
    version, place = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    assert Path(place).is_relative_to(folder)
    return version


def test_an_application_is_linted_and_tested_only(new_package: Callable[..., Package]) -> None:
    """Its tests run if there are some, and nothing is built. Its format is not checked where that is not wanted."""
    package = new_package(publish="false", format_check="false")
    package.write("untidy.py", "x=1\n")
    package.commit("feat: an application")
    run = package.run()
    assert run.jobs == {"lint": "success", "test": "success", "notify": "success"}, run
    [message] = package.ntfy.received
    assert "passed, nothing released" in message["title"]
    package.write("tests/test_red.py", "def test_red() -> None:\n    raise AssertionError\n")
    package.commit("feat: a test")
    assert package.run().jobs == {"lint": "success", "test": "failure", "notify": "success"}
    assert package.tags() == {}


def test_render_with_addresses_is_the_render_of_the_addresses(package: Package, tmp_path: Path) -> None:
    """Putting a test's addresses into a render gives what rendering with these addresses gives."""
    answers = {
        "gitea_url": package.forge.outside,
        "gitea_internal_url": package.forge.inside,
        "ntfy_url": package.ntfy.url,
    }
    made = render(tmp_path / "again" / "handler-base", tmp_path / "again" / "home", **answers)
    names = {str(p.relative_to(made)) for p in made.rglob("*") if p.is_file() and ".git/" not in str(p)}
    assert names == set(package.git("ls-files").splitlines())
    # The commit adds nothing but a line of state to the module of a new package.
    for name in names - {".copier-answers.yml"}:
        assert (made / name).read_text() == (package.path / name).read_text(), name
    assert not [name for name in names if any(a in (made / name).read_text() for a in (INSIDE, OUTSIDE, NTFY))]


def test_first_release_and_again(package: Package) -> None:
    """The first push releases 0.1.0 and says so; running it again changes nothing."""
    run = package.run()
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]
    assert package.tags() == {"v0.1.0": package.git("rev-parse", "HEAD")}
    assert package.git("cat-file", "-t", "v0.1.0", path=package.bare) == "commit", "the tag is lightweight"
    (message,) = package.ntfy.received
    text = f"{message['title']}\n{message['message']}"
    assert message["topic"] == "ci"
    assert message["path"] == "/"
    assert package.repository in message["title"]
    assert "0.1.0" in message["title"]
    assert package.forge.index_url("acme") in text, "how to install it"
    assert message["click"] == f"{package.forge.outside}/{package.repository}/actions/runs/17?by_index=1"
    assert message.get("priority", 3) <= 3
    assert package.forge.requests(door="outside") == [], "the release asks the address in the cluster alone"
    (link,) = package.forge.requests(part="/-/link/")
    assert link.path.endswith("/api/v1/packages/acme/pypi/handler-base/-/link/handler-base")
    assert (link.method, link.status, link.password) == ("POST", 201, PUBLISHER[1])

    before, tags = package.files(), package.tags()
    again = package.run()
    assert again.jobs == GREEN, again
    assert package.files() == before
    assert package.tags() == tags
    assert len(package.forge.stored(package.owner)) == 2
    assert not [r for r in package.forge.requests() if r.status == 409], "nothing is sent that is there"


@pytest.mark.slow
def test_commits_become_versions(package: Package) -> None:
    """fix, feat and major each take their step; docs alone release nothing and are green."""
    package.git("tag", "v0.3.9")
    package.git("push", "-q", "origin", "v0.3.9")
    expected, workflow = [], patched_workflow(package, without_gates)
    steps = {
        "fix: mend a handler": "0.3.10",
        "docs: tell of it": None,
        "feat(io): read more": "0.4.0",
        "major: rename all": "1.0.0",
    }
    for subject, version in steps.items():
        package.commit(subject)
        before = len(package.ntfy.received)
        run = package.run(workflow=workflow)
        assert run.jobs == GREEN, run
        expected += [version] if version else []
        assert sorted(set(package.tags()) - {"v0.3.9"}) == sorted(f"v{v}" for v in expected)
        (message,) = package.ntfy.received[before:]
        text = f"{message['title']}\n{message['message']}"
        assert (version or "nothing") in text.lower(), subject
        if not version:
            assert not any(v in text for v in expected), "a version of an earlier run is not this run's"
    assert package.released() == expected


@pytest.mark.slow
def test_installs(package: Package, tmp_path: Path) -> None:
    """The published version installs with uv and pip, imports, and says its version."""
    run = package.run()
    assert run.code == 0, run
    index = package.forge.index_url("acme")
    package.forge.close_inside()  # people have the outside address only

    consumer = tmp_path / "consumer"
    floor = f">={sys.version_info.major}.{sys.version_info.minor}"
    consumer.mkdir()
    (consumer / "pyproject.toml").write_text(
        f'[project]\nname = "consumer"\nversion = "1"\nrequires-python = "{floor}"\n\n'
        f'[[tool.uv.index]]\nname = "gitea"\nurl = "{index}"\nexplicit = true\n\n'
        '[tool.uv.sources]\nhandler-base = { index = "gitea" }\n'
    )
    install(["uv", "add", "handler-base", "six"], consumer)
    assert says(consumer / ".venv/bin/python", consumer) == "0.1.0"

    with_pip = tmp_path / "with-pip"
    install(["uv", "venv", "--seed", "-q", str(with_pip / "venv")], with_pip)
    install([str(with_pip / "venv/bin/pip"), "install", "-q", "handler-base", "--index-url", index], with_pip)
    assert says(with_pip / "venv/bin/python", with_pip) == "0.1.0"


@pytest.mark.slow
def test_lint_failure(package: Package) -> None:
    """What ruff refuses is not published, and the message says lint."""
    package.write("handler_base/extra.py", "import os\n")
    package.commit("feat: an import too many")
    run = package.run()
    assert run.code != 0
    assert run.jobs == {"lint": "failure", "test": "success", "notify": "success"}, run
    assert_nothing_published(package)
    assert_told_failure(package, "lint")


@pytest.mark.slow
def test_formatting_failure(package: Package) -> None:
    """What ruff would format is not published either."""
    package.write("handler_base/extra.py", "x = {  'a':1 }\n")
    package.commit("feat: badly laid out")
    run = package.run()
    assert run.jobs == {"lint": "failure", "test": "success", "notify": "success"}, run
    assert "would be reformatted" in run.log("lint")
    assert_nothing_published(package)


def test_test_failure(package: Package) -> None:
    """What pytest refuses is not published, and the message says test."""
    package.write("handler_base/extra.py", 'raise RuntimeError("broken at import")\n')
    package.commit("feat: broken")
    run = package.run()
    assert run.code != 0
    assert run.jobs == {"lint": "success", "test": "failure", "notify": "success"}, run
    assert "broken at import" in run.log("test")
    assert_nothing_published(package)
    assert_told_failure(package, "test")


def test_pull_request(package: Package) -> None:
    """A pull request is linted, tested and reported, and publishes nothing, even towards main."""
    run = package.run(event="pull_request", ref="refs/pull/1/merge")
    assert run.jobs == {"lint": "success", "test": "success", "notify": "success"}, run
    assert_nothing_published(package)
    (message,) = package.ntfy.received
    assert message.get("priority", 3) <= 3
    assert "${{" not in f"{message['title']}{message['message']}"


@pytest.mark.slow
def test_other_branch(package: Package) -> None:
    """A push to another branch publishes nothing."""
    package.git("push", "-q", "origin", "HEAD:feature")
    run = package.run(ref="refs/heads/feature")
    assert run.code == 0, run
    assert "publish" not in run.jobs
    assert_nothing_published(package)


@pytest.mark.slow
def test_wheel_that_does_not_import(package: Package) -> None:
    """A package that works in its tree only is found by the test job."""
    package.write("handler_base/data.txt", "kept out of the wheel\n")
    package.write(
        "handler_base/extra.py", 'from pathlib import Path\n\nPath(__file__).with_name("data.txt").read_text()\n'
    )
    text = (package.path / "pyproject.toml").read_text()
    package.write("pyproject.toml", text + '\n[tool.hatch.build]\nexclude = ["data.txt"]\n')
    package.commit("feat: reads a file that is not shipped")
    run = package.run()
    assert run.jobs == {"lint": "success", "test": "failure", "notify": "success"}, run
    assert "does not pass tests/test_smoke.py" in run.log("test")
    assert_nothing_published(package)
    assert_told_failure(package, "test")


# Lint and test install the package as editable, which this allows: the wheel of the release alone is broken.
BUILD_HOOK = """\
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        if version != "editable":
            raise RuntimeError("no build today")
"""


@pytest.mark.slow
def test_wheel_that_does_not_build(package: Package) -> None:
    """A package that does not build is found on its pull request."""
    package.write("hatch_build.py", BUILD_HOOK)
    text = (package.path / "pyproject.toml").read_text()
    package.write("pyproject.toml", text + "\n[tool.hatch.build.targets.wheel.hooks.custom]\n")
    package.commit("feat: a build hook")
    run = package.run(event="pull_request", ref="refs/pull/1/merge")
    assert run.jobs == {"lint": "success", "test": "failure", "notify": "success"}, run
    assert "no build today" in run.log("test")
    assert_nothing_published(package)


@pytest.mark.slow
def test_package_without_a_readme(package: Package) -> None:
    """An adopted package may have no readme, and releases all the same."""
    (package.path / "README.md").unlink()
    text = (package.path / "pyproject.toml").read_text()
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("readme")]
    assert len(kept) == len(text.splitlines()) - 1
    package.write("pyproject.toml", "".join(kept))
    package.commit("fix: no readme")
    run = package.run()
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]


@pytest.mark.slow
def test_hook(package: Package) -> None:
    """`.gitea/setup.sh` runs once in lint and test, and in no job that has a secret."""
    marker = package.runner.folder / "hook.txt"
    package.write(".gitea/setup.sh", f'echo "$GITHUB_JOB ${{REGISTRY_TOKEN-none}}" >> "{marker}"\n')
    package.commit("docs: a hook")
    run = package.run()
    assert run.jobs == GREEN, run
    assert sorted(marker.read_text().splitlines()) == ["lint none", "test none"]


@pytest.mark.slow
def test_failing_hook(package: Package) -> None:
    """A hook that fails stops its job, publishes nothing, and is told."""
    package.write(".gitea/setup.sh", "exit 3\n")
    package.commit("feat: a broken hook")
    run = package.run()
    assert run.jobs["notify"] == "success", run
    assert {run.jobs["lint"], run.jobs["test"]} == {"failure"}
    assert_nothing_published(package)
    assert_told_failure(package, "lint")


@pytest.mark.slow
def test_uv_cannot_be_had(package: Package) -> None:
    """When uv's installer is not there, nothing is published and the message still comes."""
    version = "9.9.9"
    package.write(".gitea/workflows/ci.yaml", with_uv(package.workflow.read_text(), version))
    package.commit("feat: a uv that there is not")
    run = package.run()
    assert run.jobs == {"lint": "failure", "test": "failure", "notify": "success"}, run
    assert_nothing_published(package)
    assert_told_failure(package, "lint")


def lint_with_installer(package: Package, sha256: str, **variables: str) -> Run:
    """Run the lint job with a checksum of uv's installer."""

    def change(workflow: dict) -> None:
        workflow["env"]["UV_INSTALLER_SHA256"] = sha256

    workflow = patched_workflow(package, change)
    return package.run(workflow=workflow, options=("--job", "lint"), variables=variables)


def test_installer_of_uv_is_compared(package: Package, uv_version: str) -> None:
    """One with another checksum does not run."""
    curl = [str(package.runner.tools / "curl"), f"https://astral.sh/uv/{uv_version}/install.sh"]
    text = subprocess.run(curl, capture_output=True, check=True).stdout
    run = lint_with_installer(package, hashlib.sha256(text).hexdigest())
    assert run.jobs == {"lint": "success"}, run
    run = lint_with_installer(package, "0" * 64)
    assert run.jobs == {"lint": "failure"}, run
    assert "uv's installer is not the one that UV_INSTALLER_SHA256 names" in run.log("lint")
    assert "Sync" not in [step.name for step in run.steps]


def test_uv_in_a_home_that_jobs_share_is_not_taken(package: Package, uv_version: str) -> None:
    """Another job may have put it there."""
    folder, ran = package.runner.home / ".local/bin", package.runner.folder / "ran"
    folder.mkdir(parents=True)
    write_program(folder / "uv", f'#!/bin/sh\ntouch "{ran}"\necho "uv {uv_version} (false)"\n')
    run = lint_with_installer(package, "", PATH=f"{folder}:{package.runner.variables['PATH']}")
    assert run.jobs == {"lint": "success"}, run
    assert not ran.exists()


@pytest.mark.slow
def test_two_pins_on_one_home(new_package: Callable[..., Package], uvs: Path, uv_version: str) -> None:
    """Two packages with different uv pins run at once on one runner; each has its own, and what is there is taken."""
    other = "0.13.8" if uv_version != "0.13.8" else "0.13.7"
    fetch_uv(uvs, other)
    first, second = new_package(), new_package(project_name="ray-serve-apps")
    # The runner comes with the second one's uv: the first must not take it, the second must.
    for name in ("uv", "uvx"):
        (first.runner.tools / name).symlink_to(uvs / other / name)
    second.write(".gitea/workflows/ci.yaml", with_uv(second.workflow.read_text(), other))
    for package, version in ((first, uv_version), (second, other)):
        package.write(".gitea/setup.sh", f'uv --version | grep -q "uv {version} "\nreadlink -f "$(command -v uv)"\n')
        package.commit("feat: first")
    started = [package.start() for package in (first, second)]
    runs = [package.runner.finish(process) for process, package in zip(started, (first, second), strict=True)]
    for package, run in zip((first, second), runs, strict=True):
        assert run.jobs == GREEN, run
        assert package.released() == ["0.1.0"]
    there = str((uvs / other / "uv").resolve())
    assert there not in runs[0].log()
    for job in ("lint", "test"):
        assert there in runs[1].log(job)
    # Nothing was put where the other would find it.
    assert not [p for p in first.runner.home.rglob("uv") if p.is_file()]


def with_uv(text: str, version: str) -> str:
    """A workflow that asks for another uv."""
    changed, count = re.subn(r'(?m)^(  UV_VERSION: "?)[\d.]+("?)$', rf"\g<1>{version}\g<2>", text)
    assert count == 1
    return changed


def fetch_uv(uvs: Path, version: str) -> None:
    """Put another uv into the folder of installable ones."""
    target = uvs / version
    if not target.exists():
        words = ["uv", "pip", "install", "-q", "--target", str(target / "package"), f"uv=={version}"]
        subprocess.run(words, check=True, env=clean_environment(target / "home"), capture_output=True)
        for name in ("uv", "uvx"):
            os.symlink(target / "package" / "bin" / name, target / name)


def assert_nothing_published(package: Package) -> None:
    """Neither a file nor a tag."""
    assert package.files() == {}
    assert package.tags() == {}


def assert_told_failure(package: Package, job: str) -> None:
    """One message, with raised priority, that names the job that failed."""
    (message,) = package.ntfy.received
    text = f"{message['title']}\n{message['message']}"
    assert message["priority"] >= 4
    assert job in text
    assert "fail" in text.lower()
    assert package.repository in text
    assert "${{" not in text


# The stated version in forms that TOML allows, each with other versions about that are not the package's.
FORMS = {
    "literal": "[project]\n'version' = '0.5.0'  # version = \"9.9.9\"\n{rest}",
    "dotted": 'tool.other.version = "9.9.9"\nproject.version = "0.5.0"\n{dotted}',
    "multi-line": '[tool.other]\nversion = "9.9.9"\n\n[project]\nversion="""\\\n  0.5.0"""\n{rest}',
    "short": '[project]\nversion\t=\t"0.5"\n{rest}',
    "last": '[project]\n{rest}version = "0.5.0" # \'version = "9.9.9"\'\n',
    "escaped": '[project]\nversion = "0\\u002E5.0"\n{rest}',
    "crlf": '[project]\r\nversion = "0.5.0"\r\n{rest}',
}


@pytest.mark.slow
@pytest.mark.parametrize("form", [f if f == "dotted" else pytest.param(f, marks=pytest.mark.slow) for f in FORMS])
def test_version_in_any_form(package: Package, form: str) -> None:
    """The stated version counts and is replaced in whatever form it is written; nothing else that is called so."""
    text = (package.path / "pyproject.toml").read_text()
    head, own, tail = re.fullmatch(r"(.*?)\[project\]\n(.*?\n)\n(?=\[)(.*)", text, re.DOTALL).groups()
    rest = re.sub(r"(?m)^version = .*\n", "", own)
    assert rest != own
    dotted = re.sub(r"(?m)^(?=[a-z-]+ =)", "project.", rest)
    table = FORMS[form].format(rest=rest, dotted=dotted)
    # Keys of the top stand before every table.
    whole = f"{table}\n{head}{tail}"
    (package.path / "pyproject.toml").write_text(whole, newline="")
    assert tomllib.loads(whole)["project"]["version"].startswith("0.5")
    package.commit("fix: says its version in its own way")
    run = package.run(workflow=patched_workflow(package, without_gates))
    assert run.code == 0, run
    assert package.released() == ["0.6.0"]
    assert "\nVersion: 0.6.0\n" in package.metadata("0.6.0")
