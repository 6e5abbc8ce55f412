"""The pytest settings of a new package."""

import sys
from pathlib import Path

from rendering import Render, Run

CALLS = """\
import {module}


def test_call() -> None:
    {module}.call()
"""
WARNS = 'import warnings\n\n\ndef call() -> None:\n    warnings.warn("old", DeprecationWarning, stacklevel=1)\n'


def test_only_warnings_that_the_package_causes_are_errors(render: Render, run: Run, tmp_path: Path) -> None:
    """A dependency that warns leaves the tests green."""
    package = render(tasks=False)
    (package / "handler_base/__init__.py").write_text(WARNS)
    (tmp_path / "dependency.py").write_text(WARNS)
    for module in ("handler_base", "dependency"):
        (package / f"tests/test_{module}.py").write_text(CALLS.format(module=module))
    path = {"PYTHONPATH": f"{package}:{tmp_path}"}
    said = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=package, env=path, code=1).stdout
    assert "FAILED tests/test_handler_base.py::test_call - DeprecationWarning: old" in said
    assert "1 failed" in said
    assert "FAILED tests/test_dependency.py" not in said


def test_a_mistake_in_the_settings_is_an_error(render: Render, run: Run) -> None:
    """An unknown marker, for one, selects nothing without a word otherwise."""
    package = render(tasks=False)
    (package / "tests/test_marked.py").write_text(
        "import pytest\n\n\n@pytest.mark.slwo\ndef test() -> None:\n    pass\n"
    )
    path = {"PYTHONPATH": str(package)}
    said = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=package, env=path, code=2).stdout
    assert "'slwo' not found in `markers`" in said
