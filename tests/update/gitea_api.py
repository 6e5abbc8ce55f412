"""The part of Gitea's API that updates use, in front of real repositories, with each call held against its documents.

What Gitea's own description of its API (swagger) does not have is noted in `wrong`, and a test that ends with something
in there fails. The statuses and messages of refusals are those that a Gitea 1.26.4 and a 1.25.5 were seen to give.
"""

import base64
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from loopback_gitea import Answer, Environ, Forge

JOB, BOT, READER, BAD = "job-token-73d0e1", "bot-token-a81c55", "reader-token-0f4b", "bad-token-99e1c0"
TEXT, NUMBERS = (str,), (list,)
PULL_FIELDS = {
    **dict.fromkeys(("assignee", "body", "head", "base", "title", "due_date"), TEXT),
    **dict.fromkeys(("assignees", "labels", "reviewers", "team_reviewers"), NUMBERS),
    **{"milestone": (int,), "allow_maintainer_edit": (bool,)},
}
EDIT_FIELDS = {key: kind for key, kind in PULL_FIELDS.items() if "review" not in key and key != "head"}
EDIT_FIELDS |= {"state": TEXT, "content_version": (int,), "unset_due_date": (bool,)}
PAGES = {"page", "limit"}


@dataclass(frozen=True)
class Call:
    """A call as Gitea documents it: parameters of the query, fields of the body with their types, those needed."""

    method: str
    path: str
    name: str
    query: frozenset[str] = frozenset()
    fields: dict[str, tuple[type, ...]] = field(default_factory=dict, hash=False)
    needed: frozenset[str] = frozenset()


DOCUMENTED = [
    Call("GET", r"", "repository"),
    Call("GET", r"/raw/(?P<file>.+)", "raw", frozenset({"ref"})),
    Call("GET", r"/branches/(?P<branch>.+)", "branch"),
    Call("GET", r"/pulls", "pulls", frozenset({"state", "sort", "milestone", "labels", "poster"} | PAGES)),
    Call("POST", r"/pulls", "open", fields=PULL_FIELDS, needed=frozenset({"head", "base", "title"})),
    Call("PATCH", r"/pulls/(?P<index>\d+)", "edit", fields=EDIT_FIELDS),
    Call("GET", r"/pulls/(?P<base>[^/]+)/(?P<head>.+)", "pull"),
    Call(
        "POST",
        r"/actions/workflows/(?P<file>[^/]+)/dispatches",
        "dispatch",
        frozenset({"return_run_details"}),
        {"ref": TEXT, "inputs": (dict,)},
        frozenset({"ref"}),
    ),
]


def answer(status: int, content: Any = None, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Returns an answer of the API's: JSON, or text as it is."""
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    return f"{status} {'OK' if status < 300 else 'Refused'}", [("Content-Type", "application/json"), *headers], body


def refusal(status: int, message: str) -> Answer:
    """Returns a refusal as the API words it."""
    return answer(status, {"message": message, "url": "http://localhost/api/swagger"})


@dataclass
class Repository:
    """What the API knows of a repository without asking git."""

    name: str
    private: bool = False
    default_branch: str = "main"
    answers: str | None = None  # .copier-answers.yml, where no git repository has it
    workflow: bool = True
    files: dict[str, str] = field(default_factory=dict)  # others in its root, where no git repository has them
    tag: str = ""  # of its last release
    commits: list[str] = field(default_factory=list)  # messages, after that
    state: str | None = None  # of the last run on the default branch
    more: dict[str, Any] = field(default_factory=dict)  # what else the API says of it, such as archived
    pulls: list[dict[str, Any]] = field(default_factory=list)
    dispatched: list[dict[str, Any]] = field(default_factory=list)


class Gitea(Forge):
    """The Gitea of one test: git over HTTP with passwords, the API of repositories, what each token may there."""

    def __init__(self, folder: Path, release: tuple[int, int] = (1, 26)) -> None:
        """Keep everything below `folder`."""
        self.release = release
        self.known: dict[str, Repository] = {}
        self.job_repository = ""  # where the job runs: its token may write there
        self.wrong: list[str] = []
        self.calls: list[tuple[str, str, str]] = []  # name of the call, repository, token
        self.stop: Callable[[str, str], Answer | None] = lambda _name, _repository: (
            None
        )  # a fault, asked before each call
        super().__init__(folder, JOB, ("ci-bot", "registry-token-5f2c"), ("reader", READER))

    def add(self, owner: str, name: str, **what: Any) -> Repository:
        """Make a repository, with an empty one of git's behind it."""
        if owner not in self._owners:
            self.add_owner(owner)
        self.add_repository(owner, name)
        self.known[f"{owner}/{name}"] = Repository(f"{owner}/{name}", **what)
        return self.known[f"{owner}/{name}"]

    def bare(self, repository: str) -> Path:
        """Returns the bare repository behind a name."""
        return self.folder / "git" / f"{repository}.git"

    def heads(self, repository: str) -> dict[str, str]:
        """Returns the branches of a repository with their commits."""
        words = ("git", "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
        lines = subprocess.run(words, cwd=self.bare(repository), capture_output=True, text=True, check=True).stdout
        return dict(line.split() for line in lines.splitlines())

    def may(self, token: str, repository: Repository) -> str:
        """Returns what a token may in a repository: "write", "read" or ""."""
        if token == BOT or (token == JOB and repository.name == self.job_repository):
            return "write"
        if token == JOB and self.release < (1, 26):
            return ""
        return "" if repository.private and token != READER else "read"

    def _git(self, environ: Environ, path: str, method: str, user: str, password: str) -> Answer:
        owner, name, *_ = path.strip("/").split("/")
        repository = self.known.get(f"{owner}/{name.removesuffix('.git')}")
        push = "git-receive-pack" in path + environ.get("QUERY_STRING", "")
        anonymous = not password and repository and not push and not repository.private
        if repository is None or not (anonymous or password in (JOB, BOT, READER)):
            return "401 Unauthorized", [("WWW-Authenticate", 'Basic realm="Gitea"')], b"Unauthorized\n"
        right = self.may(password, repository)
        if push and right != "write":
            return "403 Forbidden", [("Content-Type", "text/plain")], b"User permission denied\n"
        if not right:
            return "404 Not Found", [("Content-Type", "text/plain")], b"Not found\n"
        return super()._git(environ, path, method, user, self.job_token)

    def _route(self, environ: Environ, path: str, method: str, user: str, password: str) -> Answer:
        if not path.startswith("/api/v1/repos/"):
            return super()._route(environ, path, method, user, password)
        kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        body = environ["wsgi.input"].read()
        # As sent: a / within a part is one part to Gitea if it came as %2F.
        owner, name, rest = re.search(r"/api/v1/repos/([^/]+)/([^/]+)(.*)", environ["loopback.path"]).groups()
        call, match = self._documented(method, rest, environ.get("QUERY_STRING", ""), body)
        if not call:
            return refusal(404, "not found")
        self.calls.append((call.name, f"{owner}/{name}", token))
        if fault := self.stop(call.name, f"{owner}/{name}"):
            return fault
        repository = self.known.get(f"{owner}/{name}")
        if kind.lower() != "token" or token not in (JOB, BOT, READER):
            return refusal(401, "invalid username, password or token")
        if not repository or not self.may(token, repository):
            return refusal(404, "GetUserByName")
        if method != "GET" and self.may(token, repository) != "write":
            scopes = "required=[write:repository], token scope=read:repository"
            return refusal(403, f"token does not have at least one of required scope(s), {scopes}")
        if call.name == "open" and token == JOB and self.release < (1, 26):
            return refusal(403, "user must be a collaborator")
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        return getattr(self, f"_{call.name}")(repository, match, query, json.loads(body or b"{}"))

    def _documented(self, method: str, rest: str, query: str, body: bytes) -> tuple[Call | None, dict[str, str]]:
        for call in DOCUMENTED:
            if call.method == method and (match := re.fullmatch(call.path, rest)):
                break
        else:
            self.wrong.append(f"{method} {rest} is not in Gitea's API")
            return None, {}
        given = json.loads(body or b"{}")
        if unknown := set(dict(parse_qsl(query))) - call.query:
            self.wrong.append(f"{method} {rest} takes no {unknown}")
        if unknown := set(given) - set(call.fields):
            self.wrong.append(f"{method} {rest} has no field {unknown}")
        if missing := call.needed - set(given):
            self.wrong.append(f"{method} {rest} needs {missing}")
        for key in set(given) & set(call.fields):
            if not isinstance(given[key], call.fields[key]):
                self.wrong.append(f"{method} {rest}: {key} is a {type(given[key]).__name__}")
        if given.get("state", "open") not in ("open", "closed"):
            self.wrong.append(f"{method} {rest}: no such state {given['state']}")
        return call, {key: unquote(part) for key, part in match.groupdict().items()}

    def _repository(self, repository: Repository, *_: Any) -> Answer:
        what = {
            "full_name": repository.name,
            "default_branch": repository.default_branch,
            "private": repository.private,
            "open_pr_counter": sum(pull["state"] == "open" for pull in repository.pulls),
        }
        return answer(200, what | repository.more)

    def _raw(self, repository: Repository, match: dict[str, str], *_: Any) -> Answer:
        if repository.answers is not None and match["file"] == ".copier-answers.yml":
            return answer(200, repository.answers)
        if match["file"] in repository.files:
            return answer(200, repository.files[match["file"]])
        if not self.bare(repository.name).exists():
            return refusal(404, "GetRawFile")
        words = ("git", "show", f"{repository.default_branch}:{match['file']}")
        shown = subprocess.run(words, cwd=self.bare(repository.name), capture_output=True, text=True, check=False)
        return answer(200, shown.stdout) if shown.returncode == 0 else refusal(404, "GetRawFile")

    def _branch(self, repository: Repository, match: dict[str, str], *_: Any) -> Answer:
        words = ("git", "log", "-1", "--format=%H%n%ae", f"refs/heads/{match['branch']}", "--")
        shown = subprocess.run(words, cwd=self.bare(repository.name), capture_output=True, text=True, check=False)
        if shown.returncode:
            return refusal(404, "branch does not exist")
        commit, email = shown.stdout.split()
        return answer(200, {"name": match["branch"], "commit": {"id": commit, "author": {"email": email}}})

    def _pulls(self, repository: Repository, _match: Any, query: dict[str, str], _body: Any) -> Answer:
        state, page = query.get("state", "open"), int(query.get("page", "1"))
        limit = min(int(query.get("limit", "30")), 50)
        chosen = [pull for pull in repository.pulls if state in ("all", pull["state"])][::-1]
        return answer(200, chosen[(page - 1) * limit : page * limit])

    def _pull(self, repository: Repository, match: dict[str, str], *_: Any) -> Answer:
        for pull in repository.pulls:
            if (pull["base"]["ref"], pull["head"]["ref"]) == (match["base"], match["head"]):
                return answer(200, pull)
        return refusal(404, "pull request does not exist")

    def _open(self, repository: Repository, _match: Any, _query: Any, body: dict[str, Any]) -> Answer:
        heads = self.heads(repository.name)
        if body["head"] not in heads or body["base"] not in heads:
            return refusal(404, "The target couldn't be found.")
        for pull in repository.pulls:
            there = (pull["state"], pull["base"]["ref"], pull["head"]["ref"])
            if there == ("open", body["base"], body["head"]):
                return refusal(409, f"pull request already exists for these targets [id: {pull['number']}, ...]")
        pull = {
            "number": 11 + len(repository.pulls),
            "state": "open",
            "title": body["title"],
            "body": body.get("body", ""),
            "draft": body["title"].startswith("WIP:"),
            "head": {"ref": body["head"], "sha": heads[body["head"]], "repo": {"full_name": repository.name}},
            "base": {"ref": body["base"], "sha": heads[body["base"]], "repo": {"full_name": repository.name}},
            "html_url": f"{self.outside}/{repository.name}/pulls/{11 + len(repository.pulls)}",
        }
        repository.pulls.append(pull)
        return answer(201, pull)

    def _edit(self, repository: Repository, match: dict[str, str], _query: Any, body: dict[str, Any]) -> Answer:
        for pull in repository.pulls:
            if pull["number"] == int(match["index"]):
                pull.update({key: value for key, value in body.items() if key in ("state", "title", "body")})
                return answer(201, pull)
        return refusal(404, "not found")

    def _dispatch(
        self, repository: Repository, match: dict[str, str], query: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        if match["file"] != "template-update.yaml" or not repository.workflow:
            return refusal(404, f'workflow "{match["file"]}" doesn\'t exist')
        repository.dispatched.append(body)
        return answer(200, {"workflow_run_id": 1}) if "return_run_details" in query else answer(204, "")


def shapes_of(token: str) -> list[str]:
    """Returns a token in every shape in which it could be found somewhere."""
    return [token, *(base64.b64encode(f"{user}:{token}".encode()).decode() for user in ("x-access-token", "", token))]
