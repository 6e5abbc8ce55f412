"""Tell ntfy how a run went: one message, always, and never a red run because of it.

Standard library and syntax that old Pythons know: the message must also come when uv, and so a newer Python, could not
be had. The template owns this file.
"""

import json
import os
import re
from urllib.request import HTTPRedirectHandler, Request, build_opener

SHAPES = {"version": r"\d+\.\d+\.\d+", "name": r"[a-z0-9-]+", "unfinished": r"\d+\.\d+\.\d+( \d+\.\d+\.\d+)*"}


def compose(env):
    # type: (dict[str, str]) -> dict[str, object]
    """Returns the message for what the workflow put into the environment, or nothing if none is wanted."""
    needs = json.loads(env.get("NEEDS") or "{}")
    # A skipped publish job is missing on older Giteas, and on newer ones hands on the raw text of its expressions.
    results = {**dict.fromkeys(("lint", "test", "publish"), "skipped"), **{job: needs[job]["result"] for job in needs}}
    given = needs.get("publish", {}).get("outputs") or {}
    found = {key: given[key] for key, shape in SHAPES.items() if re.fullmatch(shape, given.get(key) or "", re.ASCII)}
    released = results["publish"] == "success" and "version" in found and "name" in found

    calm = "success" if results["lint"] == results["test"] == "success" else "skipped"
    state = next((state for state in ("failure", "cancelled") if state in results.values()), calm)
    title = ", ".join(job for job, result in results.items() if result == state) + f": {state}"
    if state == "success":
        title = "{name} {version} released".format(**found) if released else "passed, nothing released"
    repository = env.get("GITHUB_REPOSITORY", "")
    branch = (env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME", ""))[:200]
    link = f"{env.get('GITEA_URL', '')}/{repository}/actions/runs/{env.get('GITHUB_RUN_NUMBER', '')}?by_index=1"
    lines = changes(given.get("notes")) if released else []
    if released and env.get("INDEX_URL"):
        lines.append("uv add {name}=={version} --index gitea={}".format(env.get("INDEX_URL", ""), **found))
    lines.append(f"{env.get('GITHUB_EVENT_NAME', '')} on {branch}, commit {env.get('GITHUB_SHA', '')[:10]}")
    lines.append(", ".join(f"{job}: {result}" for job, result in results.items()))
    if "unfinished" in found:
        lines.append(f"Files missing: {found['unfinished']}. Unless deleted, run the jobs of the tag's commit again.")
    if env.get("NTFY_WHEN") == "releases and failures" and state == "success" and not released:
        return {}
    return {
        "topic": env.get("NTFY_TOPIC", ""),
        "title": f"{repository}: {title}",
        "message": "\n".join([*lines, link]).encode()[:4096].decode(errors="ignore"),  # ntfy takes no more bytes
        "tags": [{"success": "white_check_mark", "failure": "x"}.get(state, "no_entry_sign")],
        "priority": 4 if state == "failure" else 3,
        "click": link,
    }


def changes(text):
    # type: (str | None) -> list[str]
    """Returns the lines that the publish job wrote about the version, from JSON."""
    try:
        return [str(line)[:200] for line in json.loads(text or "")][:10]
    except (TypeError, ValueError):  # the raw text of an expression
        return []


class Stay(HTTPRedirectHandler):
    """Follows no redirect: the message would get lost, and the token would go to another server."""

    def redirect_request(self, *_):  # type: ignore
        """Returns no new address, so that the redirect is an error."""


def main():
    # type: () -> None
    """Sends the message; what goes wrong is a warning in the log."""
    if not os.environ.get("NTFY_URL"):
        print("notify: NTFY_URL in .gitea/workflows/ci.yaml is empty, so no message is sent.")
        return
    token = os.environ.get("NTFY_TOKEN", "")
    if token != token.strip() or not token.isprintable():
        print("notify: warning: not sent: NTFY_TOKEN has a line break or a space at an end. Enter it again without.")
        return
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        message = compose(dict(os.environ))
        if not message:
            print("notify: nothing released and nothing failed, so no message is sent (ntfy_when).")
            return
        with build_opener(Stay).open(
            Request(os.environ["NTFY_URL"], json.dumps(message).encode(), headers), timeout=10
        ):
            print("notify: sent to ntfy.")
    except Exception as error:
        print(f"notify: warning: not sent to ntfy: {error!r}. Check NTFY_URL, NTFY_TOPIC and the secret NTFY_TOKEN.")


if __name__ == "__main__":
    main()
