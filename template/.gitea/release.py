# /// script
# requires-python = ">=3.11"
# ///
"""Publishes the files that the test job built: a tag that reserves the version, then the upload.

The publish job runs `release.py preflight`, `tag` and `upload`, one step each; no code of the package runs there. The
tag comes before the upload: git gives a new tag to one of any number of racing jobs, so it is the lock. If a job is
interrupted after it, run that job again. Only the standard library. The template owns this file.
"""

import os
import re
import sys
import time
from pathlib import Path

from shared import FILES, ORIGIN, PAUSES, SECRET, basic, done, git, http, need, output, remote, say, sums
from version import DIST, STATE, install_twine, number, planned, project, reachable, tags, twine, whole

UPLOAD = ("upload", "--non-interactive", "--disable-progress-bar", "--config-file", os.devnull, "--repository-url")
AGAIN = "run all jobs of this run again."

NUMBER = STATE / "version"
REGISTRY = os.environ.get("REGISTRY_URL", "")
VERSION = os.environ.get("VERSION", "")  # that the test job built


def registry(method: str, url: str, form: str = "") -> tuple[int, str]:
    """Asks the registry, as the account that uploads. Returns the status (0: no answer) and the text."""
    kind = {"Content-Type": "multipart/form-data; boundary=release"} if form else {}  # Gitea: 500 where no part comes
    return http(method, url, {"Authorization": basic(SECRET["REGISTRY_USER"], SECRET["REGISTRY_TOKEN"]), **kind}, form)


def reserved() -> str:
    """Returns the version that this job releases. If there is none, ends the step."""
    return NUMBER.read_text() if NUMBER.exists() else done("nothing to release.")


def listed() -> dict[str, str]:
    """Returns the files that the index lists, with their sha256. A link's host, the one for people, does not count."""
    page = f"{REGISTRY}/simple/{project()[0]}/"
    status, text = registry("GET", page)
    need(status in (200, 404), f"no index at {page} ({status or text}): see that Gitea is up, then run this job again.")
    return dict(re.findall(r'[/"]([^/"#]+)#sha256=([0-9a-f]{64})"', text))


def missing() -> list[Path]:
    """Returns the built files that the index does not list. One that it lists with other bytes fails the job."""
    known = listed()
    advice = f"if both files of {reserved()} are there, leave it; else delete it in Gitea, and run this job again."
    for name, digest in FILES.items():
        need(known.get(name, digest) == digest, f"the registry has another {name} than this build: {advice}")
    return [DIST / name for name in FILES if name not in known]


def fetch() -> None:
    """Brings tags and main up to date: a checkout leaves main at the job's own commit, however old that is."""
    words = ("fetch", "--quiet", "--tags", "--force", ORIGIN, "+refs/heads/main:refs/remotes/origin/main")
    need(remote(SECRET["GITHUB_TOKEN"], *words)[0], "origin does not answer: run this job again.")


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
    install_twine()  # all that can fail, before the tag
    STATE.mkdir(parents=True, exist_ok=True)
    NUMBER.write_text(version)
    say(f"version {version}")


def preflight() -> None:
    """Checks that this commit can be released and that the registry takes uploads. Reserves nothing."""
    for name in ("REGISTRY_USER", "REGISTRY_TOKEN"):
        need(SECRET[name], f"the secret {name} is not set: add it under Settings → Actions → Secrets.")
    need(git("rev-parse", "--is-shallow-repository") != "true", "the checkout is shallow: give it fetch-depth: 0.")
    fetch()
    compare()
    owner = REGISTRY.rpartition("/api/packages/")[2].removesuffix("/pypi")
    form = '--release\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--release--\r\n'
    status, text = registry("POST", REGISTRY, form)
    need(status, f"no answer from {REGISTRY} ({text}): see that Gitea is up at this address, then run this job again.")
    advice = f"give the token the scope write:package and its account a team of {owner} with Packages: write."
    need("reqPackageAccess" not in text, f"Gitea knows REGISTRY_TOKEN, but it may not publish for {owner}: {advice}")
    need(status != 401, "Gitea does not know REGISTRY_TOKEN: put a token with the scope write:package into it.")
    need(status != 403, f"the registry refuses REGISTRY_TOKEN, or the quota of {owner} is used up: see which in Gitea.")
    need(status != 404, f"{REGISTRY}: no such owner, or packages are switched off: correct one of them.")
    # An upload without a file: 400 means that one with a file would have been taken.
    need(status == 400, f"{REGISTRY} answered {status}, not 400: see that this is Gitea's address.")
    unfinished()


def unfinished() -> None:
    """Hands on the last versions before this commit's that have a tag and not both files."""
    head = git("rev-parse", "HEAD")
    older = {version: commit for version, commit in tags().items() if commit != head}
    there, cut_off = list(listed()) if older else [], list[str]()
    while len(cut_off) < 5 and (last := reachable(older)) and git("ls-tree", older[last], ".gitea/release.py"):
        if whole(there, number(last)):
            break
        cut_off.append(number(last))
        older = {version: commit for version, commit in older.items() if version < last}
    if cut_off:
        output(unfinished=" ".join(cut_off))
        say(f"no files for v{', v'.join(cut_off)}: unless deleted, run the jobs of the tag's commit again.")


def lock() -> None:
    """Reserves the version by pushing its tag."""
    tag, head = f"v{reserved()}", git("rev-parse", "HEAD")
    _, text = remote(SECRET["GITHUB_TOKEN"], "push", ORIGIN, f"{head}:refs/tags/{tag}")
    fetch()
    taken = git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}", check=False)
    if taken == head:  # what origin has counts, not its answer, which may have been lost
        return
    advice = f"take the rule for {tag} away under Settings → Tags of the repository, and run this job again."
    need(taken or "is protected" not in text, f"Gitea protects the tag {tag}: {advice}")
    need(taken, f"origin took no {tag}, see above: run this job again (after a 403, give it `contents: write`).")
    need(False, f"another run took {tag} meanwhile: {AGAIN}")


def upload() -> None:
    """Uploads what is missing. After a refusal the index decides, as another run of the commit may have been faster."""
    reserved()
    login = {"TWINE_USERNAME": SECRET["REGISTRY_USER"], "TWINE_PASSWORD": SECRET["REGISTRY_TOKEN"]}
    for pause in PAUSES:
        if not (wanted := missing()) or twine(*UPLOAD, REGISTRY, *wanted, env=login)[0]:
            return
        time.sleep(pause)


def verify() -> None:
    """Checks that the index lists both files with the bytes that were built, and hands on what was released."""
    version, name, absent = reserved(), project()[0], missing()
    need(not absent, f"the registry did not take {absent and absent[0].name}: see above why, and run this job again.")
    output(version=version, name=name)
    say(f"{name} {version} is in the registry")


def link() -> None:
    """Shows the package on its repository's page. Gitea can from 1.24 on, and a refusal is no failure."""
    server, _, owner = REGISTRY.removesuffix("/pypi").partition("/api/packages/")
    repository = Path(ORIGIN).name
    page = f"{server}/api/v1/packages/{owner}/pypi/{project()[0]}/-/link/{repository}"
    if owner and (status := registry("POST", page)[0]) not in (201, 400):  # 400: it is linked already
        say(f"Gitea did not link the package to its repository ({status}); you can, on the package's page.")


# What the steps of the publish job do, in their order.
STEPS = {"preflight": [preflight], "tag": [lock], "upload": [upload, verify, link]}

if __name__ == "__main__":
    for step in STEPS[sys.argv[1]]:
        step()
