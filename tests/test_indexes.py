"""Internal packages come from the owner's index, although somebody has every one of their names on the public index."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rendering import ROOT, Render, Run
from two_indexes import OURS, OWNER, PREFIX, Indexes, installed, locked

pytest_plugins = ["two_indexes"]


def blocks(package: Path, language: str) -> list[str]:
    """Returns the code blocks of a package's README in a language."""
    text = (package / "README.md").read_text()
    return [token.content.strip() for token in MarkdownIt("commonmark").parse(text) if token.info == language]


def adding(package: Path) -> str:
    """Returns the command that adds another package of the owner, as the README has it."""
    (command,) = [block for block in blocks(package, "sh") if "NAME" in block]
    return command.replace("NAME", "handler-base")


def test_the_first_internal_dependency(indexes: Indexes, render: Render, run: Run) -> None:
    """One command; what the other package needs is the owner's too, then and on every later lock and sync."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    (index,) = tomllib.loads((package / "pyproject.toml").read_text())["tool"]["uv"]["index"]
    assert index["explicit"] is True
    assert indexes.asked == [], "a package that needs none of its owner's asks for none"

    text = (package / "pyproject.toml").read_text()
    other = '[[tool.uv.index]]\nname = "torch"\nurl = "https://torch.test/simple"\nexplicit = true\n\n'
    (package / "pyproject.toml").write_text(text.replace("[[tool.uv.index]]", f"{other}[[tool.uv.index]]", 1))
    run("bash", "-euc", adding(package), cwd=package, env=indexes.env)
    held = tomllib.loads((package / "pyproject.toml").read_text())
    assert held["project"]["dependencies"] == ["handler-base>=1.0"]
    assert held["tool"]["uv"]["sources"] == {"handler-base": {"index": "gitea"}}
    torch = {"name": "torch", "url": "https://torch.test/simple", "explicit": True}
    assert {index["name"]: index for index in held["tool"]["uv"]["index"]} == {
        "gitea": {"name": "gitea", "url": indexes.owner},
        "torch": torch,
    }
    assert not list(package.glob("*.bak"))
    assert locked(package) == OURS

    run("uv", "lock", "--upgrade", cwd=package, env=indexes.env)
    assert locked(package) == OURS
    run("uv", "lock", "--check", cwd=package, env=indexes.env)
    run("uv", "sync", "--frozen", "--extra", "dev", cwd=package, env=indexes.env)
    assert installed(run, package / ".venv/bin/python", package) == OURS
    for command in ("ruff check", "ruff format --check", "pytest -q"):
        run("uv", "run", "--no-sync", *command.split(), cwd=package)
    # A second one needs no other command.
    run("bash", "-euc", adding(package).replace("handler-base", "mlflow-utils"), cwd=package, env=indexes.env)
    assert locked(package) == OURS


def notify_line(package: Path, index: str) -> str:
    """Returns what the message of a release tells to type."""
    code = (
        "import json, notify; needs = {j: {'result': 'success'} for j in ('lint', 'test', 'publish')}\n"
        "needs['publish']['outputs'] = {'name': 'handler-base', 'version': '1.0.0'}\n"
        f"print(notify.compose({{'NEEDS': json.dumps(needs), 'INDEX_URL': {index!r}}})['message'])"
    )
    words = [sys.executable, "-c", code]
    text = subprocess.run(words, cwd=package / ".gitea", capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"(?m)^uv add .*$", text)
    return line.replace("1.0.0", "1.0")


LINES: dict[str, Callable[[Path, Indexes], str]] = {
    "uv add": lambda package, _: next(block for block in blocks(package, "sh") if block.startswith("uv add")),
    "the message": lambda package, indexes: notify_line(package, indexes.owner),
    "Dockerfile": lambda package, _: blocks(package, "dockerfile")[0].partition("&& ")[2].replace("1.2.3", "1.0"),
    "pip": lambda package, _: next(block for block in blocks(package, "sh") if block.startswith("pip ")),
}


@pytest.mark.parametrize("line", LINES)
def test_every_line_that_installs(indexes: Indexes, render: Render, run: Run, tmp_path: Path, line: str) -> None:
    """Each line of ours takes the package, and what it needs, from the owner's index."""
    package = render(project_name="handler-base", gitea_url=indexes.server, gitea_owner=OWNER)
    command = LINES[line](package, indexes)
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    floor = f">={sys.version_info.major}.{sys.version_info.minor}"
    text = f'[project]\nname = "consumer"\nversion = "1"\nrequires-python = "{floor}"\ndependencies = []\n'
    (consumer / "pyproject.toml").write_text(text)
    run("uv", "venv", "-q", "--seed", cwd=consumer, env={"UV_INDEX": None})
    python = consumer / ".venv/bin/python"
    command = command.replace("--system", f"--python {python}")
    if command.startswith("pip "):
        command = f"{python} -m {command}"
    run("bash", "-euc", command, cwd=consumer, env=indexes.env)
    assert installed(run, python, consumer) == OURS, command
    if command.startswith("uv add"):
        run("uv", "lock", "--upgrade", cwd=consumer, env=indexes.env)
        run("uv", "sync", cwd=consumer, env=indexes.env)
        assert installed(run, python, consumer) == OURS


def compared(indexes: Indexes, package: Path, run: Run, code: int, **variables: str) -> str:
    """Run the check of the lint job, which must end with a status; returns what it printed."""
    env = {"INDEX_URL": indexes.owner, "REGISTRY_URL": f"{indexes.server}{PREFIX}", **variables}
    done = run(sys.executable, ".gitea/check_index.py", cwd=package, env=env, code=code)
    return done.stdout + done.stderr


@pytest.fixture
def wrong(indexes: Indexes, render: Render, run: Run) -> Path:
    """A package whose `explicit` was left there, locked again later."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    run("uv", "add", "handler-base", "--index", "gitea", cwd=package, env=indexes.env)
    run("uv", "lock", "--upgrade", cwd=package, env=indexes.env)
    assert locked(package) == OURS | {"mlflow-utils": "99.0"}
    return package


def test_a_name_that_is_locked_twice_is_red(indexes: Indexes, render: Render, run: Run) -> None:
    """Markers can give a name two entries, from two indexes: each is looked at."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    entry = '[[package]]\nname = "mlflow-utils"\nversion = "{}"\nsource = {{ registry = "{}" }}\n'
    text = f"version = 1\n{entry.format('99.0', indexes.public)}{entry.format('1.0', indexes.owner)}"
    (package / "uv.lock").write_text(text)
    assert "uv.lock takes mlflow-utils from" in compared(indexes, package, run, 1)
    (package / "uv.lock").unlink()
    assert compared(indexes, package, run, 1).startswith("check_index: there is no uv.lock. Fix: run `uv lock`")


def test_a_lock_of_somebody_elses_package_is_red(indexes: Indexes, wrong: Path, run: Run) -> None:
    """The last line is the way out of it, and it works as it stands."""
    said = compared(indexes, wrong, run, 1).splitlines()
    assert said[0] == (
        f"check_index: uv.lock takes mlflow-utils from {indexes.public}, "
        "and the owner's index has a package of that name."
    )
    assert said[1].startswith("check_index: Fix: delete `explicit = true` from pyproject.toml, run `uv lock ")
    (command,) = re.findall("`(uv lock [^`]+)`", said[1])
    text = (wrong / "pyproject.toml").read_text()
    (wrong / "pyproject.toml").write_text(text.replace("explicit = true\n", ""))
    run(*command.split(), cwd=wrong, env=indexes.env)
    assert locked(wrong) == OURS
    assert compared(indexes, wrong, run, 0) == ""


def test_a_name_that_was_deleted_is_red(indexes: Indexes, render: Render, run: Run, built: Path) -> None:
    """Nobody's index holds it any more, so uv goes on to the next; the lock before tells that it was the owner's."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    run("git", "init", "-q", cwd=package)
    run("bash", "-euc", adding(package), cwd=package, env=indexes.env)
    run("git", "add", "-A", cwd=package)
    run("git", "commit", "-q", "-m", "feat: a", cwd=package)
    indexes.gone.add("mlflow-utils")
    run("uv", "lock", "--upgrade", "--refresh", cwd=package, env=indexes.env)
    assert locked(package) == OURS | {"mlflow-utils": "99.0"}, "somebody else's is taken"
    run("git", "commit", "-qam", "fix: upgrade", cwd=package)
    said = compared(indexes, package, run, 1)
    assert f"uv.lock takes mlflow-utils from {indexes.public}. Before, it came from the owner's index" in said
    assert "upload it to the owner's index again" in said.splitlines()[-1]


def test_an_index_that_does_not_say(indexes: Indexes, wrong: Path, run: Run) -> None:
    """Red on main, with what to set; a warning on a pull request, which may be a fork's and have no secret."""
    indexes.status = "401 Unauthorized"
    said = compared(indexes, wrong, run, 1)
    assert "did not say whether it has" in said
    assert "(401): set the secrets INDEX_USER and INDEX_TOKEN (scope read:package)" in said
    said = compared(indexes, wrong, run, 0, GITHUB_EVENT_NAME="pull_request")
    assert said.startswith("::warning::uv.lock was not compared with the owner's index.")
    assert len(said.splitlines()) == 1
    indexes.status = "502 Bad Gateway"
    assert "(502): run it again" in compared(indexes, wrong, run, 1)
    assert "(no answer): run it again" in compared(indexes, wrong, run, 1, REGISTRY_URL="http://127.0.0.1:9/pypi")


def test_a_package_that_takes_all_from_its_owner_asks_nothing(indexes: Indexes, render: Render, run: Run) -> None:
    """Whatever case and slash the address has; local and git sources are nobody's index."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    source = f'{{ registry = "{indexes.owner.rstrip("/").upper()}" }}'
    (package / "uv.lock").write_text(
        f'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = {source}\n'
        '[[package]]\nname = "consumer"\nversion = "0"\nsource = { editable = "." }\n'
        '[[package]]\nname = "b"\nversion = "0"\nsource = { git = "https://git.test/b?rev=1#2" }\n'
    )
    before = len(indexes.asked)
    assert compared(indexes, package, run, 0) == ""
    assert len(indexes.asked) == before


def test_a_package_that_shares_no_name_is_fine(indexes: Indexes, render: Render, run: Run) -> None:
    """Each name is asked for once."""
    package = render(project_name="consumer", gitea_url=indexes.server, gitea_owner=OWNER)
    assert compared(indexes, package, run, 0) == ""
    names = [name for name in indexes.asked if "/simple/" in name]
    assert f"{PREFIX}/simple/pytest/" in names
    assert len(names) == len(set(names))


def test_the_template_is_no_consumer() -> None:
    """This repository's own README has no line that installs a package of the owner's."""
    assert "--index" not in (ROOT / "README.md").read_text()
