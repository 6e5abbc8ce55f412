"""A template whose newest version is hostile: what it reaches in one job, and what in the workflow's two."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rendering import ROOT
from scene import BRANCH, WORKFLOW, Scene
from test_update_workflow import GREEN, UNOPENED, last_words

ATTACKS = Path(__file__).parents[1] / "workflow/attacks"
# As in tests/workflow/test_act_attacks.py; the last keeps the one before it from working.
KEEPING = "bash_env false_uv edited_program poisoned_cache git_hook"


def hostile(scene: Scene, version: str, ways: str, loot: Path) -> None:
    """Publish a version whose programs do what they can to reach a token."""
    probe = (ATTACKS / "probe.py").read_text()
    probe = probe.replace("@WAYS@", ways).replace("@LOOT@", str(loot)).replace("@EVIL@", "http://127.0.0.1:9")
    for program in ("rollout/prepare.py", "apply/run.py"):
        text = scene.template.read(program)
        start = text.index('"""') if program.startswith("rollout") else 0  # after the list of its dependencies
        scene.template.write(program, f"{text[:start]}{probe}\n{text[start:]}")
    scene.template.tag(version, "feat: more than it says")
    scene.publish()


def test_what_a_newer_template_reaches(scene: Scene, tmp_path: Path) -> None:
    """In one job every way works; in two none does, whoever's token opens the pull request."""
    loot = tmp_path / "loot"
    loot.mkdir()
    variables = {"UV_CACHE_DIR": str(tmp_path / "cache")}
    hostile(scene, "1.2.0", KEEPING, loot)
    run = scene.bot(workflow=str(ATTACKS / "one_job_update.yaml"), **variables)
    assert run.code == 0, run
    assert {path.name for path in loot.iterdir()} == {"ran", *KEEPING.split()}, run

    for folder in (loot, scene.runner.home):
        shutil.rmtree(folder)
        folder.mkdir()
    if "probe" in scene.heads:
        scene.package.git("push", "--quiet", "origin", ":refs/heads/probe")
    run = scene.bot(**variables)
    assert run.jobs == GREEN, run
    assert {path.name for path in loot.iterdir()} == {"ran"}
    assert [pull["title"] for pull in scene.pulls] == ["chore: template v1.2.0"]
    assert set(scene.heads) == {"main", "template/v1.2.0"}
    # What it did to this repository's programs is in no commit that the reviewer does not see.
    assert "edited_program" not in scene.show(".gitea/template_update.py", "main")


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"reasons": ""}'])
def test_a_plan_that_is_none_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """Whatever the first job hands over, no traceback is what a person reads."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run([*git, "init", "-q", "-b", "main", tmp_path / "here"], check=True)
    for message in ("one", "two"):
        words = ["commit", "-q", "--allow-empty", "-m", message]
        subprocess.run([*git, *words], cwd=tmp_path / "here", check=True)
    handed = tmp_path / "handed"
    handed.mkdir()
    words = ["bundle", "create", "-q", str(handed / "update.bundle"), "HEAD", "^HEAD^"]
    subprocess.run(["git", *words], cwd=tmp_path / "here", check=True)
    subprocess.run(["git", "reset", "-q", "--hard", "HEAD^"], cwd=tmp_path / "here", check=True)
    (handed / "plan.json").write_text(text)
    sums = [f"{file.name}={hashlib.sha256(file.read_bytes()).hexdigest()}" for file in handed.iterdir()]
    env = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "FILES": " ".join(sums)}
    code = "import sys; sys.path.insert(0, sys.argv[1]); import template_update; template_update.handed()"
    words = [sys.executable, "-c", code, str(ROOT / "template/.gitea")]
    done = subprocess.run(words, cwd=tmp_path / "here", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "plan.json is not complete: run all jobs of this run again." in done.stdout.splitlines()[-1]


def test_what_is_changed_on_the_way_is_not_opened(scene: Scene, tmp_path: Path) -> None:
    """The second job compares what came with what the first one handed over."""
    loaded = yaml.safe_load(scene.package.read(WORKFLOW))
    loaded["on"] = loaded.pop(True)
    steps = loaded["jobs"]["open"]["steps"]
    steps.insert(-1, {"run": 'echo " " >> "$RUNNER_TEMP/handed/plan.json"'})
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(loaded))
    run = scene.run(workflow=str(changed))
    assert run.jobs == UNOPENED, run
    assert "plan.json is not what the first job handed over: run all jobs" in last_words(run.log())
    assert (BRANCH in scene.heads, scene.pulls) == (False, [])
