"""Tries the first push: runs in a copy of the repository what the jobs would run, without what git ignores."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from answers import Answers
from commands import UV, git
from context import Run
from development import CALLED, asked_elsewhere, imports_of_tests, missing_requirements
from pattern import SMOKE_TEST
from quoting import join, one_line, quote
from setup_metadata import copy

LIMIT = 900  # seconds for everything
PASSED_ON = re.compile(
    r"HOME|PATH|LANG|LC_\w+|TZ|TMPDIR|USER|LOGNAME|XDG_\w+|SSL_CERT_\w+|\w*_proxy|UV_\w+", re.IGNORECASE
)
WITHHELD = re.compile(
    r"UV_(PROJECT\w*|WORKING\w*|NO_SYNC|FROZEN|LOCKED|RUN_\w+|PUBLISH_\w+)|UV_\w*(PASSWORD|TOKEN|USERNAME)"
)
LINT_FAILS = "the lint job fails"
SMOKE = ("pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider")
FAILED = re.compile(r"(?m)^(?:FAILED|ERROR) \S+::test_imports\[(\S+)\] - (.*)$")


@dataclass
class Tried:
    """What a trial found."""

    steps: list[tuple[str, str]] = field(default_factory=list)  # why, and the command that fixes or shows it
    places: list[str] = field(default_factory=list)  # where the tests' requirements are
    missing: list[str] = field(default_factory=list)  # those that the extra `dev` lacks


class Copy:
    """A copy of a repository, in which commands run in a clean environment until the time is up."""

    def __init__(self, run: Run, folder: Path, before: list[str]) -> None:
        """Copies and commits everything that the first push would have, after some commands."""
        self.root, self.job, self.end = folder / run.root.name, folder / "job", time.monotonic() + LIMIT
        copy(run.root, self.root, (*run.files.made, *run.files.changed))
        self.job.mkdir()
        me = ("-c", "user.name=trial", "-c", "user.email=trial@noreply.invalid", "-c", "commit.gpgsign=false")
        git(self.root, "add", "--all", "--force")
        for command in before:
            self.run("bash", "-c", command)
        git(self.root, "add", "--all", "--force")
        git(self.root, *me, "commit", "--quiet", "--no-verify", "-m", "feat: release through the workflow")

    def run(self, *words: str, **env: str) -> tuple[int, str]:
        """Runs a command. Returns its exit code (124 if the time was up), and what it printed."""
        passed_on = {k: v for k, v in os.environ.items() if PASSED_ON.fullmatch(k) and not WITHHELD.fullmatch(k)}
        if words[1:2] in (("sync",), ("add",)):  # as in CI, where the index's login is in this step alone
            passed_on |= {k: v for k, v in os.environ.items() if k.startswith("UV_INDEX_")}
        process = subprocess.Popen(
            words,
            cwd=self.root,
            env=passed_on | {"COLUMNS": "1000"} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=max(self.end - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            return 124, f"{join(words)} was stopped after {LIMIT} seconds"
        finally:
            if process.poll() is None:  # the time is up, or the user stops everything
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, said

    def uv_run(self, *words: str, **env: str) -> tuple[int, str]:
        """Runs a command in the environment of the package."""
        return self.run(UV, "run", "--no-sync", *words, **env)


def try_first_push(run: Run, answers: Answers, before: list[str], tests: bool) -> Tried:
    """Returns what of the first push would fail.

    Args:
        run: The run, whose files are written.
        answers: The answers.
        before: Commands of the list that come before.
        tests: Whether the user's own tests run as well.
    """
    tried = Tried()
    with tempfile.TemporaryDirectory() as temporary:
        copied = Copy(run, Path(temporary), before)
        say("install")
        code, said = copied.run(UV, "sync", "--frozen", "--extra", "dev")
        if code:
            tried.steps.append((f"the environment cannot be installed: {last(said)}", "uv sync --frozen --extra dev"))
            return tried
        add_missing(copied, tried)
        say("lint")
        checks = [("ruff", "check")] + [("ruff", "format", "--check")] * answers["format_check"]
        for check in checks:
            if copied.uv_run(*check)[0]:
                tried.steps.append((LINT_FAILS, f"uv run --extra dev {join(check)}"))
        if answers["publish"]:
            build_and_check(copied, answers, tried)
        if tests:
            say("your tests")
            code, said = copied.uv_run("pytest", "-q")
            if code not in (0, 5):
                tried.steps.append((f"your tests fail: {last(said)}", "uv run --extra dev pytest"))
    return tried


def build_and_check(copied: Copy, answers: Answers, tried: Tried) -> None:
    """Builds the files of the release, and tests that every module imports: from the tree, and from the wheel."""
    where = {"RUNNER_TEMP": str(copied.job), "GITHUB_OUTPUT": str(copied.job / "output")}
    say("build")
    code, said = copied.run(UV, "run", ".gitea/dist.py", "build", **where)
    if code:
        tried.steps.append((f"the package does not build: {last(said, 'fix what it says above')}", "uv build"))
        return
    say("smoke test")
    code, said = copied.uv_run(*SMOKE, "--noconftest", SMOKE_TEST)
    if code:
        tried.steps += smoke_steps(said, answers)
        return
    code, said = copied.run(UV, "run", ".gitea/dist.py", "check", **where)
    if code:
        shown = "uvx twine check dist/*" if "twine finds" in said else "uv run python -m zipfile -l dist/*.whl"
        tried.steps.append((f"the test job fails: {last(said)}", f"uv build && {shown}"))


def smoke_steps(said: str, answers: Answers) -> list[tuple[str, str]]:
    """Returns what to do about a smoke test that fails: have it leave out what this machine cannot import."""
    names, shown = list(answers["optional_imports"]), []
    for module, error in FAILED.findall(said):
        found = re.search(r"No module named '(\w+)", error)
        missing = found[1] if found and found[1] not in re.split(r"\W+", str(answers["module_name"])) else ""
        if (name := missing or module) not in names:
            names.append(name)
        of = f", which is in {CALLED[missing]}" if missing in CALLED else ""
        shown.append(f"{module} ({f'no {missing}{of}' if missing else one_line(error[:100])})")
    if not shown:
        return [(f"the smoke test fails: {last(said)}", f"uv run --extra dev pytest {SMOKE_TEST}")]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    why = f"the smoke test cannot import {', '.join(shown[:5])}{more}. Add what is missing (uv add), or leave it out"
    data = quote(f"optional_imports=[{', '.join(names)}]")
    return [(why, f"copier recopy --trust --defaults --vcs-ref=:current: --data {data}")]


def add_missing(copied: Copy, tried: Tried) -> None:
    """Adds to the copy what its tests need and the extra `dev` lacks."""
    tried.places, entries = missing_requirements(copied.root)
    program = (
        "import importlib.util as u, json, sys; print(json.dumps([n for n in sys.argv[1:] if not u.find_spec(n)]))"
    )
    code, said = copied.uv_run("python", "-I", "-c", program, *sorted(imports_of_tests(copied.root)))
    imports = set[str]() if code else set(json.loads(said.splitlines()[-1]))
    elsewhere = [entry for entry in asked_elsewhere(copied.root, imports) if entry not in entries]
    tried.places += ["other extras, groups or tools"] * bool(elsewhere)
    entries += elsewhere
    if not entries:
        return
    code, said = copied.run(UV, "add", "--raw", "--optional", "dev", *entries)
    if code:
        why = f"{', '.join(tried.places)}: uv cannot add {' '.join(entries)} to the extra `dev` ({last(said)})"
        tried.steps.append((f"{why}. Add what the tests need of it", "uv add --raw --optional dev NAME"))
    else:
        tried.missing = entries


def last(said: str, but: str = "\0") -> str:
    """Returns the last line of an output that says something."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and but not in line]
    errors = [line for line in lines if re.match(r"(\S+: )?error: ", line)]  # pytest says more below
    return one_line((errors or lines)[-1][:300]) if lines else "no output"


def say(what: str) -> None:
    """Prints what is tried now."""
    print(f"Trying the first push in a copy: {what}", flush=True)
