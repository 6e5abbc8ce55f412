"""Fixtures of all suites: an isolated environment, the template as the working tree has it, packages made of it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uv
import yaml
from forked import run_copier
from rendering import ROOT, Render, Run
from sharing import Once, once

# The way to the package index and to the machine's certificates; nothing else of the developer's is handed on.
NETWORK = re.compile(r"(?i)ssl_cert_(file|dir)|(all|https?|no)_proxy|uv_(default_index|insecure_host|system_certs)")


def uv_says(*words: str) -> str:
    """Returns what the developer's own uv answers, with the developer's own settings."""
    command = [uv.find_uv_bin(), *words]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files, also of what runs in this process: pytest-copier leaves clones, uv locks."""
    folder = tmp_path_factory.mktemp("tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with uv and a Python that is in no environment, to stand first on a PATH."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "uv").symlink_to(uv.find_uv_bin())
    for name in ("python3", "python"):
        (folder / name).symlink_to(os.path.realpath(sys.executable))
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, temporary: Path, tools: Path) -> dict[str, str]:
    """The variables of a fresh account that has uv, Python and git. uv's cache alone is the developer's, for speed."""
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text("[user]\nname = Dev\nemail = dev@example.com\n[init]\ndefaultBranch = main\n")
    (home / "copier.yml").write_text("{}\n")
    # Without this run's own environment: a rendered package must bring the tools that it runs.
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not Path(entry).is_relative_to(sys.prefix)]
    return {
        **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
        "PATH": os.pathsep.join([str(tools), *path]),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "COPIER_SETTINGS_PATH": str(home / "copier.yml"),
        "UV_CACHE_DIR": uv_says("cache", "dir"),
        "UV_PYTHON_INSTALL_DIR": uv_says("python", "dir"),
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """`run(*command, cwd=…)` runs it in the isolated environment, asserts its exit status and returns its output.

    `code` is the status to expect (None: any), `env` changes variables (None takes one away), stdin is empty.
    """

    def run(
        *command: str | Path, cwd: Path, env: dict[str, str | None] | None = None, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in {**environment, **(env or {})}.items() if value is not None}
        words = [str(word) for word in command]
        done = subprocess.run(
            words, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert code in (None, done.returncode), f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session", name="once")
def once_fixture(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, make, *key)` returns a folder that is made once in a run, for all workers (see sharing.py)."""
    return once(tmp_path_factory)


@pytest.fixture(scope="session")
def template(once: Once, run: Run) -> Path:
    """A clean repository with one commit: the template as the working tree has it, what git ignores left out."""
    return once("template", lambda folder: commit_template(folder, run))


def commit_template(folder: Path, run: Run) -> None:
    """Fill a folder with the template, and commit it."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        # Not there: deleted in the working tree. Suites are no part of what is rendered.
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "--all", "--force", cwd=folder)
    run("git", "commit", "-q", "-m", "feat: the working tree", cwd=folder)


@pytest.fixture(scope="session")
def plain_template(once: Once, template: Path) -> Path:
    """The same files without git: Copier renders them where they are, and clones nothing for each of many renders."""
    ignored = shutil.ignore_patterns(".git")
    return once("plain-template", lambda folder: shutil.copytree(template, folder, ignore=ignored, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def copier_template(plain_template: Path) -> Path:
    """What pytest-copier's own fixtures render."""
    return plain_template


@pytest.fixture(scope="session")
def copier_command(environment: dict[str, str]) -> Run:
    """`copier_command(*words, cwd=…)` runs Copier's command line as `run` does; `answers` go through a data file."""

    def copier_command(
        *words: str | Path,
        cwd: Path,
        answers: dict[str, Any] | None = None,
        env: dict[str, str | None] | None = None,
        code: int | None = 0,
    ) -> subprocess.CompletedProcess[str]:
        if answers:
            # Beside the folder: what is in it is the test's own.
            data = cwd.parent / f"{cwd.name}-answers.yaml"
            data.write_text(yaml.safe_dump(answers, allow_unicode=True))
            words = (*words, "--data-file", data)
        variables = {name: value for name, value in {**environment, **(env or {})}.items() if value is not None}
        done = run_copier(words, cwd, variables)
        assert code in (None, done.returncode), f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return copier_command


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory, template: Path, copier_command: Run, once: Once) -> Render:
    """`render(**answers)` returns a package in a new folder; `tasks=False` leaves out uv.lock.

    Each set of answers is rendered and locked once in a run; what is returned is a copy of it.
    """

    def render(*, tasks: bool = True, **answers: Any) -> Path:
        answers = {"project_name": "handler-base", **answers}
        name = str(answers["project_name"])

        def make(parent: Path) -> None:
            folder = parent / name
            words = ["copy", "--trust", "--defaults", "--quiet", "--vcs-ref", "HEAD"]
            copier_command(
                *words, *([] if tasks else ["--skip-tasks"]), template, folder, cwd=folder.parent, answers=answers
            )
            assert not tasks or (folder / "uv.lock").is_file(), "the package is made, its uv.lock is not"

        source = once("rendered", make, template, tasks, answers) / name
        folder = tmp_path_factory.mktemp("rendered") / name
        shutil.copytree(source, folder, symlinks=True)
        return folder

    return render
