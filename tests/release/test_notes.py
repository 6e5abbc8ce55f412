"""What a version's page, the message and the summary say, and that nobody's text gets more than text into them."""

import html
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from release_world import DRIVE, JOB_TOKEN, Repository, shipped

HOME, INDEX = "https://git.example.org", "https://git.example.org/api/packages/acme/pypi/simple/"
PAGE = f"{HOME}/acme/handler-base/releases/tag"
FILES = "handler_base-1.0.0-py3-none-any.whl={0} handler_base-1.0.0.tar.gz={0}".format("0" * 64)


class Releases(http.server.ThreadingHTTPServer):
    """A stub, no Gitea: the releases of one repository, as its API was seen to answer."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.held: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.refusal = 0
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                """Answer as Gitea does."""
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
                stub.asked.append((self.command, self.path, self.headers["Authorization"]))
                tag = self.path.rpartition("/")[2] if self.command == "GET" else given["tag_name"]
                status = (
                    stub.refusal or {"GET": 200 if tag in stub.held else 404, "POST": 201, "PATCH": 200}[self.command]
                )
                if self.command == "POST" and tag in stub.held:
                    status = 409
                if status in (200, 201) and self.command != "GET":
                    stub.held[tag] = {"id": 7, **stub.held.get(tag, {}), **given}
                body = json.dumps(stub.held.get(tag) if status in (200, 201) else {"message": "no"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_GET

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def releases() -> Iterator[Releases]:
    """The stub."""
    with Releases() as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


def page(repository: Repository, server: str, version: str) -> tuple[str, str, dict[str, str]]:
    """Runs the step; returns its log, its summary and its outputs."""
    temp = repository.path.parent / "temp"
    (temp / "release").mkdir(parents=True, exist_ok=True)
    (temp / "release/version").unlink(missing_ok=True)
    if version:
        (temp / "release/version").write_text(version)
    output, summary = temp / "output", temp / "summary"
    output.write_text("")
    summary.write_text("")
    env = {
        **repository.environment,
        **{"GITHUB_SERVER_URL": server, "GITHUB_REPOSITORY": "acme/handler-base", "JOB_TOKEN": JOB_TOKEN},
        **{"GITEA_URL": HOME, "INDEX_URL": INDEX, "FILES": FILES, "RUNNER_TEMP": str(temp)},
        **{"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)},
    }
    words = [sys.executable, str(DRIVE), ".gitea/release.py", "page"]
    done = subprocess.run(words, cwd=repository.path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert JOB_TOKEN not in done.stdout + done.stderr
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.stdout + done.stderr, summary.read_text(), outputs


def text_of(repository: Repository, releases: Releases, version: str) -> str:
    """Tags HEAD, makes its page, and returns its text."""
    repository.git("tag", f"v{version}")
    log, _, _ = page(repository, releases.url, version)
    assert log == f"release: the page: {PAGE}/v{version}\n"
    assert releases.held[f"v{version}"]["name"] == f"v{version}"
    return str(releases.held[f"v{version}"]["body"])


def test_a_page(history: Repository, releases: Releases) -> None:
    """Breaking changes, features and fixes of main, of a squash and of a merge; the rest is counted."""
    history.commit("feat: before")
    history.git("tag", "v0.9.0")
    first = history.commit("fix: close the file")
    second = history.commit("feat(client): ask again (#12)\n\ntext of the pull request\n\nCo-authored-by: B <b@c.de>")
    third = history.commit(
        "fix(client)!: name the user\n\nBREAKING CHANGE: `ask` needs a user,\nas a keyword.\n\nRefs: 1"
    )
    history.git("checkout", "-q", "-b", "topic")
    fourth = history.commit("feat: a branch")
    history.commit("docs: its page")
    history.git("checkout", "-q", "main")
    history.commit("chore: meanwhile")
    history.git("merge", "-q", "--no-ff", "-m", "Merge pull request 'A branch' (#15) from topic into main", "topic")

    def link(commit: str, pull: int = 0) -> str:
        more = f", [#{pull}]({HOME}/acme/handler-base/pulls/{pull})" if pull else ""
        return f"([`{commit[:10]}`]({HOME}/acme/handler-base/commit/{commit}){more})"

    assert (
        text_of(history, releases, "1.0.0")
        == f"""\
### Breaking changes

- **client:** name the user {link(third)}
  `ask` needs a user, as a keyword.

### Features

- a branch {link(fourth, 15)}
- **client:** ask again {link(second, 12)}

### Fixes

- close the file {link(first)}

And 3 other commits.

[All changes since v0.9.0]({HOME}/acme/handler-base/compare/v0.9.0...v1.0.0)

### Install

```sh
uv add handler-base==1.0.0 --index gitea={INDEX}
```

### sha256

```text
{"0" * 64}  handler_base-1.0.0-py3-none-any.whl
{"0" * 64}  handler_base-1.0.0.tar.gz
```"""
    )
    assert {token for _, _, token in releases.asked} == {f"token {JOB_TOKEN}"}


def test_summary_and_message(history: Repository, releases: Releases) -> None:
    """In a few lines; the message gets the same, in plain text, breaking changes first."""
    for subject in ("feat(cli): a_b", "fix: c", "fix : d", "feat!: e"):
        history.commit(subject)
    history.git("tag", "v1.0.0")
    near = history.git("rev-parse", "HEAD~1")
    _, summary, outputs = page(history, releases.url, "1.0.0")
    assert json.loads(outputs["notes"]) == ["Breaking: e", "New: cli: a_b", "Fixed: c"]
    assert summary == (
        f"**[handler-base 1.0.0]({PAGE}/v1.0.0)** is released.\n\n"
        "- Breaking: e\n- New: cli: `a_b`\n- Fixed: c\n\n"
        f'- {near[:10]} "fix : d" asks for less than it says. Meant: "fix: d"?\n'
    )


def test_summary_of_nothing(history: Repository, releases: Releases) -> None:
    """It says why, and what was almost a release; Gitea is not asked."""
    commit = history.commit("Feature: a")
    log, summary, outputs = page(history, releases.url, "")
    assert log == "release: nothing to release.\n"
    assert summary == (
        "Nothing is released: no major:, feat: or fix: since the first commit.\n\n"
        f'- {commit[:10]} "Feature: a" asks for less than it says. Meant: "feat: a"?\n'
    )
    assert (outputs, releases.asked) == ({}, [])


def test_made_once(history: Repository, releases: Releases) -> None:
    """Run again, and beside another run of the commit; a text that a person has changed stays."""
    history.commit("feat: a")
    text = text_of(history, releases, "1.0.0")
    releases.held["v1.0.0"]["body"] = f"{text}\n\nThanks to B."
    page(history, releases.url, "1.0.0")
    assert releases.held["v1.0.0"]["body"].endswith("Thanks to B.")
    assert [method for method, _, _ in releases.asked] == ["GET", "POST", "GET"]


@pytest.mark.parametrize("left", [{"body": ""}, {"body": "text of before", "draft": True}])
def test_what_an_interrupted_run_left_is_corrected(
    history: Repository, releases: Releases, left: dict[str, Any]
) -> None:
    """An empty page is filled, a draft is published."""
    history.commit("feat: a")
    releases.held["v1.0.0"] = {"id": 7, "draft": False, **left}
    assert "### Features" in text_of(history, releases, "1.0.0")
    assert releases.held["v1.0.0"]["draft"] is False
    assert [method for method, _, _ in releases.asked] == ["GET", "PATCH"]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 422, 500])
def test_a_refusal_is_a_warning(history: Repository, releases: Releases, status: int) -> None:
    """The release is done; the sentence says what to give."""
    history.commit("feat: a")
    history.git("tag", "v1.0.0")
    releases.refusal = status
    log, _, outputs = page(history, releases.url, "1.0.0")
    assert log.startswith(f"release: warning: Gitea did not make the page of v1.0.0 ({status}): give publish `contents")
    assert len(log.splitlines()) == 1
    assert outputs["notes"] == '["New: a"]'


def test_nobody_answers(history: Repository, releases: Releases) -> None:
    """A warning, too."""
    history.commit("feat: a")
    history.git("tag", "v1.0.0")
    releases.server_close()
    assert "warning: Gitea did not make the page of v1.0.0" in page(history, releases.url, "1.0.0")[0]


def test_many_commits(history: Repository, releases: Releases) -> None:
    """The page and the message end somewhere."""
    parent = history.commit("chore: start")
    stream = "".join(
        f"commit refs/heads/main\ncommitter D <d@example.org> {1_700_000_000 + n} +0000\n"
        f"data {len(f'fix: number {n:03} ' + 'x' * 900)}\nfix: number {n:03} {'x' * 900}\n"
        + (f"from {parent}\n" if not n else "")
        for n in range(500)
    )
    history.git("fast-import", "--quiet", "--force", data=stream.encode())
    history.git("tag", "v1.0.0")
    _, _, outputs = page(history, releases.url, "1.0.0")
    text = releases.held["v1.0.0"]["body"]
    assert text.count("\n- number") == 50
    assert "\n- and 450 more\n" in text
    assert len(text) < 30_000
    assert max(map(len, text.splitlines())) < 500
    assert "And 1 other commit." in text
    lines = json.loads(outputs["notes"])
    assert len(lines) == 9
    assert lines[-1] == "and 492 more"
    assert max(map(len, lines)) <= 100


HOSTILE = [
    "@root and @acme/team, closes #1, closes acme/other#2, !3",
    "<img src=x onerror=alert(1)> <script>x</script> <!-- <details>",
    "[click](https://evil.example) ![x](https://evil.example/y.png) https://evil.example www.evil.example a@evil.test",
    "**bold** __bold__ *it* _it_ ~~gone~~ `code` ``two`` ` one | table | $x^2$ \\(y\\)",
    "\u202e\u2066right to left \u200b zero \x1b[31mred\x07 \x00 \u2028 line",
    "&lt;b&gt; &#64;root &amp;",
    "# heading", "- list", "1. list", "1) list", "> quote", "- [ ] task", "--- line", "=== line", "+ plus", "``` fence",
    "${{ secrets.NTFY_TOKEN }} %{x} $(touch y) ::add-mask::x ##[command]",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    """Rendered, it is words and code: no link, picture, heading, markup or HTML, and nobody is mentioned."""
    marked = shipped("shared").marked(text)
    assert marked.isprintable()
    for around in ("- {}", "- **{}:** x", "  {}", "{}"):
        rendered = MarkdownIt("gfm-like").render(around.format(marked))
        allowed = {"p", "ul", "li", "code", "strong"} if "**" in around else {"p", "ul", "li", "code"}
        assert set(re.findall(r"<(\w+)", rendered)) <= allowed, rendered
        plain = html.unescape(re.sub(r"<code>.*?</code>", "", rendered, flags=re.DOTALL))
        # Gitea looks for these in what is not code.
        assert not re.search(r"@\w|[#!]\d|https?:|www\.|\$", plain), rendered
        shown = html.unescape(re.sub("<.*?>", "", rendered))
        assert re.sub(r"\W", "", text.split("\u202e")[-1].split()[-1]) in re.sub(r"\W", "", shown)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("read the user's file (again), 100 %", "read the user's file (again), 100 %"),
        ("rename old_name to new_name, at last", "rename `old_name` to `new_name`, at last"),
        ("`uv sync` takes *args", "`uv sync` takes `*args`"),
        ("call ask_user() for C++ and e.g. Rust", "call `ask_user`() for C++ and e.g. Rust"),
        ("well-known: it's done!", "well-known: it's done!"),
    ],
)
def test_ordinary_text_reads_as_it_was_written(text: str, marked: str) -> None:
    """Names of code are code."""
    assert shipped("shared").marked(text) == marked


def test_a_hostile_history(history: Repository, releases: Releases) -> None:
    """Subjects, scopes and footers: no line of theirs begins anything, and the outputs are one line."""
    for text in HOSTILE:
        history.commit(f"feat: {text}".replace("\0", ""))
        history.commit(f"fix({text}): x".replace("\0", ""))
        history.commit(f"fix: y\n\nBREAKING CHANGE: {text}\n{text}".replace("\0", ""))
    page_text = text_of(history, releases, "1.0.0")
    for line in page_text.splitlines():
        assert line.isprintable()
        assert re.match(
            r"- |  \S|### (Breaking changes|Features|Fixes|Install|sha256)$|And |\[All|uv add|```|0{64}|$", line
        )
    rendered = MarkdownIt("gfm-like").render(page_text)
    assert set(re.findall(r"<(\w+)", rendered)) <= {"h3", "p", "ul", "li", "code", "pre", "strong", "a"}
    assert {link.split("/acme/")[0] for link in re.findall(r'href="([^"]+)', rendered)} == {HOME}
    _, summary, outputs = page(history, releases.url, "1.0.0")
    assert set(outputs) == {"notes"}
    assert all(line.isprintable() for line in json.loads(outputs["notes"]))
    assert "evil" not in re.sub(r"`[^`]*`", "", summary)


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("feat : a", "feat: a"),
        ("feat (s): a", "feat(s): a"),
        ("feat (s)!: a", "feat(s)!: a"),
        ("Feature: a", "feat: a"),
        ("features: a", "feat: a"),
        ("feat a", "feat: a"),
        ("feat - a", "feat: a"),
        ("feat\uff1aa", "feat: a"),
        ("Fix typo", "fix: typo"),
        ("fixed: a", "fix: a"),
        ("bugfix(x): a", "fix(x): a"),
        ("hotfix: a", "fix: a"),
        ("breaking: a", "major: a"),
        ("major a", "major: a"),
        ("fix: a\n\nBREAKING CHANGES: b", "BREAKING CHANGE: as the first line of a paragraph of its own"),
        ("fix: a\n\nbody\nBREAKING CHANGE: b", "BREAKING CHANGE: as the first line of a paragraph of its own"),
        ("BREAKING CHANGE: a", "major: a"),
        ("docs: a\n\nBREAKING: b", "BREAKING CHANGE: as the first line of a paragraph of its own"),
        ("fix: a\n\nBREAKING CHANGE: none", ""),
        ("fix: a\n\n<!--\nBREAKING CHANGE: b\n-->", ""),
        ("fix!: a\n\nbody\nBREAKING CHANGE: b", ""),
        ("feat: a", ""),
        ("docs: feat a", ""),
        ("fixup! feat: a", ""),
        ("Fixtures for tests", ""),
        ("Featherweight", ""),
        ("fix", ""),
        ("Merge branch 'fix'", ""),
        ('Revert "fix: a"', ""),
    ],
)
def test_what_almost_counted(message: str, meant: str) -> None:
    """The sentence names what was meant, and nothing that was not."""
    assert shipped("version").almost(message) == meant


def test_near_misses_are_shown_where_the_files_are_built(history: Repository, tmp_path: Path) -> None:
    """On a pull request, too, before it is merged."""
    history.commit("feat : a")
    env = {**history.environment, "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_OUTPUT": os.devnull}
    words = [sys.executable, str(DRIVE), ".gitea/dist.py", "build"]
    done = subprocess.run(words, cwd=history.path, env=env, capture_output=True, text=True, check=False)
    assert '"feat : a" asks for less than it says. Meant: "feat: a"?' in done.stdout, done.stdout + done.stderr


def test_many_breaking_changes(history: Repository, releases: Releases) -> None:
    """What breaks stays with its entry, and an entry counts as one."""
    for number in range(60):
        history.commit(f"fix!: number {number:02}\n\nBREAKING CHANGE: part {number:02} is gone")
    text = text_of(history, releases, "1.0.0")
    assert re.findall(r"- number (\d+) .*\n  part (\d+) is gone\n", text) == [
        (f"{n:02}", f"{n:02}") for n in range(59, 9, -1)
    ]
    assert text.count("\n- and 10 more\n") == 1
