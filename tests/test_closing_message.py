"""What Copier says last: the next commands, and what to see to before the first push."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rendering import ROOT, Run

Say = Callable[..., str]


@pytest.fixture
def say(template: Path, copier_command: Run, tmp_path: Path) -> Say:
    """`say(folder, source, **answers)` makes a package without tasks and returns the closing message."""

    def say(folder: str = "handler-base", source: str | Path = template, **answers: str) -> str:
        data = [word for name, value in answers.items() for word in ("-d", f"{name}={value}")]
        words = ["copy", "--trust", "--defaults", "--skip-tasks", "-r", "HEAD", *data, source, folder]
        said = copier_command(*words, cwd=tmp_path).stderr
        return said[said.index(" is ready. Next steps") :]

    return say


def commands(message: str) -> list[str]:
    """Returns the indented lines."""
    return re.findall(r"^  (\S.*)$", message, re.MULTILINE)


def test_the_commands_make_a_pushed_package(say: Say, run: Run, tmp_path: Path) -> None:
    """Each runs where the one before it ended; the commit is a feat: one."""
    bare = tmp_path / "gitea" / "acme" / "handler-base.git"
    run("git", "init", "-q", "--bare", bare, cwd=tmp_path)
    test, commit, prepare, push = commands(say(gitea_url="https://git.test", gitea_owner="acme"))
    # tests/live/test_live_prepare.py runs it on a Gitea.
    assert prepare == "uv run rollout/gitea.py prepare acme handler-base --apply"
    assert (ROOT / prepare.split()[2]).is_file()
    assert 'git commit -m "feat: ' in commit
    assert "https://git.test/acme/handler-base.git" in push
    served = push.replace("https://git.test", (tmp_path / "gitea").as_uri())
    run("bash", "-euc", f"{test}\n{commit}\n{served}", cwd=tmp_path)
    run("git", "--git-dir", bare, "cat-file", "-e", "main:uv.lock", cwd=tmp_path)
    assert run("git", "--git-dir", bare, "log", "--format=%s", "main", cwd=tmp_path).stdout == "feat: first version\n"


def test_folder_with_blanks_and_quotes(say: Say, run: Run, tmp_path: Path) -> None:
    """The first command goes there, the last names a repository that Gitea takes."""
    first, _, prepare, last = commands(say("it's a $HOME", gitea_url="https://git.test", gitea_owner="acme"))
    assert run("bash", "-euc", f"{first.split(' && ')[0]} && ls", cwd=tmp_path).stdout.split()[0] == "README.md"
    assert " acme it-s-a-HOME " in prepare
    assert "https://git.test/acme/it-s-a-HOME.git " in last


def test_it_names_what_gitea_needs(say: Say) -> None:
    """The two secrets, and where the runs are told."""
    message = say()
    assert "REGISTRY_USER" in message
    assert "REGISTRY_TOKEN" in message
    assert "https://ntfy.daviestechlabs.io/ci\n" in message
    assert "check that this topic is yours" in message
    assert "no license" in message


def test_no_ntfy_is_said(say: Say) -> None:
    """An empty address is no mistake, and no secret."""
    assert "not sent anywhere: ntfy_url is empty" in say(ntfy_url="")


def test_trial_is_said_for_a_local_path_only(say: Say, template: Path) -> None:
    """A package of a local path cannot be updated elsewhere; one of a URL can."""
    assert "this is a trial" in say()
    assert "this is a trial" not in say("other", f"git+{template.as_uri()}")


def test_lines_fit_a_terminal(say: Say) -> None:
    """All but the command that has an address in it."""
    assert [line for line in say().splitlines() if len(line) > 80 and "git remote" not in line] == []
