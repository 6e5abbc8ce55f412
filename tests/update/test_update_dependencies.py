"""Newer dependencies: the second pull request of the update workflow, with a real newer version on a loopback index."""

import zipfile
from pathlib import Path

import pytest
import yaml
from act_runner import write_program
from gitea_api import BOT
from scene import NEW, OLD, REPOSITORY, TEMPLATE, Scene
from test_update_workflow import last_words
from versions import Package, Template

BRANCH, TITLE = "template/dependencies", "chore: newer dependencies"
GREEN, RED = {"dependencies": "success", "offer": "success"}, {"dependencies": "failure"}
REFUSED = {"dependencies": "success", "offer": "failure"}


def release(scene: Scene, version: str, code: str = "") -> None:
    """Put a version of `sister` into the owner's index."""
    info = f"sister-{version}.dist-info"
    with zipfile.ZipFile(scene.gitea.folder / f"packages/acme/sister-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("sister.py", f'VERSION = "{version}"\n{code}')
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: sister\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = "".join(f"{name},,\n" for name in ("sister.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"))
        wheel.writestr(f"{info}/RECORD", names)


@pytest.fixture
def needing(scene: Scene) -> Scene:
    """A package that needs `sister`, and has locked the one version that there is."""
    release(scene, "1.0")
    package = scene.package
    package.edit("pyproject.toml", "dependencies = []", 'dependencies = ["sister"]')
    package.write(
        "pyproject.toml", package.read("pyproject.toml") + '\n[tool.uv.sources]\nsister = { index = "gitea" }\n'
    )
    package.do("uv", "lock", "--quiet")
    scene.push("feat: need a sister")
    return scene


def test_a_newer_dependency_becomes_a_pull_request(needing: Scene) -> None:
    """Of its own, for uv.lock alone; beside the template's, which it leaves as it is; renewed when another is newer."""
    scene, main = needing, needing.heads["main"]
    for branch in ("template/v1.0.5", "template/mine"):
        scene.package.git("push", "--quiet", "origin", f"{main}:refs/heads/{branch}")
        scene.gitea._open(scene.repository, None, None, {"head": branch, "base": "main", "title": "x"})
    release(scene, "1.1")
    run = scene.run(dependencies="true")
    assert run.jobs == GREEN, run
    *others, pull = scene.pulls
    assert (pull["number"], pull["title"], pull["head"]["ref"]) == (13, TITLE, BRANCH)
    assert [other["state"] for other in others] == ["open", "open"]
    assert " sister 1.0 -> 1.1\n" in pull["body"]
    for text in (
        "uv run .gitea/check_index.py: passed",
        "uv run --no-sync pytest -v: passed",
        "releases nothing",
        "`uv audit`",
    ):
        assert text in pull["body"]
    git = ("--git-dir", scene.gitea.bare(REPOSITORY))
    assert scene.package.git(*git, "diff", "--name-only", main, BRANCH) == "uv.lock"
    assert scene.package.git(*git, "log", "--format=%s %P", "-1", BRANCH) == f"{TITLE} {main}"
    # Nothing has changed since: nothing is done. Then something has.
    before = (scene.heads, dict(pull))
    run = scene.run(dependencies="true")
    assert run.jobs == GREEN, run
    assert "pull request #13 (open) already has the newest" in last_words(run.log())
    assert (scene.heads, pull) == before
    release(scene, "1.2")
    run = scene.run(dependencies="true")
    assert run.jobs == GREEN, run
    assert len(scene.pulls) == 3
    assert " sister 1.0 -> 1.2\n" in pull["body"]
    assert 'name = "sister"\nversion = "1.2"\n' in scene.show("uv.lock", BRANCH)
    # Somebody locks on main what it offers: it is closed, and its branch goes.
    scene.package.do("uv", "lock", "--quiet", "--upgrade")
    scene.push("chore: lock")
    run = scene.run(dependencies="true")
    assert run.jobs == GREEN, run
    assert "no dependency has a newer version" in run.log("offer")
    assert pull["state"] == "closed"
    assert set(scene.heads) == {"main", "template/v1.0.5", "template/mine"}


def test_nothing_newer(needing: Scene) -> None:
    """Green, and nothing is there that was not."""
    run = needing.run(dependencies="true")
    assert run.jobs == GREEN, run
    assert "every dependency has the newest version" in run.log("dependencies")
    assert (set(needing.heads), needing.pulls) == ({"main"}, [])


@pytest.mark.parametrize("pull", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_persons_commit_is_left(needing: Scene, pull: bool) -> None:
    """On the branch, with its pull request or without."""
    scene = needing
    theirs = scene.package.commit("fix: by hand")
    scene.package.git("push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}")
    scene.package.git("reset", "--quiet", "--hard", "HEAD~1")
    if pull:
        scene.gitea._open(scene.repository, None, None, {"head": BRANCH, "base": "main", "title": "x"})
    release(scene, "1.1")
    run = scene.run(dependencies="true")
    assert run.jobs == GREEN, run
    assert "has a commit by person@example.com, and is left as it is" in last_words(run.log())
    assert (scene.heads[BRANCH], len(scene.pulls)) == (theirs, pull)
    assert [step for step in run.steps if step.name == "Update" and step.result == "success"] == []


def test_red_tests_make_a_draft(needing: Scene) -> None:
    """The newer version breaks a test: the title and the text say so, with the end of what failed."""
    text = 'import sister\n\n\ndef test_sister() -> None:\n    assert sister.VERSION == "1.0"\n'
    needing.package.write("tests/test_sister.py", text)
    needing.push("test: the sister")
    release(needing, "1.1")
    run = needing.run(BOT, dependencies="true")
    assert run.jobs == GREEN, run
    (pull,) = needing.pulls
    assert pull["title"] == f"WIP: {TITLE}"
    assert "uv run --no-sync pytest -v fails" in pull["body"].split("###")[0]
    assert "1 failed" in pull["body"]
    assert "CI runs on it" in pull["body"]


def test_more_than_uv_lock_is_refused(needing: Scene) -> None:
    """What a newer dependency made of the commit while it was tested is not pushed."""
    scene = needing
    text = scene.template.read("rollout/dependencies.py")
    more = '    (TREE / ".gitea/more.txt").write_text("more")\n    git("add", "--all", cwd=TREE)\n    if changed:\n'
    committed = ', "--", "uv.lock", cwd=TREE)'
    assert committed in text
    text = text.replace("    if changed:\n", more, 1).replace(committed, ", cwd=TREE)")
    scene.template.write("rollout/dependencies.py", text)
    scene.template.tag("1.2.0", "fix: commit more")
    scene.publish()
    release(scene, "1.1")
    run = scene.run(dependencies="true")
    assert run.jobs == REFUSED, run
    assert "something other than uv.lock" in last_words(run.log())
    assert (set(scene.heads), scene.pulls) == ({"main"}, [])


@pytest.mark.slow
def test_a_package_that_moved_to_another_index_makes_a_draft(needing: Scene) -> None:
    """The comparison of uv.lock with the owner's index is one of the checks."""
    release(needing, "1.1")
    (needing.gitea.folder / "packages/acme/pluggy-1.0-py3-none-any.whl").write_bytes(b"")
    run = needing.run(dependencies="true")
    assert run.jobs == GREEN, run
    (pull,) = needing.pulls
    assert pull["title"] == f"WIP: {TITLE}"
    assert "check_index.py fails" in pull["body"].split("###")[0]


@pytest.mark.slow
def test_what_cannot_be_locked(needing: Scene) -> None:
    """Red, with what to do, and nothing is pushed."""
    for wheel in needing.gitea.folder.glob("packages/acme/*.whl"):
        wheel.unlink()
    run = needing.run(dependencies="true")
    assert run.jobs == RED, run
    assert "uv cannot lock the newest versions" in last_words(run.log())
    assert (set(needing.heads), needing.pulls) == ({"main"}, [])


@pytest.mark.parametrize("day", ["08", pytest.param("07", marks=pytest.mark.slow)])
def test_monthly(needing: Scene, day: str) -> None:
    """By the clock in the first seven days of a month, beside the template's version; and on no other day."""
    write_program(needing.runner.tools / "date", f"#!/bin/sh\necho {day}\n")
    release(needing, "1.1")
    if day == "08":  # nothing newer of the template's
        needing.template.git("--git-dir", needing.gitea.bare(TEMPLATE), "tag", "--delete", NEW)
    run = needing.run(event="schedule")
    if day == "08":
        assert run.jobs == {"update": "success", "dependencies": "success"}, run
        assert "Not in the first seven days" in run.log("dependencies")
        assert needing.pulls == []
    else:
        assert run.jobs == {"update": "success", "open": "success"} | GREEN, run
        assert {pull["title"] for pull in needing.pulls} == {TITLE, f"chore: template {NEW}"}


def test_by_hand_for_the_template_alone(needing: Scene) -> None:
    """Without its input a run by hand is for the template alone, as that of a rollout is."""
    release(needing, "1.1")
    needing.template.git("--git-dir", needing.gitea.bare(TEMPLATE), "tag", "--delete", NEW)
    run = needing.run()
    assert run.jobs == {"update": "success"}, run


@pytest.mark.slow
def test_never_by_itself_for_what_is_there_already(tmp_path: Path, env: dict[str, str]) -> None:
    """A new package gets monthly; one from before the question, and an adopted one, never, until it is asked for."""
    template = Template.make(tmp_path / "template", env)
    workflow, questions = (
        template.path / "template/.gitea/workflows/template-update.yaml.jinja",
        template.read("copier.yml"),
    )
    new, text = questions.partition("\ndependency_updates:\n"), workflow.read_text()
    template.write("copier.yml", new[0] + "\n# --- How an" + new[2].partition("\n# --- How an")[2])
    workflow.write_text(text.replace("dependency_updates", "'never'"))
    template.tag(OLD.removeprefix("v"), "feat: before the question")
    template.write("copier.yml", questions)
    workflow.write_text(text)
    template.tag(NEW.removeprefix("v"), "feat: newer dependencies")

    def stored(package: Package) -> tuple[str, list[str]]:
        jobs = yaml.safe_load(package.read(".gitea/workflows/template-update.yaml"))["jobs"]
        return yaml.safe_load(package.read(".copier-answers.yml")).get("dependency_updates", "none"), list(jobs)

    old = Package(tmp_path / "old", env)
    old.copy(template, OLD)
    assert stored(old) == ("none", ["update", "open"])
    old.git("init", "--quiet")
    old.commit("feat: the first version")
    before = old.read(".gitea/workflows/template-update.yaml")
    old.update(NEW)
    assert stored(old) == ("never", ["update", "open"])
    assert old.read(".gitea/workflows/template-update.yaml") == before
    old.commit("chore: template")
    done = old.copier("update", "--trust", "--defaults", "--vcs-ref", NEW, "--data", "dependency_updates=weekly")
    assert done.returncode == 0, done.stderr
    assert stored(old) == ("weekly", ["update", "open", "dependencies", "offer"])
    fresh, adopted = Package(tmp_path / "fresh", env), Package(tmp_path / "adopted", env)
    fresh.copy(template, NEW)
    assert stored(fresh) == ("monthly", ["update", "open", "dependencies", "offer"])
    adopted.path.mkdir()
    backend = '[build-system]\nrequires = ["hatchling==1.33.0"]\nbuild-backend = "hatchling.build"\n\n'
    adopted.write(
        "pyproject.toml", backend + '[project]\nname = "adopted"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
    )
    adopted.write("adopted/__init__.py", '"""Adopted."""\n')
    adopted.git("init", "--quiet", "-b", "main")
    adopted.commit("feat: before the template")
    adopted.copy(template, NEW, trial="none")
    assert stored(adopted) == ("never", ["update", "open"])
