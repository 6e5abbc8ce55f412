"""Publishes the files that the test job built: a tag that reserves the version, then the upload, then its page.

The publish job runs `release.py preflight`, `tag`, `upload` and `page`, one step each; no code of the package runs
there. If a job is interrupted after the tag, run that job again. Runs with what twine.txt names. The template owns this
file.
"""

import os
import re
import sys
from pathlib import Path

from lock import NUMBER, fetch, lock, reserved
from notes import page
from packaging.version import Version
from registry import REGISTRY, ask, listed, refusal, send, unreadable, versions
from shared import AGAIN, FILES, ORIGIN, SECRET, git, need, output, say, sums
from version import DIST, STATE, number, planned, project, reachable, tags, whole

VERSION = os.environ.get("VERSION", "")  # that the test job built


def index() -> dict[str, str]:
    """Returns the files that the index lists, with their sha256."""
    address = f"{REGISTRY}/simple/{project()[0]}/"
    status, text = ask("GET", address)
    advice = "see that Gitea is up, then run this job again."
    need(status in (200, 404), f"no index at {address} ({status or text}): {advice}")
    return listed(text)


def missing() -> list[Path]:
    """Returns the built files that the index does not list. One that it lists with other bytes fails the job."""
    known = index()
    advice = f"if both files of {reserved()} are there, leave it; else delete it in Gitea, and run this job again."
    for name, digest in FILES.items():
        need(known.get(name, digest) == digest, f"the registry has another {name} than this build: {advice}")
    return [DIST / name for name in FILES if name not in known]


def compare() -> None:
    """Notes the version, if what the test job built is still it and came over unchanged."""
    NUMBER.unlink(missing_ok=True)
    version, why = planned()
    if not version:
        say(f"nothing to release: {why}")
        return
    need(version == VERSION, f"this commit was built as version {VERSION or '(none)'}, and is now {version}: {AGAIN}")
    need(whole(list(FILES), version), f"the test job named no wheel and sdist of {version}: {AGAIN}")
    there = sums(DIST)
    need(there, f"no files came from the test job; Gitea keeps them 30 days: {AGAIN}")
    need(there == FILES, f"the files that came are not those that the test job built: {AGAIN}")
    for name in FILES:
        why = unreadable(DIST / name)
        need(not why, f"{name} cannot be uploaded ({why}): correct the package's metadata, and push.")
    STATE.mkdir(parents=True, exist_ok=True)
    NUMBER.write_text(version)
    say(f"version {version}")


def preflight() -> None:
    """Checks that this commit can be released and that the registry takes uploads. Reserves nothing."""
    for name in ("REGISTRY_USER", "REGISTRY_TOKEN"):
        need(SECRET[name], f"the secret {name} is not set: add it under Settings → Actions → Secrets.")
    need(git("rev-parse", "--is-shallow-repository") != "true", "the checkout is shallow: give it fetch-depth: 0.")
    status, text = ask("POST", REGISTRY, {":action": "file_upload"})
    # An upload without a file: 400 means that one with a file would have been taken.
    need(status == 400, f"{refusal(status, text)} Then run this job again.")
    there = index()
    fetch()  # after the index: of each file that another run uploaded, the tag is older
    compare()
    if NUMBER.exists() and git("rev-parse", "HEAD") not in tags().values():
        free(there)
    unfinished(list(there))


def free(there: dict[str, str]) -> None:
    """Checks that nothing in the registry and no tag is in the way of a version that is not reserved yet."""
    mine, name, found, known = Version(VERSION), project()[0], versions(there), tags()
    for file, last in found.items():
        ours = last != mine or FILES.get(file) == there[file]
        advice = f"push the tag v{mine} to the commit that it was built from, or delete {mine} in Gitea. Then {AGAIN}"
        need(ours, f"the registry has {file} already, and there is no tag v{mine}: {advice}")
        below = last <= mine or last.is_prerelease or (not last.epoch and (last.major, last.minor, last.micro) in known)
        advice = f"push the tag v{last.base_version} to the commit that it was built from, or delete it in Gitea. Then"
        need(below, f"the registry has {name} {last}, {mine} is lower, and there is no tag of it: {advice} {AGAIN}")
    for tag in re.findall(r"^[0-9]+\.[0-9]+\.[0-9]+$", git("tag"), re.MULTILINE):
        way = f"run `git tag v{tag} {tag} && git push origin v{tag}`, or delete {tag}. Then {AGAIN}"
        need(Version(tag) < mine, f"the tag {tag} has no v, so it does not count, and {mine} is not above it: {way}")


def unfinished(there: list[str]) -> None:
    """Hands on the last versions before this commit's that have a tag and not both files."""
    head, missed = git("rev-parse", "HEAD"), list[str]()
    older = {version: commit for version, commit in tags().items() if commit != head}
    while len(missed) < 5 and (last := reachable(older)) and git("ls-tree", older[last], ".gitea/release.py"):
        if whole(there, number(last)):
            break
        missed.append(number(last))
        older = {version: commit for version, commit in older.items() if version < last}
    if missed:
        output(unfinished=" ".join(missed))
        say(f"files missing: v{', v'.join(missed)}. Unless deleted, run the jobs of the tag's commit again.")


def upload() -> None:
    """Uploads what is missing. In the end the index decides, as another run of the commit may have been faster."""
    version, name = reserved(), project()[0]
    answers = {path: send(path) for path in missing()}
    for path in missing():
        need(False, f"{path.name} is not in the registry: {refusal(*answers[path])} Then run this job again.")
    output(version=version, name=name)
    say(f"{name} {version} is in the registry")


def link() -> None:
    """Shows the package on its repository's page. Gitea can from 1.24 on, and a refusal is no failure."""
    server, _, owner = REGISTRY.removesuffix("/pypi").partition("/api/packages/")
    address = f"{server}/api/v1/packages/{owner}/pypi/{project()[0]}/-/link/{Path(ORIGIN).name}"
    if owner and (status := ask("POST", address)[0]) not in (201, 400):  # 400: it is linked already
        say(f"Gitea did not link the package to its repository ({status}); you can, on the package's page.")


# What the steps of the publish job do, in their order.
STEPS = {"preflight": [preflight], "tag": [lock], "upload": [upload, link], "page": [page]}

if __name__ == "__main__":
    for step in STEPS[sys.argv[1]]:
        step()
