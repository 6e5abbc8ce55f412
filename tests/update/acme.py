"""An owner with packages of every kind, and the rollout over it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gitea_api import BOT, Repository
from gitea_owner import GiteaOwner
from versions import NEWEST, Template

ANSWERS = "_commit: {}\ngitea_owner: acme\nproject_name: {}\n"
LOCK = """
version = 1

[[package]]
name = "app"
version = "0.0.0"
source = {{ virtual = "." }}

[[package]]
name = "handler-base"
version = "{}"
source = {{ registry = "{}" }}

[[package]]
name = "httpx"
version = "0.28.1"
source = {{ registry = "https://index.example.org/simple" }}
"""
OURS = "https://git.example.org/api/packages/acme/pypi/simple/"


def founded(folder: Path) -> GiteaOwner:
    """Make a Gitea with an owner of a few repositories."""
    made = GiteaOwner(folder)

    def add(name: str, version: str = "", project: str = "", **what: Any) -> None:
        answers = ANSWERS.format(version, project or name) if version else None
        made.known[f"acme/{name}"] = Repository(f"acme/{name}", answers=answers, **what)

    add("handler-base", "v1.2.0", tag="v0.10.0", commits=["docs: a", "fix(x): b", "feat: c"], state="success")
    add("mlflow", NEWEST, "mlflow_utils", tag="v1.0.0", commits=["chore: a"], state="failure")
    add("ray-serve", "v1.9.0-rc1", "ray-serve-apps")
    add("app", files={"uv.lock": LOCK.format("0.9.0", OURS), "x.txt": ""})
    add("old-lib")
    for kind in ("archived", "mirror", "empty"):
        add(f"an-{kind}", "v1.0.0", more={kind: True})
    add("a-fork", "v1.0.0", more={"fork": True, "parent": {"full_name": "Acme/handler-base"}})
    add("their-fork", "v1.0.0", more={"fork": True, "parent": {"full_name": "other/lib"}})
    for version, day in (("0.9.0", "2026-01-01"), ("0.10.0", "2026-02-01"), ("0.11.0rc1", "2026-03-01")):
        made.put("acme", "handler-base", version, day, "acme/handler-base")
    made.put("acme", "mlflow-utils", "1.0.0", "2026-04-01")
    made.put("acme", "old-lib", "3.0", "2020-01-01", "acme/old-lib")
    made.put("acme", "by-hand", "1.0", "2021-01-01")
    return made


def command(template: Template, *words: str) -> list[str]:
    """Returns the words that run the program."""
    return [sys.executable, str(template.path / "rollout/rollout.py"), *words]


def run(template: Template, server: GiteaOwner, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return template.run(*command(template, *words), **{"GITEA_URL": server.inside, "ROLLOUT_TOKEN": BOT} | env)


def data(template: Template, server: GiteaOwner, *words: str, code: int = 0) -> dict[str, Any]:
    """Returns what it says as JSON, with the repositories by name."""
    done = run(template, server, *words, "--owner", "acme", "--format", "json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    return found | {"repositories": {row["repository"].removeprefix("acme/"): row for row in found["repositories"]}}
