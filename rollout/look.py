"""What `check` looks at, and what it knows so far."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from findings import Finding
from forge import call


@dataclass
class Look:
    """What is looked at, and what is known so far."""

    client: httpx.AsyncClient
    server: str
    owner: str
    repository: str  # empty: the owner alone
    registry_token: str
    product: str = "Gitea"  # or Forgejo
    organisation: bool = True
    there: bool = False  # the repository
    answers: dict[str, Any] = field(default_factory=dict)
    secrets: set[str] | None = None  # None: they cannot be listed

    @property
    def path(self) -> str:
        """Its address in the API."""
        return f"repos/{self.owner}/{self.repository}"

    def answer(self, name: str) -> str:
        """Returns a text of the answers, or an empty one."""
        found = self.answers.get(name)
        return found if isinstance(found, str) else ""

    async def get(self, path: str, *expected: int) -> httpx.Response:
        """Returns what the API says at a path; other statuses than success and these are failures."""
        return await call(self.client, "GET", path, *expected)


Findings = AsyncIterator[Finding]
