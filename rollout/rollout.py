# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx==0.28.1", "packaging==26.3", "pyyaml==6.0.3", "rich==15.0.0"]
# ///
"""Asks the packages to take the template's newest version, or shows which version each of them is on.

    GITEA_URL=https://git.example.org ROLLOUT_TOKEN=… uv run rollout/rollout.py status
    GITEA_URL=https://git.example.org ROLLOUT_TOKEN=… uv run rollout/rollout.py ask

The token needs the scope write:repository, and an account that may write to each repository (read:repository and read
access for `status`). The repositories are listed in packages/repositories.txt. Exits with 1 if one of them failed.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from packaging.version import Version
from rich import box
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from template_versions import parse_version, versions

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = "template-update.yaml"
ANSWERS = (".copier-answers.yml", ".copier-answers.gitea.yml")
AT_A_TIME = 8
TIMEOUT = httpx.Timeout(15, connect=5)  # seconds for each read or write; LIMIT is for all calls about one repository
LIMIT = 45.0


class Failed(Exception):
    """A repository did not answer as expected. The text says why."""


@dataclass
class Row:
    """What is known about a repository, and the result."""

    repository: str
    version: str = "?"
    behind: str = "?"
    pull: str = ""
    result: str = ""
    failed: bool = False


Action = Callable[[httpx.AsyncClient, Row, list[Version]], Awaitable[None]]


async def call(client: httpx.AsyncClient, method: str, path: str, *expected: int, **body: str) -> httpx.Response:
    """Calls Gitea's API.
    Raises:
        Failed: the answer is neither a success nor one of the expected status codes.
    """
    try:
        answer = await client.request(method, path, json=body or None)
    except httpx.TimeoutException:
        raise Failed("no answer in time") from None
    except httpx.TransportError as error:
        raise Failed(f"no connection ({type(error).__name__})") from None
    if answer.is_success or answer.status_code in expected:
        return answer
    if answer.has_redirect_location:
        raise Failed(f"moved to {answer.headers['location']}: correct the list or GITEA_URL")
    try:
        message = " ".join(str(answer.json()["message"]).split())
    except (ValueError, LookupError, TypeError):
        message = answer.reason_phrase
    raise Failed(f"{answer.status_code} {message}"[:120])


async def read_version(client: httpx.AsyncClient, row: Row, known: list[Version]) -> None:
    """Fills in the template version that a repository's answers name, and how many versions came after it.
    Raises:
        Failed: the repository does not use the template.
    """
    for name in ANSWERS:
        answer = await call(client, "GET", f"{row.repository}/raw/{name}", 404)
        try:
            answers = yaml.safe_load(answer.text) if answer.is_success else None
        except yaml.YAMLError:
            raise Failed(f"{name} is not YAML") from None
        if isinstance(answers, dict) and "gitea_owner" in answers:
            row.version = str(answers.get("_commit", "?"))
            if mine := parse_version(row.version):
                row.behind = str(sum(other > mine for other in known))
            return
    raise Failed(f"not on the template: no {' or '.join(ANSWERS)}")


async def status(client: httpx.AsyncClient, row: Row, known: list[Version]) -> None:
    """Fills in a repository's version and its open pull requests for newer ones."""
    await read_version(client, row, known)
    page, found = 1, list[str]()
    while pulls := (await call(client, "GET", f"{row.repository}/pulls?state=open&limit=50&page={page}")).json():
        branches = [(pull["number"], pull["head"]["ref"].removeprefix("template/")) for pull in pulls]
        found += [f"#{number} {branch}" for number, branch in branches if parse_version(branch)]
        page += 1
    row.pull = " ".join(found)
    row.result = {"0": "newest", "?": "unknown version"}.get(row.behind, "behind")


async def ask(client: httpx.AsyncClient, row: Row, known: list[Version]) -> None:
    """Starts a repository's update workflow on its default branch."""
    branch = (await call(client, "GET", row.repository)).json()["default_branch"]
    await read_version(client, row, known)
    if row.behind == "0":
        row.result = "newest, not asked"
        return
    await call(client, "POST", f"{row.repository}/actions/workflows/{WORKFLOW}/dispatches", ref=branch)
    row.result = "asked"


async def attempt(action: Awaitable[None], row: Row, limit: float) -> None:
    """Waits for an action, at most `limit` seconds, and notes in the row how it failed, if it does."""
    try:
        await asyncio.wait_for(action, limit)
    except TimeoutError:
        row.result, row.failed = f"no result after {limit:g} s", True
    except Failed as error:
        row.result, row.failed = str(error), True
    except (ValueError, LookupError, TypeError) as error:
        row.result, row.failed = f"not an answer of Gitea ({error!r})", True


async def roll_out(
    action: Action,
    repositories: list[str],
    server: str,
    token: str,
    known: list[Version],
    at_a_time: int = AT_A_TIME,
    limit: float = LIMIT,
) -> list[Row]:
    """Runs an action for each repository, a few at a time, and continues when one fails.
    Args:
        action: `status` or `ask`.
        repositories: Their names, owner/name.
        server: Gitea's address.
        token: An access token.
        known: The template's versions.
        at_a_time: How many repositories to talk to at once.
        limit: Seconds for one repository.
    Returns:
        A row for each, in the order of the list.
    """
    rows = [Row(name) for name in repositories]
    gate = asyncio.Semaphore(at_a_time)
    console = Console(stderr=True, soft_wrap=True)
    progress = Progress("repositories", MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True)
    task = progress.add_task("", total=len(rows))

    async def one(row: Row) -> None:
        async with gate:
            await attempt(action(client, row, known), row, limit)
        progress.advance(task)
        place = f"[{int(progress.tasks[0].completed)}/{len(rows)}]"
        progress.console.print(Text(f"{place} {row.repository}: {row.result}"))

    headers = {"Authorization": f"token {token}", "Accept": "application/json"} if token else {}
    limits = httpx.Limits(max_connections=at_a_time)
    address = f"{server.rstrip('/')}/api/v1/repos/"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT, limits=limits) as client:
        with progress if console.is_terminal else nullcontext():
            await asyncio.gather(*map(one, rows))
    return rows


def show(rows: list[Row], columns: dict[str, str]) -> None:
    """Prints rows as a table that is Markdown too."""
    table = Table(*columns, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*(Text(str(getattr(row, name)).replace("|", "\\|"), no_wrap=True) for name in columns.values()))
    Console(width=1000).print(table)  # never narrower than its text, whatever the terminal


def read(path: Path) -> list[str]:
    """Returns the listed repositories: one owner/name per line, `#` starts a comment."""
    if not path.exists():
        sys.exit(f"{path} does not exist. Create it, with one owner/name per line.")
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    if wrong := [line for line in lines if line and not re.fullmatch(r"[\w.-]+/[\w.-]+", line)]:
        sys.exit(f"{path}: {wrong[0]!r} is not owner/name. Correct that line.")
    return list(dict.fromkeys(filter(None, lines)))


def main() -> int:
    """Runs `ask` or `status`, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["ask", "status"])
    parser.add_argument("--list", type=Path, default=ROOT / "packages/repositories.txt", help="the repositories")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help=f"repositories at once ({AT_A_TIME})")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for one repository ({LIMIT:g})")
    given = parser.parse_args()
    # In a workflow, the address at which its runner reaches Gitea.
    server = os.environ.get("GITHUB_SERVER_URL") or os.environ.get("GITEA_URL", "")
    token = os.environ.pop("ROLLOUT_TOKEN", "")
    if not server.startswith(("https://", "http://")):
        sys.exit("GITEA_URL is not set. Set it to Gitea's address, such as https://git.example.org.")
    if given.action == "ask" and not token:
        print("ROLLOUT_TOKEN is not set, so nobody is asked: each package updates within its own week.")
        return 0
    tags = subprocess.run(("git", "tag", "--list", "v*"), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    repositories, known = read(given.list), list(versions(tags))
    if not known:
        sys.exit("This clone of the template has no version tags. Run: git fetch --tags")
    action = ask if given.action == "ask" else status
    rows = asyncio.run(roll_out(action, repositories, server, token, known, max(given.at_a_time, 1), given.limit))
    if given.action == "ask":
        show(rows, {"repository": "repository", "version before": "version", "result": "result"})
    else:
        columns = {"repository": "repository", "version": "version", "behind": "behind"}
        show(rows, columns | {"pull request": "pull", "": "result"})
    failed = [row.repository for row in rows if row.failed]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} answered" + (f"; not {', '.join(failed)}" if failed else "."))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
