# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx==0.28.1", "jinja2==3.1.6", "packaging==26.3", "pyyaml==6.0.3", "rich==15.0.0"]
# ///
"""Shows where the repositories of an owner stand, or asks them to take the template's newest version.

    export GITEA_URL=https://git.example.org ROLLOUT_TOKEN=…
    uv run rollout/rollout.py status --owner acme      the template's version, update pull requests, releases, main
    uv run rollout/rollout.py installed --owner acme   who has which version of the owner's packages
    uv run rollout/rollout.py ask --owner acme         starts the update of each package that is behind

The token needs the scopes read:user (the list of repositories), read:package (the registry) and read:repository; `ask`
needs write:repository, and an account that may write to each repository. Without --owner: $ROLLOUT_OWNER, in a workflow
the owner of its repository, else the repositories in packages/repositories.txt.

Ends with 1 if a repository failed, and with 130 after Ctrl-C, which shows what is known so far.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from conduct import AT_A_TIME, DEADLINE, LIMIT, Actions, conduct
from escape import one_line
from forge import Failed
from installed import installed
from packaging.version import Version
from survey import Row, Survey, ask, status
from tables import WIDTH, as_html, as_json, as_text
from template_versions import versions

ROOT = Path(__file__).resolve().parents[1]
LISTED = ROOT / "packages/repositories.txt"
ACTIONS: Actions = {"status": status, "installed": installed, "ask": ask}


def read(path: Path) -> list[str]:
    """Returns the listed repositories: one owner/name per line, `#` starts a comment."""
    if not path.exists():
        sys.exit(f"{path} does not exist. Create it, with one owner/name per line, or name an --owner.")
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    if wrong := [line for line in lines if line and not re.fullmatch(r"[\w.-]+/[\w.-]+", line)]:
        sys.exit(f"{path}: {wrong[0]!r} is not owner/name. Correct that line.")
    return list(dict.fromkeys(filter(None, lines)))


def arguments() -> argparse.Namespace:
    """Returns what the command line asks for."""
    text = (__doc__ or "").split("\n", 1)
    parser = argparse.ArgumentParser(
        description=text[0], epilog=text[1], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("actions", nargs="+", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--owner", help="every repository of this owner")
    which.add_argument("--list", type=Path, help="the repositories in a file, one owner/name per line")
    parser.add_argument("--format", choices=["text", "json", "html"], default="text")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help=f"repositories at once ({AT_A_TIME})")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for one repository ({LIMIT:g})")
    parser.add_argument("--deadline", type=float, default=DEADLINE, help=f"seconds for everything ({DEADLINE:g})")
    given = parser.parse_args()
    if not (given.owner or given.list):
        given.owner = os.environ.get("ROLLOUT_OWNER") or os.environ.get("GITHUB_REPOSITORY_OWNER", "")
    if given.owner and not re.fullmatch(r"[\w.-]+", given.owner):
        sys.exit(f"{given.owner!r} is not a name of an owner. Write one such as acme.")
    return given


def show(lines: Iterable[str]) -> None:
    """Prints lines. Whoever reads them may stop early, as `head` does."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would fail once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def known_versions() -> list[Version]:
    """Returns the template's versions, the newest last."""
    try:
        tags = subprocess.run(("git", "tag", "--list", "v*"), cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"git is not installed, so the template's versions are not known: {error}. Install git.")
    if tags.returncode:
        sys.exit(f"git cannot read the template's versions: {one_line(' '.join(tags.stderr.split()))}")
    if known := list(versions(tags.stdout)):
        return known
    sys.exit("This clone of the template has no version tags. Run: git fetch --tags")


def surveyed(given: argparse.Namespace) -> tuple[Survey, str]:
    """Returns a survey that is about to begin, and the server's address."""
    # In a workflow, the address at which its runner reaches Gitea.
    server = (os.environ.get("GITHUB_SERVER_URL") or os.environ.get("GITEA_URL", "")).rstrip("/")
    if not re.match(r"https?://[^/\s]", server):
        sys.exit("GITEA_URL is not set. Set it to Gitea's address, such as https://git.example.org.")
    rows = [] if given.owner else [Row(name) for name in read(given.list or LISTED)]
    return Survey(given.owner or "", known_versions(), rows), server


def main() -> int:
    """Runs the actions, and prints their tables."""
    given = arguments()
    token = os.environ.pop("ROLLOUT_TOKEN", "")
    survey, server = surveyed(given)
    if "ask" in given.actions and not token:
        print("ROLLOUT_TOKEN is not set, so no package is asked: each looks for an update by itself once a week.")
        return 0
    actions = {name: ACTIONS[name] for name in dict.fromkeys(given.actions)}
    code = 0
    try:
        asyncio.run(conduct(survey, actions, server, token, max(given.at_a_time, 1), given.limit, given.deadline))
    except KeyboardInterrupt:
        survey.stopped, code = "Interrupted", 130
    except Failed as error:
        sys.exit(one_line(f"The repositories of {survey.owner} cannot be listed: {error}. Or name them with --list."))
    if given.format == "text":
        screen = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
        show(as_text(survey, list(actions), max(WIDTH, screen)))
    else:
        show({"json": as_json, "html": as_html}[given.format](survey, list(actions)))
    return code or int(bool(survey.stopped) or any(row.failed for row in survey.rows))


if __name__ == "__main__":
    sys.exit(main())
