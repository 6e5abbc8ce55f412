"""Versions of the template, as tags and answers name them."""

import re

from packaging.version import InvalidVersion, Version


def parse_version(text: str) -> Version | None:
    """Returns the version that a tag such as v1.2.0 or v1.2.0-rc1 names.

    A commit after a tag (v1.2.0-3-gabc1234) counts as the tag. Returns None for anything else, such as a commit hash.
    """
    text = re.sub(r"-\d+-g[0-9a-f]+\Z", "", text)
    try:
        found = Version(text) if re.fullmatch(r"v?\d+\.\d+\.\d+\S*", text) else None
    except InvalidVersion:
        return None
    return found if found and not (found.is_postrelease or found.local) and len(found.release) == 3 else None


def versions(tags: str) -> dict[Version, str]:
    """Returns the versions in a list of tags, one per line, each with its tag; the newest is last.

    Pre-releases are left out: nobody is offered one.
    """
    found = {number: tag for tag in tags.split() if (number := parse_version(tag)) and not number.is_prerelease}
    return dict(sorted(found.items()))
