"""Answers, modes and kinds of files, and checkouts that are not plain: what an update makes of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from versions import FIRST, NEWEST, Package, Template


@pytest.fixture
def later(tmp_path: Path, env: dict[str, str], template: Template) -> Template:
    """The template, to which a test adds versions."""
    return Template(shutil.copytree(template.path, tmp_path / "later"), env)


@pytest.fixture
def mine(package: Callable[..., Package], template: Template, later: Template) -> Package:
    """A package on the newest version of it, which is an owner's."""
    made = package(NEWEST, gitea_owner="acme")
    made.edit(".copier-answers.yml", str(template.path), str(later.path))
    made.commit("chore: the template moves")
    return made


def refused(mine: Package, version: str) -> str:
    """See that an update is refused and changes nothing; return what it says."""
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", version)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert mine.git("status", "--porcelain") == ""
    return " ".join(done.stderr.split())


def test_an_answer_that_a_newer_version_refuses(mine: Package, later: Template) -> None:
    """Copier takes the default in its place: then the package would be released to another owner's registry."""
    later.edit(
        "copier.yml",
        "[% if not gitea_owner",
        "[% if gitea_owner == 'acme' %]\n    Write a-c-m-e.\n    [% elif not gitea_owner",
    )
    later.tag("2.0.0", "feat: another owner")
    said = refused(mine, "v2.0.0")
    assert (
        "does not take these answers: gitea_owner is \"acme\" (Validation error for question 'gitea_owner': W" in said
    )
    assert "run the same command again, with --data NAME=VALUE for each." in said
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", "v2.0.0", "--data", "gitea_owner=a-c-m-e")
    assert done.returncode == 0, done.stderr
    assert '\n  .copier-answers.yml: gitea_owner is "a-c-m-e", was "acme"\n' in done.stdout
    assert "gitea_owner: a-c-m-e\n" in mine.read(".copier-answers.yml")


def test_answers_that_come_and_go(package: Callable[..., Package], mine: Package, later: Template) -> None:
    """Each is in the report."""
    question = later.read("copier.yml").partition("team:\n")[2].partition("# --- Computed")[0]
    later.edit("copier.yml", f"team:\n{question}", "squad:\n  type: str\n  default: us\n\n")
    later.edit("template/.gitea/workflows/ci.yaml.jinja", "[[ team | to_json ]]", "[[ squad | to_json ]]")
    later.tag("2.0.0", "feat: a squad in place of a team")
    report = mine.update("v2.0.0")
    assert '\n  .copier-answers.yml: squad is "us"\n' in report
    assert '\n  .copier-answers.yml: team is gone, was ""\n' in report


def test_a_mode_arrives(mine: Package, later: Template) -> None:
    """Also where nothing else of the file changes."""
    later.git("update-index", "--chmod=+x", "template/.gitea/clean.sh")
    later.git("commit", "--quiet", "-m", "fix: executable")
    later.git("tag", "v2.0.0")
    mine.update("v2.0.0")
    assert "old mode 100644" in mine.git("diff", "--", ".gitea/clean.sh")
    assert "new mode 100755" in mine.git("diff", "--", ".gitea/clean.sh")
    mine.commit("chore: update")
    later.git("update-index", "--chmod=-x", "template/.gitea/clean.sh")
    later.git("commit", "--quiet", "-m", "fix: not executable")
    later.git("tag", "v2.1.0")
    assert ".gitea/clean.sh" in mine.update("v2.1.0")
    assert not os.access(mine.path / ".gitea/clean.sh", os.X_OK)


@pytest.mark.slow
def test_a_name_that_is_taken_and_dropped(mine: Package, later: Template) -> None:
    """In steps and in one jump the owner's file is what it was."""
    later.write("template/.gitea/mine.py", "# The template's.\n")
    later.tag("2.0.0", "feat: one more")
    later.git("rm", "--quiet", "template/.gitea/mine.py")
    later.tag("3.0.0", "feat: one less")
    mine.write(".gitea/mine.py", "# Mine.\n")
    mine.commit("feat: mine")
    jump = Package(shutil.copytree(mine.path, mine.path.with_name("jump"), symlinks=True), mine.env)
    jump.update("v3.0.0")
    assert ".gitea/mine.py.before" not in mine.update("v2.0.0")
    mine.commit("chore: update")
    assert mine.read(".gitea/mine_before.py") == "# Mine.\n"
    assert "\n  .gitea/mine.py: your .gitea/mine_before.py has its name again\n" in mine.update("v3.0.0")
    mine.commit("chore: update")
    jump.commit("chore: update")
    assert jump.read(".gitea/mine.py") == "# Mine.\n"
    assert mine.files() == jump.files()


def link(mine: Package) -> None:
    """The tests are elsewhere."""
    mine.git("mv", "tests", "checks")
    (mine.path / "tests").symlink_to("checks")


def folder(mine: Package) -> None:
    """A folder has the name of a file that the template adds."""
    mine.write(".gitea/tell.py/mine.txt", "Mine.\n")


def file(mine: Package) -> None:
    """A file has the name of a folder of the template's."""
    mine.git("rm", "--quiet", "-r", ".gitea/actions")
    mine.write(".gitea/actions", "Mine.\n")


@pytest.mark.parametrize(
    ("do", "says"),
    [
        (link, "tests is a symbolic link, but the template writes plain files there."),
        (folder, ".gitea/tell.py is a folder, but the template writes a file there. Rename the folder"),
        (file, ".gitea/actions is a file, but the template writes .gitea/actions/setup/action.yaml. Rename the file"),
    ],
)
def test_what_is_in_the_way(package: Callable[..., Package], do: Callable[[Package], None], says: str) -> None:
    """Nothing is written through it or into it."""
    mine = package(FIRST)
    do(mine)
    mine.commit("refactor: mine")
    assert says in refused(mine, NEWEST)


def test_a_sparse_checkout(package: Callable[..., Package]) -> None:
    """Files that are not here would be taken for deleted."""
    mine = package(FIRST)
    mine.git("sparse-checkout", "set", "handler_base")
    said = refused(mine, NEWEST)
    assert "This is a sparse checkout" in said
    mine.do(*said.partition("Get all of them with `")[2].partition("`")[0].split())
    mine.update(NEWEST)


def test_lines_that_git_ends_otherwise_everywhere(tmp_path: Path, env: dict[str, str], template: Template) -> None:
    """Where the machine's git writes CRLF, in the template's clone as well, nothing is taken for an edit."""
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.autocrlf", "GIT_CONFIG_VALUE_0": "true"}
    mine = Package(tmp_path / "handler-base", env | settings)
    mine.copy(template, FIRST)
    mine.git("init", "--quiet", "-b", "main")
    mine.commit("feat: the first version")
    mine.git("rm", "--quiet", "--cached", "-r", ".")
    mine.git("reset", "--quiet", "--hard")
    assert b"\r\n" in mine.owned()["tests/test_smoke.py"]
    assert "Kept" not in mine.update(NEWEST)
    mine.commit("chore: update")
    assert "\r" not in mine.git("show", "HEAD:tests/test_smoke.py", "HEAD:pyproject.toml")


def test_modules_of_the_package_are_not_taken_for_those_of_programs(
    package: Callable[..., Package], env: dict[str, str]
) -> None:
    """A root module with the name of one that Copier or these programs import is never run."""
    mine = package(FIRST)
    for name in ("queue", "types", "yaml", "random", "json", "tomlrt", "packaging", "journal", "signal", "enum"):
        mine.write(f"{name}.py", 'open("ran", "w").close()\nraise SystemExit("run")\n')
    mine.commit("feat: modules")
    copier = Path(os.__file__).parents[2] / "bin/copier"
    words = (shutil.which("copier", path=os.environ["PATH"]) or copier, "update", "--trust", "--defaults", "--vcs-ref")
    mine.do(*words, NEWEST)
    assert not (mine.path / "ran").exists()
    assert f"_commit: {NEWEST}\n" in mine.read(".copier-answers.yml")
