# /// script
# requires-python = ">=3.11"
# ///
"""Tag a version of the template, with the packages' own release program: there is nothing to build or to upload."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "template" / ".gitea"))

import lock
import shared
import version

lock.fetch()
number, why = version.planned()
if not number:
    shared.done(f"nothing to release: {why}")
lock.NUMBER.parent.mkdir(parents=True, exist_ok=True)
lock.NUMBER.write_text(number)
lock.lock()
shared.output(version=number, name=version.project()[0])
