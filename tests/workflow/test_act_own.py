"""This repository's own workflow, run by the very release files that the template ships."""

from pathlib import Path

import pytest
from act_package import GREEN, OWNER, ROOT, Package, copy_tracked, patched_workflow, tracked, without_gates
from act_runner import Runner
from loopback_gitea import Forge, Ntfy


@pytest.fixture
def template(tmp_path: Path, forge: Forge, runner: Runner, ntfy: Ntfy) -> Package:
    """A clone of this repository as it stands, its first commit pushed."""
    path = tmp_path / "dev" / "python-package-template"
    copy_tracked(path)
    made = Package(path, forge, runner, ntfy)
    forge.add_repository(OWNER, path.name)
    made.git("init", "-q", "-b", "main")
    made.git("remote", "add", "origin", str(made.bare))
    made.commit("feat: the first questions")
    return made


def own_workflow(template: Package) -> Path:
    """The workflow with this test's ntfy, with the gates open (they would run these tests), asking no packages."""

    def change(workflow: dict) -> None:
        without_gates(workflow)
        del workflow["jobs"]["rollout"]
        workflow["jobs"]["notify"]["needs"].remove("rollout")
        workflow["env"]["NTFY_URL"] = template.ntfy.url

    return patched_workflow(template, change)


def test_template_is_tagged(template: Package) -> None:
    """A push to main tags a version of the template by the job's token, tells it, and asks no registry."""
    workflow = own_workflow(template)
    run = template.run(workflow=workflow)
    assert run.jobs == GREEN, run
    assert template.tags() == {"v0.1.0": template.git("rev-parse", "HEAD")}
    assert template.forge.requests(part="/pypi") == []
    (message,) = template.ntfy.received
    assert "0.1.0" in message["title"]
    assert template.repository in message["title"]

    again = template.run(workflow=workflow)
    assert again.jobs == run.jobs, again
    assert list(template.tags()) == ["v0.1.0"]


@pytest.mark.slow
def test_template_pull_request_is_previewed(template: Package) -> None:
    """A pull request tags nothing; it shows what it changes in each package, and no line of that is a command."""
    for name in ("mlflow-utils", "ray-serve-apps"):
        (template.path / f"packages/{name}.yaml").unlink()
    template.commit("test: one package is enough")
    template.git("checkout", "-q", "-b", "feature")
    template.write("template/.gitea/hostile.txt", "::set-env name=PLANTED::x\n\r::add-mask::the\n::error::planted\n")
    template.commit("feat: a file more", push=False)
    template.git("push", "-q", "origin", "feature")
    run = template.run(workflow=own_workflow(template), event="pull_request", ref="refs/pull/1/merge")
    assert run.jobs == {"lint": "success", "test": "success", "preview": "success", "notify": "success"}, run
    assert template.tags() == {}
    assert len(template.ntfy.received) == 1
    log = run.log("preview")
    assert "\nhandler-base: 1 file, +3 -0; update from origin/main: ok" in log
    assert "\n| +::set-env name=PLANTED::x" in log
    taken = {command: [name for other, name, _ in run.commands if other == command] for command, *_ in run.commands}
    assert "PLANTED" not in taken["set-env"]
    assert not {"add-mask", "error"} & set(taken)


def test_template_ships_what_it_uses() -> None:
    """There is one release program, one notify program and one setup action: those of the template."""
    own = tracked(".gitea")
    assert own
    shipped = {path.name for path in (ROOT / "template/.gitea").rglob("*") if path.is_file()}
    assert not {Path(name).name for name in own} & shipped - {"ci.yaml"}
