"""Single runs of the publish job: what they leave, what they say, and where the credentials are."""

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from release_world import DRIVE, JOB_TOKEN, SHIPPED, TOKEN, USER, Job, World

# Stands before the real program and notes what it was given.
NOTE = """\
#!{python}
import json, os, sys
with open({log!r}, "a") as file:
    file.write(json.dumps([sys.argv, dict(os.environ)]) + "\\n")
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


ALL = "run all jobs of this run again"


def sentence(job: Job) -> str:
    """Returns the last line of a red job, which must be the one sentence of its step."""
    assert not job.green, job.log
    lines = job.log.splitlines()
    assert lines[-1].startswith("release: "), job.log
    return lines[-1]


def test_first_release_and_its_re_run(world: World) -> None:
    """A re-run of a finished run changes nothing."""
    commit = world.push("feat: a")
    first = world.run(Job(commit))
    assert first.green, first.log
    assert first.outputs == {"version": "0.1.0", "name": "handler-base", "notes": '["New: a"]'}
    files, tags = world.registry.files(), world.tags()
    assert tags == {"v0.1.0": commit}
    again = world.run(Job(commit))
    assert again.green, again.log
    assert again.outputs == first.outputs
    assert (world.registry.files(), world.tags()) == (files, tags)
    assert "Uploading" not in again.log
    assert world.defects([commit]) == []


def test_nothing_to_release_is_green(world: World) -> None:
    """Every later step says so."""
    job = world.run(Job(world.push("docs: a")))
    assert job.green, job.log
    assert job.log.count(": nothing to release: no major:, feat: or fix:") == 2  # test's and publish's
    assert job.log.count("release: nothing to release.") == 3  # tag, upload, page
    assert "built handler_base-0.0.0.tar.gz" in job.log
    assert job.outputs == {}
    assert world.tags() == {}
    assert world.registry.files() == {}


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_at_once_of_one_commit(world: World, count: int) -> None:
    """Gitea really starts them side by side: all green, one version."""
    commit = world.push("feat: a")
    jobs = at_once(world, [commit] * count)
    assert [job.green for job in jobs] == [True] * count, "\n".join(job.log for job in jobs)
    assert world.tags() == {"v0.1.0": commit}
    assert {job.outputs["version"] for job in jobs} == {"0.1.0"}
    assert world.defects([commit]) == []


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_at_once_of_different_commits(world: World, count: int) -> None:
    """Whoever lost says so in one sentence; run again, no commit is left out and no version has two."""
    commits = [world.push("feat: a", **{"handler_base/__init__.py": f"N = {n}\n"}) for n in range(count)]
    jobs = at_once(world, commits)
    assert any(job.green for job in jobs), "\n".join(job.log for job in jobs)
    for job in jobs:
        if not job.green:
            assert ALL in sentence(job)
            again = world.run(Job(job.commit))
            assert again.green, again.log
    assert world.defects(commits) == []


def at_once(world: World, commits: list[str]) -> list[Job]:
    """Run jobs whose checkouts were made before any of them began."""
    jobs = [Job(commit) for commit in commits]
    threads = [threading.Thread(target=world.run, args=(job, world.checkout(job.commit))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return jobs


@pytest.mark.slow
@pytest.mark.parametrize("step", [pytest.param("preflight", marks=pytest.mark.slow), "tag"])
def test_lost_race_says_to_run_all_jobs_again(world: World, step: str) -> None:
    """The tag that came first stays, publish alone cannot be healed, and all jobs build the next version."""
    first = world.push("feat: a")
    second = world.push("fix: b", **{"handler_base/__init__.py": "N = 2\n"})
    faster = Job(first)
    job = world.run(Job(second), before=lambda name: name == step and world.run(faster))
    assert faster.green, faster.log
    assert ALL in sentence(job)
    assert ("another run has taken v0.1.0" if step == "tag" else "and is now 0.1.1") in sentence(job)
    alone = world.run(Job(second), alone=job)
    assert "was built as version 0.1.0, and is now 0.1.1" in sentence(alone)
    assert ALL in sentence(alone)
    assert world.tags() == {"v0.1.0": first}
    again = world.run(Job(second))
    assert again.green, again.log
    assert world.tags() == {"v0.1.0": first, "v0.1.1": second}
    assert again.outputs["version"] == "0.1.1"
    assert world.defects([first, second]) == []


@pytest.mark.slow
def test_lost_race_to_a_newer_commit_releases_nothing(world: World) -> None:
    """The newer release holds this commit: publish alone, run again, is green."""
    first, second = world.push("feat: a"), world.push("docs: b")
    faster = Job(second)
    job = world.run(Job(first), before=lambda step: step == "tag" and world.run(faster))
    assert faster.green, faster.log
    assert ALL in sentence(job)
    alone = world.run(Job(first), alone=job)
    assert alone.green, alone.log
    assert alone.outputs == {}
    assert world.tags() == {"v0.1.0": second}
    assert world.defects([first]) == []


@pytest.mark.slow
def test_publish_alone_finishes_what_it_began(world: World) -> None:
    """After the tag the red job alone is run again, with the files that were built then."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "kill:before:upload"))
    assert world.tags() == {"v0.1.0": commit}
    assert world.registry.files() == {}
    alone = world.run(Job(commit), alone=job)
    assert alone.green, alone.log
    assert alone.outputs == {"version": "0.1.0", "name": "handler-base", "notes": '["New: a"]'}
    assert world.defects([commit]) == []


@pytest.mark.slow
def test_files_that_are_gone_are_built_again(world: World) -> None:
    """Gitea keeps them for some days; all jobs then give the same bytes."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "kill:before:upload"))
    job.artifact = None
    alone = world.run(Job(commit), alone=job)
    assert "no files came from the test job; Gitea keeps them 30 days" in sentence(alone)
    assert ALL in sentence(alone)
    assert world.run(Job(commit)).green
    assert world.defects([commit]) == []


@pytest.mark.slow
def test_red_run_of_an_older_commit_is_run_again(world: World) -> None:
    """A newer release holds the commit, though its checkout does not show it."""
    first = world.push("feat: a")
    assert not world.run(Job(first, "password")).green
    second = world.push("fix: b", **{"handler_base/__init__.py": "N = 2\n"})
    assert world.run(Job(second)).green
    again = world.run(Job(first))
    assert again.green, again.log
    assert again.outputs == {}
    assert world.tags() == {"v0.1.0": second}
    assert world.defects([first, second]) == []


@pytest.mark.slow
def test_refused_tag_is_told_from_a_lost_race(world: World) -> None:
    """The sentence names the setting; nothing was uploaded; without the rule a re-run heals."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "refused"))
    assert "Gitea protects the tag v0.1.0" in sentence(job)
    assert "Settings → Tags" in sentence(job)
    assert "another run" not in job.log
    assert world.tags() == {}
    assert world.registry.files() == {}
    assert world.run(Job(commit)).green
    assert world.defects([commit]) == []


def test_push_whose_answer_was_lost(world: World) -> None:
    """The tag is there and on this commit: go on."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "lost:push"))
    assert job.green, job.log
    assert world.tags() == {"v0.1.0": commit}
    assert world.defects([commit]) == []


@pytest.mark.slow
def test_push_that_failed_in_passing(world: World) -> None:
    """Nobody is blamed for a server's bad minute; nothing is uploaded, and a re-run heals."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "failed:push"))
    assert "origin refused v0.1.0, see above: run this job again" in sentence(job)
    assert "HTTP 502" in job.log
    assert world.registry.files() == {}
    assert world.run(Job(commit)).green
    assert world.defects([commit]) == []


def test_origin_that_does_not_answer(world: World) -> None:
    """It is said, and nothing is uploaded."""
    path = world.checkout(world.push("feat: a"))
    assert "origin does not answer" in sentence(world.run(Job(""), path, GITHUB_SERVER_URL="file:///nowhere"))
    assert world.registry.files() == {}


@pytest.mark.parametrize(
    "fault", ["dropped:2", *(pytest.param(f"unanswered:{n}", marks=pytest.mark.slow) for n in (1, 2))]
)
def test_upload_is_mended_by_the_job_itself(world: World, fault: str) -> None:
    """One lost file or answer is no reason to be red: the index is asked and what is missing sent again."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, fault))
    assert job.hit
    assert job.green, job.log
    assert world.defects([commit]) == []


@pytest.mark.slow
def test_registry_goes_down_after_the_tag(world: World) -> None:
    """Red with one sentence; the next run names the version, the re-run fills it."""
    commit = world.push("feat: a")
    job = world.run(Job(commit, "down:2"))
    assert "run this job again" in sentence(job)
    assert world.tags() == {"v0.1.0": commit}
    later = world.push("docs: b")
    after = world.run(Job(later))
    assert after.green
    assert after.outputs == {"unfinished": "0.1.0"}
    assert "files missing: v0.1.0. Unless deleted, run the jobs of the tag's commit again" in after.log
    assert world.run(Job(commit)).green
    assert world.run(Job(later)).outputs == {}
    assert world.defects([commit]) == []


def test_other_bytes_in_the_registry_stop_the_job(world: World) -> None:
    """Nothing is added to a version that somebody else began."""
    commit = world.push("feat: a")
    (world.registry.packages / "handler_base-0.1.0.tar.gz").write_bytes(b"another")
    job = world.run(Job(commit))
    assert "the registry has handler_base-0.1.0.tar.gz already, and there is no tag v0.1.0" in sentence(job)
    assert "push the tag v0.1.0 to the commit that it was built from, or delete 0.1.0 in Gitea" in sentence(job)
    assert world.tags() == {}
    assert set(world.registry.files()) == {"handler_base-0.1.0.tar.gz"}
    world.work.git("push", "-q", "origin", f"{commit}:refs/tags/v0.1.0")
    job = world.run(Job(commit))
    assert "another handler_base-0.1.0.tar.gz" in sentence(job)
    assert "if both files of 0.1.0 are there, leave it; else delete it in Gitea" in sentence(job)


def test_whole_publish_with_nothing_left_out(whole_world: World) -> None:
    """The real build and the real smoke test too, in the environment of the setup action."""
    subprocess.run(["uv", "lock", "-q"], cwd=whole_world.work.path, env=whole_world.environment, check=True)
    commit = whole_world.push("feat: a")
    path = whole_world.checkout(commit)
    words = ["uv", "sync", "-q", "--frozen", "--extra", "dev"]
    subprocess.run(words, cwd=path, env=whole_world.environment, check=True)
    job = whole_world.run(Job(commit), path)
    assert job.green, job.log
    assert "1 passed" in job.log
    assert len(whole_world.registry.files()) == 2


def test_credentials_stay_where_they_are_needed(world: World, tmp_path: Path) -> None:
    """Nothing that is started has one in its environment; none is on a command line, in a log or in git's settings."""
    log, tools = tmp_path / "calls", tmp_path / "noted"
    tools.mkdir()
    real = {
        name: subprocess.run(["which", name], env=world.environment, capture_output=True, text=True, check=True).stdout
        for name in ("git", "uv")
    }
    for place, program in {tools / name: path.strip() for name, path in real.items()}.items():
        text = NOTE.format(python=os.path.realpath(sys.executable), log=str(log), real=program)
        place.write_text(text)
        place.chmod(0o755)
    commit = world.push("feat: a")
    path = world.checkout(commit)
    world.environment = {**world.environment, "PATH": f"{tools}{os.pathsep}{world.environment['PATH']}"}
    job = world.run(Job(commit), path)
    assert job.green, job.log

    logins = (f"{USER}:{TOKEN}", f"x-access-token:{JOB_TOKEN}")
    secrets = (TOKEN, JOB_TOKEN, *map(encoded, logins))
    assert not [secret for secret in secrets if secret in job.log]
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(calls) > 20
    holders = set()
    for words, variables in calls:
        assert not [secret for secret in secrets if secret in " ".join(words)], words
        if any(secret in value for secret in secrets for value in variables.values()):
            holders.add(" ".join([Path(words[0]).name, *words[1:3]]))
    assert holders == set()
    talks = [variables for words, variables in calls if {"push", "fetch"} & set(words)]
    assert len(talks) >= 2
    # A server that takes the connection and answers nothing ends git, not the job's hours.
    assert {(talk["GIT_HTTP_LOW_SPEED_LIMIT"], talk["GIT_HTTP_LOW_SPEED_TIME"]) for talk in talks} == {("1", "60")}
    config = (path / ".git/config").read_text()
    assert not [secret for secret in secrets if secret in config]


def encoded(login: str) -> str:
    """Returns a login as a header holds it."""
    return base64.b64encode(login.encode()).decode()


def test_job_token_goes_to_origin_when_it_asks(world: World, tmp_path: Path) -> None:
    """Only the push and the fetch carry it, and only to origin; no helper of the runner's is told it."""
    asked: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Note who asks, and refuse."""
            login = self.headers.get("Authorization")
            asked.append((self.path, login))
            self.send_response(403 if login else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="Gitea"')
            self.end_headers()

    path = world.checkout(world.push("feat: a"))
    told = tmp_path / "told"
    subprocess.run(["git", "config", "credential.helper", f"!tee -a {told};"], cwd=path, check=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as origin:
        thread = threading.Thread(target=origin.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        job = world.run(Job(""), path, GITHUB_SERVER_URL=f"http://127.0.0.1:{origin.server_port}")
        origin.shutdown()
        thread.join()
    login = encoded(f"x-access-token:{JOB_TOKEN}")
    asks = "/acme/handler-base/info/refs?service=git-upload-pack"
    assert asked == [(asks, None), (asks, f"Basic {login}")]
    assert not told.exists()
    assert login not in job.log
    assert login not in (path / ".git/config").read_text()
    assert JOB_TOKEN not in job.log
    assert "origin does not answer" in sentence(job)


def test_git_settings_of_others_are_left_out(world: World, tmp_path: Path) -> None:
    """No hook runs beside the job's token, and the runner, not .git/config, says where origin is."""
    commit = world.push("feat: a")
    path = world.checkout(commit)
    hooks, elsewhere = tmp_path / "hooks", tmp_path / "elsewhere.git"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
        (hooks / name).chmod(0o755)
    monitor = f"touch '{tmp_path}/ran'; false"
    subprocess.run(["git", "init", "-q", "--bare", str(elsewhere)], env=world.environment, check=True)
    for key, value in (
        ("core.hooksPath", str(hooks)),
        ("core.fsmonitor", monitor),
        ("core.autocrlf", "true"),
        ("log.showSignature", "true"),
        ("remote.origin.url", str(elsewhere)),
        ("remote.origin.pushurl", str(elsewhere)),
    ):
        subprocess.run(["git", "config", key, value], cwd=path, env=world.environment, check=True)
    assert world.run(Job(commit), path).green
    assert world.tags() == {"v0.1.0": commit}
    assert world.defects([commit]) == []
    assert not (tmp_path / "ran").exists()
    assert not list((elsewhere / "refs").rglob("v*"))


@pytest.mark.parametrize("server", ["https://git.test", "https://git.test/"])
def test_origin_is_where_the_runner_says(server: str) -> None:
    """With or without a slash at the end of the server's address."""
    code = "import sys, drive; print(drive.load(sys.argv[1]).ORIGIN)"
    env = {"GITHUB_SERVER_URL": server, "GITHUB_REPOSITORY": "acme/one", "PYTHONPATH": str(DRIVE.parent)}
    words = [sys.executable, "-c", code, str(SHIPPED / "release.py")]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "https://git.test/acme/one\n"


def test_secrets_leave_the_environment_at_once(tmp_path: Path) -> None:
    """Whatever is started later inherits none."""
    names = ("REGISTRY_USER", "REGISTRY_TOKEN", "JOB_TOKEN")
    code = "import sys, os, drive; drive.load(sys.argv[1]); print(sorted(os.environ))"
    env = dict.fromkeys(names, "x") | {"KEPT": "x", "PYTHONPATH": str(DRIVE.parent)}
    words = [sys.executable, "-c", code, str(SHIPPED / "release.py")]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert "KEPT" in done.stdout
    assert not re.findall("|".join(names), done.stdout)
