# /// script
# requires-python = ">=3.11"
# dependencies = ["httpx==0.28.1", "packaging==26.3", "pyyaml==6.0.3"]
# ///
"""Prepares Gitea or Forgejo for the packages of an owner, or checks whether it is prepared.

    export GITEA_URL=https://git.example.org GITEA_TOKEN=…
    uv run rollout/gitea.py prepare acme handler-base            shows what it would do
    uv run rollout/gitea.py prepare acme handler-base --apply    does it
    uv run rollout/gitea.py check acme handler-base              shows what holds, and what to do

prepare makes what is missing, and leaves what is there: the organisation, an account for the workflow, a team with
Packages: write, the repository with Actions on, and its secrets REGISTRY_USER and REGISTRY_TOKEN. The token in them has
the scope write:package, is for this one repository, and is neither shown nor kept. GITEA_TOKEN is an administrator's,
or an owner's of the organisation, with the scopes write:organization, write:repository, write:user, and write:admin to
make an account. Forgejo makes the token only with the account's password: set BOT_PASSWORD, for a new account too.

check writes nothing. GITEA_TOKEN needs read:organization, read:repository and read:user; what it may not see is
"unknown". With REGISTRY_TOKEN in the environment as well, it asks the registry whether that token could upload.

Ends with 1 if something is left to do, else with 0.
"""

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml
from check import check
from escape import one_line
from findings import STATES, Finding, as_json, as_text
from forge import Failed, connect
from prepare_owner import Wanted, prepare

NAME = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")  # of owners, accounts and repositories


def name(text: str) -> str:
    """Returns the text if it is a valid name in Gitea."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid name in Gitea")
    return text


def arguments() -> argparse.Namespace:
    """Returns what the command line asks for."""
    text = (__doc__ or "").split("\n", 1)
    states = "The states of a line:\n" + "\n".join(f"  {state:8} {what}" for state, what in STATES.items())
    parser = argparse.ArgumentParser(
        description=text[0], epilog=f"{text[1]}\n{states}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["prepare", "check"])
    parser.add_argument("owner", type=name, help="organisation or user that owns the registry")
    parser.add_argument("repository", type=name, nargs="?", help="repository of a package")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    look = parser.add_argument_group("check")
    look.add_argument("--answers", type=Path, help="the answers file of a package that is not pushed yet")
    made = parser.add_argument_group("prepare")
    made.add_argument("--apply", action="store_true", help="do it, not only show it")
    made.add_argument("--bot", type=name, default="ci-bot", help="account that uploads (ci-bot)")
    levels = ["public", "limited", "private"]
    made.add_argument("--create-owner", choices=levels, help="make the organisation; its packages are as visible as it")
    made.add_argument("--public", action="store_true", help="make a missing repository public, not private")
    made.add_argument("--new-token", action="store_true", help="replace the token in the repository's secret")
    return parser.parse_args()


def answers(path: Path | None) -> dict[str, Any]:
    """Returns the answers in a file, none without one."""
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        sys.exit(one_line(f"{path} cannot be read: {error}")[:300])
    if not isinstance(found, dict) or "gitea_owner" not in found:
        sys.exit(f"{path} is not an answers file of the template. Name the package's .copier-answers.yml.")
    return found


async def look(given: argparse.Namespace, server: str, found: list[Finding]) -> None:
    """Fills in the findings, so that those before a failure are known."""
    token, registry = os.environ.pop("GITEA_TOKEN", ""), os.environ.pop("REGISTRY_TOKEN", "")
    async with connect(server, token, 4) as client:
        if given.action == "check":
            known = answers(given.answers)
            findings = check(client, server, given.owner, given.repository or "", registry, known)
        else:
            kind = given.create_owner or ""
            wanted = Wanted(given.owner, given.repository or "", given.bot, kind, not given.public)
            password = os.environ.pop("BOT_PASSWORD", "")
            findings = prepare(client, server, token, wanted, given.apply, given.new_token, registry, password)
        async for finding in findings:
            found.append(finding)


def main() -> int:
    """Runs the action, and prints what it found."""
    given = arguments()
    server = os.environ.get("GITEA_URL", "").rstrip("/")
    if not re.match(r"https?://[^/\s]", server):
        sys.exit("GITEA_URL is not set. Set it to Gitea's address, such as https://git.example.org.")
    if given.action == "prepare" and not os.environ.get("GITEA_TOKEN"):
        sys.exit("GITEA_TOKEN is not set. Set it to a token of an administrator, or of an owner of the organisation.")
    found: list[Finding] = []
    problem = ""
    try:
        asyncio.run(look(given, server, found))
    except Failed as error:
        problem = f"{given.action} stopped: {error}"
        if str(error).startswith("401"):
            problem += ". Gitea does not know GITEA_TOKEN: set it to a token from Settings, Applications"
        elif "required scope" in str(error):
            problem += ". Give GITEA_TOKEN the scopes that --help names"
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"{given.action} stopped: not an answer of Gitea ({error!r})"
    if given.format == "json":
        print(as_json(found))
    else:
        for line in as_text(found):
            print(line)
        if any(one.state == "would" for one in found):
            print("\nNothing was changed. Add --apply to do it.")
    if problem:
        print(one_line(problem)[:400], file=sys.stderr)
    return int(bool(problem) or any(one.bad for one in found))


if __name__ == "__main__":
    sys.exit(main())
