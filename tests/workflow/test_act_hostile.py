"""Text that somebody else wrote: commits, names, branches, descriptions. Nothing of it runs, sets or hides anything."""

import json
import re
from collections.abc import Callable

import pytest
from act_package import GREEN, Package
from act_runner import Run

SHELL = "$(touch pwned) `touch pwned` \"; touch pwned; ' && touch pwned | ${IFS} ${{ secrets.REGISTRY_TOKEN }} %0A"
COMMANDS = (
    "::set-output name=version::9.9.9",
    "::set-env name=PATH::/nowhere",
    "::add-path::/nowhere",
    "::add-mask::handler",
    "::error::planted",
    "::stop-commands::planted",
    "##[add-mask]handler",
    "version=9.9.9",
    "feat: in a body is no feature",
    "\x1b[2J\x1b]0;planted\x07",
)
# What the setup action sets, and what the release hands on.
SET = (
    "RUNNER_TEMP",
    "UV_LINK_MODE",
    "UV_CACHE_DIR",
    "HOME",
    "XDG_CONFIG_HOME",
    "UV_NO_CONFIG",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
)
OUTPUTS = ("name", "version", "unfinished", "files", "dist", "notes")


def assert_unharmed(package: Package, run: Run) -> None:
    """No program of the text ran, no command of it was taken."""
    assert not list(package.path.parent.parent.rglob("pwned"))
    # What act took for a command: paths, the outputs of the release and its summary, nothing else.
    for command, name, value in run.commands:
        if name == "notes":  # the text itself, as JSON on one line
            assert all(isinstance(line, str) for line in json.loads(value))
            continue
        assert "9.9.9" not in value
        assert "planted" not in value
        known = ("add-path", "set-env", "set-output", "summary", "group", "endgroup", "warning", "notice")
        assert command in known, (command, name, value)
        assert command != "add-path" or re.search(r"/tmp/job\.\w+(/twine)?/bin$", value)
        assert command != "set-env" or name in SET, (command, name, value)
        assert command != "set-output" or name in OUTPUTS, (command, name, value)


def test_commit_text(package: Package) -> None:
    """A commit's subject, body and author that are written for the shell or the runner."""
    names = {"GIT_AUTHOR_NAME": f"::add-mask::handler {SHELL}", "GIT_COMMITTER_NAME": "$(touch pwned)"}
    package.commit("\n".join([f"fix(io): {SHELL}", "", *COMMANDS]), **names)
    event = {"head_commit": {"message": f"fix: {SHELL}\n" + "\n".join(COMMANDS)}, "pusher": {"name": SHELL}}
    run = package.run(payload=event)
    assert run.jobs == GREEN, run
    assert_unharmed(package, run)
    assert package.released() == ["0.1.0"]
    (message,) = package.ntfy.received
    assert "acme/handler-base" in f"{message['title']}{message['message']}"


@pytest.mark.slow
def test_commit_of_odd_bytes(package: Package) -> None:
    """A message that is no UTF-8, with CRLF and an emoji, still counts by its subject."""
    package.commit(b"feat: caf\xe9 \xf0\x9f\x9a\x80\r\n\r\n::add-mask::handler\r\n\x00"[:-1] + b"\xff\xfe\r\n")
    run = package.run()
    assert run.jobs == GREEN, run
    assert_unharmed(package, run)
    assert package.released() == ["0.1.0"]


@pytest.mark.slow
def test_failing_run_of_hostile_text(package: Package) -> None:
    """The message of a red run of such a commit arrives whole."""
    package.write("handler_base/extra.py", "import os\n")
    package.commit("\n".join([f"feat: {SHELL}", "", *COMMANDS]), GIT_AUTHOR_NAME=SHELL)
    run = package.run()
    assert run.jobs == {"lint": "failure", "test": "success", "notify": "success"}, run
    assert_unharmed(package, run)
    (message,) = package.ntfy.received
    assert message["topic"] == "ci"
    assert "lint" in f"{message['title']}{message['message']}"


@pytest.mark.slow
@pytest.mark.parametrize("event", ["push", pytest.param("pull_request", marks=pytest.mark.slow)])
def test_branch_name(package: Package, event: str) -> None:
    """A branch that is named like a program."""
    branch = "x;touch${IFS}pwned;$(touch${IFS}pwned)`touch${IFS}pwned`::add-mask::handler"
    branch = branch.replace("::", "%3A%3A")  # git takes no colon
    package.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    if event == "push":
        run = package.run(ref=f"refs/heads/{branch}")
    else:
        payload = {"pull_request": {"head": {"ref": branch}, "title": SHELL, "body": "\n".join(COMMANDS)}}
        run = package.run(event=event, ref="refs/pull/1/merge", payload=payload)
    assert run.jobs == {"lint": "success", "test": "success", "notify": "success"}, run
    assert_unharmed(package, run)
    assert package.files() == {}
    (message,) = package.ntfy.received
    assert f"on {branch}, " in message["message"]


# One begins as a command of the runner's, the other is shell from its first letter to its last.
DESCRIPTIONS = {"command": f"::add-mask::handler {SHELL}", "shell": f"{SHELL} ::set-output name=version::9.9.9"}
LINES = {f"line-{number}": text for number, text in enumerate(COMMANDS[:8])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "description",
    [
        pytest.param(text, id=name, marks=() if name == "command" else pytest.mark.slow)
        for name, text in (DESCRIPTIONS | LINES).items()
    ],
)
def test_description(new_package: Callable[..., Package], description: str) -> None:
    """A description that is written for the shell or the runner reaches the index unchanged and does nothing."""
    package = new_package(description=description)
    package.commit(f"feat: {description}")
    run = package.run()
    assert run.jobs == GREEN, run
    assert_unharmed(package, run)
    assert package.released() == ["0.1.0"]
    assert f"Summary: {description}\n" in package.metadata("0.1.0")
