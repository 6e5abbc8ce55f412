"""What the programs of the workflows share: their words in the log, git, HTTP, and tokens that no child inherits.

Only the standard library. The template owns this file.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import NoReturn
from urllib.parse import urlsplit

# Without hooks and settings that others may have left in the runner's or the repository's configuration.
GIT = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.autocrlf=false -c log.showSignature=false".split()
)
TEMP = Path(os.environ.get("RUNNER_TEMP", "/tmp"))
SERVER = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
# The runner's own word for where this repository is: .git/config may name any other server.
ORIGIN = f"{SERVER}/{REPOSITORY}"
# What another job handed over: each file with its sha256, as NAME=SHA256 NAME=SHA256.
FILES = dict(re.findall(r"([\w.+-]+)=([0-9a-f]{64})", os.environ.get("FILES", "")))
AGAIN = "run all jobs of this run again."
PAUSES = (1, 3, 9)  # seconds before a server is asked again
# A word that Markdown or Gitea would take for markup, a link, a person or an issue; and one that would begin a block.
SPECIAL = re.compile(r"[^\s(),;\"]*(?:[\\*_\[\]<>&~|$@#]|://|www\.|![0-9])[^\s(),;\"]*|^(?:[-+=:]+|[0-9]+[.)])(?=\s|$)")
# Removed from the environment at once, so that no program that is started from here inherits them. What else of an
# environment no step inherits, clean.sh says.
NAMES = "REGISTRY_USER REGISTRY_TOKEN INDEX_USER INDEX_TOKEN TEMPLATE_TOKEN TEMPLATE_READ_TOKEN JOB_TOKEN"
SECRET = {name: os.environ.pop(name, "") for name in NAMES.split()}


def one_line(text: str) -> str:
    """Returns text on one line: control characters, line breaks and bidirectional marks are escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def marked(text: str) -> str:
    """Returns text for Markdown, on one line: a word in which Markdown or Gitea would read more than text is code.

    So nothing in it names a person, closes an issue or loads a picture, and snake_case reads as it should.
    """
    parts = re.split(r"`([^`]+)`", " ".join(one_line(text).split()))
    for number, part in enumerate(parts):
        plain = part.replace("`", "'")
        parts[number] = f"`{part}`" if number % 2 else SPECIAL.sub(r"`\g<0>`", plain)
    return "".join(parts)


def summary(text: str) -> None:
    """Adds Markdown to the page of the run, where Gitea has one."""
    with open(os.environ.get("GITHUB_STEP_SUMMARY") or os.devnull, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def say(sentence: str) -> None:
    """Prints a sentence on one line, whatever is in it."""
    print(one_line(f"{Path(sys.argv[0]).stem}: {sentence}"), flush=True)


def need(condition: object, sentence: str) -> None:
    """Fails the job unless the condition holds. The sentence, its last line, says what to do."""
    if not condition:
        say(sentence)
        summary(f"**{marked(sentence)}**")
        sys.exit(1)


def done(sentence: str) -> NoReturn:
    """Ends this step successfully: nothing is left to do."""
    say(sentence)
    sys.exit(0)


def output(**values: str) -> None:
    """Hands values to the workflow. Callers give only names, versions and digests that were checked."""
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def sums(folder: Path) -> dict[str, str]:
    """Returns the sha256 of each file in a folder, and an empty text for what is no file."""
    found = dict.fromkeys((path.name for path in sorted(folder.glob("*"))), "")
    for name in found:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[bool, str]:
    """Runs a program. Returns whether it succeeded, and its output.

    The output is shown indented and escaped, so that no line of it is a command to the runner.
    """
    text, full = "", {**os.environ, **(env or {})}
    with subprocess.Popen(
        command, cwd=cwd, env=full, stdout=PIPE, stderr=STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            print("   ", one_line(line.rstrip().expandtabs())[:2000], flush=True)
            text += line
    return process.returncode == 0, text


def git(*arguments: str | Path, cwd: Path | None = None, check: bool = True) -> str:
    """Returns what git prints. If git fails, fails the job, or without `check` returns an empty text."""
    result = subprocess.run((*GIT, *arguments), cwd=cwd, capture_output=True)
    need(not (check and result.returncode), f"git {arguments[0]} failed, {result.stderr!r}: run this job again.")
    return "" if result.returncode else result.stdout.decode("utf-8", "replace").strip()


def basic(user: str, password: str) -> str:
    """Returns what an Authorization header says of a login."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def remote(token: str, *arguments: str | Path, url: str = ORIGIN) -> tuple[bool, str]:
    """Runs git with a token, which only the server at `url` and the environment of this one process get.

    git asks a helper for it, as git before 2.31 reads no other setting from the environment. No helper of the runner's
    gets it.
    """
    env = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    helper = list[str]()
    if token and url.startswith("http"):
        env["PASSWORD"] = token
        server = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        login = r"""!printf 'username=x-access-token\npassword=%s\n' "$PASSWORD"; :"""  # git adds a word
        helper = ["-c", "credential.helper=", "-c", f"credential.{server}.helper={login}"]
    return run(*GIT, *helper, *arguments, env=env)


def http(
    method: str, url: str, headers: dict[str, str], body: str = "", pauses: tuple[float, ...] = PAUSES, limit: int = 30
) -> tuple[int, str]:
    """Asks a server, again after a failure and each pause, and follows no redirect.

    Times are in seconds; `limit` is that of each read.

    Returns:
        The status (0: no answer) and the text.
    """
    address = urlsplit(url)
    path = f"{address.path or '/'}{'?' if address.query else ''}{address.query}"
    for pause in (*pauses, 0):
        try:
            server = (HTTPSConnection if address.scheme == "https" else HTTPConnection)(address.netloc, timeout=limit)
            server.request(method, path, body.encode() or None, headers)
            answer = server.getresponse()
            status, text = answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            status, text = 0, str(error)
        if 0 < status < 500:
            break
        time.sleep(pause)
    return status, text


for name, value in SECRET.items():
    whole = value.isprintable() and value == value.strip()
    need(whole, f"the secret {name} has a line break or a space at an end: enter it again without.")
