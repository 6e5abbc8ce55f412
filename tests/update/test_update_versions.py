"""Which version of the template is newer: what a package is on, as git describes it, beside the released ones."""

import json
import os
import subprocess
import sys

import pytest
from rendering import ROOT

# Oldest first; those of one line are equal, as far as an offer of a released version goes.
ORDER = [
    ["v0.7.0", "0.7.0", "v0.7.0-3-g0123abc", "v0.7.0.post1", "v0.7.0+local.1", "v0.7.0.post2-1-gabc1234"],
    ["v0.8.0-rc1", "v0.8.0rc1", "v0.8.0-alpha.1", "v0.8.0.dev3", "v0.8.0b2", "v0.8.0-rc.1-4-gabc1234", "v0.8.0-RC1"],
    ["v0.8.0"],
    ["v0.8.1-beta+build.5"],
    ["v0.10.0"],
    ["v1.0.0"],
]
NONE = ["", "main", "v1", "v1.2", "0123abc", "1234567", "v1.2.x", "v1.2.3.4", "1.2.3/../x", "v1.2.3 "]


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[int, ...] | None]:
    """What the update's program makes of each text."""
    texts = [text for line in ORDER for text in line] + NONE
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from template_update import parse; "
        "print(json.dumps(list(map(parse, sys.argv[2:]))))"
    )
    words = [sys.executable, "-c", code, str(ROOT / "template/.gitea"), *texts]
    shown = subprocess.run(words, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    return {text: key and tuple(key) for text, key in zip(texts, json.loads(shown), strict=True)}


def test_versions_are_ordered(keys: dict[str, tuple[int, ...] | None]) -> None:
    """A version before a release is older than it, and newer than the release before."""
    found = [{keys[text] for text in line} for line in ORDER]
    assert [len(line) for line in found] == [1] * len(ORDER), found
    flat = [line.pop() for line in found]
    assert None not in flat
    assert flat == sorted(flat)
    assert len(set(flat)) == len(flat)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_version(keys: dict[str, tuple[int, ...] | None], text: str) -> None:
    """A commit, a branch and anything else: nobody can tell what is newer."""
    assert keys[text] is None
