"""What the workflow promises, as a person on a Gitea sees it. Each function raises AssertionError where it does not."""

import hashlib
import itertools
import re
import time
from typing import Any

from .daemon import wait_for
from .gitea import Repo, Run, Runner, run

FOUR_GREEN = dict.fromkeys(("lint", "test", "publish", "notify"), "success")


def names(repo: Repo, version: str) -> set[str]:
    """The two files of a version."""
    module = repo.name.replace("-", "_")
    return {f"{module}-{version}-py3-none-any.whl", f"{module}-{version}.tar.gz"}


def told(repo: Repo, done: Run) -> dict[str, Any]:
    """The last message about a run: found by its link, which has to lead a person to that very run."""
    path = f"/{repo.path}/actions/runs/{done.number}?by_index=1"
    link = f"{repo.server.url}{path}"
    messages = [message for message in repo.live.ntfy.to(repo.owner.name) if message["click"] == link]
    assert messages, repo.live.ntfy.to(repo.owner.name)
    assert re.search(rf'data-run-(id="{done.id}"|index="{done.number}")', repo.server.page(path))
    return messages[-1]


def text(message: dict[str, Any]) -> str:
    """All of a message that a person reads."""
    return f"{message.get('title', '')}\n{message['message']}"


def tail(repo: Repo, done: Run, job: str = "publish") -> str:
    """The last lines that the job's own steps printed (checkout tidies up after them)."""
    own = re.split(r"\n.*Run Post ", repo.log(done, job))[0]
    return "\n".join(own.splitlines()[-12:])


def why(repo: Repo, done: Run) -> str:
    """The last lines of each job that failed."""
    return "\n\n".join(f"{job}: …\n{tail(repo, done, job)}" for job, end in done.jobs.items() if end == "failure")


def released(repo: Repo, done: Run, version: str) -> None:
    """The run is green, and its commit is this version: a tag, two files with their sha256, a message, a link."""
    assert done.jobs == FOUR_GREEN, why(repo, done)
    assert repo.tags()[f"v{version}"] == done.head
    complete(repo, version)
    if repo.server.links_packages():
        package = repo.server.api("GET", f"packages/{repo.owner.name}/pypi/{repo.name}/{version}")
        assert package["repository"], tail(repo, done)
        assert package["repository"]["full_name"] == repo.path
    page(repo, version)
    message = told(repo, done)
    assert version in text(message)
    assert repo.owner.index_url in text(message)
    assert message.get("priority", 3) <= 3


def page(repo: Repo, version: str) -> str:
    """The release of the tag says what is in it, how it is installed, and which bytes it has. Returns its HTML."""
    made = repo.server.api("GET", f"repos/{repo.path}/releases/tags/v{version}")
    assert (made["name"], made["draft"], made["prerelease"]) == (f"v{version}", False, False)
    assert f"uv add {repo.name}=={version} --index gitea={repo.owner.index_url}" in made["body"]
    listed = repo.owner.files(repo.name)
    for name in names(repo, version):
        assert f"{listed[name]}  {name}" in made["body"]
    made = [release["tag_name"] for release in repo.server.api("GET", f"repos/{repo.path}/releases")]
    assert len(made) == len(set(made) & repo.tags().keys())
    return repo.server.page(f"/{repo.path}/releases/tag/v{version}")


def complete(repo: Repo, version: str) -> None:
    """The index lists both files of a version, and what is downloaded has the sha256 that it lists."""
    listed = repo.owner.files(repo.name)
    assert names(repo, version) <= listed.keys()
    for name in names(repo, version):
        file = repo.server.http.get(f"/api/packages/{repo.owner.name}/pypi/files/{repo.name}/{version}/{name}")
        assert hashlib.sha256(file.content).hexdigest() == listed[name]


def unreleased(repo: Repo, done: Run, tags: dict[str, str], files: dict[str, str]) -> None:
    """The run took no version, uploaded nothing, and its message claims none."""
    assert repo.tags() == tags
    assert repo.owner.files(repo.name) == files
    message = text(told(repo, done))
    assert "${{" not in message
    assert "uv add" not in message


def first_release(repo: Repo) -> Run:
    """The push of a new package: all four jobs, version 0.1.0."""
    done = repo.release("feat: first version")
    released(repo, done, "0.1.0")
    return done


def red_gate(repo: Repo, job: str) -> Run:
    """A push that lint or test refuses: nothing is published, and the message says which job and nothing else."""
    done = repo.release("feat: first version")
    other = {"lint": "test", "test": "lint"}[job]
    assert done.jobs == {job: "failure", other: "success", "publish": "skipped", "notify": "success"}
    unreleased(repo, done, {}, {})
    message = told(repo, done)
    assert message["priority"] > 3
    assert re.search(rf"{job}\W+failure", text(message))
    return done


def five_pushes(repo: Repo) -> None:
    """Five pushes a second apart: no run fails, each commit is in exactly one release, all releases are whole."""
    heads = []
    for number in range(5):
        repo.commit(f"fix: change {number}", **{"CHANGES.md": f"change {number}\n"})
        heads.append(repo.push())
        time.sleep(1)  # the scenario itself, not a wait

    def over() -> bool:
        runs = repo.runs()
        return any(found["head_sha"] == heads[-1] for found in runs) and all(
            found["status"] == "completed" for found in runs
        )

    wait_for(f"the end of all runs in {repo.path}", over, 240, 0.5)
    runs = repo.runs()
    assert {found["conclusion"] for found in runs} <= {"success", "cancelled"}
    tags = repo.tags()
    assert heads[-1] in tags.values()
    versions = sorted(tags, key=lambda tag: [int(part) for part in tag[1:].split(".")])
    assert versions == [f"v0.0.{number}" for number in range(1, len(versions) + 1)]
    repo.git("fetch", "-q", "--tags", "origin")
    releases = [
        set(repo.git("rev-list", tag, *([f"^{before}"] if before else [])).split())
        for before, tag in itertools.pairwise(["", *versions])
    ]
    assert [sum(head in release for release in releases) for head in heads] == [1] * 5
    if not repo.server.queues_runs():  # a newer push cancels what runs, also after its tag
        heal_cut_off(repo, [version[1:] for version in versions])
    for version in versions:
        complete(repo, version[1:])


def heal_cut_off(repo: Repo, versions: list[str]) -> list[str]:
    """Run the publish job of each version again that was cut off; give these versions, which a message has to name."""
    cut = [version for version in versions if not names(repo, version) <= repo.owner.files(repo.name).keys()]
    for version in cut:
        commit = repo.tags()[f"v{version}"]
        ended = [repo.wait_end(found["id"]) for found in repo.runs() if found["head_sha"] == commit]
        assert "cancelled" in [run.conclusion for run in ended]
        assert any(version in text(message) for message in repo.live.ntfy.to(repo.owner.name)), version
        healed = repo.again(ended[0], "publish")
        assert healed.jobs["publish"] == "success", tail(repo, healed)
        complete(repo, version)
    return cut


def overtaken(repo: Repo) -> None:
    """Two more pushes while the first run is between tag and upload.

    From Gitea 1.26 on they wait: the first run ends whole, the third takes over what the second would have released.
    Before, each push cancels the run before it, also between tag and upload, and its notify job too. What is promised
    there: the last push is released whole, its message names every version that was cut off, and their jobs heal them.
    """
    with repo.tag_held():
        repo.commit("feat: one")
        first = repo.push()
        wait_for("the first tag", lambda: "v0.1.0" in repo.tags(), 300)
        repo.commit("fix: two")
        second = repo.push()
        if not repo.server.queues_runs():
            wait_for("the second tag", lambda: "v0.1.1" in repo.tags(), 300)
        wait_for("the second run", lambda: repo.started(second, "push"))
        repo.commit("fix: three")
        third = repo.push()
        last = wait_for("the third run", lambda: repo.started(third, "push"))
        if not repo.server.queues_runs():
            wait_for("the third tag", lambda: "v0.1.2" in repo.tags(), 300)
    done = repo.wait_end(last["id"])
    if repo.server.queues_runs():
        released(repo, repo.wait_run(first), "0.1.0")
        released(repo, done, "0.1.1")
        assert repo.wait_run(second).conclusion == "cancelled"
        assert len(repo.tags()) == 2
        return
    released(repo, done, "0.1.2")
    message = text(told(repo, done))
    assert [version for version in ("0.1.0", "0.1.1") if version not in message] == [], message
    assert heal_cut_off(repo, ["0.1.0", "0.1.1", "0.1.2"]) == ["0.1.0", "0.1.1"]


def cut_off(repo: Repo, runner: Runner) -> None:
    """The runner is killed between tag and upload, somebody pushes, the job is run again: two whole releases.

    The server holds the answer to the push of the tag, so the job is in no other place when it dies.
    """
    with repo.tag_held():
        repo.commit("feat: first version")
        first = repo.push()
        wait_for("the tag", lambda: "v0.1.0" in repo.tags(), 120)
        assert repo.owner.files(repo.name) == {}, "files were uploaded before the tag was there"
        runner.kill()
    assert repo.tags() == {"v0.1.0": first}
    repo.commit("fix: pushed in between")
    second = repo.push()
    runner.start()
    cut = wait_for("the first run", lambda: repo.started(first, "push"))["id"]

    def given_up() -> bool:
        repo.server.api("POST", "admin/cron/stop_zombie_tasks")
        return repo.run_now(cut)["status"] == "completed"

    wait_for("Gitea to give up on the killed job", given_up, 90, 1)
    before = repo.wait_end(cut)
    assert before.jobs["publish"] in ("failure", "cancelled")
    between = repo.wait_run(second)
    released(repo, between, "0.1.1")
    assert not names(repo, "0.1.0") & repo.owner.files(repo.name).keys()
    assert "0.1.0" in text(told(repo, between))
    after = repo.again(before, "publish")
    assert after.jobs["publish"] == after.jobs["notify"] == "success"
    complete(repo, "0.1.0")
    complete(repo, "0.1.1")
    assert "0.1.0" in text(told(repo, after))


def installs(repo: Repo, version: str, **credentials: str) -> None:
    """What the package's README tells users to do does install this version, by uv and by pip."""
    readme = (repo.folder / "README.md").read_text()
    module = repo.name.replace("-", "_")
    says = ["python", "-c", f"import {module}, importlib.metadata as m; print(m.version('{repo.name}'))"]
    env = repo.env | credentials
    project = repo.folder.with_name(f"{repo.name}-user")
    run(["uv", "init", "--bare", "--no-workspace", str(project)], repo.folder.parent, env)
    (command,) = re.findall(r"(?m)^uv add \S+ --index gitea=.*$", readme)
    run(command.split(), project, env)
    assert run(["uv", "run", *says], project, env).strip() == version

    run(["uv", "venv", "--quiet", "--seed", str(project / "pip")], project, env)
    (command,) = re.findall(r"^pip install .*$", readme, re.MULTILINE)
    env["PATH"] = f"{project / 'pip' / 'bin'}:{env['PATH']}"
    run(command.split(), project, env)
    assert run(says, project, env).strip() == version
