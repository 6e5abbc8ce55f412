"""Faults: whatever happens to a job, its re-run leaves whole versions, each of one commit and with its tag."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from release_world import SHIPPED, Job, World, shipped

MESSAGES = ("feat: a", "fix: b", "feat: c", "major: d", "docs: e", "fix: f")
SEEDS = range(40)
ORDINARY = range(1, 2)
WHENS = ("before", "after")
TABLES = [steps for program in ("dist", "release") for steps in shipped(program).STEPS.values()]
POINTS = [f"kill:{when}:{step.__name__}" for steps in TABLES for step in steps for when in WHENS]
FAULTS = [
    *POINTS,
    *(f"down:{count}" for count in range(6)),
    "dropped:1",
    "dropped:2",
    "unanswered:1",
    "unanswered:2",
    "killed:1",
    "killed:2",
    "lost:push",
    "failed:push",
    "password",
    "refused",
]


def some(faults: list[str], *ordinary: str) -> list:
    """These faults, those that are not in the ordinary run marked slow: there is one for each part of a release."""
    assert set(ordinary) <= set(faults)
    return [fault if fault in ordinary else pytest.param(fault, marks=pytest.mark.slow) for fault in faults]


# At which the job itself cannot be hit, but what it asks for.
ALL = "run all jobs of this run again"
ANSWERS = ("lost:push", "failed:push", "password", "refused")


def trial(world: World, seed: int) -> list[str]:
    """Three pushes, each with a run or two, some at once and many with a fault; then every red one again."""
    chance = random.Random(seed)
    wanted, jobs, threads = [], [], []
    for number in range(3):
        message = chance.choice(MESSAGES)
        commit = world.push(message, **{"handler_base/__init__.py": f"NUMBER = {number}\n"})
        if not message.startswith("docs"):
            wanted.append(commit)
        # Two pushes close together start two runs of the newer commit.
        for _ in range(chance.choice((1, 1, 2)) if len(jobs) < 4 else 1):
            job = Job(commit, chance.choice(FAULTS) if chance.random() < 0.7 else "")
            jobs.append(job)
            threads.append(threading.Thread(target=world.run, args=(job, world.checkout(commit))))
            threads[-1].start()
        if chance.random() < 0.25:
            for thread in threads:
                thread.join()
    for thread in threads:
        thread.join()
    found = []
    # In any order: nobody knows which red run of several a person starts first, nor whether its red job or all of them.
    red = [job for job in jobs if not job.green]
    for job in chance.sample(red, len(red)):
        if job.handed is not None and chance.random() < 0.5:
            alone = world.run(Job(job.commit), alone=job)
            if alone.green:
                continue
            if ALL not in alone.log.splitlines()[-1]:
                found.append(f"a red publish does not say how to heal it:\n{alone.log}")
        again = world.run(Job(job.commit))
        if not again.green:
            found.append(f"a re-run does not heal {job.fault or 'a race'}:\n{job.log}\n--- again\n{again.log}")
    return found + world.defects(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ORDINARY)
def test_trial(world: World, seed: int) -> None:
    """Random trials from fixed seeds."""
    assert trial(world, seed) == [], f"seed {seed}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [pytest.param(s, id=f"part{s // 250 + 1}-{s}") for s in range(1000) if s not in ORDINARY]
)
def test_more_trials(world: World, seed: int) -> None:
    """The same, many more, in parts of 250: `-k part1` to `-k part4`."""
    assert trial(world, seed) == [], f"seed {seed}"


@pytest.mark.parametrize(
    "point", some(POINTS, *(f"kill:before:{step}" for step in ("build", "lock", "upload", "page")))
)
def test_killed_at_every_boundary(world: World, point: str) -> None:
    """The points are those of the release's own list; one that was not reached fails here."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, point))
    assert job.hit, job.log
    assert not job.green
    again = world.run(Job(commit))
    assert again.green, again.log
    assert again.outputs == {"version": "0.1.0", "name": "handler-base", "notes": '["New: a"]'}
    assert world.defects([commit]) == []


@pytest.mark.parametrize(
    "fault", some(FAULTS[len(POINTS) :], "down:2", "unanswered:1", "killed:1", "failed:push", "refused")
)
def test_every_other_fault(world: World, fault: str) -> None:
    """Each of the faults that trials choose from, alone: it strikes, and what it leaves a re-run heals."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, fault))
    assert job.hit or fault in ANSWERS, job.log
    again = job if job.green else world.run(Job(commit))
    assert again.green, again.log
    assert again.outputs["version"] == "0.1.0"
    assert world.defects([commit]) == []


@pytest.mark.slow
def test_upload_before_tag_is_found_out(sabotaged: Callable[[Path, str], World], tmp_path: Path) -> None:
    """The same trials see what the record's order, upload first and tag last, does."""
    source = (SHIPPED / "release.py").read_text()
    tag, upload = '"tag": [lock]', '"upload": [upload, link]'
    patched = source.replace(f"{tag}, {upload}", f"{upload}, {tag}").replace("        free(there)\n", "        pass\n")
    assert f"{upload}, {tag}" in patched
    assert "free(there)\n" not in patched
    defects: list[str] = []
    for seed in SEEDS:
        defects += trial(sabotaged(tmp_path / str(seed), patched), seed)
        if len(defects) >= 5:
            break
    assert len(defects) >= 5
