"""The rendered tests/test_smoke.py: what it imports, and what it says of each module."""

import re
from pathlib import Path

import pytest
from rendering import Render, Run

# What happens to each module of a package whose optional imports are kfp, installed_broken and google.cloud.
MODULES = {
    "works.py": "VALUE = 1\n",
    "raises.py": "raise RuntimeError('broken on import')\n",
    "syntax.py": "def\n",
    "wrong_name.py": "from handler_base import nothing_of_this_name\n",
    "not_optional.py": "import surely_not_installed\n",
    "optional.py": "import kfp\n",
    "optional_part.py": "from kfp.dsl import component\n",
    "optional_dotted.py": "import google.cloud.storage\n",
    "optional_explained.py": (
        "try:\n    import kfp\nexcept ImportError as error:\n    raise ImportError('install the extra') from error\n"
    ),
    "needs_optional_module.py": "from handler_base import optional\n",
    "similar_name.py": "import kfp_server\n",
    "installed_broken_user.py": "import installed_broken\n",
    "installed_part_missing.py": "import installed_broken_too.part\n",
    "installed_name_missing.py": "from installed_broken_too import gone\n",
    "part/__init__.py": "",
    "part/inner.py": "VALUE = 1\n",
    "part/broken.py": "raise RuntimeError('broken on import')\n",
    "folder/without_init.py": "VALUE = 1\n",
    "folder/deeper/still.py": "VALUE = 1\n",
    "folder/deeper/broken.py": "raise RuntimeError('broken on import')\n",
    "__main__.py": "raise SystemExit('a command was run')\n",
    "part/__main__.py": "raise SystemExit('a command was run')\n",
    "gpu.py": "raise RuntimeError('no such device')\n",
    "gpus/all.py": "raise RuntimeError('no such device')\n",
    "not-a-module.py": "raise RuntimeError('a script was imported')\n",
}
PASSED = {
    "handler_base",
    "handler_base.cli",
    "handler_base.works",
    "handler_base.part",
    "handler_base.part.inner",
    "handler_base.folder.without_init",
    "handler_base.folder.deeper.still",
}
SKIPPED = {
    "handler_base.optional": "kfp",
    "handler_base.optional_part": "kfp",
    "handler_base.optional_dotted": "google",
    "handler_base.optional_explained": "kfp",
    "handler_base.needs_optional_module": "kfp",
}
FAILED = {
    "handler_base.raises": "RuntimeError: broken on import",
    "handler_base.syntax": "SyntaxError",
    "handler_base.wrong_name": "ImportError: cannot import name 'nothing_of_this_name'",
    "handler_base.not_optional": "No module named 'surely_not_installed'",
    "handler_base.similar_name": "No module named 'kfp_server'",
    "handler_base.installed_broken_user": "No module named 'what_it_needs'",
    "handler_base.installed_part_missing": "No module named 'installed_broken_too.part'",
    "handler_base.installed_name_missing": "cannot import name 'gone'",
    "handler_base.part.broken": "RuntimeError: broken on import",
    "handler_base.folder.deeper.broken": "RuntimeError: broken on import",
}


@pytest.fixture(scope="session")
def report(render: Render, run: Run) -> str:
    """What `pytest -v` says of a package with all of MODULES, added after the first run was green."""
    optional = [
        "kfp",
        "installed_broken",
        "installed_broken_too",
        "google.cloud",
        "handler_base.gpu",
        "handler_base.gpus",
    ]
    package = render(cli=True, optional_imports=optional)
    run("uv", "sync", "--quiet", "--frozen", "--extra", "dev", cwd=package)
    run("uv", "run", "--no-sync", "pytest", "-v", cwd=package)
    for name, text in MODULES.items():
        (package / "handler_base" / name).parent.mkdir(parents=True, exist_ok=True)
        (package / "handler_base" / name).write_text(text)
    (site,) = (package / ".venv").glob("lib/python*/site-packages")
    write_installed(site, "installed_broken", "import what_it_needs\n")
    write_installed(site, "installed_broken_too", "")
    # Wide enough for each reason to stand in its line.
    return run("uv", "run", "--no-sync", "pytest", "-v", cwd=package, env={"COLUMNS": "200"}, code=1).stdout


def write_installed(site: Path, name: str, text: str) -> None:
    """Put a package where installed ones are."""
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(text)


def outcomes(report: str, outcome: str) -> list[str]:
    """Returns the modules with this outcome."""
    return sorted(re.findall(rf"^tests/test_smoke\.py::test_imports\[(\S+)\] {outcome}", report, re.MULTILINE))


def test_modules_added_later_are_imported(report: str) -> None:
    """Modules, sub-packages and folders without __init__.py, one test each under its name; no command and no script."""
    assert outcomes(report, "PASSED") == sorted(PASSED)
    assert len(re.findall(r"test_imports\[\S+\] [A-Z]+", report)) == len(PASSED) + len(SKIPPED) + len(FAILED)
    assert "__main__" not in report
    assert "not-a-module" not in report


def test_missing_optional_import_skips_with_its_name(report: str) -> None:
    """Directly, by a part of it, through another module, and from behind an exception that explains it."""
    assert outcomes(report, "SKIPPED") == sorted(SKIPPED)
    reasons = dict(re.findall(r"test_imports\[(\S+)\] SKIPPED \((.*)\)", report))
    assert reasons == {name: f"{missing} is not installed" for name, missing in SKIPPED.items()}


def test_modules_for_other_machines_are_left_out(report: str) -> None:
    """Those that are named themselves, and those of a package that is, whatever they would raise."""
    assert "handler_base.gpu" not in report


def test_every_other_failing_import_fails(report: str) -> None:
    """A broken module, a wrong name, another missing package, and an optional one that is there but broken."""
    assert outcomes(report, "FAILED") == sorted(FAILED)
    for name, said in FAILED.items():
        section = report.partition(f" test_imports[{name}] ")[2].partition("\n____")[0]
        assert said in section


def test_without_optional_imports_nothing_is_skipped(render: Render, run: Run) -> None:
    """The name of a missing package is in the report, and the answer that makes it optional."""
    package = render()
    (package / "handler_base" / "needs_kfp.py").write_text("import kfp\n")
    run("uv", "sync", "--quiet", "--frozen", "--extra", "dev", cwd=package)
    said = run("uv", "run", "--no-sync", "pytest", "-v", cwd=package, code=1).stdout
    assert outcomes(said, "FAILED") == ["handler_base.needs_kfp"]
    assert "No module named 'kfp'" in said
    assert "copier update --trust --data 'optional_imports=[NAME]'" in said
