"""Versions of the template, as tags and answers name them."""

import re

from packaging.version import Version


def parse_version(text: str) -> Version | None:
    """Returns the version that a tag such as v1.2.0 names; a commit after a tag (v1.2.0-3-gabc1234) counts as the tag.

    Returns None for anything else, such as a commit hash.
    """
    found = re.fullmatch(r"(v?\d+\.\d+\.\d+)(-\d+-g[0-9a-f]+)?", text)
    return Version(found[1]) if found else None


def versions(tags: str) -> dict[Version, str]:
    """Returns the versions in a list of tags, one per line, each with its tag; the newest is last."""
    found = {number: tag for tag in tags.split() if (number := parse_version(tag))}
    return dict(sorted(found.items()))
