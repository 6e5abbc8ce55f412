"""Describes a version: its page in Gitea, the lines for the message, and the summary of the run.

All from the subjects and footers of its commits, which are text that anybody may have written. Only the standard
library. The template owns this file.
"""

import json
import os
import re
from contextlib import suppress
from typing import Any

from lock import reserved
from shared import FILES, REPOSITORY, SECRET, SERVER, git, http, marked, one_line, output, say, summary
from version import (
    MAJOR,
    MINOR,
    NOTHING,
    PATCH,
    SUBJECT,
    almost,
    breaking,
    level,
    number,
    planned,
    project,
    reachable,
    tags,
)

HEADINGS = {MAJOR: "Breaking changes", MINOR: "Features", PATCH: "Fixes"}
WORDS = {MAJOR: "Breaking", MINOR: "New", PATCH: "Fixed"}
ENTRIES, LONGEST = 50, 300  # entries of a part of the page, characters of one
LINES, LINE = 8, 100  # lines of a message, characters of one
PULL = re.compile(r"\s*\([#!]([0-9]+)\)$")
MERGE = re.compile(r"Merge pull request .*?[#!]([0-9]+)\b")
Commit = tuple[str, list[str], str]  # its id, those of its parents, its message


def commits(most: int = -1) -> tuple[str, list[Commit]]:
    """Returns the tag of the version before HEAD's, empty if there is none, and the (newest) commits since."""
    head = git("rev-parse", "HEAD")
    older = {version: commit for version, commit in tags().items() if commit != head}
    last = reachable(older)
    since = f"{older[last]}..HEAD" if last else "HEAD"
    text = git("log", "-z", f"--max-count={most}", "--format=%H %P%n%B", since, "--")
    found = []
    for entry in filter(str.strip, text.split("\0")):
        ids, _, message = entry.lstrip().partition("\n")
        found.append((ids.split()[0], ids.split()[1:], message.strip()))
    return f"v{number(last)}" if last else "", found


def pulls(since: list[Commit]) -> dict[str, str]:
    """Returns the number of the pull request that brought a commit, where its merge or its squash names one."""
    parents, found = {commit: above for commit, above, _ in since}, dict[str, str]()
    line = {since[0][0]} if since else set[str]()
    for commit, above, _ in since:  # newest first: those of main itself
        if commit in line and above:
            line.add(above[0])
    for commit, above, message in reversed(since):
        subject = message.partition("\n")[0].strip()
        if squash := PULL.search(subject):
            found[commit] = squash[1]
        merge, stack = MERGE.match(subject) or PULL.search(subject), list(above[1:])
        while merge and stack:
            if (brought := stack.pop()) in parents and brought not in line and brought not in found:
                found[brought] = merge[1]
                stack += parents[brought]
    return found


def entry(commit: Commit) -> tuple[int, str, str, str]:
    """Returns what a commit asks for, its scope, its subject and what breaks."""
    subject = PULL.sub("", commit[2].partition("\n")[0].strip())
    match = SUBJECT.match(subject)
    scope, text = (match[2] or "", match[4] or subject) if match else ("", subject)
    return level(commit[2]), scope, cut(text), cut(breaking(commit[2]))


def cut(text: str, length: int = LONGEST) -> str:
    """Returns text on one line, and not longer."""
    text = one_line(" ".join(text.split()))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def notes(version: str, before: str, since: list[Commit]) -> tuple[str, list[str]]:
    """Returns a version's page in Markdown, and its most important lines in plain text."""
    numbers, home, index = pulls(since), f"{os.environ['GITEA_URL']}/{REPOSITORY}", os.environ["INDEX_URL"]
    parts: dict[int, list[str]] = {MAJOR: [], MINOR: [], PATCH: []}
    short: dict[int, list[str]] = {MAJOR: [], MINOR: [], PATCH: []}
    for commit in since:
        bump, scope, text, breaks = entry(commit)
        if bump != NOTHING:
            pull = f", [#{numbers[commit[0]]}]({home}/pulls/{numbers[commit[0]]})" if commit[0] in numbers else ""
            link = f"([`{commit[0][:10]}`]({home}/commit/{commit[0]}){pull})"
            more = f"\n  {marked(breaks)}" if breaks else ""
            parts[bump].append(f"- {f'**{marked(scope)}:** ' if scope else ''}{marked(text)} {link}{more}")
            short[bump].append(cut(f"{WORDS[bump]}: {f'{scope}: ' if scope else ''}{breaks or text}", LINE))
    lines = [line for part in short.values() for line in part]
    others = len(since) - len(lines)
    shown = list[str]()
    for bump, part in parts.items():
        if part:
            rest = [f"- and {len(part) - ENTRIES} more"] * (len(part) > ENTRIES)
            shown += [f"### {HEADINGS[bump]}", "", *part[:ENTRIES], *rest, ""]
    if others:
        shown += [f"{'And' if lines else 'From'} {others} other commit{'s' * (others > 1)}.", ""]
    if before:
        shown += [f"[All changes since {before}]({home}/compare/{before}...v{version})", ""]
    shown += ["### Install", "", "```sh", f"uv add {project()[0]}=={version} --index gitea={index}", "```", ""]
    shown += ["### sha256", "", "```text", *(f"{digest}  {file}" for file, digest in FILES.items()), "```"]
    return "\n".join(shown), [*lines[:LINES], *[f"and {len(lines) - LINES} more"] * (len(lines) > LINES)]


def misses(since: list[Commit]) -> list[str]:
    """Returns a sentence for each of the newest commits that asks for less than it seems to."""
    found = []
    for commit, _, message in since:
        if meant := almost(message):
            subject = cut(message.partition("\n")[0], LINE)
            found.append(f'{commit[:10]} "{subject}" asks for less than it says. Meant: "{cut(meant, LINE)}"?')
    return found[:10]


def page() -> None:
    """Makes the release of the tag in Gitea, unless it is there, and the summary. A refusal is a warning."""
    (version, why), (before, since) = planned(), commits()
    missed = [f"- {marked(line)}" for line in misses(since[:1000])]
    if not version:
        summary("\n".join([f"Nothing is released: {marked(why)}", "", *missed]))
    version = reserved()
    text, lines = notes(version, before, since)
    home = f"{os.environ['GITEA_URL']}/{REPOSITORY}/releases/tag/v{version}"
    shown = [f"- {marked(line)}" for line in lines[:3]]
    summary("\n".join([f"**[{project()[0]} {version}]({home})** is released.", "", *shown, "", *missed]))
    output(notes=json.dumps(lines))
    say(made(version, text) or f"the page: {home}")


def made(version: str, text: str) -> str:
    """Makes a version's page in Gitea, or fills an empty one. Returns a warning, empty where there is none to give."""
    headers = {"Authorization": f"token {SECRET['JOB_TOKEN']}", "Content-Type": "application/json"}
    api, there = f"{SERVER}/api/v1/repos/{REPOSITORY}/releases", dict[str, Any]()
    status, answer = http("GET", f"{api}/tags/v{version}", headers)
    with suppress(ValueError):
        there = json.loads(answer) if status == 200 else {}
    if there.get("body") and not there.get("draft"):
        return ""  # this program's, or a person's who knows better
    given = {"tag_name": f"v{version}", "name": f"v{version}", "body": text, "draft": False}
    method, url = ("PATCH", f"{api}/{there['id']}") if "id" in there else ("POST", api)
    if status in (200, 404):
        status, answer = http(method, url, headers, json.dumps(given))
    advice = "give publish `contents: write`, and switch Releases on in the repository's settings; then run it again."
    passed = status in (200, 201, 409)  # 409: another run of this commit was faster
    return "" if passed else f"warning: Gitea did not make the page of v{version} ({status or answer}): {advice}"
