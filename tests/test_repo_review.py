"""What sp-repo-review, the checks of the Scientific Python guide, finds in a new package."""

import re

from rendering import ROOT, Render
from repo_review.processor import process


def test_each_finding_is_refused_with_its_reason(render: Render) -> None:
    """CONTRIBUTING.md lists the checks that a new package does not pass, and no other."""
    _, results = process(render(tasks=False))
    failed = {result.name for result in results if result.result is False}
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("sp-repo-review")[2]
    assert failed == set(re.findall(r"\b[A-Z]{2,3}[0-9]{3}\b", table))
