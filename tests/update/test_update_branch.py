"""A default branch whose name has a slash."""

import pytest
from scene import BRANCH, Scene

MAIN = "release/main"


@pytest.mark.slow
def test_a_default_branch_with_a_slash(scene: Scene) -> None:
    """The pull request is for it, and the next run finds it."""
    scene.package.git("push", "--quiet", "origin", f"HEAD:{MAIN}")
    scene.repository.default_branch = MAIN
    assert scene.run(ref=MAIN).jobs == {"update": "success", "open": "success"}
    (pull,) = scene.pulls
    assert (pull["base"]["ref"], pull["head"]["ref"]) == (MAIN, BRANCH)
    pull["state"] = "closed"
    done = scene.run(ref=MAIN)
    assert f"pull request #{pull['number']} (closed) already has" in done.output
    assert len(scene.pulls) == 1
