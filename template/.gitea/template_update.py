# /// script
# requires-python = ">=3.11"
# ///
"""Offers a newer version of the template as a pull request. template-update.yaml runs it, in two jobs.

    look   clones the template, and hands on its newest version, unless this repository has it or declined it
    open   pushes what the first job made of that version, opens the pull request, and closes those of older versions

In between, the first job runs the template's programs and this package's tests, with no token that may write. So `open`
takes no more from it than a tree of files and text, and runs nothing of it. Only the standard library. The template
owns this file.
"""

import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared import AGAIN, FILES, ORIGIN, REPOSITORY, SECRET, SERVER, TEMP, done, git, http, need, remote, say, sums
from shared import output as hand_over

ANSWERS = os.environ.get("ANSWERS", ".copier-answers.yml")
GITEA = os.environ.get("GITEA_URL", "").rstrip("/")
TEMPLATE, HANDED = TEMP / "template", TEMP / "handed"
TOKEN = SECRET["TEMPLATE_TOKEN"] or SECRET["JOB_TOKEN"]
NAME, EMAIL = "template update", "template-update@noreply.invalid"
VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+")
# As a version of PEP 440 or a semantic one. A commit after a version counts as it, and all before v1.0.0 as v1.0.0-rc1.
BEFORE, AFTER = r"[-_.]?(?!post|g[0-9a-f])[a-z][\w.-]*?", r"([-_.]?post\.?[0-9]*)?(\+[\w.-]+?)?(-[0-9]+-g[0-9a-f]+)?"
TAG = re.compile(rf"v?([0-9]+)\.([0-9]+)\.([0-9]+)({BEFORE})?{AFTER}", re.IGNORECASE)
LONGEST, PART, LINES, LINE = 60_000, 10_000, 200, 500  # characters of the text and a part, lines, characters of a line
FIELDS = {"reasons", "subjects", "report", "results", "failures"}
NEEDED = (
    "Put a token with the scope write:repository into the secret TEMPLATE_TOKEN, of an account in a team that may "
    "write Code and Pull Requests of this repository."
)


def parse(text: str) -> tuple[int, ...] | None:
    """Returns the version that text names, such as v1.2.0, v1.2.0-rc1 or v1.2.0-3-gabc1234, or None for anything else."""
    found = TAG.fullmatch(text)
    return (*map(int, found.groups()[:3]), not found[4]) if found else None


def answer(name: str) -> str:
    """Returns one of Copier's own answers, as the file has it on one line."""
    found = re.search(rf"(?m)^{name}: ['\"]?([^'\"\n]*)", Path(ANSWERS).read_text("utf-8"))
    return found[1].strip() if found else ""


def api(method: str, path: str, *expected: int, **body: str) -> tuple[int, Any]:
    """Calls the API of this repository. Fails the job after any answer but a success and the expected codes.

    Returns:
        The status code, and the JSON of a success.
    """
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    url = f"{SERVER}/api/v1/repos/{REPOSITORY}{path}"
    status, text = http(method, url, headers, json.dumps(body) if body else "")
    need(status, f"no answer from {SERVER} ({text}). Check that Gitea runs there, then run this again.")
    if 200 <= status < 300:
        return status, json.loads(text)
    if status not in expected:
        refused(status, f"{method} {path.partition('?')[0] or '/'}: {text[:200]!r}")
    return status, None


def refused(status: int, what: str) -> None:
    """Fails the job after an answer of Gitea that is not a success."""
    whose = "TEMPLATE_TOKEN" if SECRET["TEMPLATE_TOKEN"] else "the job's own token"
    known = status != 401 or not SECRET["TEMPLATE_TOKEN"]
    need(known, f"Gitea does not know the token in the secret TEMPLATE_TOKEN. {NEEDED}")
    need(status not in (401, 403, 404), f"Gitea refuses {whose} ({status}, {what}). {NEEDED}")
    need(False, f"Gitea answered {status} ({what}). Run this again, or read Gitea's log.")


def clone() -> None:
    """Brings the template to TEMPLATE. Only this Gitea is sent a token, only git sees it, and only if it is needed."""
    need(Path(ANSWERS).exists(), f"{ANSWERS} is not there: put it back (git log -- {ANSWERS}).")
    source = answer("_src_path").removeprefix("git+")
    # No runner has a key for ssh: such an address of this Gitea is read over HTTP.
    ssh = rf"(ssh://)?git@{re.escape(urlsplit(GITEA).hostname or '')}(:[0-9]+)?[:/]"
    source = re.sub(ssh, lambda _: f"{SERVER}/", source, count=1)
    if ":" not in source:
        print("::notice::The template is a local path, which no runner can read: nothing is updated.")
        sys.exit()
    advice = f"make _src_path in {ANSWERS} one of git+https://…"
    need(re.match(r"https?://", source), f"{source} cannot be read here: {advice}")
    if source.startswith(f"{GITEA}/"):
        source = SERVER + source.removeprefix(GITEA)
    words = ("clone", "--quiet", "--", source, TEMPLATE)
    if not remote("", *words)[0]:
        say("not public, or not there: asked again with a token")
        token = SECRET["TEMPLATE_READ_TOKEN"] or SECRET["JOB_TOKEN"]
        secret = "the secret TEMPLATE_READ_TOKEN needs a token with the scope read:repository that may read it"
        need(remote(token, *words, url=f"{SERVER}/")[0], f"the template is gone, or private: then {secret}.")


def look() -> None:
    """Hands on the newest version, or ends the step if there is nothing to do."""
    clone()
    known = {parse(tag) or (): tag for tag in filter(VERSION.fullmatch, git("tag", cwd=TEMPLATE).split())}
    before, newest = answer("_commit"), max(known, default=None)
    now = parse(before)
    if newest is None or (now and now >= newest):
        done(f"this repository is on {before}, and the template has no newer version.")
    tag = known[newest]
    git("checkout", "--quiet", tag, cwd=TEMPLATE)
    pull = state(tag)[2]
    hand_over(version=tag, pull=str(pull or ""))
    say(f"{tag} is newer than {before if now else 'the version here'}.")


def state(tag: str) -> tuple[str, str, int]:
    """Returns the branch that the pull request is for, the commit of its own branch, and the number of an open one.

    Ends the step if somebody declined the version, or has a commit of their own on its branch.
    """
    base, branch = api("GET", "")[1]["default_branch"], f"template/{tag}"
    here = os.environ.get("GITHUB_REF_NAME")
    need(here == base, f"this ran on {here!r}. Run it on {base}, which the pull request is for.")
    status, pull = api("GET", f"/pulls/{base}/{branch}", 404)
    if status == 200 and pull["state"] != "open":
        done(f"pull request #{pull['number']} (closed) already has {tag}.")
    if status == 200:
        return base, "", pull["number"]
    status, there = api("GET", f"/branches/{branch}", 404)
    if status != 200:
        return base, "", 0
    if (author := there["commit"]["author"]["email"]) != EMAIL:
        done(f"{branch} has a commit by {author} and no pull request. Open one, or delete the branch.")
    say(f"{branch} has no pull request, because a run was interrupted. It is made again.")
    return base, there["commit"]["id"], 0


def handed() -> tuple[str, dict[str, Any]]:
    """Returns the tree of files and the text that the first job handed over, if they came over unchanged."""
    there = sums(HANDED)
    need(set(FILES) == {"update.bundle", "plan.json"}, f"the first job handed over no update: {AGAIN}")
    for name, digest in FILES.items():
        need(name in there, f"{name} did not come from the first job: {AGAIN}")
        need(there[name] == digest, f"{name} is not what the first job handed over: {AGAIN}")
    git("-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags", HANDED / "update.bundle", "HEAD")
    parents = git("rev-list", "--parents", "--max-count=1", "FETCH_HEAD").split()[1:]
    need(parents == [git("rev-parse", "HEAD")], f"the update is not one commit on top of this one: {AGAIN}")
    plan: Any = None
    with suppress(ValueError):
        plan = json.loads((HANDED / "plan.json").read_bytes())
    need(isinstance(plan, dict) and plan.keys() >= FIELDS, f"plan.json lacks what the text is made of: {AGAIN}")
    return git("rev-parse", "FETCH_HEAD^{tree}"), plan


def open_pull() -> None:
    """Pushes the branch, opens its pull request, and closes those of older versions."""
    tag = os.environ.get("VERSION", "")
    need(VERSION.fullmatch(tag), f"the first job handed over no version: {AGAIN}")
    base, lease, number = state(tag)
    branch = f"template/{tag}"
    if number:
        close_older(base, branch, number)
        done(f"pull request #{number} (open) already has {tag}.")
    tree, plan = handed()
    identity = ("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}")
    commit = git(*identity, "commit-tree", tree, "-p", "HEAD", "-m", f"chore: template {tag}")
    forced = f"--force-with-lease=refs/heads/{branch}:{lease}"
    pushed, text = remote(TOKEN, "push", forced, ORIGIN, f"{commit}:refs/heads/{branch}")
    if not pushed:
        if "stale info" in text:
            done(f"another run has just pushed {branch}, and opens the pull request.")
        refused(403, f"git push of {branch}, see above")
    title = f"{'WIP: ' if plan['reasons'] else ''}chore: template {tag}"
    status, pull = api("POST", "/pulls", 409, head=branch, base=base, title=title, body=compose(tag, plan)[:LONGEST])
    if status == 409:
        status, pull = api("GET", f"/pulls/{base}/{branch}")
    close_older(base, branch, pull["number"])
    say(f"pull request #{pull['number']}: {title}")


def close_older(base: str, branch: str, newest: int) -> None:
    """Closes the open pull requests of other versions. Their text names the one that replaces them."""
    page, pulls = 1, list[dict[str, Any]]()
    while batch := api("GET", f"/pulls?state=open&limit=50&page={page}")[1]:
        pulls, page = pulls + batch, page + 1
    for pull in pulls:
        head = pull["head"]
        of_this = (head.get("repo") or {}).get("full_name", "").lower() == REPOSITORY.lower()
        ours = head["ref"].startswith("template/") and parse(head["ref"].removeprefix("template/"))
        if of_this and ours and head["ref"] != branch and pull["base"]["ref"] == base:
            api("PATCH", f"/pulls/{pull['number']}", state="closed", body=f"Replaced by #{newest}.\n\n{pull['body']}")
            say(f"#{pull['number']} ({head['ref']}) is closed.")


def fenced(text: object) -> str:
    """Returns text in a code block, where no name is mentioned, no number links, and no `closes #1` closes anything."""
    lines = [line[:LINE] for line in str(text).splitlines()]
    more = f"\nand {len(lines) - LINES} lines more" if len(lines) > LINES else ""
    cut = "\n".join(lines[:LINES])[:PART] + more
    fence = max(["```", *(f"{ticks}`" for ticks in re.findall("`{3,}", cut))], key=len)
    return f"{fence}text\n{cut}\n{fence}\n"


def compose(tag: str, plan: dict[str, Any]) -> str:
    """Returns the text of the pull request. Whatever the first job handed over stands in code blocks."""
    parts = [f"Brings this repository to the template's version {tag}.\n"]
    if plan["reasons"]:
        parts.insert(0, f"**Not ready to be merged:**\n\n{fenced(plan['reasons'])}")
    parts += ["### What changed in the template\n", fenced(plan["subjects"])]
    parts += ["### What changes here\n", fenced(plan["report"]), "### Checks\n", fenced(plan["results"])]
    if plan["failures"]:
        parts += ["The end of what failed:\n", fenced(plan["failures"])]
    if SECRET["TEMPLATE_TOKEN"]:
        parts.append("CI runs on it as well.\n")
    else:
        parts.append(
            "Opened with the job's own token, for which Gitea starts no CI: only the checks above ran. "
            "Read what changes below `.gitea/` before you merge: it runs with this repository's secrets then.\n"
        )
    return "\n".join(parts)


STEPS = {"look": look, "open": open_pull}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
