# /// script
# requires-python = ">=3.11"
# dependencies = ["copier==9.19.1", "httpx==0.28.1", "packaging==26.3", "pyyaml==6.0.3", "tenacity==9.1.4"]
# ///
"""Opens a pull request for the newest version of the template. template-update.yaml runs this in a package.

    look     looks for a newer version that has no pull request yet; if there is none, nothing is left to do
    update   commits that version, then lints and tests the package with it
    open     pushes the branch, opens the pull request, and closes those of older versions

Each is a step of its own, so that only the first and the last hold a token of Gitea: an update runs the template's
programs, and tests run anybody's code. All of them read the template from the clone that this file is in.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from forge import REPOSITORY, SECRET, api, done, fail, git, git_settings, refused, remote, run, say
from template_versions import parse_version, versions

TEMPLATE = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("RUNNER_TEMP", "/tmp")) / "update"
PLAN, TREE = STATE / "plan.json", STATE / "tree"
ANSWERS = os.environ.get("ANSWERS", ".copier-answers.yml")

PREFIX = "template/"  # of the branches
NAME, EMAIL = "template update", "template-update@noreply.invalid"
SYNC = ("uv", "sync", "--frozen", "--extra", "dev")
CHECKS = ("ruff check", "ruff format --check", "pytest -v")  # as in ci.yaml
SUBJECTS, TAIL = 60, 40  # lines of the text at most


def copier(*arguments: str, cwd: Path, **env: str) -> tuple[bool, str, str]:
    """Runs Copier, which takes the template from the clone that is here, and keeps its cache in this job."""
    source = str(yaml.safe_load((cwd / ANSWERS).read_text("utf-8"))["_src_path"]).removeprefix("git+")
    clone = f"url.{TEMPLATE}.insteadOf"  # Copier adds `.git` to some addresses
    here = git_settings((clone, source), (clone, f"{source}.git")) | {"COPIER_CACHE_DIR": str(STATE / "copier")}
    return run(sys.executable, "-m", "copier", *arguments, "--answers-file", ANSWERS, cwd=cwd, env=here | env)


def look() -> None:
    """Notes what there is to do, or ends the job."""
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    before = str(yaml.safe_load(Path(ANSWERS).read_text("utf-8"))["_commit"])
    # Not `copier check-update`, which needs the version that the package is on, and that may be gone.
    number, tag = next(reversed(versions(git("tag", "--list", "v*", cwd=TEMPLATE)).items()), (None, ""))
    if number is None or ((now := parse_version(before)) and now >= number):
        done(f"this repository is on {before}, and the template has no newer version.")
    base = api("GET", "")[1]["default_branch"]
    if os.environ.get("GITHUB_REF_NAME") != base:
        fail(f"this ran on {os.environ.get('GITHUB_REF_NAME')!r}. Run it on {base}, which the pull request is for.")
    branch = f"{PREFIX}{tag}"
    status, pull = api("GET", f"/pulls/{base}/{branch}", 404)
    if status == 200:
        if pull["state"] == "open":
            close_older(base, branch, pull["number"])
        done(f"pull request #{pull['number']} ({pull['state']}) already has {tag}.")
    status, there = api("GET", f"/branches/{branch}", 404)
    if status == 200:
        if (author := there["commit"]["author"]["email"]) != EMAIL:
            done(f"{branch} has a commit by {author} and no pull request. Open one, or delete the branch.")
        say(f"{branch} has no pull request, because a run was interrupted. It is made again.")
    lease = there["commit"]["id"] if there else ""
    PLAN.write_text(json.dumps({"version": tag, "branch": branch, "base": base, "lease": lease}))
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as file:
        file.write(f"version={tag}\n")
    say(f"{tag} is newer than {before}.")


def commit_of(version: str) -> str:
    """Returns the commit of a version of the template, or "" if it is gone."""
    return git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=TEMPLATE, check=False)


def update() -> None:
    """Commits the new version in a clone that no build has touched, and checks it."""
    plan = json.loads(PLAN.read_text())
    new = plan["version"]
    before = str(yaml.safe_load(Path(ANSWERS).read_text("utf-8"))["_commit"])
    git("clone", "--quiet", "--no-local", Path.cwd(), TREE)
    index = {}
    if SECRET["INDEX_TOKEN"]:  # locking reads the owner's index
        index = {"UV_INDEX_GITEA_USERNAME": SECRET["INDEX_USER"], "UV_INDEX_GITEA_PASSWORD": SECRET["INDEX_TOKEN"]}
    # Copier cannot update from a version that is gone, or is none. To copy again is an update, too (apply/adopt.py).
    how = ("update",) if parse_version(before) and commit_of(before) else ("recopy", "--overwrite")
    succeeded, report, text = copier(*how, "--trust", "--defaults", "--vcs-ref", new, cwd=TREE, **index)
    if not succeeded:
        noise = ("Task [", "Nothing was written")
        why = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]
        fail(f"{new} cannot be applied: {why[-1] if why else 'Copier does not say why.'}")
    reasons = []
    if unmerged := git("diff", "--name-only", "--diff-filter=U", cwd=TREE).splitlines():
        reasons.append(f"unmerged, with both sides between conflict markers: {', '.join(unmerged)}")
    git("add", "--all", cwd=TREE)
    # The template's own files even where .gitignore has a pattern for them.
    git("add", "--all", "--force", "--", ".gitea", "tests/test_smoke.py", cwd=TREE)
    bot = ("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}")
    git(*bot, "commit", "--quiet", "--no-verify", "-m", f"chore: template {new}", cwd=TREE)
    git("fetch", "--quiet", TREE, "HEAD")
    git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    results = check(index)
    reasons += [f"`{command}` fails" for command, passed, _ in results if not passed]
    # The reader of the pull request has no HEAD from before it.
    report = report.replace("git diff HEAD", f"git diff origin/{plan['base']} origin/{plan['branch']}")
    title = f"{'WIP: ' if reasons else ''}chore: template {new}"
    PLAN.write_text(json.dumps({**plan, "title": title, "text": compose(before, new, report, reasons, results)}))


def check(index: dict[str, str]) -> list[tuple[str, bool, str]]:
    """Lints and tests as CI does. Returns each command, whether it passed, and the last lines that it printed."""
    results = []
    for command in (SYNC, *(("uv", "run", "--no-sync", *words.split()) for words in CHECKS)):
        say(" ".join(command))
        passed, _, text = run(*command, env=index if command == SYNC else None)
        results.append((" ".join(command), passed, "\n".join(text.splitlines()[-TAIL:])))
        if command == SYNC and not passed:
            break
    return results


def fenced(text: str) -> str:
    """Returns text in a code block, where no name is mentioned, no number links, and no `closes #1` closes anything."""
    fence = max(["```", *(f"{ticks}`" for ticks in re.findall("`{3,}", text))], key=len)
    return f"{fence}text\n{text}\n{fence}\n"


def compose(before: str, version: str, report: str, reasons: list[str], results: list[tuple[str, bool, str]]) -> str:
    """Returns the text of the pull request."""
    parts = [f"Brings this repository from template {before} to {version}.\n"]
    if reasons:
        parts.insert(0, "**Not ready to be merged:**\n\n" + "".join(f"- {reason}\n" for reason in reasons))
    parts.append("### What changed in the template\n")
    if known := commit_of(before):
        words = ("log", "--no-merges", "--format=%s", f"{known}..refs/tags/{version}")
        subjects = git(*words, cwd=TEMPLATE).splitlines()
        more = [f"and {len(subjects) - SUBJECTS} more"] if len(subjects) > SUBJECTS else []
        parts.append(fenced("\n".join(subjects[:SUBJECTS] + more)))
    else:
        parts.append(f"The template no longer has {before}, so its changes since then cannot be listed.\n")
    parts.append("### What changes here\n")
    changes = re.sub(r"\A\s*.*new version of the template\.\s*", "", report).rstrip()
    parts.append(fenced(changes or "Only the version in the answers."))
    parts.append("### Checks\n")
    parts.append("".join(f"- `{command}`: {'passed' if passed else 'failed'}\n" for command, passed, _ in results))
    parts += [f"The end of `{command}`:\n\n{fenced(text)}" for command, passed, text in results if not passed]
    return "\n".join(parts)


def open_pull() -> None:
    """Pushes the branch, opens its pull request, and closes those of older versions."""
    plan = json.loads(PLAN.read_text())
    branch, base = plan["branch"], plan["base"]
    pushed, text = remote("push", f"--force-with-lease={branch}:{plan['lease']}", "origin", f"HEAD:refs/heads/{branch}")
    if not pushed:
        if "stale info" in text:
            done(f"another run has just pushed {branch}, and opens the pull request.")
        refused(403, f"git push of {branch}, see above")
    ci = "CI runs on it as well."
    if not SECRET["TEMPLATE_TOKEN"]:
        ci = (
            "Opened with the job's own token, for which Gitea starts no CI: only the checks above ran. "
            "With the secret TEMPLATE_TOKEN, CI runs on such a pull request too."
        )
    body = f"{plan['text']}\n{ci}\n"
    status, pull = api("POST", "/pulls", 409, head=branch, base=base, title=plan["title"], body=body)
    if status == 409:
        status, pull = api("GET", f"/pulls/{base}/{branch}")
    close_older(base, branch, pull["number"])
    say(f"pull request #{pull['number']}: {plan['title']}")


def close_older(base: str, branch: str, newest: int) -> None:
    """Closes the open pull requests of other versions. Their text names the one that replaces them."""
    page, pulls = 1, list[dict[str, Any]]()
    while batch := api("GET", f"/pulls?state=open&limit=50&page={page}")[1]:
        pulls, page = pulls + batch, page + 1
    for pull in pulls:
        head = pull["head"]
        of_this = (head.get("repo") or {}).get("full_name", "").lower() == REPOSITORY.lower()
        ours = head["ref"].startswith(PREFIX) and parse_version(head["ref"].removeprefix(PREFIX))
        if of_this and ours and head["ref"] != branch and pull["base"]["ref"] == base:
            body = f"Replaced by #{newest}.\n\n{pull['body']}"
            api("PATCH", f"/pulls/{pull['number']}", state="closed", body=body)
            say(f"#{pull['number']} ({head['ref']}) is closed.")


STEPS = {"look": look, "update": update, "open": open_pull}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
