"""A package on a version that the template has lost, and other updates that are no step to the next version."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback_gitea import Listener
from test_update_edits import EDITS
from versions import NEWEST, Folder, Package, Template


def test_a_version_that_is_gone(package: Callable[..., Package], rendered: Callable[..., Package]) -> None:
    """Nothing tells what was the pattern's: the user's values stay, the template's files come, and it is said."""
    mine = package()
    mine.edit(".copier-answers.yml", "_commit: v1.0.0\n", "_commit: v0.9.9\n")
    mine.edit("pyproject.toml", "hatchling==1.33.0", "hatchling==1.31.0")
    mine.edit("README.md", "## Work on it", "## Ours")
    mine.commit("docs: ours")
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", NEWEST)
    assert done.returncode != 0
    assert "Unknown revision: 'v0.9.9'" in done.stderr
    assert mine.git("status", "--porcelain") == ""
    # What docs/updating.md says to do then. Copier does not ask for a clean tree here.
    recopy = ("recopy", "--trust", "--defaults", "--overwrite", "--vcs-ref", NEWEST)
    mine.write(".gitea/release.py", "# Mine.\n")
    before = mine.files()
    done = mine.copier(*recopy)
    assert done.returncode != 0
    assert "Not committed: .gitea/release.py. Commit it" in done.stderr
    assert mine.files() == before
    mine.commit("fix: mine")
    done = mine.copier(*recopy)
    assert done.returncode == 0, done.stderr
    assert "v0.9.9 no longer exists" in done.stdout
    assert "git diff HEAD" in done.stdout
    fresh = rendered(NEWEST).owned()
    assert {name: content for name, content in mine.owned().items() if name in fresh} == fresh
    assert not [name for name in mine.files() if "before" in name]
    assert "hatchling==1.31.0" in mine.read("pyproject.toml")
    assert '"B"' in mine.read("pyproject.toml")
    assert "## Ours" in mine.read("README.md")
    assert f"_commit: {NEWEST}\n" in mine.read(".copier-answers.yml")
    mine.sound(build=False)
    assert not list((mine.path / ".git").glob("template-updates*"))


def test_an_answer_changes_with_the_update(package: Callable[..., Package], rendered: Callable[..., Package]) -> None:
    """A new answer given to the update is in every file of the template's."""
    mine = package()
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", NEWEST, "--data", "runner_label=big")
    assert done.returncode == 0, done.stderr
    assert mine.owned() == rendered(NEWEST, runner_label="big").owned()
    assert b'runs-on: "big"' in mine.owned()[".gitea/workflows/template-update.yaml"]


@pytest.mark.slow
def test_a_command_line_comes_where_the_code_is(package: Callable[..., Package]) -> None:
    """Code in src/ gets its cli.py there; code that is no folder cannot have one, and the update says so."""
    mine = package()
    (mine.path / "src").mkdir()
    mine.git("mv", "handler_base", "src/handler_base")
    mine.edit("pyproject.toml", 'packages = ["handler_base"]', 'packages = ["src/handler_base"]')
    mine.commit("refactor: src")
    words = ("update", "--trust", "--defaults", "--vcs-ref", NEWEST, "--data", "cli=true")
    done = mine.copier(*words)
    assert done.returncode == 0, done.stderr
    assert {name for name in mine.files() if name.endswith("cli.py")} == {"src/handler_base/cli.py"}
    mine.sound()
    mine.do("uv", "run", "--no-sync", "handler-base", "--version")
    mine.git("reset", "--quiet", "--hard")
    mine.git("clean", "--quiet", "-fd")
    mine.git("mv", "src/handler_base", "src/other")
    mine.commit("refactor: away")
    done = mine.copier(*words)
    assert done.returncode != 0
    assert "needs the folder src/handler_base" in done.stderr


@pytest.mark.slow
def test_a_new_seed_is_for_new_packages(
    tmp_path: Path, env: dict[str, str], package: Callable[..., Package], template: Template
) -> None:
    """A file of the user's to be, which a later version adds, is not written into code that is there."""
    later = Template(tmp_path / "later", env)
    shutil.copytree(template.path, later.path)
    for name in ("[[ module_name ]]/new.py", "NEW.md"):
        later.write(f"template/{name}", "")
    later.tag("2.0.0", "feat: two files more")
    mine = package()
    mine.edit(".copier-answers.yml", str(template.path), str(later.path))
    EDITS["renamed_into_src"].do(mine)
    mine.commit("refactor: src")
    mine.update("v2.0.0")
    assert not [name for name in mine.files() if "new" in name.lower() or name.startswith("core/")]


@pytest.mark.slow
def test_another_answers_file(package: Callable[..., Package], template: Template) -> None:
    """A package that has two templates: the workflow knows which answers are ours, and the other's are left alone."""
    mine = package()
    mine.git("mv", ".copier-answers.yml", ".copier-answers.gitea.yml")
    mine.write(".copier-answers.yml", "_src_path: https://example.org/other.git\n_commit: v3.0.0\n")
    mine.commit("chore: two templates")
    words = ("--trust", "--defaults", "--vcs-ref", NEWEST, "--answers-file", ".copier-answers.gitea.yml")
    done = mine.copier("update", *words)
    assert done.returncode == 0, done.stderr
    assert mine.read(".copier-answers.yml") == "_src_path: https://example.org/other.git\n_commit: v3.0.0\n"
    assert f"_commit: {NEWEST}\n" in mine.read(".copier-answers.gitea.yml")
    assert 'ANSWERS: ".copier-answers.gitea.yml"' in mine.read(".gitea/workflows/template-update.yaml")


@pytest.mark.parametrize(
    ("uv", "variables"),
    [
        pytest.param("", {}, id="no uv"),
        pytest.param('#!/bin/sh\nexec {uv} "$@"\n', {"UV_CACHE_DIR": "{empty}", "UV_OFFLINE": "1"}, id="no index"),
        pytest.param("#!/bin/sh\nkill -INT $PPID $$\n", {}, id="interrupted"),
    ],
)
def test_an_update_that_never_began(
    tmp_path: Path, package: Callable[..., Package], uv: str, variables: dict[str, str]
) -> None:
    """What Copier has written by then is taken back: the package is not on a version whose files it lacks."""
    mine, tools = package(), tmp_path / "tools"
    tools.mkdir()
    path = [str(tools), *(entry for entry in mine.env["PATH"].split(":") if not Path(entry, "uv").exists())]
    if uv:
        (tools / "uv").write_text(uv.format(uv=shutil.which("uv")))
        (tools / "uv").chmod(0o755)
    variables = {name: value.format(empty=tmp_path / "empty") for name, value in variables.items()}
    # A shell's background job ignores SIGINT, and the tests may be one.
    words = (shutil.which("env"), "--default-signal=INT", sys.executable, "-m", "copier", "update", "--trust")
    done = mine.run(*words, "--defaults", "--vcs-ref", NEWEST, PATH=":".join(path), **variables)
    assert "apply/run.py" in done.stderr, "it failed before the update's own program"
    assert mine.git("status", "--porcelain") == ""


def test_uv_is_set_up_as_the_machine_has_it(tmp_path: Path, package: Callable[..., Package]) -> None:
    """Behind a mirror nothing but the mirror answers: the update asks the index that the machine's uv.toml names."""
    asked = []

    def mirror(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("403 Forbidden", [])
        return []

    listener, mine = Listener(mirror), package()
    Folder(tmp_path / "config", {}).write("uv/uv.toml", f'[[index]]\nurl = "{listener.url}/simple"\n')
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    words = (sys.executable, "-m", "copier", "update", "--trust", "--defaults", "--vcs-ref", NEWEST)
    done = mine.run(*words, **variables, NO_PROXY="127.0.0.1")
    listener.close()
    assert "/simple/pyyaml/" in asked, done.stderr
    assert mine.git("status", "--porcelain") == ""


@pytest.mark.parametrize("what", ["conflict markers", "an untracked file"])
def test_a_tree_that_is_not_clean(package: Callable[..., Package], what: str) -> None:
    """Copier refuses, and nothing is changed."""
    mine = package()
    mine.write("new.txt" if "untracked" in what else "README.md", "<<<<<<< x\n")
    before = mine.files()
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", NEWEST)
    assert done.returncode != 0
    assert "dirty" in done.stderr
    assert mine.files() == before
