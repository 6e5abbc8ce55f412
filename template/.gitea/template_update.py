# /// script
# requires-python = ">=3.11"
# ///
"""Offers a newer version of the template as a pull request. template-update.yaml runs it, in two jobs.

    look   clones the template, and hands on its newest version, unless this repository has it or declined it
    open   pushes what the first job made of that version, opens the pull request, and closes those of older versions

`look dependencies` hands on that word in place of a version, for a newer uv.lock: two jobs and a pull request more.

In between, the first job runs the template's programs and this package's tests, with no token that may write. So `open`
takes no more from it than a tree of files and text, and runs nothing of it. Only the standard library. The template
owns this file.
"""

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from shared import AGAIN, FILES, ORIGIN, REPOSITORY, SECRET, SERVER, TEMP, done, git, http, need, remote, say, sums
from shared import output as hand_over
from update_text import compose, compose_lock, differences

ANSWERS = os.environ.get("ANSWERS", ".copier-answers.yml")
GITEA = os.environ.get("GITEA_URL", "").rstrip("/")
TEMPLATE, HANDED = TEMP / "template", TEMP / "handed"
TOKEN = SECRET["TEMPLATE_TOKEN"] or SECRET["JOB_TOKEN"]
NAME, EMAIL = "template update", "template-update@noreply.invalid"
VERSION, LOCK = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+"), "dependencies"
OURS = re.compile(f"{VERSION.pattern}|{LOCK}")  # what stands after template/ in the name of a branch of ours
# As a version of PEP 440 or a semantic one. A commit after a version counts as it, and all before v1.0.0 as v1.0.0-rc1.
BEFORE, AFTER = r"[-_.]?(?!post|g[0-9a-f])[a-z][\w.-]*?", r"([-_.]?post\.?[0-9]*)?(\+[\w.-]+?)?(-[0-9]+-g[0-9a-f]+)?"
TAG = re.compile(rf"v?([0-9]+)\.([0-9]+)\.([0-9]+)({BEFORE})?{AFTER}", re.IGNORECASE)
FIELDS = {"reasons", "results", "failures", "notes", "since", "report", "answers", "lock"}
MADE = "Update of {} to the files {}"  # the last line of our commits: parent and tree
CERTIFICATE, TRUST = "certificate", "Add the authority of its certificate to the runner's image (docs/runner.md)."
NEEDED = (
    "Put a token with the scope write:repository into the secret TEMPLATE_TOKEN, of an account in a team that may "
    "write Code and Pull Requests of this repository."
)


def parse(text: str) -> tuple[int, ...] | None:
    """Returns the version that text names, such as v1.2.0-rc1 or v1.2.0-3-gabc1234, or None for anything else."""
    found = TAG.fullmatch(text)
    return (*map(int, found.groups()[:3]), not found[4]) if found else None


def answer(name: str) -> str:
    """Returns one of Copier's own answers, as the file has it on one line."""
    found = re.search(rf"(?m)^{name}: ['\"]?([^'\"\n]*)", Path(ANSWERS).read_text("utf-8", "replace"))
    return found[1].strip() if found else ""


def api(method: str, path: str, *expected: int, **body: str) -> tuple[int, Any]:
    """Calls the API of this repository. Fails the job after any answer but a success and the expected codes.

    Returns:
        The status code, and the JSON of a success.
    """
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    url = f"{SERVER}/api/v1/repos/{REPOSITORY}{path}"
    status, text = http(method, url, headers, json.dumps(body) if body else "")
    need(status, f"no answer from {SERVER} ({text}). {TRUST if CERTIFICATE in text.lower() else 'See that it is up.'}")
    if 200 <= status < 300:
        with suppress(ValueError):
            return status, json.loads(text)
        need(
            False, f"{url} is not a page of Gitea's API ({text[:80]!r}). What answers there: a proxy, or a login page?"
        )
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
    source = answer("_src_path").removeprefix("git+") if Path(ANSWERS).exists() else ""
    need(source, f"{ANSWERS} is not there, or lacks _src_path: restore it (git log -- {ANSWERS}).")
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
    words, token = ("clone", "--quiet", "--", source, TEMPLATE), SECRET["TEMPLATE_READ_TOKEN"] or SECRET["JOB_TOKEN"]
    cloned, text = remote("", *words)
    if not cloned and CERTIFICATE not in text.lower():
        say("not public, or not there: trying again with a token")
        cloned, text = remote(token, *words, url=f"{SERVER}/")
    need(cloned or CERTIFICATE not in text.lower(), f"git does not trust the template's server, see above. {TRUST}")
    secret = "the secret TEMPLATE_READ_TOKEN needs a token with the scope read:repository that may read it"
    need(cloned, f"the template does not exist, or is private: then {secret}.")


def look() -> None:
    """Hands on the newest version, or ends the step if there is nothing to do."""
    clone()
    known = {parse(tag) or (): tag for tag in filter(VERSION.fullmatch, git("tag", cwd=TEMPLATE).split())}
    before, newest = answer("_commit"), max(known, default=None)
    now, lock = parse(before), LOCK in sys.argv
    if newest is None or (now and now >= newest and not lock):
        done(f"this repository is on {before}, and the template has no newer version.")
    git("checkout", "--quiet", known[newest], cwd=TEMPLATE)
    tag, base = LOCK if lock else known[newest], default_branch()
    why = settled(tag, base, updates(base).get(tag, Update()))
    hand_over(version=tag, settled="yes" if why else "")
    say(why or ("uv looks next." if lock else f"{tag} is newer than {before if now else 'the version here'}."))


def default_branch() -> str:
    """Returns the branch that the pull request is for. Fails the job unless this runs on it."""
    base, here = str(api("GET", "")[1]["default_branch"]), os.environ.get("GITHUB_REF_NAME")
    need(here == base, f"this ran on {here!r}. Run it on {base}, which the pull request is for.")
    return base


@dataclass
class Update:
    """What this repository has of a version: a branch, and an open pull request."""

    commit: str = ""  # of the branch
    parent: str = ""
    other: str = ""  # what of somebody else's it holds
    pull: dict[str, Any] = field(default_factory=dict)


def updates(base: str) -> dict[str, Update]:
    """Returns what there is of updates here, by version.

    A branch is ours alone if its commit is by the bot, and is made of what its message says.
    """
    refs = "+refs/heads/template/*:refs/updates/*"  # and HEAD, as git fails to fetch nothing
    fetched, _ = remote(TOKEN, "fetch", "--quiet", "--no-tags", "--prune", "--depth=2", ORIGIN, "HEAD", refs)
    need(fetched, f"the branches template/* could not be read, see above: {AGAIN}")
    found = dict[str, Update]()
    for tag in filter(OURS.fullmatch, git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/updates").split()):
        facts = git("log", "-1", "--format=%H%x00%P%x00%T%x00%ae%x00%ce%x00%B", f"refs/updates/{tag}").split("\0")
        commit, parent, tree, author, committer, message = facts
        ours = author == committer == EMAIL and MADE.format(parent, tree) in message
        found[tag] = Update(commit, parent, "" if ours else f"a commit by {committer if author == EMAIL else author}")
    page = 1
    while batch := api("GET", f"/pulls?state=open&limit=50&page={page}")[1]:
        page += 1
        for pull in batch:
            head, into = pull["head"], pull["base"]["ref"]
            tag = head["ref"].removeprefix("template/")
            of_this = (head.get("repo") or {}).get("full_name", "").lower() == REPOSITORY.lower()
            if not (of_this and head["ref"] != tag and OURS.fullmatch(tag)):
                continue
            update = found.setdefault(tag, Update())
            if into == base:
                update.pull = pull
            else:
                update.other = f"a pull request into {into}"
    return found


def settled(tag: str, base: str, update: Update) -> str:
    """Returns why nothing is to be made of a version, or an empty text."""
    branch, number = f"template/{tag}", update.pull.get("number")
    if update.other and (number or tag == LOCK):
        where = f"pull request #{number} (open)" if number else branch
        return f"{where} has {update.other}, and is left as it is."
    if tag == LOCK:
        return ""  # what is newer is not known yet
    if number and update.parent == git("rev-parse", "HEAD"):
        return f"pull request #{number} (open) already has {tag}."
    if number:
        say(f"pull request #{number} is made again, because {base} has new commits.")
        return ""
    status, pull = api("GET", f"/pulls/{quote(base, safe='')}/{branch}", 404)
    if status == 200 and os.environ.get("ONCE_MORE") != "true":
        how = "To have it once more, run this workflow by hand with `again`."
        return f"pull request #{pull['number']} ({pull['state']}) already has {tag}. {how}"
    if update.other:
        return f"{branch} has {update.other} and no pull request. Open one, or delete the branch."
    if update.commit:
        say(f"{branch} has no pull request, because a run was interrupted or it was closed. It is made again.")
    return ""


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
    need(isinstance(plan, dict) and plan.keys() >= FIELDS, f"plan.json is not complete: {AGAIN}")
    return git("rev-parse", "FETCH_HEAD^{tree}"), plan


def open_pull() -> None:
    """Brings the pull request of the newest version up to date, and takes away those of others."""
    tag = os.environ.get("VERSION", "")
    need(OURS.fullmatch(tag), f"the first job handed over no version: {AGAIN}")
    base = default_branch()
    found = updates(base)
    update = found.pop(tag, Update())
    others = {other: it for other, it in found.items() if LOCK not in (tag, other)}
    number = update.pull.get("number", 0)
    if why := settled(tag, base, update):
        say(why)
        others |= {} if number else {tag: update}
    elif tag == LOCK and not FILES:
        say("no dependency has a newer version.")
        if number:
            api("PATCH", f"/pulls/{number}", state="closed")
        others[tag], number = Update(update.commit), 0
    else:
        number = publish(tag, base, update, others)
    tidy(number, others)


def publish(tag: str, base: str, update: Update, others: dict[str, Update]) -> int:
    """Pushes the branch, and opens its pull request or renews its text. Returns its number."""
    branch, (tree, plan) = f"template/{tag}", handed()
    kept = [(it.pull["number"], older) for older, it in others.items() if it.pull and it.other]
    number, subject = int(update.pull.get("number", 0)), f"chore: template {tag}"
    if tag == LOCK:
        subject, changed = "chore: newer dependencies", git("diff", "--raw", "--no-renames", "HEAD", tree)
        only = re.fullmatch(r":100644 100644 \w+ \w+ M\tuv\.lock", changed)
        need(only, f"the first job changed something other than uv.lock: {AGAIN}")
        if number and git("rev-parse", f"{update.commit}^{{tree}}") == tree:
            say(f"pull request #{number} (open) already has the newest.")
            return number
        text = compose_lock(plan)
    else:
        text = compose(tag, plan | differences(tree), answer("_src_path"), kept)
    title = f"{'WIP: ' if plan['reasons'] else ''}{subject}"
    if number:  # before the push: whatever stops this in between, the next run does both
        api("PATCH", f"/pulls/{number}", title=title, body=text)
    words = ("commit-tree", tree, "-p", "HEAD", "-m", subject)
    made = MADE.format(git("rev-parse", "HEAD"), tree)
    commit = git("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}", *words, "-m", made)
    forced = f"--force-with-lease=refs/heads/{branch}:{update.commit}"
    pushed, said = remote(TOKEN, "push", forced, ORIGIN, f"{commit}:refs/heads/{branch}")
    if not pushed:
        if "stale info" in said:
            done(f"somebody, or another run, has just pushed {branch}: it is left as it is.")
        refused(403, f"git push of {branch}, see above")
    if not number:
        status, pull = api("POST", "/pulls", 409, head=branch, base=base, title=title, body=text)
        number = (updates(base)[tag].pull if status == 409 else pull)["number"]
    say(f"pull request #{number}: {title}")
    return number


def tidy(number: int, others: dict[str, Update]) -> None:
    """Closes the open pull requests of other versions, whose text then names the one that replaces them.

    Deletes the branches of closed and merged ones, unless they hold what somebody else made.
    """
    for tag, update in others.items():
        if number and update.pull:
            text = f"Replaced by #{number}.\n\n{update.pull['body']}"
            api("PATCH", f"/pulls/{update.pull['number']}", state="closed", body=text)
            say(f"#{update.pull['number']} (template/{tag}) is closed.")
            update.pull = {}
    unused = {tag: it.commit for tag, it in others.items() if it.commit and not (it.other or it.pull)}
    gone = {f"refs/heads/template/{tag}": commit for tag, commit in unused.items()}
    forced = [f"--force-with-lease={ref}:{commit}" for ref, commit in gone.items()]
    if gone and remote(TOKEN, "push", "--quiet", *forced, ORIGIN, *(f":{ref}" for ref in gone))[0]:
        say(f"deleted, as no pull request needs them: {', '.join(gone)}")


STEPS = {"look": look, "open": open_pull}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
