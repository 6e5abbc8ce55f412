"""The scenarios can fail: each of three likely mistakes turns one of them red, and for its own reason."""

import re

import pytest

from .conftest import Make
from .daemon import Red
from .gitea import Owner, Repo, Runner
from .scenarios import cut_off, first_release, red_gate
from .test_live_release import GATES

CI = ".gitea/workflows/ci.yaml"


def edit(repo: Repo, path: str, *edits: tuple[str, str]) -> None:
    """Change a file by regular expressions, each of which has to hit just once."""
    file = repo.folder / path
    text = file.read_text()
    for pattern, into in edits:
        text, hits = re.subn(pattern, into, text, count=1, flags=re.MULTILINE | re.DOTALL)
        assert hits == 1, f"{pattern} is not in {path}"
    file.write_text(text)


def test_a_yaml_anchor_is_noticed(make: Make, owner: Owner) -> None:
    """Two jobs share a value through an anchor: Gitea starts nothing, and only its log says why."""
    repo = make(owner)
    shared = "permissions:\n      contents: read"
    edit(repo, CI, (shared, shared.replace(":", ": &read", 1)), (rf"{shared}$", "permissions: *read"))
    assert "&read" in (repo.folder / CI).read_text()
    with pytest.raises(Red, match=r"Gitea ignores the workflow file: .*anchor"):
        first_release(repo)


def test_a_tag_pushed_last_is_noticed(make: Make, owner: Owner, lone_runner: Runner) -> None:
    """The order of the decision record: the files are in the registry before the version is reserved."""
    repo = make(owner, runner_label=lone_runner.label)
    edit(repo, CI, (r"(      - name: Tag\n.*?)(      - name: Upload\n.*?)(?=\n  notify:)", r"\2\1"))
    with pytest.raises(AssertionError, match="files were uploaded before the tag was there"):
        cut_off(repo, lone_runner)


def test_trust_in_the_output_of_a_skipped_job_is_noticed(make: Make, owner: Owner) -> None:
    """The message names whatever the publish job hands on, without a look at what became of that job."""
    repo = make(owner, **GATES["lint"])
    edit(
        repo,
        ".gitea/notify.py",
        (r"^    found = [^\n]*$", "    found = given"),
        (r"^    released = [^\n]*$", '    released = "version" in found'),
    )
    with pytest.raises(AssertionError, match=r"\$\{\{"):
        red_gate(repo, "lint")
