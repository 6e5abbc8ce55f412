"""Runs actions for every repository, a few at a time, within a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext

import httpx
from escape import one_line
from forge import Failed, connect
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text
from survey import Row, Survey, list_packages, list_rows

AT_A_TIME = 8
LIMIT = 45.0  # seconds for all calls about one repository
DEADLINE = 600.0  # seconds for everything

Action = Callable[[httpx.AsyncClient, Survey, Row], Awaitable[None]]
Actions = Mapping[str, Action]


async def attempt(action: Awaitable[None], row: Row, limit: float) -> None:
    """Waits for an action, at most `limit` seconds, and notes in the row how it failed, if it does."""
    try:
        await asyncio.wait_for(action, limit)
    except TimeoutError:
        row.result, row.failed = f"no result after {limit:g} s", True
    except Failed as error:
        row.result, row.failed = str(error), True
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        row.result, row.failed = f"not an answer of Gitea ({error!r})"[:160], True


async def conduct(
    survey: Survey,
    actions: Actions,
    server: str,
    token: str,
    at_a_time: int = AT_A_TIME,
    limit: float = LIMIT,
    deadline: float = DEADLINE,
) -> None:
    """Runs actions for each repository, and continues when one fails. What it finds is in the survey.

    Args:
        survey: With rows for the repositories, or with an owner, whose repositories are then listed.
        actions: What to do with each repository, in this order.
        server: Gitea's address.
        token: An access token.
        at_a_time: How many repositories to talk to at once.
        limit: Seconds for one action in one repository.
        deadline: Seconds for everything; what is not done then is left.

    Raises:
        Failed: the owner's repositories cannot be listed.
    """
    try:
        async with asyncio.timeout(deadline), connect(server, token, at_a_time) as client:
            if survey.owner:
                await list_rows(client, survey)
            await list_packages(client, survey)
            await each(client, survey, actions, at_a_time, limit)
    except TimeoutError:
        survey.stopped = f"Stopped after {deadline:g} s (--deadline)"


async def each(client: httpx.AsyncClient, survey: Survey, actions: Actions, at_a_time: int, limit: float) -> None:
    """Runs the actions for each row, and shows how far it is."""
    gate = asyncio.Semaphore(at_a_time)
    console = Console(stderr=True, soft_wrap=True)
    progress = Progress("repositories", MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True)
    task = progress.add_task("", total=len(survey.rows))

    async def one(row: Row) -> None:
        async with gate:
            for action in actions.values():
                await attempt(action(client, survey, row), row, limit)
        progress.advance(task)
        place = f"[{int(progress.tasks[0].completed)}/{len(survey.rows)}]"
        progress.console.print(Text(one_line(f"{place} {row.repository}: {row.result}")))

    with progress if console.is_terminal else nullcontext():
        await asyncio.gather(*map(one, survey.rows))
