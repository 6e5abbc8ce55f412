"""Talks to the runner, to git and to Gitea, for the job that opens pull requests."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import httpx
import tenacity
from escape import one_line

SERVER = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
# Removed from the environment at once, so that no program that is started from here inherits them.
SECRETS = ("TEMPLATE_TOKEN", "GITHUB_TOKEN", "GITEA_TOKEN", "ACTIONS_RUNTIME_TOKEN", "INDEX_USER", "INDEX_TOKEN")
SECRET = {name: os.environ.pop(name, "") for name in SECRETS}
os.environ.pop("VIRTUAL_ENV", None)  # uv's, for this script; the package has its own
TOKEN = SECRET["TEMPLATE_TOKEN"] or SECRET["GITHUB_TOKEN"]
NEEDED = (
    "Put a token with the scope write:repository into the secret TEMPLATE_TOKEN, of an account in a team that may "
    "write Code and Pull Requests of this repository."
)


def say(sentence: str) -> None:
    """Prints a sentence on one line, whatever is in it."""
    print(one_line(f"update: {sentence}"), flush=True)


def done(sentence: str) -> NoReturn:
    """Ends this step successfully: nothing is left to do."""
    say(sentence)
    sys.exit(0)


def fail(sentence: str) -> NoReturn:
    """Fails the job. The sentence, its last line, says what to do."""
    sys.stdout.flush()
    sys.exit(one_line(f"update: {sentence}"))


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[bool, str, str]:
    """Runs a program. Returns whether it succeeded, its standard output, and both streams as one text.

    Everything is shown indented, so that no line of it is a command to the runner.
    """
    full = {**os.environ, **(env or {})}
    result = subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, errors="replace")
    text = "\n".join(filter(None, (result.stdout.rstrip(), result.stderr.rstrip())))
    print(*(f"    {one_line(line.expandtabs())}" for line in text.splitlines()), sep="\n", flush=True)
    return result.returncode == 0, result.stdout, text


def git(*arguments: str | Path, cwd: Path | None = None, check: bool = True) -> str:
    """Returns what git prints. If git fails, fails the job, or without `check` returns an empty text."""
    result = subprocess.run(("git", *arguments), cwd=cwd, capture_output=True, text=True, errors="replace")
    if check and result.returncode:
        fail(f"git {arguments[0]} failed: {result.stderr.strip()!r}")
    return "" if result.returncode else result.stdout.strip()


def git_settings(*pairs: tuple[str, str]) -> dict[str, str]:
    """Returns git settings as environment variables: for one process, in no file and no list of arguments."""
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    env = {"GIT_CONFIG_COUNT": str(first + len(pairs)), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for number, (key, value) in enumerate(pairs, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def remote(*arguments: str) -> tuple[bool, str]:
    """Runs git against origin with the token. Returns whether it succeeded, and what it said."""
    url = git("remote", "get-url", "origin")
    login = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    header = (f"http.{url}.extraHeader", f"Authorization: Basic {login}")
    succeeded, _, text = run("git", *arguments, env=git_settings(header))
    return succeeded, text


@tenacity.retry(
    retry=tenacity.retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)),
    wait=tenacity.wait_exponential(max=9),
    stop=tenacity.stop_after_attempt(4),
    reraise=True,
)
def request(method: str, path: str, body: dict[str, object]) -> httpx.Response:
    """Calls Gitea's API about this repository, again if it does not answer or answers 5xx."""
    url, headers = f"{SERVER}/api/v1/repos/{REPOSITORY}{path}", {"Authorization": f"token {TOKEN}"}
    answer = httpx.request(method, url, headers=headers, json=body or None, timeout=30)
    if answer.is_server_error:
        answer.raise_for_status()
    return answer


def api(method: str, path: str, *expected: int, **body: object) -> tuple[int, Any]:
    """Calls Gitea's API about this repository. Any answer but a success and the expected codes fails the job.
    Returns:
        The status code, and the JSON of a success.
    """
    try:
        answer = request(method, path, body)
    except httpx.HTTPStatusError as error:
        answer = error.response
    except httpx.TransportError as error:
        fail(f"no answer from {SERVER} ({type(error).__name__}). Check that Gitea runs there, then run this again.")
    if answer.is_success or answer.status_code in expected:
        return answer.status_code, answer.json() if answer.is_success else None
    refused(answer.status_code, f"{method} {path.partition('?')[0] or '/'}: {answer.text[:200]!r}")


def refused(status: int, what: str) -> NoReturn:
    """Fails the job after an answer of Gitea that is not a success."""
    if status == 401 and SECRET["TEMPLATE_TOKEN"]:
        fail(f"Gitea does not know the token in the secret TEMPLATE_TOKEN. {NEEDED}")
    if status in (401, 403, 404):
        whose = "TEMPLATE_TOKEN" if SECRET["TEMPLATE_TOKEN"] else "the job's own token"
        fail(f"Gitea refuses {whose} ({status}, {what}). {NEEDED}")
    fail(f"Gitea answered {status} ({what}). Run this again, or read Gitea's log.")
