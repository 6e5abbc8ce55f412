"""What stands in two places agrees, and what the pull request's text is made of."""

import importlib
import json
import re
import tomllib
from collections.abc import Callable
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt
from record import RECORDED
from versions import ROOT, Package

RECORDS = sorted(path.stem for path in RECORDED.glob("v*.json"))
# The jobs of the update workflow, each beside one of CI that holds as much.
PAIRS = (("update", "test"), ("open", "publish"), ("dependencies", "test"), ("offer", "publish"))
SCRIPTS = ("rollout/prepare.py", "rollout/dependencies.py", "rollout/preview.py", "rollout/rollout.py")


def script(name: str) -> dict:
    """Returns the dependencies that a script names at its top."""
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
    for job, other in PAIRS:
        assert update["jobs"][job]["steps"][0] == ci["jobs"]["notify"]["steps"][0]
        assert update["jobs"][job]["steps"][1]["uses"] == ci["jobs"][other]["steps"][1]["uses"]
        assert update["jobs"][job]["steps"][1].get("with") == ci["jobs"][other]["steps"][1].get("with")
        assert update["jobs"][job]["runs-on"] == ci["jobs"][other]["runs-on"]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program of the template that the update workflow runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "rollout")
        return importlib.import_module("prepare")


@pytest.fixture(scope="module")
def own() -> ModuleType:
    """What the package's program makes its text with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "template/.gitea")
        return importlib.import_module("update_text")


def test_what_is_run_is_what_ci_runs(
    rendered: Callable[..., Package], program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that is called green is green in CI, whatever CI leaves out."""
    for answers, commands in (
        ({}, ["ruff check", "ruff format --check", "pytest -v"]),
        ({"publish": "false", "format_check": "false"}, ["ruff check", "pytest -v"]),
    ):
        monkeypatch.chdir(rendered(**answers).path)
        lines = program.ci_commands()
        assert [line.partition(" ||")[0] for line in lines] == [f"uv run --no-sync {command}" for command in commands]
    assert lines[-1].endswith("|| [ $? -eq 5 ]")


@pytest.mark.parametrize("version", RECORDS)
def test_the_workflow_of_an_older_version_runs_the_newest_program(version: str) -> None:
    """It is the old workflow that calls, in the environment of its day."""
    text = json.loads((RECORDED / f"{version}.json").read_text())["render/.gitea/workflows/template-update.yaml"]
    assert re.findall(r"rollout/\S+", text) == ['rollout/prepare.py"']
    needed = set(re.findall(r"[A-Z_]+", (ROOT / "rollout/prepare.py").read_text().partition("Environment: ")[2][:90]))
    given = set(re.findall(r"(?m)^ +([A-Z_]+):", text)) | {"RUNNER_TEMP", "GITHUB_OUTPUT"}
    assert {"VERSION", "ANSWERS", "INDEX_USER"} <= needed <= given


@pytest.mark.parametrize(("first", "second"), [("update", "open"), ("dependencies", "offer")])
def test_a_token_is_in_no_step_that_runs_others_code(workflows: dict[str, dict], first: str, second: str) -> None:
    """The first job may read and looks before the template runs; the second may write and runs nothing of the first."""
    jobs = workflows["template-update"]["jobs"]
    assert list(jobs) == [job for job, _ in PAIRS]
    looking, opening = jobs[first], jobs[second]
    tokens = {
        step["name"]: set(re.findall(r"secrets\.(\w+)|github\.(token)", str(step)))
        for job in (looking, opening)
        for step in job["steps"]
        if "name" in step
    }
    assert {name: {a or b for a, b in found} for name, found in tokens.items()} == {
        "Look": {"token", "TEMPLATE_READ_TOKEN"},
        "Update": {"INDEX_USER", "INDEX_TOKEN"},
        "Hand the update to the next job": set(),
        "Take the update": set(),
        "Pull request": {"token", "TEMPLATE_TOKEN"},
    }
    assert "TOKEN" not in str(workflows["template-update"]["env"])
    assert workflows["template-update"]["permissions"] == {}
    assert set(looking["permissions"].values()) == {"read"}
    assert opening["needs"] == [first]
    assert opening["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert {step["run"] for step in opening["steps"] if "run" in step} == {"uv run .gitea/template_update.py open"}


@pytest.mark.parametrize("text", ["plain", "```\nx\n```", "``````", "`a` ```` b"])
def test_a_fence_holds_what_it_holds(own: ModuleType, text: str) -> None:
    """No text ends its own code block."""
    first, *middle, last = own.fenced(text).strip("\n").split("\n")
    assert "\n".join(middle) == text
    assert first == f"{last}text"
    assert set(last) == {"`"}
    assert not re.search(rf"`{{{len(last)},}}", text)


def test_a_text_is_bounded(own: ModuleType) -> None:
    """Whatever the first job hands over, Gitea gets a text that a person can read."""
    shown = own.fenced("\n".join(["x" * 10_000] * 10_000))
    assert len(shown) < own.PART + 200
    assert f"and {10_000 - own.PART // (own.LINE + 1)} lines more" in shown


@pytest.mark.parametrize("line", ["x" * 10_000, "`" * 10_000])
def test_no_text_of_the_first_job_hides_what_comes_after_it(own: ModuleType, line: str) -> None:
    """The last paragraph warns the reviewer: it is there, outside of every code block, whatever was handed over."""
    plan = dict.fromkeys([*own.SECTIONS, "reasons", "since"], "\n".join([line] * 10_000))
    text = own.compose("v1.2.0", plan, "https://git.test/acme/template", [])
    assert len(text) <= 80_000
    assert text.endswith("it runs with this repository's secrets then.\n")
    blocks = [token for token in MarkdownIt("commonmark").parse(text) if token.type == "fence"]
    assert len(blocks) == len(own.SECTIONS) + 1
    assert not [token for token in blocks if "Read what changes" in token.content]
