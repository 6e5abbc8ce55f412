"""A version of the template becomes a pull request in each package, a merge, and the packages' next release."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from .daemon import wait_for
from .gitea import ROOT, Live, Owner, Repo, Run, run
from .scenarios import released, tail

PARTS = ("copier.yml", "questions", "template", "apply", "rollout")
JOB, BOT, LATE = "by-the-job", "by-a-bot", "by-the-job-too"
LOOKING, OPENING = "template-update.yaml", "open"


@dataclass
class Town:
    """An organisation with its template, three packages on the first version, and a bot that may roll out."""

    owner: Owner
    template: Repo
    packages: dict[str, Repo]
    token: str

    def version(self, tag: str, subject: str, old: str, new: str) -> None:
        """Tag a version of the template that has one more line in CI."""
        file = self.template.folder / "template/.gitea/workflows/ci.yaml.jinja"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
        self.template.commit(subject)
        self.template.git("tag", tag)
        self.template.git("push", "-q", "--tags", "origin", "HEAD:refs/heads/main")

    def rollout(self, what: str) -> dict[str, list[str]]:
        """Run the program as the template's own workflow or a person does; give the table's lines by package."""
        listed = self.template.folder.with_name("repositories.txt")
        listed.write_text("".join(f"{repo.path}\n" for repo in self.packages.values()))
        words = [sys.executable, str(self.template.folder / "rollout/rollout.py"), what, "--list", str(listed)]
        server = self.owner.server.internal_url
        env = self.template.env | {"GITEA_URL": server, "ROLLOUT_TOKEN": self.token}
        printed = run(words, self.template.folder, env)
        lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in printed.splitlines() if "|" in line]
        return {line[0].rpartition("/")[2]: line[1:] for line in lines[2:]}

    def ended(self, name: str, count: int) -> Run:
        """Wait for the end of a package's update run, the count-th one, and give it."""
        repo = self.packages[name]

        def there() -> int | None:
            ids = [r["id"] for r in repo.runs() if r["event"] == "workflow_dispatch"]
            return max(ids) if len(ids) >= count else None

        return repo.wait_end(wait_for(f"update run {count} of {name}", there, 60), 300)

    def pulls(self, name: str, state: str = "open") -> dict[str, dict]:
        """Give the pull requests of a package by their branch."""
        found = self.owner.server.api("GET", f"repos/{self.packages[name].path}/pulls", state=state)
        return {pull["head"]["ref"]: pull for pull in found}


@pytest.fixture
def town(live: Live, owner: Owner, tmp_path: Path) -> Town:
    """What stands here is the first version; the packages are made of it by its address."""
    folder = tmp_path / "template"
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": True},
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    live.actions.pin(folder / "template")
    template = Repo(owner, "template", folder)
    # Its own Actions are not what this is about.
    owner.server.api("PATCH", f"repos/{template.path}", {"has_actions": False})
    template.commit("feat: the first version")
    template.git("tag", "v1.0.0")
    template.git("push", "-q", "--tags", "origin", "HEAD:refs/heads/main")
    packages = {}
    for name in (JOB, BOT, LATE):
        answers = {
            **{"gitea_url": live.server.url, "gitea_internal_url": live.server.internal_url},
            **{"gitea_owner": owner.name, "ntfy_url": live.ntfy.url, "ntfy_topic": owner.name},
        }
        data = [word for answer, value in answers.items() for word in ("--data", f"{answer}={value}")]
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
    packages[BOT].secret("TEMPLATE_TOKEN", token)
    return Town(owner, template, packages, token)


def test_a_version_of_the_template_reaches_the_packages(town: Town) -> None:
    """Asked, opened, checked, merged, released, and replaced by the next; the table says so at each step."""
    server = town.owner.server
    job_may_open = server.release >= (1, 26)
    step = "      - name: Compile\n        run: uv run --no-sync python -m compileall -q .\n"
    town.version("v1.1.0", "feat: compile every module", "\n  test:\n", f"{step}\n  test:\n")
    assert town.rollout("status") == {name: ["v1.0.0", "1", "", "behind"] for name in town.packages}

    assert town.rollout("ask") == {name: ["v1.0.0", "asked"] for name in town.packages}
    for name, repo in town.packages.items():
        done = town.ended(name, 1)
        if job_may_open or name == BOT:
            assert done.conclusion == "success", tail(repo, done, OPENING)
            (pull,) = town.pulls(name).values()
            assert pull["title"] == "chore: template v1.1.0"
            assert "feat: compile every module" in pull["body"]
            assert "uv run --no-sync pytest -v: passed" in pull["body"]
            assert ("starts no CI" in pull["body"]) == (name != BOT)
        else:
            assert done.conclusion == "failure"
            said = tail(repo, done, OPENING)
            assert re.search("403.* write:repository .* TEMPLATE_TOKEN", said), said
            assert town.pulls(name) == {}
            repo.secret("TEMPLATE_TOKEN", town.token)
    # The bot's own starts CI, the job's does not.
    bot = town.packages[BOT]
    (pull,) = town.pulls(BOT).values()
    checked = bot.wait_run(pull["head"]["sha"], event="pull_request")
    assert checked.jobs == {"lint": "success", "test": "success", "publish": "skipped", "notify": "success"}
    if job_may_open:
        assert [r for r in town.packages[JOB].runs() if r["event"] == "pull_request"] == []
    opened = town.rollout("status")
    assert opened[BOT] == ["v1.0.0", "1", f"#{pull['number']} v1.1.0", "behind"]

    # One is merged; the next push releases.
    server.api("POST", f"repos/{bot.path}/pulls/{pull['number']}/merge", {"Do": "merge"})
    wait_for("the merge", lambda: town.rollout("status")[BOT] == ["v1.1.0", "0", "", "newest"], 30)
    bot.git("pull", "-q", "--no-rebase", "origin", "main")
    # Before 1.26 a push while this one runs cancels a run of the two.
    merged = bot.wait_run(bot.git("rev-parse", "HEAD").strip())
    assert merged.conclusion == "success", tail(bot, merged)
    assert "name: Compile" in (bot.folder / ".gitea/workflows/ci.yaml").read_text()
    released(bot, bot.release("feat: first version"), "0.1.0")

    # The next version takes the place of the one that nobody merged.
    town.version("v1.2.0", "fix: say it anew", "# One run of main", "# Anew.\n# One run of main")
    assert {name: line[-1] for name, line in town.rollout("ask").items()} == dict.fromkeys(town.packages, "asked")
    for name, repo in town.packages.items():
        done = town.ended(name, 2)
        assert done.conclusion == "success", tail(repo, done, OPENING)
        (newest,) = town.pulls(name).values()
        assert newest["title"] == "chore: template v1.2.0"
        older = town.pulls(name, "closed").get("template/v1.1.0")
        if name != BOT and job_may_open:
            assert older
            assert older["body"].startswith(f"Replaced by #{newest['number']}.")
        elif name == BOT:
            assert older
            assert older["merged"]
    assert {line[1] for line in town.rollout("status").values()} == {"1", "2"}
