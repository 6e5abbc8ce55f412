"""The rollout over everything that an owner has, found by the API."""

import re
from pathlib import Path

import pytest
from acme import ANSWERS, LOCK, data, run
from blocks import block
from gitea_api import BOT, Repository, refusal
from gitea_owner import GiteaOwner
from versions import NEWEST, Template


def test_an_owner_is_read_through_the_api(template: Template, acme: GiteaOwner) -> None:
    """Who is on the template, what it released, what main has beyond; who is not on it."""
    found = data(template, acme, "status")
    rows = found["repositories"]
    assert [name for name, row in rows.items() if row["enrolled"]] == [
        "handler-base",
        "mlflow",
        "ray-serve",
        "their-fork",
    ]
    kept = ("behind", "released", "released_at", "unreleased", "run")
    assert [rows["handler-base"][key] for key in kept] == [8, "0.10.0", "2026-02-01", "feat", ""]
    assert [rows["mlflow"][key] for key in kept] == [0, "1.0.0", "2026-04-01", "", "red"]
    assert [rows["ray-serve"][key] for key in kept] == [2, "", "", "", ""]
    kinds = {"acme/an-archived": "archived", "acme/an-mirror": "mirror", "acme/an-empty": "empty"}
    assert found["skipped"] == kinds | {"acme/a-fork": "fork"}
    assert {item["name"]: item["repository"] for item in found["unenrolled"]} == {
        "old-lib": "acme/old-lib",
        "by-hand": "",
    }


def test_the_commands_of_the_page(template: Template, acme: GiteaOwner) -> None:
    """As a person pastes them, with this server's address and token."""
    text = (
        block("rollout")
        .replace("https://git.example.org", acme.inside)
        .replace("ROLLOUT_TOKEN=…", f"ROLLOUT_TOKEN={BOT}")
    )
    done = template.run("bash", "-euc", text, UV_EXCLUDE_NEWER="2100-01-01")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(?m)^\| (repository|package) .*", done.stdout) == ["repository", "package", "repository"]


def test_only_what_is_sure_is_called_unenrolled(template: Template, acme: GiteaOwner, tmp_path: Path) -> None:
    """Not the package of an archived repository, nor of one that failed, nor what a list or `installed` did not ask."""
    acme.put("acme", "an-archived", "1.0", "2020-01-01", "acme/an-archived")
    assert "an-archived" not in {item["name"] for item in data(template, acme, "status")["unenrolled"]}
    acme.stop = lambda _, name: refusal(500, "no") if name == "acme/handler-base" else None
    found = data(template, acme, "status", code=1)
    assert [item["name"] for item in found["unenrolled"]] == ["old-lib"], "by-hand may be handler-base's"
    acme.stop = lambda *_: None
    (tmp_path / "list.txt").write_text("acme/mlflow\n")
    for words in (("status", "--list", str(tmp_path / "list.txt")), ("installed", "--owner", "acme")):
        done = run(template, acme, *words)
        assert done.returncode == 0
        assert not re.search("not on the template|without the template", done.stdout)


def test_git_that_cannot_read_is_a_sentence(template: Template, acme: GiteaOwner, tmp_path: Path) -> None:
    """A clone that belongs to another account, and a machine without git."""
    done = run(template, acme, "status", "--owner", "acme", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode == 1
    assert done.stderr.startswith("git cannot read the template's versions: fatal: detected dubious ownership")
    done = run(template, acme, "status", "--owner", "acme", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("git is not installed, so the template's versions are not known")


def test_the_table_fits_a_screen(template: Template, acme: GiteaOwner) -> None:
    """One line a repository, 80 columns at most, the sums below; the owner may come from the environment."""
    long = "acme/" + "a-name-that-nobody-can-read" * 3
    acme.known[long] = Repository(long, answers=ANSWERS.format("v1.0.0-3-gabcdef1234567890", "long"))
    printed = run(template, acme, "status", "installed", ROLLOUT_OWNER="acme").stdout
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert {len(line) for line in lines[:7]} == {80}
    assert next(line for line in lines if line.startswith("| mlflow ")).split() == (
        f"| mlflow | {NEWEST} | | 1.0.0 2026-04-01 | red |".split()
    )
    assert "5 repositories on the template, 1 newest, 4 behind, 0 with an update" in printed
    assert "not on the template: handler" not in printed
    assert "old-lib (acme/old-lib), by-hand (no repository)." in printed
    assert "Left out: 1 archived, 1 empty, 1 fork, 1 mirror." in printed
    assert "handler-base (0.10.0 is released): in 1 repository, 1 behind" in printed


def test_ask_reaches_only_who_is_behind(template: Template, acme: GiteaOwner) -> None:
    """No archived repository, no fork of the owner's own, nobody without answers."""
    found = data(template, acme, "ask")
    asked = {name for name, repository in acme.known.items() if repository.dispatched}
    assert asked == {"acme/handler-base", "acme/ray-serve", "acme/their-fork"}
    assert found["repositories"]["mlflow"]["result"] == "up to date, not asked"


def test_a_newer_prerelease_is_not_led_back(template: Template, acme: GiteaOwner) -> None:
    """Who is on a pre-release of a version that is not out yet is asked for nothing."""
    acme.known["acme/ray-serve"].answers = ANSWERS.format("v99.0.0-rc1", "ray-serve-apps")
    row = data(template, acme, "ask")["repositories"]["ray-serve"]
    assert (row["version"], row["behind"], row["result"]) == ("v99.0.0-rc1", 0, "up to date, not asked")


@pytest.mark.parametrize("links", [True, False])
def test_every_page_of_a_listing_is_read(template: Template, acme: GiteaOwner, links: bool) -> None:
    """Also where the server's pages are smaller than asked for, or a proxy removes the links between them."""
    acme.links, acme.largest = links, 7 if links else 50
    for number in range(120):
        acme.known[f"acme/more-{number}"] = Repository(f"acme/more-{number}", answers=None)
        acme.put("acme", f"more-{number}", "1.0", "2026-01-01")
    found = data(template, acme, "status")
    assert len(found["repositories"]) == 126
    assert len(found["packages"]) == 124


def test_what_is_installed_where(template: Template, acme: GiteaOwner) -> None:
    """From uv.lock by the index or the name, from requirements files by the name; how many releases behind."""
    acme.known["acme/pip"] = Repository(
        "acme/pip",
        files={
            "requirements.txt": "Handler_Base==0.10.0 \\\n  --hash=sha256:0\n-r x.txt\nmlflow-utils>=1 # a\nhttpx==1\n",
            "dev-requirements.txt": "by-hand[x] == 0.5 ; python_version > '3'\n",
        },
    )
    index = "https://user:secret@index.example.org/simple"
    acme.known["acme/confused"] = Repository("acme/confused", files={"uv.lock": LOCK.format("99.0.0", index)})
    acme.known["acme/broken"] = Repository("acme/broken", files={"uv.lock": "["})
    rows = data(template, acme, "installed", code=1)["repositories"]
    uses = {
        name: [(use["package"], use["version"], use["behind"], use["file"]) for use in row["uses"]]
        for name, row in rows.items()
        if row["uses"]
    }
    assert uses == {
        "app": [("handler-base", "0.9.0", 1, "uv.lock")],
        "confused": [("handler-base", "99.0.0", 0, "uv.lock")],
        "pip": [
            ("by-hand", "0.5", 1, "dev-requirements.txt"),
            ("handler-base", "0.10.0", 0, "requirements.txt"),
            ("mlflow-utils", "", None, "requirements.txt"),
        ],
    }
    assert rows["confused"]["uses"][0]["source"] == "https://index.example.org/simple"
    assert rows["app"]["uses"][0]["source"] == ""
    assert rows["broken"]["result"] == "uv.lock is not TOML: lock again"


def test_a_scope_that_is_missing_is_said(template: Template, acme: GiteaOwner) -> None:
    """Without the registry the rest is there; without the list there is nothing to show."""
    scope = "token does not have at least one of required scope(s), required=[read:package]"
    acme.may_not["pypi"] = refusal(403, scope)
    done = run(template, acme, "status", "--owner", "acme")
    assert done.returncode == 0
    assert f"registry of acme was not read, so released versions are not shown: 403 {scope}" in done.stdout
    acme.may_not["repos"] = refusal(403, scope.replace("package", "user"))
    for words, reason in (("acme", "403 token"), ("nobody", "404 not found")):
        acme.may_not = acme.may_not if words == "acme" else {}
        done = run(template, acme, "status", "--owner", words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"The repositories of {words} cannot be listed: {reason}")
    assert "is not a name of an owner" in run(template, acme, "status", "--owner", "a/b").stderr


@pytest.mark.parametrize("kind", ["repos", "pypi", "raw", "compare", "state", "tree"])
@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[1]", b'{"commits": 3, "tree": 4}'])
def test_any_answer_with_200_is_survived(template: Template, acme: GiteaOwner, kind: str, body: bytes) -> None:
    """A web page or another shape gives a sentence, never a traceback."""
    page = [("Content-Type", "text/html" if body.startswith(b"<") else "application/json")]
    acme.stop = lambda name, _: ("200 OK", page, body) if name == kind else None
    done = run(template, acme, "status", "installed", "--owner", "acme")
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode in (0, 1)
    if body.startswith(b"<"):
        assert "a web page, not an answer of Gitea's API" in done.stdout + done.stderr
