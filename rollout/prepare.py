# /// script
# requires-python = ">=3.11"
# dependencies = ["copier==9.19.1", "packaging==26.3", "pyyaml==6.0.3"]
# ///
"""Updates a package to the template's newest version, and checks it. template-update.yaml runs this in a package.

It runs from a clone of the template at that version, in a job that may only read, and hands two files to the job that
opens the pull request: a git bundle with one commit, and plan.json with what there is to say. Environment: VERSION,
ANSWERS, RUNNER_TEMP, GITHUB_OUTPUT; INDEX_USER and INDEX_TOKEN if the owner of the index is private.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import yaml
from changes import changed_answers, changed_packages, notes
from escape import one_line
from template_versions import parse_version

TEMPLATE = Path(__file__).resolve().parents[1]
TEMP = Path(os.environ.get("RUNNER_TEMP", "/tmp"))
TREE, HANDED = TEMP / "tree", TEMP / "handed"
ANSWERS = os.environ.get("ANSWERS", ".copier-answers.yml")
# Removed from the environment at once: the tests do not get them.
INDEX = {name: os.environ.pop(name, "") for name in ("INDEX_USER", "INDEX_TOKEN")}
os.environ.pop("VIRTUAL_ENV", None)  # uv's, for this script; the package has its own
# The commits are the bot's, whatever the machine's git is set to; and no hook runs.
SETTINGS = {"user.name": "template update", "user.email": "template-update@noreply.invalid", "commit.gpgsign": "false"}
PLAIN = [word for key, value in {**SETTINGS, "core.hooksPath": os.devnull}.items() for word in ("-c", f"{key}={value}")]
os.environ["GIT_LFS_SKIP_SMUDGE"] = "1"  # the clone of a clone has no such objects
SYNC = "uv sync --frozen --extra dev"
CI = Path(".gitea/workflows/ci.yaml")
TAIL = 40  # lines of what failed
Result = tuple[str, bool, str]  # a command, whether it passed, the end of what it printed


def say(sentence: str) -> None:
    """Prints a sentence on one line, whatever is in it."""
    print(one_line(f"update: {sentence}"), flush=True)


def fail(sentence: str) -> NoReturn:
    """Fails the job. The sentence, its last line, says what to do."""
    say(sentence)
    sys.exit(1)


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[bool, str, str]:
    """Runs a program. Returns whether it succeeded, its standard output, and both streams as one text.

    Everything is shown indented, so that no line of it is a command to the runner.
    """
    full = {**os.environ, **(env or {})}
    result = subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, errors="replace")
    text = "\n".join(filter(None, (result.stdout.rstrip(), result.stderr.rstrip())))
    print(*(f"    {one_line(line.expandtabs())}" for line in text.splitlines()), sep="\n", flush=True)
    return result.returncode == 0, result.stdout, text


def git(*arguments: str | Path, cwd: Path | None = None, check: bool = True) -> str:
    """Returns what git prints. If git fails, fails the job, or without `check` returns an empty text."""
    result = subprocess.run(("git", *PLAIN, *arguments), cwd=cwd, capture_output=True, text=True, errors="replace")
    if check and result.returncode:
        fail(f"git {arguments[0]} failed: {result.stderr.strip()!r}")
    return "" if result.returncode else result.stdout.strip()


def copier(*arguments: str, **env: str) -> tuple[bool, str, str]:
    """Runs Copier in TREE, with the template from the clone that is here, and keeps its cache in this job."""
    # A rewritten address (insteadOf) would be a longer one's beginning, too, such as that of a dependency.
    address = address_of(TEMPLATE)
    git("commit", "--quiet", "--no-verify", "--all", "--message", "the template is here", cwd=TREE)
    # -P: no module of the package's folder is taken for one of Copier's.
    words = (sys.executable, "-P", "-m", "copier", *arguments, "--answers-file", ANSWERS)
    count = os.environ.get("GIT_CONFIG_COUNT", "0")
    hooks = {f"GIT_CONFIG_KEY_{count}": "core.hooksPath", f"GIT_CONFIG_VALUE_{count}": os.devnull}
    env |= {"COPIER_CACHE_DIR": str(TEMP / "copier"), "GIT_CONFIG_COUNT": str(int(count) + 1), **hooks}
    result = run(*words, cwd=TREE, env=env)
    address_of(address)
    git("reset", "--quiet", "--soft", "HEAD~", cwd=TREE)
    return result


def address_of(new: str | Path) -> str:
    """Writes the template's address into the answers in TREE. Returns the one that was there, as it was written."""
    path = TREE / ANSWERS
    before, key, rest = path.read_bytes().partition(b"_src_path: ")
    old, end, rest = rest.partition(b"\n")
    path.write_bytes(b"".join((before, key, str(new).encode(), end, rest)))
    return old.decode()


def commit_of(version: str) -> str:
    """Returns the commit of a version of the template, or "" if it is gone."""
    return git("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=TEMPLATE, check=False)


def update(before: str, new: str, index: dict[str, str]) -> tuple[str, list[str]]:
    """Commits the new version in a clone that no build has touched, and checks it out here.

    Returns:
        What Copier reports, and why the result must not be merged as it is.
    """
    git("clone", "--quiet", "--no-local", Path.cwd(), TREE)
    # Copier cannot update from a version that is gone, or is none. To copy again is an update, too (apply/adopt.py).
    how = ("update",) if parse_version(before) and commit_of(before) else ("recopy", "--overwrite")
    succeeded, report, text = copier(*how, "--trust", "--defaults", "--vcs-ref", new, **index)
    if not succeeded:
        noise = ("Task [", "Nothing was written")
        why = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]
        fail(f"{new} cannot be applied: {why[-1] if why else 'Copier does not say why.'}")
    unmerged = git("diff", "--name-only", "--diff-filter=U", cwd=TREE).splitlines()
    git("add", "--all", cwd=TREE)
    # The template's own files even where .gitignore has a pattern for them.
    git("add", "--all", "--force", "--", ".gitea", "tests/test_smoke.py", cwd=TREE)
    git("commit", "--quiet", "--no-verify", "--message", f"chore: template {new}", cwd=TREE)
    # The reader of the pull request has no HEAD from before it.
    branch = os.environ.get("GITHUB_REF_NAME", "main")
    report = report.replace("git diff HEAD", f"git diff origin/{branch} origin/template/{new}")
    report = re.sub(r"\A\s*.*new version of the template\.\s*", "", report).rstrip()
    reasons = [f"unmerged, with both sides between conflict markers: {', '.join(unmerged)}"] if unmerged else []
    return report or "Only the version in the answers.", reasons


def ci_commands() -> list[str]:
    """Returns the lines of ci.yaml that lint and test, as bash runs them."""
    jobs = yaml.safe_load(CI.read_text("utf-8"))["jobs"]
    texts = [step.get("run", "") for job in ("lint", "test") for step in jobs[job]["steps"]]
    return [line for text in texts for line in text.splitlines() if line.startswith("uv run --no-sync ")]


def check(index: dict[str, str]) -> list[Result]:
    """Lints and tests as CI does."""
    results = list[Result]()
    for line in (SYNC, *ci_commands()):
        command = line.partition(" ||")[0]
        say(command)
        passed, _, text = run("bash", "-c", line, env=index if line == SYNC else None)
        results.append((command, passed, "\n".join(text.splitlines()[-TAIL:])))
        if line == SYNC and not passed:
            break
    return results


def read_answers() -> dict[str, Any]:
    """Returns the answers of the package. Fails the job unless the file has them."""
    try:
        answers = yaml.safe_load(Path(ANSWERS).read_text("utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        fail(f"{ANSWERS} is not YAML ({error}). Restore the one of the last update (git log -- {ANSWERS}).")
    if not isinstance(answers, dict) or not {"_commit", "_src_path"} <= answers.keys():
        fail(f"{ANSWERS} lacks _commit or _src_path. Restore the one of the last update (git log -- {ANSWERS}).")
    return answers


def text_of(name: str, commit: str) -> str:
    """Returns a file of the package as a commit has it, or an empty text."""
    return git("show", f"{commit}:./{name}", check=False)


def explain(before: str, new: str, base: str) -> dict[str, str]:
    """Returns what a reader of the pull request wants to know of the commit in TREE, each an empty text if nothing."""
    subjects = notes_since = f"The template no longer has {before}, so its changes since then cannot be listed."
    since = commit_of(before)
    if since:
        subjects = git("log", "--no-merges", "--format=%s", f"{since}..refs/tags/{new}", cwd=TEMPLATE)
        notes_since = notes(TEMPLATE, since, new)
    head = git("rev-parse", "HEAD", cwd=TREE)
    return {
        "subjects": subjects,
        "notes": notes_since,
        "since": "" if not since else before if git("tag", "--list", before, cwd=TEMPLATE) else since,
        "answers": "\n".join(changed_answers(*(text_of(ANSWERS, commit) for commit in (base, head)))),
        "lock": "\n".join(changed_packages(*(text_of("uv.lock", commit) for commit in (base, head)))),
    }


def index_login() -> dict[str, str]:
    """Returns the environment in which uv reads the owner's index, where that needs a login."""
    login = {"UV_INDEX_GITEA_USERNAME": INDEX["INDEX_USER"], "UV_INDEX_GITEA_PASSWORD": INDEX["INDEX_TOKEN"]}
    return login if INDEX["INDEX_TOKEN"] else {}


def take_over(base: str) -> None:
    """Checks the commit in TREE out here, where it is tested, and bundles what comes after `base`."""
    git("fetch", "--quiet", TREE, "HEAD")
    git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    HANDED.mkdir()
    git("bundle", "create", "--quiet", HANDED / "update.bundle", "HEAD", f"^{base}", cwd=TREE)


def hand_over(results: list[Result], reasons: list[str], **plan: str) -> None:
    """Writes plan.json, and hands the sha256 of the two files to the workflow.

    Args:
        results: What `check` returned.
        reasons: Why the commit must not be merged as it is, beside checks that fail.
        plan: The other fields of plan.json.
    """
    plan |= {
        "reasons": "\n".join(reasons + [f"{command} fails" for command, passed, _ in results if not passed]),
        "results": "\n".join(f"{command}: {'passed' if passed else 'failed'}" for command, passed, _ in results),
        "failures": "\n\n".join(f"$ {command}\n{text}" for command, passed, text in results if not passed),
    }
    (HANDED / "plan.json").write_text(json.dumps(plan), "utf-8")
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(HANDED.iterdir())}
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as output:
        output.write(f"files={' '.join(f'{name}={digest}' for name, digest in sums.items())}\n")


def main() -> None:
    """Makes the two files."""
    new, index = os.environ["VERSION"], index_login()
    before = str(read_answers()["_commit"])
    base = git("rev-parse", "HEAD")
    report, reasons = update(before, new, index)
    take_over(base)
    results = check(index)
    hand_over(results, reasons, report=report, **explain(before, new, base))


if __name__ == "__main__":
    main()
