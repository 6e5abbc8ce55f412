"""Which version a tag or an answer names, and which ones are offered."""

import sys

import pytest
from rendering import ROOT

sys.path.insert(0, str(ROOT / "rollout"))

from packaging.version import Version
from template_versions import parse_version, versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.2.0", "1.2.0"),
        ("1.2.0", "1.2.0"),
        ("v1.2.0-3-gabc1234", "1.2.0"),
        ("v0.8.0-rc1", "0.8.0rc1"),
        ("v0.8.0-rc.1", "0.8.0rc1"),
        ("v0.8.0-alpha.2-4-gabc1234", "0.8.0a2"),
        ("v0.8.0.dev3", "0.8.0.dev3"),
        *[(text, None) for text in "v1 v1.2 v1.2.0.1 v1.2.0-1 v1.2.0+x 1!1.2.0 v1.2.0-x abc1234 2 v".split()],
        ("v1.2.0\n", None),
        ("", None),
    ],
)
def test_what_a_text_names(text: str, version: str | None) -> None:
    """A release or a pre-release of three numbers, as PEP 440 and semantic versions have them; nothing else."""
    assert parse_version(text) == (Version(version) if version else None)


def test_what_is_offered() -> None:
    """Releases by their number, never a pre-release."""
    tags = "v0.10.0\nv0.9.0\nv0.11.0-rc1\nother\nv1.x\n"
    assert list(versions(tags).items()) == [(Version("0.9.0"), "v0.9.0"), (Version("0.10.0"), "v0.10.0")]
    assert sum(other > Version("0.8.0rc1") for other in versions("v0.7.0\nv0.8.0")) == 1
