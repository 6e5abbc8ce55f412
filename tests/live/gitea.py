"""A Gitea, its runner and a listener as ntfy, on loopback, for as long as the tests last."""

import base64
import contextlib
import html
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import uv
from authority import Authority

from .daemon import HERE, Daemon, Red, wait_for
from .engine import CERTIFICATES, Engine, stand_in

ROOT = HERE.parent.parent
LABEL = "ubuntu-latest"
USER = "as-user"  # after a runner's label: its jobs that run as another user than root
ADMIN = "keeper"
PIN = re.compile(r"(\bactions/([a-z-]+))@([0-9a-f]{40})\b")
PERSON = {"NAME": "A Person", "EMAIL": "person@example.com"}
# What a step needs of the developer's environment to reach the package index from here; nothing else is handed on.
HANDED_ON = re.compile(
    r"UV_((DEFAULT_)?INDEX(_URL)?|EXTRA_INDEX_URL|INSECURE_HOST|SYSTEM_CERTS|NATIVE_TLS|HTTP_\w+)$"
    r"|(SSL_CERT|REQUESTS_CA|CURL_CA|NODE_EXTRA_CA)_\w+$|(HTTPS?|ALL)_PROXY$",
    re.IGNORECASE,
)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def handed_on() -> dict[str, str]:
    """Returns what any program here needs of the developer's environment."""
    found = {name: value for name, value in os.environ.items() if HANDED_ON.match(name)}
    return found | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def clean_env(home: Path, path: str | None = None, **more: str) -> dict[str, str]:
    """An environment with a home of its own, so without the developer's git settings; uv's cache is shared."""
    home.mkdir(parents=True, exist_ok=True)
    # uv's cache and its Pythons are the developer's.
    caches, pythons = (
        subprocess.run([uv.find_uv_bin(), what, "dir"], capture_output=True, text=True, check=True).stdout.strip()
        for what in ("cache", "python")
    )
    return (
        handed_on()
        | {
            "HOME": str(home),
            "PATH": path or os.environ["PATH"],
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": caches,
            "UV_PYTHON_INSTALL_DIR": pythons,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        | more
    )


def run(command: list[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command that has to succeed, and give what it printed. Raises Red with its output otherwise."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        raise Red(f"{command[:3]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Ntfy:
    """A listener as ntfy: keeps the JSON of each message."""

    def __init__(self, authority: Authority | None = None) -> None:
        """Listen on a free port, over TLS if there is an authority for it."""
        self.messages: list[dict[str, Any]] = []
        ntfy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                ntfy.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"healthy":true}')

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if authority:
            self.server.socket = authority.server.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http{'s' if authority else ''}://127.0.0.1:{self.server.server_port}"

    def to(self, topic: str) -> list[dict[str, Any]]:
        """The messages to one topic, oldest first."""
        return [message for message in self.messages if message.get("topic") == topic]


class Server:
    """A Gitea on SQLite. `url` is its address for people, `internal_url` the one that CI uses: they differ."""

    def __init__(self, binary: Path, folder: Path, authority: Authority | None = None) -> None:
        """Start on a free port, with all data in the folder, and make the administrator.

        With an authority, over TLS alone.
        """
        self.binary, self.folder, self.log = binary, folder, folder / "gitea.log"
        self.port, self.authority = free_port(), authority
        self.scheme, self.verify = ("https", authority.client) if authority else ("http", True)
        self.url = f"{self.scheme}://localhost:{self.port}"
        self.internal_url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.repositories = folder / "repositories"
        self.password = secrets.token_hex(16)
        self.env = clean_env(folder / "home", GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT="true")
        # By name: Forgejo's numbers (15.0.3+gitea-1.22.0) and Gitea's say nothing about each other.
        said = run([str(binary), "--version"], folder, self.env)
        self.product = "Forgejo" if said.lower().startswith("forgejo") else "Gitea"
        self.daemon: Daemon | None = None
        self.start()
        token = self.cli(
            *("admin", "user", "create", "--admin", "--username", ADMIN, "--password", self.password),
            *("--email", f"{ADMIN}@example.com", "--must-change-password=false", "--access-token"),
        )
        self.token = token.split()[-1]
        headers = {"Authorization": f"token {self.token}"}
        self.http = self.client(headers=headers, timeout=60)
        self.version: str = self.api("GET", "version")["version"]
        major, minor = re.findall(r"\d+", self.version)[:2]
        self.release = (int(major), int(minor))

    def __str__(self) -> str:
        """Returns the product and its version."""
        return f"{self.product} {self.version}"

    def client(self, **more: Any) -> httpx.Client:
        """Returns a client of the server."""
        return httpx.Client(base_url=self.internal_url, verify=self.verify, trust_env=False, **more)

    def start(self, **packages: str) -> None:
        """Write the settings and start, until the server answers. The keywords go into the section [packages]."""
        (self.folder / "app.ini").write_text(self.settings(packages))
        command = [str(self.binary), "web", "--config", str(self.folder / "app.ini")]
        self.daemon = Daemon(command, self.log, self.folder, self.env)

        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError), self.client() as asking:
                return asking.get("/api/v1/version").is_success
            return False

        try:
            wait_for("Gitea to answer", answers)
        except Red as late:
            self.stop()
            raise Red(f"{late}:\n{self.log.read_text()[-3000:]}") from None

    def settings(self, packages: Mapping[str, str]) -> str:
        """The app.ini: nothing leaves loopback, and what waits minutes elsewhere waits seconds."""
        user = run(["id", "-un"], self.folder, os.environ).strip()
        sections: dict[str, dict[str, object]] = {
            "": {"RUN_USER": user, "RUN_MODE": "prod", "WORK_PATH": self.folder, "APP_DATA_PATH": self.folder / "data"},
            "server": {
                **(self.authority.settings if self.authority else {}),
                **{
                    "PROTOCOL": self.scheme,
                    "HTTP_ADDR": "127.0.0.1",
                    "HTTP_PORT": self.port,
                    "ROOT_URL": f"{self.url}/",
                },
                **{"LOCAL_ROOT_URL": f"{self.internal_url}/", "DISABLE_SSH": "true", "OFFLINE_MODE": "true"},
            },
            "database": {
                **{"DB_TYPE": "sqlite3", "PATH": self.folder / "gitea.db"},
                **{"SQLITE_JOURNAL_MODE": "WAL", "SQLITE_TIMEOUT": 30000},
            },
            "repository": {"ROOT": self.repositories, "DEFAULT_BRANCH": "main"},
            "security": {"INSTALL_LOCK": "true", "SECRET_KEY": self.password, "PASSWORD_HASH_ALGO": "pbkdf2$1$50"},
            "service": {"DISABLE_REGISTRATION": "true"},
            "mailer": {"ENABLED": "false"},
            "indexer": {"ISSUE_INDEXER_TYPE": "db"},
            "log": {"MODE": "console", "LEVEL": "Info", "logger.router.MODE": ""},
            "cron.update_checker": {"ENABLED": "false"},
            "packages": {"ENABLED": "true", **packages},
            "actions": {
                **{
                    "ENABLED": "true",
                    "DEFAULT_ACTIONS_URL": self.url if self.product == "Forgejo" else "self",
                    "ZOMBIE_TASK_TIMEOUT": "8s",
                },
                **{"ENDLESS_TASK_TIMEOUT": "10m", "ABANDONED_JOB_TIMEOUT": "10m"},
            },
        }
        lines = []
        for name, values in sections.items():
            lines += [f"[{name}]"] if name else []
            lines += [f"{key} = {value}" for key, value in values.items()]
        return "\n".join(lines) + "\n"

    def stop(self) -> None:
        """End the server."""
        if self.daemon:
            self.daemon.kill()

    @contextlib.contextmanager
    def without_packages(self) -> Iterator[None]:
        """The same server with its packages switched off, for as long as the block lasts."""
        self.stop()
        self.start(ENABLED="false")
        try:
            yield
        finally:
            self.stop()
            self.start()

    def cli(self, *arguments: str) -> str:
        """Run a command of Gitea's own command line."""
        command = [str(self.binary), "--config", str(self.folder / "app.ini"), *arguments]
        return run(command, self.folder, self.env)

    def api(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Call the API as administrator, and give the answer. Raises Red for any answer but success."""
        answer = self.http.request(method, f"/api/v1/{path}", json=body, params={k: str(v) for k, v in query.items()})
        if not answer.is_success:
            raise Red(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text

    def token_of(self, user: str, *scopes: str) -> str:
        """A new access token of a user, with just these scopes."""
        basic = base64.b64encode(f"{user}:{self.password}".encode()).decode()
        answer = self.http.post(
            f"/api/v1/users/{user}/tokens",
            json={"name": secrets.token_hex(4), "scopes": scopes},
            headers={"Authorization": f"Basic {basic}"},
        )
        if not answer.is_success:
            raise Red(f"token of {user}: {answer.status_code} {answer.text}")
        return answer.json()["sha1"]

    def user(self, name: str) -> str:
        """A new account, without any right."""
        mail = f"{name}@example.com"
        new = {"username": name, "email": mail, "password": self.password, "must_change_password": False}
        return self.api("POST", "admin/users", new)["login"]

    def git_env(self, home: Path) -> dict[str, str]:
        """An environment in which git is a person who may push everywhere on this server."""
        basic = base64.b64encode(f"{ADMIN}:{self.token}".encode()).decode()
        return clean_env(
            home,
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in PERSON.items()},
            **{"GIT_CONFIG_COUNT": "2"},
            **{f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {basic}" for number in range(2)},
            **{
                f"GIT_CONFIG_KEY_{n}": f"http.{url}/.extraHeader" for n, url in enumerate((self.url, self.internal_url))
            },
            **(self.authority.trusted if self.authority else {}),
        )

    def since(self, gitea: tuple[int, int] | None, forgejo: tuple[int, int] | None = None) -> bool:
        """Returns whether the server is that release of its product or a later one; None stands for no release."""
        first = {"Gitea": gitea, "Forgejo": forgejo}[self.product]
        return first is not None and self.release >= first

    def has_rerun_api(self) -> bool:
        """Whether runs can be started again by API; before, only the web page's button does it."""
        return self.since((1, 26))

    def queues_runs(self) -> bool:
        """Whether pushes to a branch wait for each other; before, a newer one cancels what runs."""
        return self.since((1, 26), (14, 0))

    def links_packages(self) -> bool:
        """Whether a package can be linked to its repository by API."""
        return self.since((1, 24), (11, 0))

    def lets_jobs_open(self) -> bool:
        """Whether a job's own token may open a pull request."""
        return self.since((1, 26), (11, 0))

    @contextlib.contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """A person's browser, signed in as administrator."""
        with self.client() as browser:
            browser.get("/user/login")
            form = {"user_name": ADMIN, "password": self.password, "_csrf": browser.cookies.get("_csrf", "")}
            browser.post("/user/login", data=form)
            # Signing in gives another token against forgery, with the next page (until 1.25; none is needed later).
            browser.get("/user/settings/account")
            yield browser

    def page(self, path: str) -> str:
        """A page of the web site, as a person who is signed in sees it. Raises Red when there is none."""
        with self.browser() as browser:
            answer = browser.get(path, follow_redirects=True)
        if not answer.is_success:
            raise Red(f"{path}: {answer.status_code}")
        return answer.text

    def page_at(self, path: str) -> str:
        """Where a page of the web site leads."""
        with self.browser() as browser:
            return browser.get(path, follow_redirects=True).url.path

    def press(self, path: str, body: object = None) -> httpx.Response:
        """Press a button of the web site. Raises Red when that does nothing."""
        with self.browser() as browser:
            answer = browser.post(path, json=body, headers={"X-Csrf-Token": browser.cookies.get("_csrf", "")})
        if not answer.is_success:
            raise Red(f"POST {path}: {answer.status_code} {answer.text[:500]}")
        return answer


class Actions:
    """Actions of github.com that the server hands out itself: a repository for each, with a commit for each pin.

    A commit holds the whole tree of the pinned one but not its history, so it has another id.
    """

    def __init__(self, server: Server, clones: Mapping[str, Path], folder: Path) -> None:
        """Serve from these clones, by the action's name; the folder is for the repositories in between."""
        self.server, self.clones, self.folder = server, clones, folder
        self.served: dict[tuple[str, str], str] = {}
        self.server.api("POST", "orgs", {"username": "actions", "visibility": "public"})
        for name in clones:
            self.server.api("POST", "orgs/actions/repos", {"name": name, "default_branch": "main"})
            # An action's own workflows are not to run.
            self.server.api("PATCH", f"repos/actions/{name}", {"has_actions": False})
            run(["git", "init", "-q", "--bare", str(folder / name)], folder.parent, os.environ)

    def serve(self, name: str, pin: str) -> str:
        """Returns the commit on the server that has the tree of a pinned one."""
        if name not in self.clones:
            raise Red(f"a workflow uses actions/{name}, and there is no clone of it to serve it from")
        if not (commit := self.served.get((name, pin))):
            objects = run(["git", "rev-parse", "--git-path", "objects"], self.clones[name], os.environ).strip()
            env = self.server.git_env(self.folder / "home")
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.clones[name] / objects)
            remote = f"{self.server.internal_url}/actions/{name}.git"
            repository = self.folder / name
            commit = run(["git", "commit-tree", f"{pin}^{{tree}}", "-m", pin], repository, env).strip()
            branches = [f"{commit}:refs/heads/{branch}" for branch in ("main", pin)]
            run(["git", "push", "-q", "--force", remote, *branches], repository, env)
            self.served[name, pin] = commit
        return commit

    def pin(self, folder: Path) -> None:
        """Returns the served commits in all workflows below a folder."""
        for file in folder.rglob("workflows/*.yaml*"):
            text = file.read_text()
            file.write_text(PIN.sub(lambda found: f"{found[1]}@{self.serve(found[2], found[3])}", text))


class Runner:
    """Gitea's runner, whose jobs find a `curl` that hands out the developer's uv for uv's installer.

    With an engine the jobs run in containers, else on this machine.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        server: Server,
        engine: Engine | None,
        label: str = LABEL,
        capacity: int = 2,
        image: str = "",
        volumes: Sequence[str] = (),
        envs: Mapping[str, str] | None = None,
    ) -> None:
        """Register for a label, with an engine also for jobs of another user than root, and start.

        With an image, which has programs of its own, the jobs run in that one alone. The volumes are added to those
        of the engine, and `envs` takes the place of what jobs need to reach the package index.
        """
        self.binary, self.folder, self.engine, self.label, self.volumes = binary, folder, engine, label, volumes
        self.envs = envs or (handed_on() if engine else {})
        folder.mkdir(parents=True)
        self.name = f"{folder.name}-{secrets.token_hex(3)}"
        labels, options = [f"{label}:host"], ""
        if engine:
            labels = [f"{label}:docker://{engine.root}", f"{label}-{USER}:docker://{engine.user}"]
            options = engine.options(self.name, *volumes)
        if engine and image:
            labels = [f"{label}:docker://{image}"]
            options = engine.options(self.name, *engine.own_tools(), *volumes, shown=CERTIFICATES)
        config = {
            "log": {"level": "info"},
            "runner": {
                **{"file": str(folder / "registration"), "capacity": capacity, "labels": labels},
                # Jobs on this machine inherit the runner's own environment.
                "envs": self.envs,
                **{"fetch_interval": "300ms", "fetch_interval_max": "300ms", "log_report_interval": "1s"},
                **{"log_report_max_latency": "500ms", "state_report_interval": "1s"},
            },
            "cache": {"enabled": False},
            "host": {"workdir_parent": str(folder / "work")},
            "container": {
                **{"network": "host", "force_pull": False, "docker_host": "-", "valid_volumes": ["**"]},
                "options": options,
            },
        }
        # JSON is YAML.
        (folder / "config.yaml").write_text(json.dumps(config))
        trusted = server.authority.trusted if server.authority else {}
        if engine:
            self.env = clean_env(folder / "home", DOCKER_HOST=engine.host, **trusted)
        else:
            self.env = clean_env(folder / "home", path=f"{self.tools()}{os.pathsep}{os.defpath}", **trusted)
        asked = "GET" if server.product == "Forgejo" else "POST"
        token = server.api(asked, "admin/actions/runners/registration-token")["token"]
        run(
            [
                *(str(binary), "register", "--no-interactive", "--config", str(folder / "config.yaml")),
                *("--instance", server.internal_url, "--token", token, "--name", folder.name),
            ],
            folder,
            self.env,
        )
        self.start()

    def tools(self) -> Path:
        """A folder with what the steps find first on their PATH."""
        folder = self.folder / "bin"
        folder.mkdir()
        for name in ("git", "node"):
            tool = shutil.which(name)
            if not tool:
                raise Red(f"the runner needs {name} on PATH: install it")
            (folder / name).symlink_to(tool)
        curl = folder / "curl"
        curl.write_text(stand_in(shutil.which("curl") or "curl", str(Path(uv.find_uv_bin()).parent)))
        curl.chmod(0o755)
        return folder

    def start(self) -> None:
        """Take jobs."""
        command = [str(self.binary), "daemon", "--config", str(self.folder / "config.yaml")]
        last = self.engine.sweep(f"live-runner={self.name}") if self.engine else []
        self.daemon = Daemon(command, self.folder / "runner.log", self.folder, self.env, last)

    def kill(self) -> None:
        """SIGKILL, for the runner, each step that it runs and each of its containers."""
        self.daemon.kill()


@dataclass(eq=False)
class Live:
    """All that a scenario stands on."""

    server: Server
    runner: Runner
    ntfy: Ntfy
    actions: Actions
    folder: Path

    @property
    def engine(self) -> Engine | None:
        """Returns the engine of the jobs' containers; none where they run on this machine."""
        return self.runner.engine

    def answers(self, owner: str, more: Mapping[str, str]) -> list[str]:
        """Returns Copier's options that answer for a package of an owner on this server, and more answers."""
        answers = {"gitea_url": self.server.url, "gitea_internal_url": self.server.internal_url, "gitea_owner": owner}
        answers |= {"ntfy_url": self.ntfy.url, "ntfy_topic": owner, **more}
        return [word for answer, value in answers.items() for word in ("--data", f"{answer}={value}")]

    def trap(self) -> Path:
        """Returns a new name for a file that any job could write and the tests would see."""
        folder = self.engine.shared if self.engine else self.folder
        return folder / secrets.token_hex(3)

    def owner(self, name: str, private: bool = False) -> "Owner":
        """A new organisation with its bot, its secrets, and nothing else."""
        return Owner(self, f"{name}-{secrets.token_hex(3)}", private)


class Owner:
    """An organisation as the docs ask for it: a team with Packages: write, a bot in it, its token as secrets."""

    def __init__(self, live: Live, name: str, private: bool) -> None:
        """Make the organisation, its team, its bot and its secrets."""
        self.live, self.name, self.server = live, name, live.server
        visibility = "private" if private else "public"
        self.server.api("POST", "orgs", {"username": name, "visibility": visibility})
        team: dict[str, object] = {"name": "publishers", "units_map": {"repo.packages": "write"}, "permission": "write"}
        # All repositories: without a right on the repository Gitea does not link the package to it.
        team |= {"includes_all_repositories": True}
        self.team: int = self.server.api("POST", f"orgs/{name}/teams", team)["id"]
        self.bot = self.server.user(f"bot-{name}")
        self.server.api("PUT", f"teams/{self.team}/members/{self.bot}")
        self.secret("REGISTRY_USER", self.bot)
        self.secret("REGISTRY_TOKEN", self.server.token_of(self.bot, "write:package"))

    def secret(self, name: str, value: str) -> None:
        """Set a secret of the organisation's."""
        self.server.api("PUT", f"orgs/{self.name}/actions/secrets/{name}", {"data": value})

    def give_index(self) -> dict[str, str]:
        """Set the secrets that read a private owner's index. Returns what a person's uv needs for the same."""
        token = self.server.token_of(self.bot, "read:package")
        self.secret("INDEX_USER", self.bot)
        self.secret("INDEX_TOKEN", token)
        return {"UV_INDEX_GITEA_USERNAME": self.bot, "UV_INDEX_GITEA_PASSWORD": token}

    @property
    def index_url(self) -> str:
        """The address that installers read."""
        return f"{self.server.url}/api/packages/{self.name}/pypi/simple/"

    def files(self, package: str) -> dict[str, str]:
        """What the index lists of a package: file name to sha256. Empty when it lists nothing."""
        # The address for people is in each link, whatever address was asked.
        answer = self.server.http.get(f"/api/packages/{self.name}/pypi/simple/{package}/")
        if answer.status_code == 404:
            return {}
        answer.raise_for_status()
        links = re.findall(r'href="([^"]+)#sha256=([0-9a-f]{64})"', html.unescape(answer.text))
        return {link.rpartition("/")[2]: sha for link, sha in links}


def as_gitea(found: dict[str, Any]) -> dict[str, Any]:
    """Returns a run or a job that Forgejo tells as Gitea would."""
    if "conclusion" in found or "status" not in found:
        return found
    names = {"run_number": "index_in_repo", "head_sha": "commit_sha", "event": "trigger_event"}
    more = {ours: found[theirs] for ours, theirs in names.items() if theirs in found}
    ended = found["status"] in ("success", "failure", "cancelled", "skipped")
    return found | more | {"status": "completed" if ended else found["status"], "conclusion": found["status"]}


@dataclass
class Run:
    """A finished run of the workflow."""

    id: int
    number: int
    head: str
    event: str
    conclusion: str
    jobs: dict[str, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)


class Repo:
    """A repository of an organisation's, with a clone to work in."""

    def __init__(self, owner: Owner, name: str, folder: Path, there: bool = False) -> None:
        """Make it on the server unless it is there; the folder, empty or not, becomes the clone."""
        self.owner, self.name, self.folder = owner, name, folder
        self.live, self.server = owner.live, owner.server
        self.path = f"{owner.name}/{name}"
        if not there:
            self.server.api("POST", f"orgs/{owner.name}/repos", {"name": name, "default_branch": "main"})
        self.env = self.server.git_env(owner.live.folder / "home")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".git").exists():
            self.git("init", "-q", "-b", "main")
        if "origin" not in self.git("remote").split():
            self.git("remote", "add", "origin", f"{self.server.internal_url}/{self.path}.git")
        self.log_read = 0

    def git(self, *arguments: str) -> str:
        """Run git in the clone, with the right to push."""
        return run(["git", *arguments], self.folder, self.env)

    def commit(self, message: str, **files: str) -> str:
        """Commit all that changed, or an empty commit, and give its id."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def push(self, refspec: str = "HEAD:refs/heads/main") -> str:
        """Push, and give the id of the commit that was pushed."""
        self.log_read = self.server.log.stat().st_size
        self.git("push", "-q", "origin", refspec)
        # The server takes in what was pushed behind the answer: until then a new repository is empty for its API.
        wait_for("the push to arrive", lambda: not self.server.api("GET", f"repos/{self.path}")["empty"])
        return self.git("rev-parse", refspec.partition(":")[0]).strip()

    def release(self, message: str) -> Run:
        """Commit, push to main, and wait for that run's end."""
        self.commit(message)
        return self.wait_run(self.push())

    @contextlib.contextmanager
    def tag_held(self) -> Iterator[None]:
        """While the block lasts, whoever pushes a tag waits for the server's answer; the tag itself is there."""
        hook = self.server.repositories / f"{self.path.lower()}.git" / "hooks" / "post-receive.d" / "hold"
        held = self.folder.with_name(f"{self.name}-held")
        held.touch()
        hook.write_text(
            f"#!/bin/sh\nwhile read -r _ _ ref; do\n  case $ref in refs/tags/*)\n"
            f"    while [ -e '{held}' ]; do sleep 0.1; done ;;\n  esac\ndone\n"
        )
        hook.chmod(0o755)
        try:
            yield
        finally:
            held.unlink()

    def tags(self) -> dict[str, str]:
        """The tags on the server: name to commit."""
        lines = [line.split() for line in self.git("ls-remote", "--tags", "origin").splitlines()]
        return {name.removeprefix("refs/tags/"): commit for commit, name in lines}

    def secret(self, name: str, value: str) -> None:
        """Set a secret of the repository's, which counts before the organisation's."""
        self.server.api("PUT", f"repos/{self.path}/actions/secrets/{name}", {"data": value})

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the repository as Gitea's API tells them, newest first."""
        return [as_gitea(found) for found in self.server.api("GET", f"repos/{self.path}/actions/runs")["workflow_runs"]]

    def run_now(self, run_id: int) -> dict[str, Any]:
        """A run as Gitea's API tells it."""
        return as_gitea(self.server.api("GET", f"repos/{self.path}/actions/runs/{run_id}"))

    def wait_run(self, head: str, event: str = "push", seconds: float = 300) -> Run:
        """Wait until the run of a commit is over. Raises Red when none starts, or when it does not end."""
        found = wait_for(f"a run of {head[:8]} in {self.path}", lambda: self.started(head, event), 30)
        return self.wait_end(found["id"], seconds)

    def started(self, head: str, event: str) -> dict[str, Any] | None:
        """The run of a commit, if there is one. Raises Red when Gitea said that it cannot read the workflow."""
        for found in self.runs():
            if found["head_sha"] == head and found["event"] == event:
                return found
        # Only the server's log tells it, and without the repository's name: what came since the push counts.
        said = self.server.log.read_bytes()[self.log_read :].decode(errors="replace")
        if ignored := re.search(r"(ignore invalid workflow|jobparser\.Parse).*", said):
            raise Red(f"Gitea ignores the workflow file: {ignored[0]}")
        return None

    def wait_end(self, run_id: int, seconds: float = 300) -> Run:
        """Wait until a run is over, with its jobs. Raises Red with the state of the jobs when it does not end."""

        # A run with a failed job is "completed" for a moment, before its notify job has started.
        def ended() -> dict[str, Any] | None:
            found = self.run_now(run_id)
            states = {found["status"], *(job["status"] for job in self.jobs(run_id))}
            return found if states == {"completed"} else None

        try:
            found = wait_for(f"the end of run {run_id} in {self.path}", ended, seconds, 0.5)
        except Red as late:
            raise Red(f"{late}: {self.jobs(run_id)}") from None
        jobs = self.jobs(run_id)
        return Run(
            *(found["id"], found["run_number"], found["head_sha"], found["event"], found["conclusion"]),
            jobs={job["name"]: job["conclusion"] for job in jobs},
            ids={job["name"]: job["id"] for job in jobs},
        )

    def jobs(self, run_id: int) -> list[dict[str, Any]]:
        """The jobs of a run as Gitea's API tells them. Forgejo has them for its page alone."""
        if self.server.product == "Gitea":
            return self.server.api("GET", f"repos/{self.path}/actions/runs/{run_id}/jobs")["jobs"]
        page = f"/{self.path}/actions/runs/{self.run_now(run_id)['run_number']}/jobs/0/attempt/1"
        shown = self.server.press(page, {"logCursors": []}).json()["state"]["run"]["jobs"]
        return [as_gitea(job | {"id": number}) for number, job in enumerate(shown)]

    def log(self, run: Run, job: str) -> str:
        """What a job printed, without the time in front of each line."""
        if self.server.product == "Forgejo":
            page = f"/{self.path}/actions/runs/{run.number}/jobs/{run.ids[job]}"
            text = self.server.page(f"{self.server.page_at(page)}/logs")
        else:
            text = self.server.api("GET", f"repos/{self.path}/actions/jobs/{run.ids[job]}/logs")
        return "\n".join(line.partition(" ")[2] for line in text.splitlines())

    def again(self, run: Run, job: str | None = None) -> Run:
        """Run all jobs of a run again, or one job and those that need it, and wait for the end."""
        if self.server.has_rerun_api():
            part = f"jobs/{run.ids[job]}/rerun" if job else "rerun"
            self.server.api("POST", f"repos/{self.path}/actions/runs/{run.id}/{part}")
        else:
            part = f"jobs/{list(run.jobs).index(job)}/rerun" if job else "rerun"
            self.server.press(f"/{self.path}/actions/runs/{run.number}/{part}")
        return self.wait_end(run.id)
