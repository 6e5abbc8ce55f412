"""A package on a version that the template has lost, and other updates that are no step to the next version."""

from collections.abc import Callable

import pytest
from versions import NEWEST, Package, Template


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
    # What docs/updating.md says to do then.
    done = mine.copier("recopy", "--trust", "--defaults", "--overwrite", "--vcs-ref", NEWEST)
    assert done.returncode == 0, done.stderr
    assert "v0.9.9 is gone" in done.stdout
    fresh = rendered(NEWEST).owned()
    assert {name: content for name, content in mine.owned().items() if name in fresh} == fresh
    assert not [name for name in mine.files() if "before" in name]
    assert "hatchling==1.31.0" in mine.read("pyproject.toml")
    assert '"B"' in mine.read("pyproject.toml")
    assert "## Ours" in mine.read("README.md")
    assert f"_commit: {NEWEST}\n" in mine.read(".copier-answers.yml")
    mine.sound(build=False)


def test_an_answer_changes_with_the_update(package: Callable[..., Package], rendered: Callable[..., Package]) -> None:
    """A new answer given to the update is in every file of the template's."""
    mine = package()
    done = mine.copier("update", "--trust", "--defaults", "--vcs-ref", NEWEST, "--data", "runner_label=big")
    assert done.returncode == 0, done.stderr
    assert mine.owned() == rendered(NEWEST, runner_label="big").owned()
    assert b'runs-on: "big"' in mine.owned()[".gitea/workflows/template-update.yaml"]


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
