"""The first job of an update, on machines and in repositories that are not plain."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scene import NEW
from versions import Folder, Package, Template

Job = Callable[..., dict[str, str]]


@pytest.fixture
def mine(tmp_path: Path, on_old: Package) -> Package:
    """A package on the older version."""
    made = Package(shutil.copytree(on_old.path, tmp_path / on_old.path.name), on_old.env)
    made.git("init", "--quiet", "-b", "main")
    made.commit("feat: the first version")
    return made


@pytest.fixture
def job(tmp_path: Path, mine: Package, two: Template) -> Job:
    """`job(**variables)` does what the job does after `look`; returns what it hands over for the text."""

    def run(**variables: str) -> dict[str, str]:
        temp = tmp_path / "temp"
        temp.mkdir()
        mine.git("clone", "--quiet", "--branch", NEW, two.path, temp / "template")
        words = ("uv", "run", "--project", "/", "--script", temp / "template/rollout/prepare.py")
        mine.do(*words, VERSION=NEW, RUNNER_TEMP=str(temp), **variables)
        return json.loads((temp / "handed/plan.json").read_text())

    return run


def test_what_the_machine_s_git_does_by_itself(tmp_path: Path, mine: Package, job: Job) -> None:
    """Signed commits, hooks, and files that git-lfs fetches, of which the clone of a clone has none.

    A filter that fails unless it is told to leave the files alone stands for git-lfs.
    """
    mine.write(".gitattributes", "*.bin filter=lfs\n")
    mine.write("handler_base/model.bin", "a pointer\n")
    mine.commit("feat: a model")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "post-checkout"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "smudge").write_text('#!/bin/sh\ntest -n "$GIT_LFS_SKIP_SMUDGE" && exec cat\n')
    (tmp_path / "smudge").chmod(0o755)
    settings = f"""
        [commit]\ngpgsign = true
        [gpg]\nprogram = /bin/false
        [core]\nhooksPath = {hooks}
        [filter "lfs"]\nsmudge = {tmp_path}/smudge\nclean = cat\nrequired = true
    """
    (tmp_path / "gitconfig").write_text(settings)
    plan = job(GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"))
    assert plan["reasons"] == ""


@pytest.mark.slow
def test_a_dependency_whose_address_begins_as_the_template_s(tmp_path: Path, mine: Package, job: Job) -> None:
    """It is read from where it is, and the answers keep the address."""
    sister = Folder(tmp_path / "template-sister", mine.env)
    sister.write("sister.py", "")
    sister.write("pyproject.toml", '[project]\nname = "sister"\nversion = "1.0.0"\n')
    sister.git("init", "--quiet", "-b", "main")
    Package(sister.path, mine.env).commit("feat: one")
    line = f"_src_path: git+file://{tmp_path}/template # ours"
    old = next(line for line in mine.read(".copier-answers.yml").splitlines() if line.startswith("_src_path: "))
    mine.edit(".copier-answers.yml", old, line)
    mine.edit("pyproject.toml", "dependencies = []", f'dependencies = ["sister @ git+file://{sister.path}"]')
    mine.edit("pyproject.toml", "[tool.hatch", "[tool.hatch.metadata]\nallow-direct-references = true\n\n[tool.hatch")
    mine.commit("feat: need it")
    assert job()["reasons"] == ""
    assert f"{line}\n" in mine.read(".copier-answers.yml")
    assert f"_commit: {NEW}\n" in mine.read(".copier-answers.yml")
    assert f"{tmp_path}/temp/" not in mine.git("show", "HEAD")
