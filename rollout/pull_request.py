# /// script
# requires-python = ">=3.11"
# dependencies = ["copier==9.19.1", "httpx==0.28.1", "pyyaml==6.0.3"]
# ///
"""Take the newest version of the template as a pull request: what template-update.yaml runs in a package.

    look     is there a newer version, and no pull request that has it? else there is nothing to do
    update   that version on a commit of its own, then the package's lint and tests on it
    open     push the branch, open the pull request, close those that older versions have opened

Each is a step of its own, so that only the first and the last hold a token of Gitea's: an update runs the template's
tasks, and tests run anybody's code. The template's clone, this file in it, is what all of them read the template from.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import httpx
import yaml

TEMPLATE = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("RUNNER_TEMP", "/tmp")) / "update"
PLAN, TREE = STATE / "plan.json", STATE / "tree"
ANSWERS = os.environ.get("ANSWERS", ".copier-answers.yml")
SERVER = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
# Taken out of the environment at once, so that nothing that is started from here inherits them.
SECRETS = ("TEMPLATE_TOKEN", "GITHUB_TOKEN", "GITEA_TOKEN", "ACTIONS_RUNTIME_TOKEN", "INDEX_USER", "INDEX_TOKEN")
SECRET = {name: os.environ.pop(name, "") for name in SECRETS}
os.environ.pop("VIRTUAL_ENV", None)  # uv's for this script; the package has its own
TOKEN = SECRET["TEMPLATE_TOKEN"] or SECRET["GITHUB_TOKEN"]

PREFIX = "template/"  # of the branches
NAME, EMAIL = "template update", "template-update@noreply.invalid"
SYNC = ("uv", "sync", "--frozen", "--extra", "dev")
CHECKS = ("ruff check", "ruff format --check", "pytest -v")  # as ci.yaml has them
SUBJECTS, TAIL = 60, 40  # lines of the text at most
PAUSES = (1, 3, 9)  # seconds before Gitea is asked again
NEEDED = (
    "Put a token with the scope write:repository into the secret TEMPLATE_TOKEN, of an account in a team that may "
    "write Code and Pull Requests of this repository."
)


def done(sentence: str) -> NoReturn:
    """End this step green: there is nothing left to do."""
    print(f"update: {sentence}")
    sys.exit(0)


def fail(sentence: str) -> NoReturn:
    """End the job red; the sentence, its last line, says what to do."""
    sys.stdout.flush()
    sys.exit(f"update: {sentence}")


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[bool, str, str]:
    """Run a program; say whether it succeeded, what it printed, and both streams as one.

    Everything is shown indented, so that no line of it is a command to the runner.
    """
    full = {**os.environ, **(env or {})}
    result = subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, errors="replace")
    text = "\n".join(filter(None, (result.stdout.rstrip(), result.stderr.rstrip())))
    print(*(f"    {line}" for line in text.splitlines()), sep="\n", flush=True)
    return result.returncode == 0, result.stdout, text


def git(*arguments: str | Path, cwd: Path | None = None, check: bool = True) -> str:
    """Ask git; with check, a refusal ends the job, else it is an empty answer."""
    result = subprocess.run(("git", *arguments), cwd=cwd, capture_output=True, text=True, errors="replace")
    if check and result.returncode:
        fail(f"git {arguments[0]} failed: {result.stderr.strip()!r}")
    return "" if result.returncode else result.stdout.strip()


def settings(*pairs: tuple[str, str]) -> dict[str, str]:
    """Give git settings as environment variables: of one process, in no file and no list of arguments."""
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    env = {"GIT_CONFIG_COUNT": str(first + len(pairs)), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for number, (key, value) in enumerate(pairs, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def remote(*arguments: str) -> tuple[bool, str]:
    """Run git against origin with the token."""
    url = git("remote", "get-url", "origin")
    login = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    header = (f"http.{url}.extraHeader", f"Authorization: Basic {login}")
    succeeded, _, text = run("git", *arguments, env=settings(header))
    return succeeded, text


def api(method: str, path: str, *expected: int, **body: object) -> tuple[int, Any]:
    """Call Gitea's API about this repository, again where it does not answer.

    Returns:
        The status, 200, 201 or one of those expected, and the JSON that came with it.
    """
    answer: httpx.Response | None = None
    for pause in (*PAUSES, 0):
        try:
            answer = httpx.request(
                method,
                f"{SERVER}/api/v1/repos/{REPOSITORY}{path}",
                headers={"Authorization": f"token {TOKEN}"},
                json=body or None,
                timeout=30,
            )
        except httpx.TransportError as error:
            print(f"update: no answer from {SERVER} ({type(error).__name__})", flush=True)
            answer = None
        if answer is not None and answer.status_code < 500:
            break
        time.sleep(pause)
    if answer is None:
        fail(f"no answer from {SERVER}: see that Gitea is up at this address, then run this again.")
    if answer.status_code in (200, 201, *expected):
        return answer.status_code, answer.json() if answer.is_success else None
    refused(answer.status_code, f"{method} {path.partition('?')[0] or '/'}: {answer.text[:200]!r}")


def refused(status: int, what: str) -> NoReturn:
    """End the job red after an answer of Gitea's that is not success."""
    if status == 401 and SECRET["TEMPLATE_TOKEN"]:
        fail(f"Gitea does not know what is in the secret TEMPLATE_TOKEN. {NEEDED}")
    if status in (401, 403, 404):
        whose = "TEMPLATE_TOKEN" if SECRET["TEMPLATE_TOKEN"] else "the job's own token"
        fail(f"Gitea refuses {whose} ({status}, {what}). {NEEDED}")
    fail(f"Gitea answered {status} ({what}): run this again, or see Gitea's log.")


def copier(*arguments: str, cwd: Path, **env: str) -> tuple[bool, str, str]:
    """Run Copier, which clones the template from the clone that is here, and keeps its mirror of it in this job."""
    source = str(yaml.safe_load((cwd / ANSWERS).read_text("utf-8"))["_src_path"]).removeprefix("git+")
    clone = f"url.{TEMPLATE}.insteadOf"  # Copier adds `.git` to some addresses
    here = settings((clone, source), (clone, f"{source}.git")) | {"COPIER_CACHE_DIR": str(STATE / "copier")}
    return run(sys.executable, "-m", "copier", *arguments, "--answers-file", ANSWERS, cwd=cwd, env=here | env)


def look() -> None:
    """Note what there is to do, or say that there is nothing."""
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    before = str(yaml.safe_load(Path(ANSWERS).read_text("utf-8"))["_commit"])
    # Not `copier check-update`, which needs the version that the package is on, and that may be gone.
    version = max(
        (tag for tag in git("tag", "--list", "v*", cwd=TEMPLATE).split() if number(tag)), key=number, default=""
    )
    if not version or number(before) >= number(version):
        done(f"this is on {before}, and the template has no newer version.")
    base = api("GET", "")[1]["default_branch"]
    if os.environ.get("GITHUB_REF_NAME") != base:
        fail(f"this ran on {os.environ.get('GITHUB_REF_NAME')!r}: run it on {base}, which the pull request is for.")
    branch = f"{PREFIX}{version}"
    status, pull = api("GET", f"/pulls/{base}/{branch}", 404)
    if status == 200:
        if pull["state"] == "open":
            close_older(base, branch, pull["number"])
        done(f"pull request #{pull['number']} ({pull['state']}) has {version}, and is left as it is.")
    status, there = api("GET", f"/branches/{branch}", 404)
    if status == 200:
        if (author := there["commit"]["author"]["email"]) != EMAIL:
            done(f"{branch} has a commit of {author}'s and no pull request: open one, or delete the branch.")
        print(f"update: {branch} is there without a pull request, from a run that was cut off: made again.")
    lease = there["commit"]["id"] if there else ""
    PLAN.write_text(json.dumps({"version": version, "branch": branch, "base": base, "lease": lease}))
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as file:
        file.write(f"version={version}\n")
    print(f"update: {version} is newer than {before}.")


def number(version: str) -> tuple[int, ...]:
    """Give a version's numbers; () for what is none. A commit behind a tag counts as the tag."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-\d+-g[0-9a-f]+)?", version)
    return tuple(map(int, match.groups())) if match else ()


def commit_of(version: str) -> str:
    """Give the commit of a version of the template, or nothing when it is gone."""
    return git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=TEMPLATE, check=False)


def update() -> None:
    """Commit the new version, in a clone that no build has touched, and check it where the job has its tools."""
    plan = json.loads(PLAN.read_text())
    version = plan["version"]
    before = str(yaml.safe_load(Path(ANSWERS).read_text("utf-8"))["_commit"])
    git("clone", "--quiet", "--no-local", Path.cwd(), TREE)
    index = {}
    if SECRET["INDEX_TOKEN"]:  # locking reads the owner's index
        index = {"UV_INDEX_GITEA_USERNAME": SECRET["INDEX_USER"], "UV_INDEX_GITEA_PASSWORD": SECRET["INDEX_TOKEN"]}
    # Copier cannot update from a version that is gone, or is none. To copy again is an update, too (apply/apply.py).
    how = ("update",) if number(before) and commit_of(before) else ("recopy", "--overwrite")
    succeeded, report, text = copier(*how, "--trust", "--defaults", "--vcs-ref", version, cwd=TREE, **index)
    if not succeeded:
        noise = ("Task [", "Nothing was written")
        why = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]
        fail(f"{version} cannot be taken: {why[-1] if why else 'Copier does not say why.'}")
    reasons = []
    if unmerged := git("diff", "--name-only", "--diff-filter=U", cwd=TREE).splitlines():
        reasons.append(f"unmerged, with both sides between conflict markers: {', '.join(unmerged)}")
    git("add", "--all", cwd=TREE)
    # The template's own files even where .gitignore has a pattern for them.
    git("add", "--all", "--force", "--", ".gitea", "tests/test_smoke.py", cwd=TREE)
    bot = ("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}")
    git(*bot, "commit", "--quiet", "--no-verify", "-m", f"chore: template {version}", cwd=TREE)
    git("fetch", "--quiet", TREE, "HEAD")
    git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    results = check(index)
    reasons += [f"`{command}` fails" for command, passed, _ in results if not passed]
    # Who reads the pull request has no HEAD from before it.
    report = report.replace("git diff HEAD", f"git diff origin/{plan['base']} origin/{plan['branch']}")
    title = f"{'WIP: ' if reasons else ''}chore: template {version}"
    PLAN.write_text(json.dumps({**plan, "title": title, "text": compose(before, version, report, reasons, results)}))


def check(index: dict[str, str]) -> list[tuple[str, bool, str]]:
    """Lint and test as CI does; give each command, whether it passed, and the last lines of what it printed."""
    results = []
    for command in (SYNC, *(("uv", "run", "--no-sync", *words.split()) for words in CHECKS)):
        print(f"update: {' '.join(command)}", flush=True)
        passed, _, text = run(*command, env=index if command == SYNC else None)
        results.append((" ".join(command), passed, "\n".join(text.splitlines()[-TAIL:])))
        if command == SYNC and not passed:
            break
    return results


def fenced(text: str) -> str:
    """Show text as it is: in a code block no name is mentioned, no number links, and no `closes #1` closes anything."""
    fence = max(["```", *(f"{ticks}`" for ticks in re.findall("`{3,}", text))], key=len)
    return f"{fence}text\n{text}\n{fence}\n"


def compose(before: str, version: str, report: str, reasons: list[str], results: list[tuple[str, bool, str]]) -> str:
    """Write the pull request's text."""
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
        parts.append(f"The template does not have {before} any more, so its changes since then cannot be listed.\n")
    parts.append("### What changes here\n")
    parts.append(fenced(re.sub(r"\A\s*.*new version\.\s*", "", report).rstrip() or "only the version in the answers"))
    parts.append("### What was run on it\n")
    parts.append("".join(f"- `{command}`: {'passed' if passed else 'failed'}\n" for command, passed, _ in results))
    parts += [f"The end of `{command}`:\n\n{fenced(text)}" for command, passed, text in results if not passed]
    return "\n".join(parts)


def open_pull() -> None:
    """Push the branch and open its pull request; close those of older versions."""
    plan = json.loads(PLAN.read_text())
    branch, base = plan["branch"], plan["base"]
    pushed, text = remote("push", f"--force-with-lease={branch}:{plan['lease']}", "origin", f"HEAD:refs/heads/{branch}")
    if not pushed:
        if "stale info" in text:
            done(f"another run has just pushed {branch}: it opens the pull request.")
        refused(403, f"git push of {branch}, see above")
    told = "CI runs on it again."
    if not SECRET["TEMPLATE_TOKEN"]:
        told = (
            "Opened with the job's own token, for which Gitea starts no CI: what is above is all that ran. "
            "With the secret TEMPLATE_TOKEN, CI runs on such a pull request too."
        )
    body = f"{plan['text']}\n{told}\n"
    status, pull = api("POST", "/pulls", 409, head=branch, base=base, title=plan["title"], body=body)
    if status == 409:
        status, pull = api("GET", f"/pulls/{base}/{branch}")
    close_older(base, branch, pull["number"])
    print(f"update: pull request #{pull['number']}: {plan['title']}")


def close_older(base: str, branch: str, newest: int) -> None:
    """Close the open pull requests of other versions; their text says which one takes their place."""
    page, pulls = 1, []
    while batch := api("GET", f"/pulls?state=open&limit=50&page={page}")[1]:
        pulls, page = pulls + batch, page + 1
    for pull in pulls:
        head = pull["head"]
        of_this = (head.get("repo") or {}).get("full_name", "").lower() == REPOSITORY.lower()
        ours = head["ref"].startswith(PREFIX) and number(head["ref"].removeprefix(PREFIX))
        if of_this and ours and head["ref"] != branch and pull["base"]["ref"] == base:
            body = f"Replaced by #{newest}.\n\n{pull['body']}"
            api("PATCH", f"/pulls/{pull['number']}", state="closed", body=body)
            print(f"update: #{pull['number']} ({head['ref']}) is closed.")


STEPS = {"look": look, "update": update, "open": open_pull}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
