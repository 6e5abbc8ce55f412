"""The update workflow under act: what it makes of a newer version, and of everything that can be in its way."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from act_runner import write_program
from gitea_api import BAD, BOT, JOB, READER, Gitea, shapes_of
from scene import BRANCH, HOSTILE, NEW, REPOSITORY, TEMPLATE, Scene

# Both jobs; the first alone, where there is nothing to open; and what fails in the first and in the second.
GREEN, NOTHING = {"update": "success", "open": "success"}, {"update": "success"}
RED, UNOPENED = {"update": "failure"}, {"update": "success", "open": "failure"}


def last_words(log: str) -> str:
    """The last line that a step of the workflow's own printed."""
    return [line for line in log.splitlines() if line.startswith(("update: ", "template_update: "))][-1]


def test_a_newer_version_becomes_a_pull_request(scene: Scene) -> None:
    """With no secret at all, and from a runner that reaches Gitea inside the cluster alone."""
    scene.gitea.close_outside()
    main = scene.heads["main"]
    run = scene.run()
    assert run.jobs == GREEN, run
    assert set(scene.heads) == {"main", BRANCH}
    assert scene.heads["main"] == main
    (pull,) = scene.pulls
    assert pull["title"] == f"chore: template {NEW}"
    assert (pull["head"]["ref"], pull["base"]["ref"], pull["draft"]) == (BRANCH, "main", False)
    # What changes is told: the template's commits, the files and values here, what was run.
    for text in ("feat: compile every module in the lint job", HOSTILE, "feat: check for likely bugs (ruff B)"):
        assert text in pull["body"]
    assert "feat: the first version" not in pull["body"]
    for text in (".gitea/workflows/ci.yaml", "tool.ruff.lint.select", "uv run --no-sync pytest -v: passed"):
        assert text in pull["body"]
    assert "starts no CI" in pull["body"]
    # Nothing in a subject does anything: not in Gitea's text, not in the runner's log.
    fence = pull["body"].split("- feat: compile")[0].rsplit("text\n", 1)[0].split("\n")[-1]
    assert fence.strip("`") == ""
    assert len(fence) > 4, "the fence ends at the subject's own"
    assert ("set-output", "version", "9.9.9") not in run.commands
    assert not [command for command in run.commands if command[0] == "error"]
    assert "name: Compile" in scene.show(".gitea/workflows/ci.yaml")
    assert f"_commit: {NEW}\n" in scene.show(".copier-answers.yml")
    # A second run leaves everything as it is.
    before = (scene.heads, [dict(pull) for pull in scene.pulls])
    again = scene.run()
    assert again.jobs == GREEN, again
    assert f"pull request #11 (open) already has {NEW}" in again.log()
    assert (scene.heads, scene.pulls) == before


WITNESS = """\
import json, os
from pathlib import Path

with Path({note!r}).open("a") as note:
    note.write(json.dumps(["{who}", dict(os.environ)]) + "\\n")
"""


@pytest.mark.slow
def test_a_bot_replaces_older_pull_requests_and_its_token_is_nowhere(scene: Scene, tmp_path: Path) -> None:
    """Older ones of the template's are closed, others are not; and no program but git's own ever has a token."""
    note = tmp_path / "note"
    witness = WITNESS.format(note=str(note), who="{who}")
    scene.package.write("tests/test_env.py", witness.format(who="tests") + "\n\ndef test_it() -> None:\n    pass\n")
    scene.package.do("uvx", "ruff@0.17.6", "format", "--quiet", "tests")
    scene.package.do("uvx", "ruff@0.17.6", "check", "--quiet", "--fix", "--ignore", "E401", "tests")
    scene.package.write(".gitignore", scene.package.read(".gitignore") + ".*\n")
    scene.template.write("template/.gitea/more.txt", "")
    for branch in ("feature", "template/my-idea", "template/v1.0.5"):
        scene.package.git("push", "--quiet", "origin", f"{scene.push('docs: more')}:refs/heads/{branch}")
        scene.gitea._open(
            scene.repository, None, None, {"head": branch, "base": "main", "title": branch, "body": "Old."}
        )
    scene.template.write("apply/run.py", witness.format(who="tasks") + scene.template.read("apply/run.py"))
    scene.template.tag("1.2.0", "fix: a task that looks around")
    scene.publish()
    arguments = tmp_path / "arguments"
    git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    write_program(scene.runner.tools / "git", f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{arguments}"\nexec "{git}" "$@"\n')

    run = scene.bot()
    assert run.jobs == GREEN, run
    *others, older, newest = scene.pulls
    assert [pull["state"] for pull in others] == ["open", "open"]
    assert (older["state"], older["body"]) == ("closed", "Replaced by #14.\n\nOld.")
    assert (newest["number"], newest["head"]["ref"], newest["state"]) == (14, "template/v1.2.0", "open")
    assert scene.show(".gitea/more.txt", "template/v1.2.0") == "", "a file of the template's that .gitignore names"
    assert newest["title"] == "chore: template v1.2.0", newest["body"]
    assert "CI runs on it" in newest["body"]
    changes = [token for name, repository, token in scene.gitea.calls if name in ("open", "edit")]
    assert set(changes) == {BOT}
    assert len(changes) == 2

    tokens = [shape for token in (BOT, JOB) for shape in shapes_of(token)]
    seen = dict(json.loads(line) for line in note.read_text().splitlines())
    assert set(seen) == {"tests", "tasks"}
    texts = {who: json.dumps(env) for who, env in seen.items()}
    texts |= {"arguments": arguments.read_text(), "body": newest["body"], "log": run.output.replace("***", "")}
    for folder in (scene.runner.folder, scene.package.path, scene.gitea.folder / "git"):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 2_000_000:
                texts[str(file)] = file.read_text(errors="replace")
    assert "clone" in texts["arguments"]
    assert [(where, token) for where, text in texts.items() for token in tokens if token in text] == []


@pytest.mark.slow
def test_modules_of_the_package_are_none_of_copier_s(scene: Scene) -> None:
    """A module in the package's folder with the name of one that Copier imports is not taken for it."""
    for name in ("yaml.py", "queue.py", "types.py"):
        scene.package.write(name, "raise SystemExit('the package ran')\n")
    scene.push("chore: modules with names of others")
    run = scene.bot()
    assert run.jobs == GREEN, run


def test_nothing_newer(scene: Scene) -> None:
    """A commit behind the newest version is on main: green, and Gitea is not even asked."""
    scene.package.edit(".copier-answers.yml", "_commit: v1.0.0\n", "_commit: v1.0.0-3-g0123abc\n")
    scene.push("chore: a trial of the template")
    scene.template.write("rollout/prepare.py", 'raise SystemExit("A version that is not released has run.")\n')
    scene.template.tag("2.0.0-rc1", "feat: try this")
    scene.template.git("tag", "3.0.0")  # no version: it has no v
    scene.publish()
    scene.template.git("--git-dir", scene.gitea.bare(TEMPLATE), "tag", "--delete", NEW)
    run = scene.run()
    assert run.jobs == NOTHING, run
    assert "no newer version" in last_words(run.log())
    assert (set(scene.heads), scene.pulls, scene.gitea.calls) == ({"main"}, [], [])


def test_a_template_at_a_local_path(scene: Scene) -> None:
    """A trial's template is on no other machine: green, with a notice."""
    address = f"git+{scene.gitea.outside}/{TEMPLATE}.git"
    scene.package.edit(".copier-answers.yml", address, str(scene.template.path))
    scene.push("chore: a trial")
    run = scene.run()
    assert run.jobs == NOTHING, run
    assert any(name == "notice" and "local path" in text for name, _, text in run.commands), run.commands
    assert (set(scene.heads), scene.pulls) == ({"main"}, [])


@pytest.mark.slow
def test_a_template_at_an_address_for_ssh(scene: Scene) -> None:
    """No runner has a key: it is read over HTTP, with the token that may."""
    scene.gitea.known[TEMPLATE].private = True
    address = f"git+{scene.gitea.outside}/{TEMPLATE}.git"
    scene.package.edit(".copier-answers.yml", address, f"git@{urlsplit(scene.gitea.outside).hostname}:{TEMPLATE}.git")
    scene.push("chore: by ssh")
    run = scene.run(read=READER)
    assert run.jobs == GREEN, run
    assert [pull["title"] for pull in scene.pulls] == [f"chore: template {NEW}"]


def test_a_template_that_cannot_be_found(scene: Scene) -> None:
    """Red, with what to do: an address that Copier alone can read, and no answers."""
    address = f"git+{scene.gitea.outside}/{TEMPLATE}.git"
    scene.package.edit(".copier-answers.yml", address, f"gh:{TEMPLATE}")
    scene.push("chore: short")
    run = scene.bot()
    assert run.jobs == RED, run
    assert "make _src_path in .copier-answers.yml one of git+https" in last_words(run.log())
    scene.package.git("rm", "--quiet", ".copier-answers.yml")
    scene.push("chore: tidy")
    run = scene.bot()
    assert run.jobs == RED, run
    assert ".copier-answers.yml is not there, or lacks _src_path: restore it" in last_words(run.log())


@pytest.mark.slow
def test_an_unmerged_file_makes_a_draft(scene: Scene) -> None:
    """A version that lets Copier merge a file of the user's: both sides are there, and the title says WIP."""
    scene.package.write("tests/test_smoke.py", scene.package.read("tests/test_smoke.py") + "# mine\n")
    scene.package.edit("README.md", "## Work on it", "## How we work")
    scene.push("docs: ours")
    scene.template.edit("template/README.md.jinja", "## Work on it", "## Working on it")
    scene.template.edit("copier.yml", "  - __pycache__\n", '  - __pycache__\n  - "!README.md"\n')
    scene.template.tag("1.2.0", "feat: merge all")
    scene.publish()
    run = scene.bot()
    assert run.jobs == GREEN, run
    (pull,) = scene.pulls
    assert pull["title"] == "WIP: chore: template v1.2.0"
    assert pull["draft"]
    assert "README.md" in pull["body"].split("###")[0]
    assert "(git diff origin/main origin/template/v1.2.0 -- tests/test_smoke.py)" in pull["body"]
    assert "## How we work" in scene.show("README.md", "template/v1.2.0")


def test_red_lint_and_tests_make_a_draft(scene: Scene) -> None:
    """The reason is in the text, with the end of what failed."""
    scene.package.write("handler_base/more.py", '"""More."""\n\n\ndef f(x: list = []) -> list:\n    return x\n')
    test = 'from pathlib import Path\n\n\ndef test_ci() -> None:\n    assert "Compile" not in Path("{0}").read_text()\n'
    scene.package.write("tests/test_ci.py", test.format(".gitea/workflows/ci.yaml"))
    scene.push("feat: more")
    run = scene.bot()
    assert run.jobs == GREEN, run
    (pull,) = scene.pulls
    assert pull["title"] == f"WIP: chore: template {NEW}"
    reasons = pull["body"].split("###")[0]
    assert "uv run --no-sync ruff check fails" in reasons
    assert "uv run --no-sync pytest -v fails" in reasons
    assert "ruff format" not in reasons
    assert "B006" in pull["body"]
    assert "1 failed" in pull["body"]
    assert "uv run --no-sync ruff format --check: passed" in pull["body"]


@pytest.mark.slow
def test_a_branch_of_a_persons_is_left(scene: Scene) -> None:
    """Somebody's commit on the branch, and no pull request: not lost, even if it came while this ran."""
    commit = scene.package.commit("fix: by hand")
    scene.package.git("reset", "--quiet", "--hard", "HEAD~1")

    asked: list[str] = []

    def meanwhile(name: str, _: str) -> None:
        if name == "pull" and not (asked.append(name) or len(asked) != 2):
            scene.package.git("push", "--quiet", "origin", f"{commit}:refs/heads/{BRANCH}")

    scene.gitea.stop = meanwhile
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert f"has just pushed {BRANCH}" in last_words(run.log())
    assert (scene.heads[BRANCH], scene.pulls) == (commit, [])
    scene.gitea.stop = lambda *_: None
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert "person@example.com" in last_words(run.log())
    assert (scene.heads[BRANCH], scene.pulls) == (commit, [])


def test_a_closed_pull_request_is_a_no(scene: Scene) -> None:
    """A version that somebody declined is not offered again."""
    scene.package.git("push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}")
    scene.gitea._open(scene.repository, None, None, {"head": BRANCH, "base": "main", "title": "x"})
    scene.pulls[0]["state"] = "closed"
    before = scene.heads
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert f"#11 (closed) already has {NEW}" in last_words(run.log())
    assert (scene.heads, len(scene.pulls)) == (before, 1)


@pytest.mark.slow
def test_the_newest_that_is_open_closes_older_ones(scene: Scene) -> None:
    """What a run that was cut off had left to do; on any page, and of this repository and branch alone."""

    def pull(number: int, branch: str, repository: str = REPOSITORY, base: str = "main") -> dict[str, Any]:
        head = {"ref": branch, "repo": {"full_name": repository} if repository else None}
        return {"number": number, "state": "open", "body": "", "head": head, "base": {"ref": base}}

    scene.pulls[:] = [
        pull(1, "template/v1.0.5"),
        *(pull(number, "feature") for number in range(2, 61)),
        pull(61, "template/v1.0.5", "person/handler-base"),
        pull(62, "template/v1.0.5", ""),
        pull(63, "template/v1.0.5", base="stable"),
        pull(64, "template/v1.0.6", "Acme/Handler-Base"),
        pull(65, BRANCH),
    ]
    scene.package.git("push", "--quiet", "origin", f"{scene.package.commit('fix: by hand')}:refs/heads/{BRANCH}")
    scene.package.git("reset", "--quiet", "--hard", "HEAD~1")
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert {pull["number"]: pull["body"] for pull in scene.pulls if pull["state"] == "closed"} == {
        1: "Replaced by #65.\n\n",
        64: "Replaced by #65.\n\n",
    }
    assert (set(scene.heads), len(scene.pulls)) == ({"main", BRANCH}, 65)


@pytest.mark.slow
def test_an_older_gitea_needs_a_bot(scene: Scene) -> None:
    """The job's token may push, not open; the next run, with the secret, takes the branch and opens.

    Gitea has opened it by then and not said so (its answer was lost): that one is taken.
    """
    scene.gitea.release = (1, 25)
    run = scene.run(read=READER)
    assert run.jobs == UNOPENED, run
    assert "the job's own token" in last_words(run.log())
    for text in ("403", "TEMPLATE_TOKEN", "write:repository", "team"):
        assert text in last_words(run.log())
    assert (set(scene.heads), scene.pulls) == ({"main", BRANCH}, [])

    def opened(name: str, _: str) -> None:
        if name == "open":
            scene.gitea._open(scene.repository, None, None, {"head": BRANCH, "base": "main", "title": "x"})

    scene.gitea.stop = opened
    again = scene.bot(read=READER)
    assert again.jobs == GREEN, again
    assert "pull request #11" in last_words(again.log())
    assert [pull["head"]["ref"] for pull in scene.pulls] == [BRANCH]


@pytest.mark.slow
def test_a_token_that_nobody_knows(scene: Scene) -> None:
    """A secret that is wrong, expired or deleted: one sentence, nothing changed."""
    run = scene.run(BAD)
    assert run.jobs == UNOPENED, run
    assert "does not know the token in the secret TEMPLATE_TOKEN" in last_words(run.log())
    assert BAD not in run.log()
    assert (set(scene.heads), scene.pulls) == ({"main"}, [])


@pytest.mark.slow
def test_a_private_template_needs_a_token_that_may_read_it(scene: Scene) -> None:
    """Private, and gone: the same for those who may not see it."""
    scene.gitea.known[TEMPLATE].private = True
    run = scene.run()
    assert run.jobs == RED, run
    assert "TEMPLATE_READ_TOKEN" in last_words(run.log())
    run = scene.bot()
    assert run.jobs == RED, run
    run = scene.run(read=READER)
    assert run.jobs == GREEN, run
    assert len(scene.pulls) == 1
    del scene.gitea.known[TEMPLATE]
    run = scene.bot()
    assert run.jobs == RED, run
    assert "the template does not exist, or is private" in last_words(run.log())
    assert len(scene.pulls) == 1


def kill_steps(folder: Path) -> None:
    """Ends the steps that a killed runner has left: the processes whose command names its folder."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended by itself
            if str(folder).encode() in command.read_bytes():
                os.kill(int(command.parent.name), signal.SIGKILL)


@pytest.mark.slow
def test_killed_half_way_and_run_again(scene: Scene) -> None:
    """The runner dies between the push and the pull request; the next run ends with one branch, one pull request."""
    process = scene.start(BOT)

    def die(name: str, _: str) -> None:
        if name == "open":
            os.kill(process.pid, signal.SIGKILL)
            raise ConnectionAbortedError

    scene.gitea.stop = die
    assert scene.runner.finish(process).code == -signal.SIGKILL
    kill_steps(scene.runner.folder)  # as a runner's machine does: else its last step asks Gitea again
    cut = scene.heads[BRANCH]
    assert scene.pulls == []
    scene.gitea.stop = lambda *_: None
    scene.push("docs: in between")
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert "a run was interrupted" in run.log()
    assert [pull["head"]["ref"] for pull in scene.pulls] == [BRANCH]
    assert set(scene.heads) == {"main", BRANCH}
    assert scene.heads[BRANCH] != cut
    assert (
        scene.package.git("--git-dir", scene.gitea.bare(REPOSITORY), "merge-base", "main", BRANCH)
        == scene.heads["main"]
    )


def test_an_update_that_the_template_refuses(scene: Scene) -> None:
    """Red, with the reason as last line, and nothing is pushed."""
    text = scene.template.read("apply/run.py")
    scene.template.write("apply/run.py", f'import sys\n\nsys.exit("Not with this package.")\n{text}')
    scene.template.tag("1.2.0", "feat: refuse")
    scene.publish()
    run = scene.bot()
    assert run.jobs == RED, run
    assert last_words(run.log()) == "update: v1.2.0 cannot be applied: Not with this package."
    assert (set(scene.heads), scene.pulls) == ({"main"}, [])


def test_another_branch_is_refused(scene: Scene) -> None:
    """Asked to run on a feature branch: the pull request would hold the feature, too."""
    scene.package.git("push", "--quiet", "origin", "HEAD:refs/heads/feature")
    run = scene.run(BOT, "feature")
    assert run.jobs == RED, run
    assert "Run it on main" in last_words(run.log())
    assert (set(scene.heads), scene.pulls) == ({"main", "feature"}, [])


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 502])
def test_gitea_in_trouble_is_asked_again(scene: Scene, status: int) -> None:
    """Two answers that are Gitea's own fault, then the right one."""
    answers = [status, status]

    def trouble(name: str, _: str) -> tuple[str, list[tuple[str, str]], bytes] | None:
        return (f"{answers.pop()} Trouble", [], b"<html>") if name == "repository" and answers else None

    scene.gitea.stop = trouble
    scene.package.git("push", "--quiet", "origin", f"{scene.push('fix: by hand')}:refs/heads/{BRANCH}")
    run = scene.bot()
    assert run.jobs == GREEN, run
    assert answers == []


def test_this_stand_in_is_strict(gitea: Gitea) -> None:
    """A call that Gitea's documents do not have is seen."""
    known = len(gitea.wrong)
    for method, rest, query, body in (
        ("GET", "/pullz", "", b""),
        ("GET", "/pulls", "status=open", b""),
        ("POST", "/pulls", "", b'{"head": "a", "base": "b", "title": "c", "draft": true}'),
        ("POST", "/pulls", "", b'{"head": "a", "base": "b"}'),
        ("PATCH", "/pulls/1", "", b'{"state": "shut"}'),
        ("POST", "/actions/workflows/x.yaml/dispatches", "", b'{"ref": 1}'),
    ):
        gitea._documented(method, rest, query, body)
        known += 1
        assert len(gitea.wrong) == known, (method, rest)
    gitea.wrong.clear()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v0.9.9", pytest.param("0123abc", marks=pytest.mark.slow)])
def test_a_version_that_the_template_has_lost(scene: Scene, version: str) -> None:
    """Its base is gone: the update is made even so, and the text says what that means."""
    scene.package.edit(".copier-answers.yml", "_commit: v1.0.0\n", f"_commit: {version}\n")
    scene.push("chore: a version that is gone")
    run = scene.bot()
    assert run.jobs == GREEN, run
    (pull,) = scene.pulls
    assert pull["title"] == f"chore: template {NEW}", pull["body"]
    assert f"no longer has {version}" in pull["body"]
    assert f"{version} no longer exists" in pull["body"]
    assert "name: Compile" in scene.show(".gitea/workflows/ci.yaml")
