"""An organisation that has its template and packages of it on the same Gitea."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .daemon import wait_for
from .gitea import ROOT, Owner, Repo, Run, run

PARTS = ("copier.yml", "questions", "template", "apply", "rollout")
OWN = (".ci", ".gitea", "packages", "pyproject.toml")  # what the template's own workflows need as well
BOT = "by-a-bot"  # the package that has a bot's token for its pull requests


@dataclass
class Town:
    """An organisation with its template, packages on the first version, and a bot that may roll out."""

    owner: Owner
    template: Repo
    packages: dict[str, Repo]
    token: str
    keeper: str  # the token of the rollout

    def version(self, tag: str, subject: str, old: str, new: str) -> None:
        """Tag a version of the template that has one more line in CI."""
        file = self.template.folder / "template/.gitea/workflows/ci.yaml.jinja"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
        self.template.commit(subject)
        self.template.git("tag", tag)
        self.template.git("push", "-q", "--tags", "origin", "HEAD:refs/heads/main")

    def rollout(self, what: str) -> dict[str, dict[str, Any]]:
        """Run the program as the template's own workflow or a person does; give what it says of each package."""
        program = str(self.template.folder / "rollout/rollout.py")
        words = [sys.executable, program, what, "--owner", self.owner.name, "--format", "json"]
        server = self.owner.server.internal_url
        env = self.template.env | {"GITEA_URL": server, "ROLLOUT_TOKEN": self.keeper}
        rows = json.loads(run(words, self.template.folder, env))["repositories"]
        named = {row["repository"].rpartition("/")[2]: row for row in rows}
        return {name: named[name] for name in self.packages}

    def standing(self) -> dict[str, list[Any]]:
        """Returns where each package is: its version, how far behind, the open updates, and that in a word."""
        keys = ("version", "behind", "pulls", "result")
        return {name: [row[key] for key in keys] for name, row in self.rollout("status").items()}

    def ended(self, name: str, count: int) -> Run:
        """Wait for the end of a package's update run, the count-th one, and give it."""
        repo = self.packages[name]

        def there() -> int | None:
            ids = [r["id"] for r in repo.runs() if r["event"] == "workflow_dispatch"]
            return max(ids) if len(ids) >= count else None

        return repo.wait_end(wait_for(f"update run {count} of {name}", there, 60), 300)

    def pulls(self, name: str, state: str = "open") -> dict[str, dict]:
        """Returns the pull requests of a package by their branch, which may be gone."""
        found = self.owner.server.api("GET", f"repos/{self.packages[name].path}/pulls", state=state)
        return {pull["head"]["label"]: pull for pull in found}


def founded(owner: Owner, tmp_path: Path, wanted: Mapping[str, Mapping[str, str]], own: bool = False) -> Town:
    """What stands here is the first version; the packages are made of it by its address, with answers of their own.

    With `own`, the template has its own workflows, whose checks are as good as none: they would run these tests.
    """
    live = owner.live
    folder = tmp_path / "template"
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS, *(OWN if own else ())],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": True},
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    live.actions.pin(folder / "template")
    if own:
        live.actions.pin(folder / ".gitea")
        (folder / ".ci/run").write_text("true\n")
        workflow = folder / ".gitea/workflows/ci.yaml"
        text = re.sub(r"(?m)^  (GITEA_URL|NTFY_URL|NTFY_TOPIC): .*$", "", workflow.read_text())
        mine = f"env:\n  GITEA_URL: {live.server.url}\n  NTFY_URL: {live.ntfy.url}\n  NTFY_TOPIC: {owner.name}\n"
        workflow.write_text(text.replace("env:\n", mine, 1).replace("run: uv run ruff check", "run: true"))
        workflow.write_text(re.sub(r"uv run ruff format --check \|\| .*", "true", workflow.read_text()))
    template = Repo(owner, "template", folder)
    owner.server.api("PATCH", f"repos/{template.path}", {"has_actions": own})
    template.commit("feat: the first version\n\n[skip ci]")
    template.git("tag", "v1.0.0")
    template.git("push", "-q", "--tags", "origin", "HEAD:refs/heads/main")
    packages = {}
    for name, more in wanted.items():
        data = live.answers(owner.name, more)
        address = f"git+{live.server.url}/{template.path}.git"
        command = [sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--quiet", *data]
        env = live.server.git_env(live.folder / "home") | {"COPIER_CACHE_DIR": str(tmp_path / "cache")}
        run([*command, address, str(tmp_path / name)], tmp_path, env)
        packages[name] = Repo(owner, name, tmp_path / name)
        packages[name].commit("docs: on the template [skip ci]")
        packages[name].push()
    # The rights that docs/updating.md asks for.
    team = {"name": "updaters", "permission": "write", "includes_all_repositories": True}
    team |= {"units_map": {"repo.code": "write", "repo.pulls": "write", "repo.actions": "write"}}
    bot = owner.server.user(f"updater-{owner.name}")
    number = owner.server.api("POST", f"orgs/{owner.name}/teams", team)["id"]
    owner.server.api("PUT", f"teams/{number}/members/{bot}")
    token = owner.server.token_of(bot, "write:repository")
    keeper = owner.server.token_of(bot, "write:repository", "read:user", "read:package")
    if BOT in packages:
        packages[BOT].secret("TEMPLATE_TOKEN", token)
    return Town(owner, template, packages, token, keeper)
