"""Asks the API of Gitea or Forgejo: each answer is bounded, and what went wrong is a sentence."""

import asyncio
import re
from typing import Any

import httpx

TIMEOUT = httpx.Timeout(15, connect=5, pool=None)  # seconds for each read or write
LARGEST = 20_000_000  # bytes of an answer
PAGE, PAGES = 50, 4000
KEPT = ("content-type", "link", "location")


class Failed(Exception):
    """A server did not answer as expected. The text says why."""


def connect(server: str, token: str, at_a_time: int) -> httpx.AsyncClient:
    """Returns a client of the API at a server's address, with a token if there is one."""
    headers = {"Authorization": f"token {token}", "Accept": "application/json"} if token else {}
    limits = httpx.Limits(max_connections=at_a_time)
    return httpx.AsyncClient(base_url=f"{server}/api/v1/", headers=headers, timeout=TIMEOUT, limits=limits)


async def call(client: httpx.AsyncClient, method: str, path: str, *expected: int, **body: Any) -> httpx.Response:
    """Calls the API.

    Args:
        client: What `connect` returns.
        method: GET, POST and so on.
        path: The path behind /api/v1/, with its query.
        expected: Status codes that are no failure, beside the successful ones.
        body: The fields of a JSON body.

    Returns:
        The answer, read to its end.

    Raises:
        Failed: the answer is neither a success nor expected, too long, or a web page.
    """
    try:
        answer = await bounded(client, method, path, body)
    except httpx.TimeoutException:
        raise Failed("no answer in time") from None
    except httpx.TransportError as error:
        help_ = ": set SSL_CERT_FILE to the certificate of its authority" if "CERTIFICATE" in str(error) else ""
        raise Failed(f"no connection ({type(error).__name__}): {error}"[:160] + help_) from None
    except (httpx.InvalidURL, httpx.DecodingError) as error:
        raise Failed(f"not an answer of Gitea ({type(error).__name__})") from None
    if answer.status_code in expected:
        return answer
    if answer.has_redirect_location:
        raise Failed(f"moved to {answer.headers['location'][:160]}: correct the list or GITEA_URL")
    if answer.is_success:
        if "html" in answer.headers.get("content-type", "") and answer.text.lstrip().startswith("<"):
            raise Failed("a web page, not an answer of Gitea's API: does GITEA_URL lead to a login page or a proxy?")
        return answer
    raise Failed(f"{answer.status_code} {reason(answer)}"[:160])


async def bounded(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
    """Returns an answer that was read to its end, if it is not too long."""
    parts, size = [], 0
    async with client.stream(method, path, json=body or None) as answer:
        async for part in answer.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise Failed(f"the answer is longer than {LARGEST // 1_000_000} MB")
    headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
    return httpx.Response(answer.status_code, headers=headers, content=b"".join(parts), request=answer.request)


def reason(answer: httpx.Response) -> str:
    """Returns why a server refused, in its words and with what helps."""
    try:
        message = " ".join(str(answer.json()["message"]).split())
    except (ValueError, LookupError, TypeError):
        message = answer.reason_phrase
    if answer.status_code == 404 and re.fullmatch(
        r"(?i)GetUserByName|GetRepositoryByName.*|not found|", message.strip()
    ):
        return "not found: it does not exist, or the token's account may not read it"
    return message


async def pages(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Returns everything that a listing has, over all of its pages.

    Raises:
        Failed: a page failed, or is no list.
    """
    query = f"{path}{'&' if '?' in path else '?'}limit={PAGE}&page="

    async def page(number: int) -> httpx.Response:
        return await call(client, "GET", f"{query}{number}")

    def items(answer: httpx.Response) -> list[dict[str, Any]]:
        found = answer.json()
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise Failed("not an answer of Gitea: a listing is not a list")
        return found

    try:
        first = await page(1)
        found = items(first)
        if last := re.search(r"[?&]page=(\d+)", str(first.links.get("last", {}).get("url", ""))):
            rest = await asyncio.gather(*(page(number) for number in range(2, min(int(last[1]), PAGES) + 1)))
            return [*found, *(item for answer in rest for item in items(answer))]
        number = 1
        while len(found) == number * PAGE and number < PAGES:  # a proxy may have removed the links
            number += 1
            found += items(await page(number))
    except ValueError as error:
        raise Failed(f"not an answer of Gitea ({error})"[:160]) from None
    return found
