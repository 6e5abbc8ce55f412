"""What a later run makes of an update that is there already: renewed, left to somebody, asked for again, taken away."""

import pytest
from act_runner import write_program
from loopback_gitea import Answer
from scene import BRANCH, NEW, REPOSITORY, Scene
from test_update_workflow import GREEN, RED, last_words

IDENTITY = {"NAME": "template update", "EMAIL": "template-update@noreply.invalid"}
BOTS = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in IDENTITY.items()}


def parents(scene: Scene, branch: str) -> list[str]:
    """Returns the parents of a branch's commit, and theirs."""
    return scene.package.git("--git-dir", scene.gitea.bare(REPOSITORY), "log", "-2", "--format=%P", branch).split()


def merge(scene: Scene, number: int) -> None:
    """Close a pull request as a merge does."""
    (pull,) = (pull for pull in scene.pulls if pull["number"] == number)
    pull |= {"state": "closed", "merged": True}


def test_an_open_one_follows_main(scene: Scene) -> None:
    """Made again on the new main: one commit of the bot's, the same pull request, a new text and title."""
    scene.run()
    (pull,) = scene.pulls
    first, body = scene.heads[BRANCH], pull["body"]
    scene.package.write("tests/test_red.py", "def test_red() -> None:\n    assert False\n")
    main = scene.push("feat: red")
    run = scene.run()
    assert run.jobs == GREEN, run
    assert "pull request #11 is made again, because main has new commits" in run.log()
    assert [pull["number"] for pull in scene.pulls] == [11]
    assert scene.heads[BRANCH] != first
    assert parents(scene, BRANCH)[0] == main
    assert pull["title"] == f"WIP: chore: template {NEW}"
    assert pull["body"] != body
    assert "uv run --no-sync pytest -v fails" in pull["body"].split("###")[0]
    # Nothing on main has changed since: nothing is done.
    before = (scene.heads, dict(pull))
    run = scene.run()
    assert run.jobs == GREEN, run
    assert "already has" in last_words(run.log())
    assert (scene.heads, pull) == before


SLOW = [pytest.param(how, marks=pytest.mark.slow) for how in ("neither", "author", "below")]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["committer", *SLOW])
def test_a_persons_commit_is_left(scene: Scene, how: str) -> None:
    """Added, amended, amended in the bot's name, or put below the bot's: left, and the next version says so."""
    scene.run()
    package = scene.package
    package.git("fetch", "--quiet", "origin", BRANCH)
    package.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    package.write("mine.txt", "Mine.\n")
    package.git("add", "mine.txt")
    if how == "author":
        package.git("commit", "--quiet", "-m", "fix: by hand")
    elif how == "below":
        package.git("stash", "--quiet")
        package.git("reset", "--quiet", "--hard", "main")
        package.git("stash", "pop", "--quiet")
        package.git("commit", "--quiet", "-m", "fix: below")
        package.do("git", "cherry-pick", "FETCH_HEAD", **BOTS)
    else:
        package.do("git", "commit", "--quiet", "--amend", "--no-edit", **(BOTS if how == "neither" else {}))
    theirs = package.git("rev-parse", "HEAD")
    package.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    package.git("checkout", "--quiet", "main")
    scene.push("docs: main moves on")
    run = scene.run()
    assert run.jobs == GREEN, run
    assert "pull request #11 (open) has a commit by" in last_words(run.log())
    assert "left as it is" in last_words(run.log())
    assert scene.heads[BRANCH] == theirs
    if how != "committer":
        return
    scene.template.tag("1.2.0", "fix: a newer one")
    scene.publish()
    run = scene.run()
    assert run.jobs == GREEN, run
    older, newer = scene.pulls
    assert (older["state"], newer["state"]) == ("closed", "open")
    assert f"#11, which this replaces, has commits by somebody else: its branch {BRANCH} stays." in newer["body"]
    assert scene.heads[BRANCH] == theirs


@pytest.mark.slow
def test_a_closed_one_can_be_asked_for_again(scene: Scene) -> None:
    """Its branch goes; a run by hand with `again` makes another, and a branch of a person's is not overwritten."""
    scene.run()
    scene.pulls[0]["state"] = "closed"
    run = scene.run()
    assert run.jobs == GREEN, run
    assert f"#11 (closed) already has {NEW}" in run.log()
    assert "run this workflow by hand with `again`" in run.log()
    assert (set(scene.heads), len(scene.pulls)) == ({"main"}, 1)
    run = scene.run(again="true")
    assert run.jobs == GREEN, run
    assert [(pull["number"], pull["state"]) for pull in scene.pulls] == [(11, "closed"), (12, "open")]
    assert set(scene.heads) == {"main", BRANCH}
    scene.pulls[1]["state"] = "closed"
    theirs = scene.package.commit("fix: by hand")
    scene.package.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    scene.package.git("reset", "--quiet", "--hard", "HEAD~1")
    run = scene.run(again="true")
    assert run.jobs == GREEN, run
    assert "Open one, or delete the branch" in last_words(run.log())
    assert (scene.heads[BRANCH], len(scene.pulls)) == (theirs, 2)


@pytest.mark.slow
def test_branches_of_older_ones_go(scene: Scene) -> None:
    """Of those that were merged or are replaced now, if they hold the bot's commit alone and nobody else uses them."""
    scene.run()
    bots = scene.heads[BRANCH]
    for name in ("template/v1.0.1", "template/v1.0.2", "template/v1.0.3", "template/mine"):
        scene.package.git("fetch", "--quiet", "origin", bots)
        scene.package.git("push", "--quiet", "origin", f"{bots}:refs/heads/{name}")
    for head, base in (("template/v1.0.1", "main"), ("template/v1.0.2", "template/mine")):
        scene.gitea._open(scene.repository, None, None, {"head": head, "base": base, "title": "x"})
    merge(scene, 12)
    scene.template.tag("1.2.0", "fix: a newer one")
    scene.publish()
    run = scene.run()
    assert run.jobs == GREEN, run
    assert set(scene.heads) == {"main", "template/v1.0.2", "template/mine", "template/v1.2.0"}
    states = {pull["number"]: pull["state"] for pull in scene.pulls}
    assert states == {11: "closed", 12: "closed", 13: "open", 14: "open"}


@pytest.mark.parametrize("kind", ["page", "certificate", "answers"])
def test_what_a_person_can_cause_is_said_in_a_sentence(scene: Scene, kind: str) -> None:
    """No traceback: a page with 200 in front of Gitea, a server that git does not trust, answers that are no YAML."""
    said = ""
    if kind == "page":
        page: Answer = ("200 OK", [("Content-Type", "text/html")], b"<html>Sign in</html>")
        scene.gitea.stop = lambda *_: page
        said = "is not a page of Gitea's API"
    elif kind == "certificate":
        git = "#!/bin/sh\ncase $* in *clone*) echo 'fatal: SSL certificate problem: unknown' >&2; exit 128;; esac\n"
        own = scene.package.do("sh", "-c", "command -v git").strip()
        write_program(scene.runner.tools / "git", f'{git}exec "{own}" "$@"\n')
        said = "does not trust the template's server"
    else:
        scene.package.edit(".copier-answers.yml", "_commit: v1.0.0\n", "_commit: v1.0.0\n a: [\n")
        scene.push("chore: no YAML")
        said = ".copier-answers.yml is not YAML"
    run = scene.run()
    assert run.jobs == RED, run
    assert said in last_words(run.log())
    assert "Traceback" not in run.log()
    assert scene.pulls == []


@pytest.mark.slow
def test_answers_with_other_line_ends(scene: Scene) -> None:
    """CRLF, as an editor on Windows leaves them: the update is made."""
    path = scene.package.path / ".copier-answers.yml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    scene.push("chore: line ends")
    run = scene.run()
    assert run.jobs == GREEN, run
    assert [pull["title"] for pull in scene.pulls] == [f"chore: template {NEW}"]
