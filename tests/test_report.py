"""How a report says what changed in a TOML file."""

import sys

import pytest
from rendering import ROOT

sys.path.insert(0, str(ROOT / "apply"))

from merge import Merged
from report import Report


@pytest.mark.parametrize(
    ("note", "added", "removed"),
    [
        (
            {"path": "tool.ruff.lint.select[B]", "value": "B"},
            'a.toml: tool.ruff.lint.select: "B"',
            'a.toml: "B" is removed from tool.ruff.lint.select',
        ),
        (
            {"path": "project.dependencies[pkg]", "value": "pkg[extra]>=1"},
            'a.toml: project.dependencies: "pkg[extra]>=1"',
            'a.toml: "pkg[extra]>=1" is removed from project.dependencies',
        ),
        (
            {"path": "tool.x.patterns[[a-z]]", "value": "[a-z]"},
            'a.toml: tool.x.patterns: "[a-z]"',
            'a.toml: "[a-z]" is removed from tool.x.patterns',
        ),
        (
            {"path": "tool.ruff.line-length", "value": 120},
            "a.toml: tool.ruff.line-length = 120",
            "a.toml: tool.ruff.line-length is removed",
        ),
        (
            {"path": "tool.ruff.target-version", "value": "py311"},
            'a.toml: tool.ruff.target-version = "py311"',
            "a.toml: tool.ruff.target-version is removed",
        ),
    ],
)
def test_an_element_of_a_list_is_named_with_its_list(note: dict, added: str, removed: str) -> None:
    """All else is a key and its value."""
    report = Report()
    report.add_merged("a.toml", Merged("", added=[note], removed=[note]))
    assert (report.added, report.changed) == ([added], [removed])
