# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx==0.28.1", "pyyaml==6.0.3"]
# ///
"""Ask the packages to take the template's newest version, or show which version each of them is on.

    GITEA_URL=https://git.example.org ROLLOUT_TOKEN=… uv run rollout/rollout.py status
    GITEA_URL=https://git.example.org ROLLOUT_TOKEN=… uv run rollout/rollout.py ask

The token needs the scope write:repository and an account that may write in each repository (read:repository and may
read for `status`). The repositories stand in packages/repositories.txt. Ends with 1 when one of them failed.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = "template-update.yaml"
ANSWERS = (".copier-answers.yml", ".copier-answers.gitea.yml")
AT_A_TIME = 8
TIMEOUT = httpx.Timeout(15, connect=5)  # of each read or write; LIMIT is of all that is said with one repository
LIMIT = 45.0


class Failed(Exception):
    """A repository that could not be asked; the text says why."""


@dataclass
class Row:
    """What was found out about a repository, and how it ended."""

    repository: str
    version: str = "?"
    behind: str = "?"
    pull: str = ""
    answer: str = ""
    failed: bool = False


async def call(client: httpx.AsyncClient, method: str, path: str, *expected: int, **body: str) -> httpx.Response:
    """Call Gitea's API.

    Raises:
        Failed: with any answer but success and those expected.
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


async def version_of(client: httpx.AsyncClient, repository: str) -> str:
    """Give the template version that a repository's answers name."""
    for name in ANSWERS:
        answer = await call(client, "GET", f"{repository}/raw/{name}", 404)
        try:
            answers = yaml.safe_load(answer.text) if answer.is_success else None
        except yaml.YAMLError:
            raise Failed(f"{name} is not YAML") from None
        if isinstance(answers, dict) and "gitea_owner" in answers:
            return str(answers.get("_commit", "?"))
    raise Failed(f"not on the template: no {' or '.join(ANSWERS)}")


def number(version: str) -> tuple[int, ...]:
    """Give a version's numbers; () for what is none. A commit behind a tag counts as the tag."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)(-\d+-g[0-9a-f]+)?$", version)
    return tuple(map(int, match.groups()[:3])) if match else ()


def versions(template: Path) -> list[tuple[int, ...]]:
    """Give the versions that the template's clone has tags of."""
    words = ("git", "tag", "--list", "v*")
    tags = subprocess.run(words, cwd=template, capture_output=True, text=True, check=True).stdout.split()
    return [found for tag in tags if (found := number(tag))]


def behind(version: str, known: list[tuple[int, ...]]) -> str:
    """Say how many versions of the template came after one."""
    mine = number(version)
    return str(sum(1 for other in set(known) if other > mine)) if mine else "?"


async def look(client: httpx.AsyncClient, row: Row, known: list[tuple[int, ...]]) -> None:
    """Fill in a repository's version, how far that is behind, and its open pull request of the template's."""
    row.version = await version_of(client, row.repository)
    row.behind = behind(row.version, known)
    page = 1
    while pulls := (await call(client, "GET", f"{row.repository}/pulls?state=open&limit=50&page={page}")).json():
        row.pull += "".join(
            f"{' ' if row.pull else ''}#{pull['number']} {pull['head']['ref'].removeprefix('template/')}"
            for pull in pulls
            if number(pull["head"]["ref"].removeprefix("template/"))
        )
        page += 1
    row.answer = {"0": "newest", "?": "unknown version"}.get(row.behind, "behind")


async def ask(client: httpx.AsyncClient, row: Row, known: list[tuple[int, ...]]) -> None:
    """Start a repository's update workflow on its default branch."""
    branch = (await call(client, "GET", row.repository)).json()["default_branch"]
    row.version = await version_of(client, row.repository)
    row.behind = behind(row.version, known)
    if row.behind == "0":
        row.answer = "newest, not asked"
        return
    await call(client, "POST", f"{row.repository}/actions/workflows/{WORKFLOW}/dispatches", ref=branch)
    row.answer = "asked"


async def roll_out(
    what: Callable[[httpx.AsyncClient, Row, list[tuple[int, ...]]], Awaitable[None]],
    repositories: list[str],
    server: str,
    token: str,
    known: list[tuple[int, ...]],
    at_a_time: int = AT_A_TIME,
    limit: float = LIMIT,
) -> list[Row]:
    """Do something with each repository, a few at a time, and go on when one fails.

    Args:
        what: `look` or `ask`.
        repositories: Their names, owner/name.
        server: Gitea's address.
        token: An access token.
        known: The template's versions.
        at_a_time: How many repositories at most are spoken with at once.
        limit: Seconds for one repository.
    Returns:
        A row for each, in the order of the list.
    """
    rows = [Row(name) for name in repositories]
    gate, told = asyncio.Semaphore(at_a_time), 0

    async def one(row: Row) -> None:
        nonlocal told
        async with gate:
            try:
                await asyncio.wait_for(what(client, row, known), limit)
            except TimeoutError:
                row.answer, row.failed = f"no end after {limit:g} s", True
            except (Failed, ValueError, LookupError, TypeError) as error:
                wrong = str(error) if isinstance(error, Failed) else f"an answer that is not Gitea's ({error!r})"
                row.answer, row.failed = wrong, True
        told += 1
        print(f"[{told}/{len(rows)}] {row.repository}: {row.answer}", file=sys.stderr, flush=True)

    headers = {"Authorization": f"token {token}", "Accept": "application/json"} if token else {}
    limits = httpx.Limits(max_connections=at_a_time)
    address = f"{server.rstrip('/')}/api/v1/repos/"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT, limits=limits) as client:
        await asyncio.gather(*map(one, rows))
    return rows


def table(rows: list[Row], columns: dict[str, str]) -> str:
    """Write rows as a table that is Markdown, too."""
    lines = [list(columns), *([str(getattr(row, name)) for name in columns.values()] for row in rows)]
    widths = [max(len(line[i].replace("|", "\\|")) for line in lines) for i in range(len(columns))]
    cells = [
        [cell.replace("|", "\\|").ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def read(path: Path) -> list[str]:
    """Read the list of repositories: one owner/name a line, `#` begins a comment."""
    if not path.exists():
        sys.exit(f"{path} is not there. Write the repositories into it, one owner/name a line.")
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    if wrong := [line for line in lines if line and not re.fullmatch(r"[\w.-]+/[\w.-]+", line)]:
        sys.exit(f"{path}: {wrong[0]!r} is not owner/name. Correct that line.")
    return list(dict.fromkeys(filter(None, lines)))


def main() -> int:
    """Run `ask` or `status`, and end with the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ask", "status"])
    parser.add_argument("--list", type=Path, default=ROOT / "packages/repositories.txt", help="the repositories")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help=f"at most so many at once ({AT_A_TIME})")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for one repository ({LIMIT:g})")
    given = parser.parse_args()
    # In a workflow, the address at which its runner reaches Gitea.
    server = os.environ.get("GITHUB_SERVER_URL") or os.environ.get("GITEA_URL", "")
    token = os.environ.pop("ROLLOUT_TOKEN", "")
    if not server.startswith(("https://", "http://")):
        sys.exit("GITEA_URL is not set: give it Gitea's address, such as https://git.example.org.")
    if given.what == "ask" and not token:
        print("ROLLOUT_TOKEN is not set, so nobody is asked: each package updates in its own week.")
        return 0
    repositories, known = read(given.list), versions(ROOT)
    if not known:
        sys.exit("This clone of the template has no version tags. Run: git fetch --tags")
    what = ask if given.what == "ask" else look
    rows = asyncio.run(roll_out(what, repositories, server, token, known, max(given.at_a_time, 1), given.limit))
    if given.what == "ask":
        columns = {"repository": "repository", "version before": "version", "answer": "answer"}
    else:
        columns = {"repository": "repository", "version": "version", "behind": "behind"}
        columns |= {"pull request": "pull", "": "answer"}
    print(table(rows, columns))
    failed = [row.repository for row in rows if row.failed]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} answered" + (f"; not {', '.join(failed)}" if failed else "."))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
