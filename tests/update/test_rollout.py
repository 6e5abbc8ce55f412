"""The rollout: a hundred repositories, some of which do not answer as they should."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gitea_api import BAD, BOT, Repository, answer
from gitea_owner import GiteaOwner
from loopback_gitea import Answer
from versions import NEWEST, VERSIONS, Template

NAMES = [f"acme/package-{number}" for number in range(100)]
# What some of them do, and what is said of it.
TROUBLE = {
    "gone": ("acme/package-7", "404 not found: it does not exist, or the token's account may not read it"),
    "forbidden": ("acme/package-17", "403 token does not have at least one of required scope(s)"),
    "broken": ("acme/package-27", "500 Internal Server Error"),
    "no workflow": ("acme/package-57", '404 workflow "template-update.yaml" doesn\'t exist'),
    "no template": (
        "acme/package-67",
        "not on the template: no .copier-answers.yml or .copier-answers.gitea.yml",
    ),
    "moved": ("acme/package-71", "moved to https://git.example.org/x: correct the list or GITEA_URL"),
    "no json": ("acme/package-77", "a web page, not an answer of Gitea's API: does GITEA_URL lead to a login page"),
    "no yaml": ("acme/package-87", ".copier-answers.yml is not YAML"),
}
SLOW = "acme/package-37"
SILENT = "acme/package-47"
# Seconds after which something here hangs, however slow the machine is.
HANGS = 300


class Town(GiteaOwner):
    """A Gitea with many repositories; counts how many calls it has in hand at once."""

    def __init__(self, folder: Path) -> None:
        """Make them all; the last three are on the newest version."""
        super().__init__(folder)
        self.active = self.most = 0
        self.seen: set[str] = set()
        self.count, self.late, self.over = threading.Lock(), threading.Event(), threading.Event()
        for place, name in enumerate(NAMES):
            version = NEWEST if place > 96 else VERSIONS[place % 10]
            answers = f"_commit: {version}\n_src_path: x\ngitea_owner: acme\n"
            self.known[name] = Repository(name, default_branch="trunk" if place == 5 else "main", answers=answers)

    def ail(self) -> None:
        """Let some of them be in trouble."""
        names = {trouble: name for trouble, (name, _) in TROUBLE.items()}
        del self.known[names["gone"]]
        self.known[names["no workflow"]].workflow = False
        self.known[names["no template"]].answers = "_commit: v1.0.0\n_src_path: another\n"
        self.known[names["no yaml"]].answers = "a: [\n"
        page, html = [("Content-Type", "text/html")], b"<html>oh</html>"

        def stop(_: str, repository: str) -> Answer | None:
            with self.count:
                self.seen.add(repository)
                if len(self.seen) > 50:
                    self.late.set()
            if repository == names["forbidden"]:
                return answer(403, {"message": "token does not have at least one of required scope(s)"})
            if repository == names["moved"]:
                return answer(301, headers=(("Location", "https://git.example.org/x"),))
            if repository in (names["broken"], names["no json"]):
                return "500 Internal Server Error" if repository == names["broken"] else "200 OK", page, html
            if repository == SLOW:
                self.late.wait(HANGS)
            return None

        self.stop = stop

    def close(self) -> None:
        """Let go of whoever waits, and stop."""
        self.over.set()
        super().close()

    def _route(self, *what: Any) -> Answer:
        with self.count:
            self.active += 1
            self.most = max(self.most, self.active)
        try:
            return super()._route(*what)
        finally:
            with self.count:
                self.active -= 1


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """The Gitea of a test."""
    made = Town(tmp_path / "gitea")
    yield made
    made.close()
    assert made.wrong == []


def rollout(
    template: Template, what: str, server: str, *words: str, token: str = BOT, names: list[str] = NAMES
) -> subprocess.CompletedProcess[str]:
    """Run the program from a clone of the template, with a list of repositories."""
    listed = template.path.parent / f"{threading.get_ident()}-{len(names)}.txt"
    listed.write_text("# Ours.\n\n" + "".join(f"{name} # one\n" for name in names))
    program = (sys.executable, template.path / "rollout/rollout.py", what, "--list", listed, *words)
    return template.run(*program, GITEA_URL=server, ROLLOUT_TOKEN=token)


def rows(printed: str) -> dict[str, list[str]]:
    """Read the table: its lines by repository, without the header."""
    lines = [re.split(r" *(?<!\\)\| *", line[2:-2]) for line in printed.splitlines() if line.startswith("|")]
    return {f"acme/{line[0]}": [cell.strip() for cell in line[1:]] for line in lines[2:]}


def said(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Read the sentences about those that failed."""
    return dict(re.findall("(?m)^Failed: (acme/[^:]+): (.*)$", done.stdout))


def test_ask_goes_on_when_some_fail(template: Template, town: Town) -> None:
    """Each of the rest is asked, once, on its default branch; the table says of each what it answered."""
    town.ail()
    done = rollout(template, "ask", town.inside)
    assert done.returncode == 1, done.stderr
    table = rows(done.stdout)
    assert list(table) == NAMES
    ailing = dict(TROUBLE.values())
    for name, sentence in ailing.items():
        assert said(done)[name].startswith(sentence), said(done)[name]
    newest = NAMES[97:]
    for place, name in enumerate(NAMES):
        if name not in ailing:
            expected = [NEWEST, "up to date, not asked"] if name in newest else [VERSIONS[place % 10], "asked"]
            assert table[name] == expected
    dispatched = {name: repository.dispatched for name, repository in town.known.items() if repository.dispatched}
    assert dispatched == {
        name: [{"ref": "trunk" if name == "acme/package-5" else "main"}]
        for name in NAMES
        if name not in ailing and name not in newest
    }
    assert table[SLOW][-1] == "asked"
    # Progress, a line for each as it ends; and who failed, at the very end.
    assert [line.split("]")[0] for line in done.stderr.splitlines()] == [f"[{n}/100" for n in range(1, 101)]
    assert done.stdout.splitlines()[-1] == f"{100 - len(ailing)} of 100 answered."
    assert said(done).keys() == ailing.keys()
    assert BOT not in done.stdout + done.stderr


def test_ask_goes_on_when_one_is_silent(template: Template, town: Town) -> None:
    """A repository of which nothing comes has its limit, and then the next one's turn comes."""

    def stop(_: str, repository: str) -> None:
        if repository == SILENT:
            town.over.wait(HANGS)

    town.stop = stop
    done = rollout(template, "ask", town.inside, "--limit", "1", "--at-a-time", "1", names=[SILENT, NAMES[48]])
    assert done.returncode == 1, done.stderr
    table = rows(done.stdout)
    assert table[SILENT] == ["?", "no result after 1 s"]
    # The limit is the other's, too, and on a very slow machine it has no end within a second either.
    assert table[NAMES[48]][-1] in ("asked", "no result after 1 s")
    assert [line.split("]")[0] for line in done.stderr.splitlines()] == ["[1/2", "[2/2"]


def test_no_more_at_once_than_allowed(template: Template, town: Town) -> None:
    """Three at a time are three at a time."""
    barrier = threading.Barrier(3)
    left = [3]

    def together(_: str, repository: str) -> None:
        with town.count:
            first = repository in NAMES and left[0] > 0
            left[0] -= first
        if first:
            barrier.wait(HANGS)  # broken, and so an error, if there are never three

    town.stop = together
    done = rollout(template, "ask", town.inside, "--at-a-time", "3", names=NAMES[:20])
    assert done.returncode == 0, done.stdout
    assert town.most == 3


def test_status_shows_where_everybody_is(template: Template, town: Town) -> None:
    """Version, how far behind, open pull request; and nothing is started."""
    head = {"ref": "template/v1.9.0"}
    other = {"number": 3, "state": "open", "head": {"ref": "template/my-idea"}}
    closed = {"number": 4, "state": "closed", "head": {"ref": "template/v1.8.0"}}
    town.known[NAMES[2]].pulls = [other, closed, {"number": 5, "state": "open", "head": head}]
    town.known[NAMES[3]].answers = "_commit: v1.3.0-2-gabc1234\ngitea_owner: acme\n"
    town.known[NAMES[4]].answers = "_commit: 0123abc\ngitea_owner: acme\n"
    done = rollout(template, "status", town.inside)
    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert table[NAMES[2]] == ["v1.2.0 -8", "#5", "", ""]
    assert table[NAMES[3]] == ["v1.3.0-2-gabc1234 -7", "", "", ""]
    assert table[NAMES[4]] == ["0123abc ?", "", "", ""]
    assert table[NAMES[99]] == [NEWEST, "", "", ""]
    assert "100 repositories on the template, 3 newest, 96 behind, 1 with an unknown version, 1 with" in done.stdout
    assert "100 of 100 answered." in done.stdout
    assert not [call for call in town.calls if call[0] == "dispatch"]
    town.ail()
    done = rollout(template, "status", town.inside)
    assert done.returncode == 1
    assert rows(done.stdout)["acme/package-27"] == ["?", "", "", ""]
    assert said(done)["acme/package-27"] == "500 Internal Server Error"


@pytest.mark.parametrize("action", ["status", "ask"])
def test_what_a_repository_answers_is_data(template: Template, town: Town, action: str) -> None:
    """A line break in an answer starts no line of the log, where a runner reads commands."""
    town.known[NAMES[0]].answers = '_commit: "v1.0.0\\n::set-env name=BASH_ENV::x\\u202e"\ngitea_owner: acme\n'
    done = rollout(template, action, town.inside, names=NAMES[:2])
    assert rows(done.stdout)[NAMES[0]][0].startswith("not a version")
    assert not re.search("set-env|\u202e", done.stdout + done.stderr)


def test_what_is_missing_is_said(template: Template, town: Town, tmp_path: Path) -> None:
    """Each in one sentence that says what to do."""
    done = rollout(template, "ask", town.inside, token=BAD, names=NAMES[:2])
    assert done.returncode == 1
    assert [row[-1][:3] for row in rows(done.stdout).values()] == ["401", "401"]
    done = rollout(template, "ask", town.inside, token="")
    assert (done.returncode, town.calls[-1][2]) == (0, BAD), "somebody was asked"
    assert "ROLLOUT_TOKEN is not set" in done.stdout
    assert "GITEA_URL is not set" in rollout(template, "ask", "git.example.org").stderr
    inside = template.run(
        *(sys.executable, template.path / "rollout/rollout.py", "status"),
        *("--list", template.path.parent / f"{threading.get_ident()}-2.txt"),
        **{"GITEA_URL": "http://outside.test", "GITHUB_SERVER_URL": town.inside, "ROLLOUT_TOKEN": BOT},
    )
    assert inside.returncode == 0, "in a workflow, the runner's own way to Gitea is the one to take"
    assert "'acme' is not owner/name" in rollout(template, "ask", town.inside, names=["acme"]).stderr
    clone = Template(tmp_path / "clone", template.env)
    template.git("clone", "--quiet", "--no-tags", template.path, clone.path)
    ask = (sys.executable, "rollout/rollout.py", "ask")
    assert "does not exist. Create it" in clone.run(*ask, GITEA_URL=town.inside, ROLLOUT_TOKEN=BOT).stderr
    clone.write("packages/repositories.txt", NAMES[0])
    assert "git fetch --tags" in clone.run(*ask, GITEA_URL=town.inside, ROLLOUT_TOKEN=BOT).stderr
    town.close()
    done = rollout(template, "ask", town.inside, names=NAMES[:2])
    assert set(said(done).values()) == {"no connection (ConnectError): All connection attempts failed"}
