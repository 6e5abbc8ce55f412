"""From a push to a version that installs, and all the pushes that become none."""

import pytest

from .conftest import Make
from .gitea import Live, Owner, Runner, run
from .scenarios import cut_off, first_release, five_pushes, installs, overtaken, red_gate, released, tail, unreleased

GATES = {
    "lint": {"sample/untidy.py": "import os\n"},
    "test": {"sample/broken.py": "import nowhere_at_all\n\nprint(nowhere_at_all)\n"},
}


def test_first_push_becomes_a_version_that_installs(make: Make, owner: Owner) -> None:
    """From a push to an import, by the README's own lines. The run started again is green and changes nothing.

    Then each prefix counts up, and docs releases nothing.
    """
    repo = make(owner)
    first = first_release(repo)
    installs(repo, "0.1.0")
    tags, files = repo.tags(), owner.files(repo.name)
    again = repo.again(first)
    released(repo, again, "0.1.0")
    assert repo.tags() == tags
    assert owner.files(repo.name) == files
    done = repo.release("docs: a word")
    assert done.conclusion == "success"
    unreleased(repo, done, tags, files)
    released(repo, repo.release("fix: a flaw"), "0.1.1")
    released(repo, repo.release("major: a break"), "1.0.0")


@pytest.mark.parametrize("job", GATES)
def test_a_red_gate_publishes_nothing(make: Make, owner: Owner, job: str) -> None:
    """Neither lint nor test lets a commit through that it refuses."""
    repo = make(owner, **GATES[job])
    red_gate(repo, job)


def test_an_application_is_linted_and_tested_only(make: Make, owner: Owner) -> None:
    """One that is not to be released has no other jobs, and needs no tests of its own; its format is not checked."""
    repo = make(owner, publish="false", format_check="false", **{"untidy.py": "x=1\n"})
    done = repo.release("feat: first version")
    assert done.jobs == {"lint": "success", "test": "success", "notify": "success"}
    unreleased(repo, done, {}, {})


def test_a_package_that_needs_another_of_its_private_owner(make: Make, live: Live) -> None:
    """Its uv.lock names the first package in the index of their owner. (In test_live_elsewhere the owner is public.)"""
    owner = live.owner("private", private=True)
    credentials = owner.give_index()
    first_release(make(owner, "needed"))
    repo = make(owner, "needing")
    run(["uv", "add", "needed", "--index", "gitea"], repo.folder, repo.env | credentials)
    module = repo.folder / "needing" / "more.py"
    module.write_text("import needed\n\nHERE = needed.__name__\n")
    first_release(repo)
    run(["uv", "sync", "--locked"], repo.folder, repo.env | credentials)


def test_five_pushes_a_second_apart(make: Make, owner: Owner) -> None:
    """See the scenario."""
    five_pushes(make(owner))


def test_newer_pushes_between_tag_and_upload(make: Make, owner: Owner, lone_runner: Runner) -> None:
    """See the scenario. It holds three publish jobs at once, so it has a runner of its own."""
    overtaken(make(owner, runner_label=lone_runner.label))


def test_a_runner_killed_between_tag_and_upload(make: Make, owner: Owner, lone_runner: Runner) -> None:
    """See the scenario."""
    repo = make(owner, runner_label=lone_runner.label)
    cut_off(repo, lone_runner)


def test_ntfy_down_is_a_warning(make: Make, owner: Owner) -> None:
    """Nobody hears of it, the log says so, and the run stays green."""
    repo = make(owner, ntfy_url="http://127.0.0.1:9")
    done = repo.release("feat: first version")
    assert set(done.jobs.values()) == {"success"}
    assert "warning: not sent to ntfy" in tail(repo, done, "notify")
