# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging==26.3", "pyyaml==6.0.3"]
# ///
"""Locks a package's dependencies to their newest versions, and checks it. template-update.yaml runs this in a package.

As prepare.py, it hands over a bundle with one commit, of uv.lock alone, and plan.json; or nothing if nothing is newer.
Environment: RUNNER_TEMP, GITHUB_OUTPUT, GITHUB_EVENT_NAME; INDEX_USER and INDEX_TOKEN if the owner of the index is
private.
"""

from pathlib import Path

import yaml
from changes import changed_packages
from prepare import (
    CI,
    INDEX,
    TAIL,
    TREE,
    Result,
    check,
    fail,
    git,
    hand_over,
    index_login,
    run,
    say,
    take_over,
    text_of,
)

COMPARE = "uv run .gitea/check_index.py"


def upgrade(index: dict[str, str]) -> list[str]:
    """Commits the newest uv.lock in a clone that no build has touched.

    Returns:
        The packages whose version changed, which came and which went. If there are none, nothing is committed.
    """
    git("clone", "--quiet", "--no-local", Path.cwd(), TREE)
    if not run("uv", "lock", "--upgrade", cwd=TREE, env=index)[0]:
        fail("uv cannot lock the newest versions, see above. `uv lock --upgrade` in a clone shows the same.")
    changed = changed_packages(text_of("uv.lock", "HEAD"), (TREE / "uv.lock").read_text("utf-8"))
    if changed:
        git("commit", "--quiet", "--no-verify", "-m", "chore: newer dependencies", "--", "uv.lock", cwd=TREE)
    return changed


def compared() -> Result:
    """Compares uv.lock with the owner's index, as CI does: no package may have moved to another one."""
    addresses = {name: str(value) for name, value in yaml.safe_load(CI.read_text("utf-8"))["env"].items()}
    passed, _, text = run("bash", "-c", COMPARE, env=addresses | INDEX)
    return COMPARE, passed, "\n".join(text.splitlines()[-TAIL:])


def main() -> None:
    """Makes the two files, if anything is newer."""
    if not Path("uv.lock").exists():
        fail("there is no uv.lock. Fix: run `uv lock`, and commit it.")
    base, index = git("rev-parse", "HEAD"), index_login()
    changed = upgrade(index)
    if changed:
        take_over(base)
        unused = dict.fromkeys(("notes", "since", "report", "answers"), "")
        hand_over([compared(), *check(index)], [], lock="\n".join(changed), **unused)
    else:
        say("every dependency has the newest version that pyproject.toml allows.")


if __name__ == "__main__":
    main()
