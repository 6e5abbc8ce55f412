"""Reserves a version: git gives a new tag to one of any number of racing jobs, so pushing it is the lock.

Only the standard library. The template owns this file.
"""

from shared import AGAIN, ORIGIN, SECRET, done, git, need, remote
from version import STATE

NUMBER = STATE / "version"


def reserved() -> str:
    """Returns the version that this job releases. If there is none, ends the step."""
    return NUMBER.read_text() if NUMBER.exists() else done("nothing to release.")


def fetch() -> None:
    """Brings tags and main up to date: a checkout leaves main at the job's own commit, however old that is."""
    words = ("fetch", "--quiet", "--tags", "--force", ORIGIN, "+refs/heads/main:refs/remotes/origin/main")
    need(remote(SECRET["JOB_TOKEN"], *words)[0], "origin does not answer: run this job again.")


def lock() -> None:
    """Reserves the version by pushing its tag."""
    tag, head = f"v{reserved()}", git("rev-parse", "HEAD")
    _, text = remote(SECRET["JOB_TOKEN"], "push", ORIGIN, f"{head}:refs/tags/{tag}")
    fetch()
    taken = git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}", check=False)
    if taken == head:  # what origin has counts, not its answer, which may have been lost
        return
    advice = f"delete the rule for {tag} under Settings → Tags of the repository, and run this job again."
    need(taken or "is protected" not in text, f"Gitea protects the tag {tag}: {advice}")
    need(taken, f"origin refused {tag}, see above: run this job again (after a 403, give it `contents: write`).")
    need(False, f"another run has taken {tag}: {AGAIN}")
