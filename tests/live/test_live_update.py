"""A version of the template becomes a pull request in each package, a merge, and the packages' next release."""

import re
from pathlib import Path

import pytest

from .daemon import wait_for
from .gitea import Owner, run
from .scenarios import released, tail
from .town import BOT, Town, founded

JOB = "by-the-job"
OPENING = "open"


@pytest.fixture
def town(owner: Owner, tmp_path: Path) -> Town:
    """Two packages; one of them has the bot's token."""
    return founded(owner, tmp_path, {JOB: {}, BOT: {}})


def test_a_version_of_the_template_reaches_the_packages(town: Town) -> None:
    """Asked, opened, checked, merged, released, and replaced by the next; the table says so at each step."""
    server = town.owner.server
    job_may_open = server.lets_jobs_open()
    step = "      - name: Compile\n        run: uv run --no-sync python -m compileall -q .\n"
    town.version("v1.1.0", "feat: compile every module", "\n  test:\n", f"{step}\n  test:\n")
    assert town.standing() == {name: ["v1.0.0", 1, [], "behind"] for name in town.packages}

    assert {name: row["result"] for name, row in town.rollout("ask").items()} == dict.fromkeys(town.packages, "asked")
    for name, repo in town.packages.items():
        done = town.ended(name, 1)
        if job_may_open or name == BOT:
            assert done.conclusion == "success", tail(repo, done, OPENING)
            (pull,) = town.pulls(name).values()
            assert pull["title"] == "chore: template v1.1.0"
            assert "feat: compile every module" in pull["body"]
            assert "uv run --no-sync pytest -v: passed" in pull["body"]
            assert ("starts no CI" in pull["body"]) == (name != BOT)
        else:
            assert done.conclusion == "failure"
            said = tail(repo, done, OPENING)
            assert re.search("403.* write:repository .* TEMPLATE_TOKEN", said), said
            assert town.pulls(name) == {}
            repo.secret("TEMPLATE_TOKEN", town.token)
    # The bot's own starts CI, the job's does not.
    bot = town.packages[BOT]
    (pull,) = town.pulls(BOT).values()
    checked = bot.wait_run(pull["head"]["sha"], event="pull_request")
    assert checked.jobs == {"lint": "success", "test": "success", "publish": "skipped", "notify": "success"}
    if job_may_open:
        assert [r for r in town.packages[JOB].runs() if r["event"] == "pull_request"] == []
    assert town.standing()[BOT] == ["v1.0.0", 1, [f"#{pull['number']} v1.1.0"], "behind"]

    # One is merged; the next push releases.
    server.api("POST", f"repos/{bot.path}/pulls/{pull['number']}/merge", {"Do": "merge"})
    wait_for("the merge", lambda: town.standing()[BOT] == ["v1.1.0", 0, [], "newest"], 30)
    bot.git("pull", "-q", "--no-rebase", "origin", "main")
    # Before 1.26 a push while this one runs cancels a run of the two.
    merged = bot.wait_run(bot.git("rev-parse", "HEAD").strip())
    assert merged.conclusion == "success", tail(bot, merged)
    assert "name: Compile" in (bot.folder / ".gitea/workflows/ci.yaml").read_text()
    released(bot, bot.release("feat: first version"), "0.1.0")
    row = town.rollout("status")[BOT]
    assert (row["released"], row["unreleased"], row["run"]) == ("0.1.0", "", "")

    # The next version takes the place of the one that nobody merged.
    town.version("v1.2.0", "fix: say it anew", "# One run of main", "# Anew.\n# One run of main")
    assert {name: row["result"] for name, row in town.rollout("ask").items()} == dict.fromkeys(town.packages, "asked")
    for name, repo in town.packages.items():
        done = town.ended(name, 2)
        assert done.conclusion == "success", tail(repo, done, OPENING)
        (newest,) = town.pulls(name).values()
        assert newest["title"] == "chore: template v1.2.0"
        older = town.pulls(name, "closed").get("template/v1.1.0")
        if name != BOT and job_may_open:
            assert older
            assert older["body"].startswith(f"Replaced by #{newest['number']}.")
        elif name == BOT:
            assert older
            assert older["merged"]
    assert {row["behind"] for row in town.rollout("status").values()} == {1, 2}


def test_newer_dependencies_become_a_pull_request(owner: Owner, tmp_path: Path) -> None:
    """Asked for by hand: uv.lock alone changes, and the jobs for the template rest."""
    town = founded(owner, tmp_path, {BOT: {}})
    repo, server = town.packages[BOT], owner.server
    run(["uv", "lock", "--quiet", "--upgrade-package", "iniconfig==2.0.0"], repo.folder, repo.env)
    repo.commit("chore: an older one [skip ci]")
    repo.push()
    wanted = {"ref": "main", "inputs": {"dependencies": "true"}}
    server.api("POST", f"repos/{repo.path}/actions/workflows/template-update.yaml/dispatches", wanted)
    done = town.ended(BOT, 1)
    jobs = {"update": "skipped", "open": "skipped", "dependencies": "success", "offer": "success"}
    assert done.jobs == jobs, tail(repo, done, "dependencies") + tail(repo, done, "offer")
    (pull,) = town.pulls(BOT).values()
    assert pull["title"] == "chore: newer dependencies"
    assert " iniconfig 2.0.0 -> " in pull["body"]
    files = server.api("GET", f"repos/{repo.path}/pulls/{pull['number']}/files")
    assert [file["filename"] for file in files] == ["uv.lock"]
