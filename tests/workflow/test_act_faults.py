"""Runs that are cut off, answers that get lost, runs that race: nothing broken is left, and a re-run heals it."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from act_package import GREEN, ROOT, Package, patched_workflow, without_gates
from act_runner import Run, publish_steps, write_program

TEMPLATE = ROOT / "template/.gitea/workflows/ci.yaml.jinja"
# Known before any package is rendered, so that each kill is a test of its own; from the workflow, never from a list.
STEPS = re.findall(r"release\.py[\"']? (\w+)", TEMPLATE.read_text())
RED = GREEN | {"publish": "failure"}


def release(package: Package, change: Callable[[dict], None] = lambda workflow: None, **how: Any) -> Run:
    """Run the workflow with its gates open and with `change` made to it."""

    def both(workflow: dict) -> None:
        without_gates(workflow)
        change(workflow)

    return package.run(workflow=patched_workflow(package, both), **how)


def heals(package: Package, versions: list[str]) -> None:
    """Running the job again releases exactly these versions, whole, and is green."""
    run = release(package)
    assert run.jobs == GREEN, run
    assert package.released() == versions
    assert sorted(package.tags()) == sorted(f"v{version}" for version in versions)


def test_the_steps_are_those_of_the_workflow(package: Package) -> None:
    """The kill points are all the steps of the publish job that release something, in their order."""
    loaded = yaml.safe_load(package.workflow.read_text())["jobs"]["publish"]["steps"]
    assert [
        re.findall(r"release\.py[\"']? (\w+)", step["run"])[0] for step in loaded if "release.py" in str(step)
    ] == STEPS
    assert len(publish_steps(package.workflow)) == len(STEPS) == 4


# Before the lock, between it and the upload, after that; the release's own tests kill it at each of its boundaries.
BOUNDARIES = ["start", *(f"after-{step}" for step in STEPS)]
ORDINARY = {"after-tag"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param(number, id=name, marks=() if name in ORDINARY else pytest.mark.slow)
        for number, name in enumerate(BOUNDARIES)
    ],
)
def test_killed_at_a_boundary(package: Package, boundary: int) -> None:
    """The runner is killed (SIGKILL) between two steps; no version is half there for good."""
    hit = package.path.parent / "hit"

    def plant(workflow: dict) -> None:
        steps = workflow["jobs"]["publish"]["steps"]
        release = [i for i, step in enumerate(steps) if "release.py" in step.get("run", "")]
        place = release[boundary] if boundary < len(release) else release[-1] + 1
        # The parent of a step's shell is act itself.
        steps.insert(place, {"name": "Kill", "run": f'touch "{hit}"; kill -KILL "$PPID"'})

    run = release(package, plant)
    assert hit.exists(), run
    assert run.code == -signal.SIGKILL, run
    assert "publish" not in run.jobs
    done = [step.name for step in run.steps if step.job == "publish" and step.result == "success"]
    assert done[-boundary:] == publish_steps(package.workflow)[:boundary] or boundary == 0, run
    # Before the lock there is nothing, after the upload there is everything.
    tag, upload = STEPS.index("tag") + 1, STEPS.index("upload") + 1
    assert (package.tags() != {}) == (boundary >= tag)
    assert (len(package.files()) == 2) == (boundary >= upload)
    heals(package, ["0.1.0"])


@pytest.mark.slow
def test_second_file_lost(package: Package) -> None:
    """The second file never arrives: the job is red or tries again, and a re-run brings what is missing."""
    package.forge.arm(lambda number: "lost" if number > 1 else None)
    run = release(package)
    assert run.jobs == RED, run
    assert len(package.files()) == 1
    package.forge.disarm()
    heals(package, ["0.1.0"])


@pytest.mark.slow
@pytest.mark.parametrize("file", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_answer_lost(package: Package, file: int) -> None:
    """A file is stored and nobody hears of it: that file is not sent again, and the release is finished."""
    package.forge.arm(lambda number: "unanswered" if number == file else None)
    run = release(package)
    assert run.jobs in (GREEN, RED), run
    package.forge.disarm()
    heals(package, ["0.1.0"])
    assert len(package.forge.stored(package.owner)) <= 2, "a stored file was replaced"


@pytest.mark.slow
def test_registry_down(package: Package) -> None:
    """A registry that does not work is seen before anything is reserved."""
    package.forge.registry_status = "502 Bad Gateway"
    run = release(package)
    assert run.jobs == RED, run
    assert package.tags() == {}
    assert "502" in run.log("publish")
    package.forge.registry_status = None
    heals(package, ["0.1.0"])


@pytest.mark.slow
def test_registry_goes_down_after_the_lock(package: Package) -> None:
    """The tag is there and the files are not: the next version's run says so, and the first's re-run heals it."""

    def down(workflow: dict) -> None:
        steps = workflow["jobs"]["publish"]["steps"]
        place = next(i for i, step in enumerate(steps) if re.search(r"release\.py[\"']? upload", step.get("run", "")))
        steps.insert(place, {"name": "Registry goes down", "run": f'touch "{package.forge.down_when}"'})

    first = package.git("rev-parse", "HEAD")
    run = release(package, down)
    assert run.jobs == RED, run
    assert list(package.tags()) == ["v0.1.0"]
    assert package.files() == {}
    package.forge.down_when.unlink()

    package.commit("fix: meanwhile")
    before = len(package.ntfy.received)
    run = release(package)
    assert run.jobs == GREEN, run
    assert {name.split("-")[1] for name in package.files()} >= {"0.1.1"}
    (message,) = package.ntfy.received[before:]
    for text in (run.log("publish"), f"{message['title']}\n{message['message']}"):
        assert re.search(r"0\.1\.0.*\bagain\b", text), text

    old = package.clone_at(first)
    run = release(package, path=old)
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0", "0.1.1"]


@pytest.mark.slow
def test_red_run_of_an_older_commit_is_run_again(package: Package) -> None:
    """A newer release holds that commit: old code never becomes the newest version."""
    first = package.git("rev-parse", "HEAD")
    run = release(package, secrets=package.secrets | {"REGISTRY_TOKEN": "expired"})
    assert run.jobs == RED, run
    second = package.commit("fix: meanwhile")
    assert release(package).jobs == GREEN
    run = release(package, path=package.clone_at(first))
    assert run.jobs == GREEN, run
    assert "a newer version on main holds this commit" in run.log("publish")
    assert package.tags() == {"v0.1.0": second}
    assert package.released() == ["0.1.0"]


@pytest.mark.slow
@pytest.mark.parametrize("secret", [pytest.param("REGISTRY_USER", marks=pytest.mark.slow), "REGISTRY_TOKEN"])
def test_secret_missing(package: Package, secret: str) -> None:
    """A secret that is not set is named in the last lines of the job that failed."""
    run = release(package, secrets={name: value for name, value in package.secrets.items() if name != secret})
    assert run.jobs == RED, run
    assert secret in last_lines(run.log("publish"))
    assert package.tags() == {}
    heals(package, ["0.1.0"])


@pytest.mark.slow
def test_wrong_password(package: Package) -> None:
    """A password that the registry does not know reserves nothing, and the last lines name the secret."""
    run = release(package, secrets=package.secrets | {"REGISTRY_TOKEN": "expired"})
    assert run.jobs == RED, run
    assert "REGISTRY_TOKEN" in last_lines(run.log("publish"))
    assert package.tags() == {}
    heals(package, ["0.1.0"])


@pytest.mark.slow
def test_tag_refused(package: Package) -> None:
    """Protected tags: no second try, nothing uploaded, and the sentence names the setting."""
    hook = package.bare / "hooks/pre-receive"
    write_program(hook, '#!/bin/sh\necho "error: Tag v0.1.0 is protected" >&2\nexit 1\n')
    run = release(package)
    assert run.jobs == RED, run
    assert package.files() == {}
    assert re.search(r"protected tag|tag protection|Tags", last_lines(run.log("publish")), re.IGNORECASE)
    pushes = [r for r in package.forge.requests(part="git-receive-pack", method="POST")]
    assert len(pushes) == 1
    hook.unlink()
    heals(package, ["0.1.0"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_commits_at_once(package: Package, number: int) -> None:
    """Runs of different commits at once: who lost says to run all jobs again, and then every commit is released."""
    commits = [package.git("rev-parse", "HEAD")]
    commits += [package.commit(f"fix: right after, {count}") for count in range(1, number)]
    runs = at_once(package, *map(package.clone_at, commits))
    assert GREEN in [run.jobs for run in runs], runs
    for commit, run in zip(commits, runs, strict=True):
        if run.jobs != GREEN:
            assert run.jobs == RED, run
            assert "run all jobs of this run again" in last_lines(run.log("publish"))
            again = release(package, path=package.clone_at(commit))
            assert again.jobs == GREEN, again
    versions, tags = package.released(), package.tags()
    assert len(versions) == len(tags) == len(set(tags.values()))
    assert set(tags.values()) <= set(commits)
    assert tags[f"v{versions[-1]}"] == commits[-1], "the newest commit is in the highest version"


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_one_commit_at_once(package: Package, number: int) -> None:
    """Runs of one commit side by side, as Gitea starts them: all are green, one version."""
    paths = [package.clone_at(package.git("rev-parse", "HEAD")) for _ in range(number)]
    for run in at_once(package, *paths):
        assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]


def at_once(package: Package, *paths: Path) -> list[Run]:
    """Release the commits of several clones at the same time."""
    workflow = patched_workflow(package, without_gates)
    started = [package.start(path=path, workflow=workflow) for path in paths]
    return [package.runner.finish(process) for process in started]


def last_lines(log: str) -> str:
    """The last of a job's own words, act's about its steps left out."""
    own = [
        line
        for line in log.splitlines()
        if line.strip() and not re.match(r"\s*(⭐|✅|❌|🏁|Cleaning|Local|exit)", line)
    ]
    return "\n".join(own[-3:])
