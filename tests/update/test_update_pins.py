"""What stands in two places agrees, and what the pull request's text is made of."""

import importlib
import json
import re
import tomllib
from types import ModuleType

import pytest
import yaml
from record import RECORDED
from versions import ROOT, Package

RECORDS = sorted(path.stem for path in RECORDED.glob("v*.json"))
SCRIPTS = ("rollout/pull_request.py", "rollout/rollout.py")


def script(name: str) -> dict:
    """Give the dependencies that a script names at its top."""
    text = re.findall(
        r"(?m)^# ?(.*)$", (ROOT / name).read_text().partition('# ///\n"""')[0].partition("# /// script\n")[2]
    )
    return tomllib.loads("\n".join(line for line in text if line != "///"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_name_the_versions_that_the_tests_run(name: str) -> None:
    """One Copier, one httpx, one pyyaml: those of this repository's pyproject.toml."""
    tested = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"])
    needed = set(script(name)["dependencies"])
    assert needed
    assert needed <= tested


@pytest.fixture
def workflows(rendered: Package) -> dict[str, dict]:
    """The two workflows of a package."""
    folder = rendered().path / ".gitea/workflows"
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("ci", "template-update")}


def test_both_workflows_are_of_one_kind(workflows: dict[str, dict]) -> None:
    """The same uv, the same checkout, the same runner."""
    ci, update = workflows["ci"], workflows["template-update"]
    assert update["env"]["UV_VERSION"] == ci["env"]["UV_VERSION"]
    assert update["env"]["GITEA_URL"] == ci["env"]["GITEA_URL"]
    (job,) = update["jobs"].values()
    assert job["steps"][0] == ci["jobs"]["lint"]["steps"][0]
    assert job["steps"][1] == ci["jobs"]["lint"]["steps"][1]
    assert job["runs-on"] == ci["jobs"]["lint"]["runs-on"]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that the update workflow runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "rollout")
        return importlib.import_module("pull_request")


def test_what_is_run_is_what_ci_runs(workflows: dict[str, dict], program: ModuleType) -> None:
    """An update that is called green is green in CI."""
    steps = [step["run"] for job in ("lint", "test") for step in workflows["ci"]["jobs"][job]["steps"] if "run" in step]
    in_ci = [command for text in steps for command in re.findall(r"^uv run --no-sync [\w -]*\w", text)]
    assert in_ci == [f"uv run --no-sync {command}" for command in program.CHECKS]


@pytest.mark.parametrize("version", RECORDS)
def test_the_workflow_of_an_older_version_runs_the_newest_program(program: ModuleType, version: str) -> None:
    """It is the old workflow that calls, with the words and the environment of its day."""
    text = json.loads((RECORDED / f"{version}.json").read_text())["render/.gitea/workflows/template-update.yaml"]
    words = re.findall(r'rollout/pull_request\.py" (\w+)', text)
    assert words == ["look", "update", "open"]
    assert set(words) <= set(program.STEPS)
    assert {"TEMPLATE_TOKEN", "GITHUB_TOKEN", "INDEX_USER", "INDEX_TOKEN"} <= set(program.SECRET)
    assert all(name in text for name in ("ANSWERS:", "TEMPLATE_TOKEN:", "GITHUB_TOKEN:", "INDEX_TOKEN:"))


def test_the_tokens_are_in_the_steps_that_talk_to_gitea(workflows: dict[str, dict]) -> None:
    """The update itself and the tests run in a step that has none."""
    (job,) = workflows["template-update"]["jobs"].values()
    have = {step.get("name"): "TEMPLATE_TOKEN" in step.get("env", {}) for step in job["steps"] if "name" in step}
    assert have == {"Look": True, "Update": False, "Pull request": True}
    assert "GITHUB_TOKEN" not in str(next(step for step in job["steps"] if step.get("name") == "Update"))
    assert "TOKEN" not in str(workflows["template-update"]["env"])
    assert workflows["template-update"]["permissions"] == {}
    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}


@pytest.mark.parametrize("text", ["plain", "```\nx\n```", "``````", "`a` ```` b"])
def test_a_fence_holds_what_it_holds(program: ModuleType, text: str) -> None:
    """No text ends its own code block."""
    first, *middle, last = program.fenced(text).rstrip("\n").split("\n")
    assert "\n".join(middle) == text
    assert first == f"{last}text"
    assert set(last) == {"`"}
    assert not re.search(rf"`{{{len(last)},}}", text)
