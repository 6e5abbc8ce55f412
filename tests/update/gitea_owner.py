"""The part of Gitea's API that knows an owner: its repositories, its registry, and what main has beyond a release."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from gitea_api import BAD, DOCUMENTED, PAGES, Call, Gitea, Repository, answer, refusal
from loopback_gitea import Answer, Environ

DOCUMENTED += [
    Call("GET", r"/compare/(?P<base>.+)\.\.\.(?P<head>.+)", "compare"),
    Call("GET", r"/commits/(?P<ref>.+)/status", "state", frozenset(PAGES)),
    Call("GET", r"/git/trees/(?P<sha>[^/]+)", "tree", frozenset({"recursive", "page", "per_page"})),
]
LISTED = {"repos": PAGES, "pypi": PAGES | {"type", "q"}}


class GiteaOwner(Gitea):
    """A Gitea with owners that have many repositories and packages."""

    largest = 50  # items of a page, whatever is asked for
    links = True  # whether a listing says which page is its last

    def __init__(self, *what: Any) -> None:
        """Have no packages."""
        self.versions: list[dict[str, Any]] = []  # of packages, as the registry lists them
        self.may_not: dict[str, Answer] = {}  # by listing
        super().__init__(*what)

    def put(self, owner: str, name: str, version: str, day: str, repository: str = "") -> None:
        """Put a version of a package into a registry."""
        linked = {"full_name": repository} if repository else None
        item = {"name": name, "version": version, "type": "pypi", "created_at": f"{day}T10:00:00Z", "owner": owner}
        self.versions.append(item | {"repository": linked})

    def _route(self, environ: Environ, path: str, method: str, user: str, password: str) -> Answer:
        found = re.fullmatch(r"/api/v1/(?:users/([^/]+)/(repos)|packages/([^/]+))", path)
        if not found:
            return super()._route(environ, path, method, user, password)
        owner, kind = found[1] or found[3], found[2] or "pypi"
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")[2]
        self.calls.append((kind, owner, token))
        if unknown := set(query) - LISTED[kind]:
            self.wrong.append(f"{path} takes no {unknown}")
        if fault := self.may_not.get(kind) or self.stop(kind, owner):
            return fault
        if token in ("", BAD):
            return refusal(401, "invalid username, password or token")
        if kind == "pypi":
            items = [item for item in self.versions if item["owner"] == owner]
        else:
            mine = [item for name, item in self.known.items() if name.startswith(f"{owner}/")]
            items = [json.loads(self._repository(item)[2]) for item in mine if self.may(token, item)]
        if not items and owner not in {name.partition("/")[0] for name in self.known}:
            return refusal(404, "GetUserByName")
        return self._page(path, query, items)

    def _page(self, path: str, query: dict[str, str], items: list[Any]) -> Answer:
        number, size = int(query.get("page", "1")), min(int(query.get("limit", "30")), self.largest)
        last = -(-len(items) // size)
        link = (("Link", f'<{self.outside}{path}?limit={size}&page={last}>; rel="last"'),)
        return answer(200, items[(number - 1) * size : number * size], link if self.links and number < last else ())

    def _compare(self, repository: Repository, match: dict[str, str], *_: Any) -> Answer:
        if (match["base"], match["head"]) != (repository.tag, repository.default_branch):
            return refusal(404, "not found")
        commits = [{"sha": "0" * 40, "commit": {"message": message}} for message in repository.commits]
        return answer(200, {"total_commits": len(commits), "commits": commits})

    def _state(self, repository: Repository, match: dict[str, str], *_: Any) -> Answer:
        if repository.state is None or match["ref"] != repository.default_branch:
            return refusal(404, "not found")
        return answer(200, {"state": repository.state, "statuses": [], "total_count": 1})

    def _tree(self, repository: Repository, *_: Any) -> Answer:
        tree = [{"path": name, "type": "blob", "mode": "100644"} for name in repository.files]
        return answer(200, {"tree": [*tree, {"path": "docs", "type": "tree"}], "truncated": False})
