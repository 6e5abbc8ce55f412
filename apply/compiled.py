"""Whether the wheel of an existing repository holds compiled code, which is for one platform."""

import ast
from pathlib import Path

from repository import Project
from requirements import distribution

COMPILERS = set(
    "maturin scikit-build-core scikit-build meson-python setuptools-rust cython pybind11 nanobind mypy cffi "
    "hatch-cython hatch-mypyc py-build-cmake sip".split()
)
SETUP_WORDS = {"ext_modules", "rust_extensions", "cffi_modules", "cmake_source_dir"}


def compiled(root: Path, project: Project) -> list[str]:
    """Returns a note if the wheel holds compiled code: the workflow releases it for the runner's platform alone."""
    if not (why := reason(root, project)):
        return []
    return [
        f"{why}: the wheel is compiled, and the workflow releases the one of its runner's system and Python; "
        "installers on others build the sdist, for which they need the compiler"
    ]


def reason(root: Path, project: Project) -> str:
    """Returns what says that there is compiled code; "" if nothing does."""
    if found := sorted(COMPILERS & set(map(distribution, project.build_requires))):
        return f"build-system.requires has {', '.join(found)}"
    if project.tools.get("setuptools", {}).get("ext-modules"):
        return "pyproject.toml has tool.setuptools.ext-modules"
    try:
        tree = ast.parse((root / "setup.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)} & SETUP_WORDS
    return f"setup.py has {min(map(str, words))}" if words else ""
