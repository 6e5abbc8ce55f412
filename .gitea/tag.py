# /// script
# requires-python = ">=3.11"
# ///
"""Tag a version of the template, with the packages' own release program: there is nothing to build or to upload."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "template" / ".gitea"))

import release

release.STEPS["build"] = [release.version]  # what a lost race goes back to
release.fetch()
release.version()
release.lock()
release.output(version=release.reserved(), name=release.project()[0])
