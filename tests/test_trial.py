"""The quick start of this repository's README, and the update of a package that it made from a local clone."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from blocks import block
from rendering import Run

MAKE, TEST = block("trial"), block("tests")


@pytest.fixture
def clone(template: Path, run: Run, tmp_path: Path) -> Path:
    """A developer's clean clone of the template."""
    run("git", "clone", "-q", template, "clone", cwd=tmp_path)
    return tmp_path / "clone"


def test_package_of_a_local_clone_is_updated(clone: Path, run: Run, copier_command: Run, tmp_path: Path) -> None:
    """The clone moves on, `copier update` follows, and the package is green again."""
    package = tmp_path / "handler-base"
    copier_command("copy", "--trust", "--defaults", clone, package, cwd=tmp_path)
    run("git", "init", "-q", cwd=package)
    run("git", "add", ".", cwd=package)
    run("git", "commit", "-q", "-m", "feat: first version", cwd=package)

    smoke = clone / "template" / "tests" / "test_smoke.py.jinja"
    smoke.write_text(smoke.read_text() + "# a later version\n")
    run("git", "commit", "-q", "-a", "-m", "feat: a later version", cwd=clone)
    later = run("git", "rev-parse", "--short", "HEAD", cwd=clone).stdout.strip()

    copier_command("update", "--trust", "--defaults", cwd=package)
    stored = yaml.safe_load((package / ".copier-answers.yml").read_text())
    assert stored["_commit"].endswith(later)
    assert stored["_src_path"] == str(clone)
    assert (package / "tests" / "test_smoke.py").read_text().endswith("# a later version\n")
    changed = run("git", "status", "--porcelain", cwd=package).stdout.split("\n")
    assert sorted(filter(None, changed)) == [" M .copier-answers.yml", " M tests/test_smoke.py"]
    run("uv", "lock", "--check", cwd=package)
    run("uv", "run", "--extra", "dev", "pytest", cwd=package)


def test_quick_start(clone: Path, run: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    """On a machine without uv, in a clean clone: one line makes a package, the other runs pytest."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    entries = [entry for entry in environment["PATH"].split(os.pathsep) if not Path(entry, "uv").exists()]
    bare = {"PATH": os.pathsep.join([str(tmp_path / "bin"), *entries])}
    assert (len(MAKE.splitlines()), len(TEST.splitlines())) == (1, 1)
    said = run("bash", "-euc", MAKE, cwd=clone, env=bare).stderr
    assert "handler-base is ready" in said
    assert "this is a trial" in said
    package = tmp_path / "handler-base"
    run("uv", "lock", "--check", cwd=package)
    # Of a path that only holds here, the package could not be updated from within its own folder.
    assert yaml.safe_load((package / ".copier-answers.yml").read_text())["_src_path"] == str(clone)
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""
    run("bash", "-euc", f"{TEST.strip()} --version", cwd=clone, env=bare)
