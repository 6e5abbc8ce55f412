"""What the tests need that `uv sync --extra dev` would not install, and where the repository asks for it."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands import Refused, listed, uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pattern import pytest_settings
from repository import Project
from requirements import Requirements, distribution
from style import ini, strings

# Where tests have their requirements, beside pyproject.toml and requirements files. Names alone are read from these.
PLACES = (
    "tox.ini setup.cfg noxfile.py environment.yml environment.yaml conda.yaml Pipfile .pre-commit-config.yaml".split()
)
# What stands beside the tests' requirements, and is of no use to them.
TOOLS = re.compile(
    "sphinx.*|furo|myst-.*|mkdocs.*|docutils|types-.*|mypy|pyright|pylint|flake8.*|black|isort|pyupgrade|pre-commit|tox.*|"
    "nox|build|twine|wheel|setuptools.*|flit.*|hatch.*|poetry.*|pdm.*|towncrier|bump.*|jupyter.*|notebook|ipython"
)
NAME = r"[A-Za-z][\w.-]*\w"
# Distributions that are not called like what they import.
CALLED = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "gitpython",
    "jwt": "pyjwt",
    "pkg_resources": "setuptools",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def missing_requirements(root: Path) -> tuple[list[str], list[str]]:
    """Returns requirements files for tests and tools, and what of them `uv sync --extra dev` would not install."""
    found = sorted([*root.glob("*requirements*.txt"), *root.glob("requirements/*.txt")])
    paths = [path for path in found if path.name == "requirements.txt" or re.search("dev|test", path.name)]
    if not paths:
        return [], []
    there = synced(root)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8-sig"))["project"]
    own = project.get("optional-dependencies", {}).items()
    development = [entry for name, entries in own if canonicalize_name(name) == "dev" for entry in entries]
    names, missing = [], dict[str, str]()
    for path in paths:
        try:
            asked = Requirements().read(path)
        except Refused:  # the file is the user's own, and nothing needs it
            continue
        wanted = {
            name: entry
            for entry in asked.entries
            if (name := distribution(entry)) not in there and not TOOLS.fullmatch(name)
        }
        extras = [f"{project['name']}[{extra}]" for extra in asked.extras]
        wanted |= {extra: extra for extra in extras if extra not in development}
        names += [path.relative_to(root).as_posix()] if wanted.keys() - missing else []
        missing = wanted | missing
    return names, list(missing.values())


def synced(root: Path) -> set[str]:
    """Returns the distributions that `uv sync --extra dev` installs."""
    words = ("export", "--quiet", "--frozen", "--extra", "dev", "--no-hashes", "--no-emit-project")
    return {distribution(line) for line in uv(root, *words).stdout.splitlines()}


def asked_elsewhere(root: Path, imports: set[str]) -> list[str]:
    """Returns what other places ask for (another extra or group, hatch, PDM, tox, nox, conda) and the tests need.

    Args:
        root: The repository.
        imports: Names that the tests import and the environment does not have.

    Returns:
        Requirements: of these imports, and plugins of pytest that are not installed.
    """
    toml = tomllib.loads((root / "pyproject.toml").read_text("utf-8-sig"))
    asked: dict[str, str] = {distribution(text): text for text in strings(toml, keys=True) if is_requirement(text)}
    texts = [(root / name).read_text("utf-8", "replace") for name in PLACES if (root / name).exists()]
    for name in re.findall(NAME, "\n".join(texts)):
        asked.setdefault(canonicalize_name(name), name)
    for_tests: set[str] = {distribution(text) for text in strings(list(tested(toml)))}
    tox = ini(root / "tox.ini")
    deps = "\n".join(tox.get(name, "deps", fallback="") for name in tox.sections() if not name.startswith("testenv:"))
    for_tests |= {canonicalize_name(name) for name in re.findall(NAME, deps)}
    settings = str(pytest_settings(root, Project("", toml, [], "")))  # `--cov` and `asyncio_mode` need their plugins
    for_tests |= {name for name in asked if name.removeprefix("pytest-") in re.findall(r"[a-z]+", settings)}
    there = synced(root) | {canonicalize_name(toml["project"]["name"])}
    wanted: set[str] = {canonicalize_name(CALLED.get(name, name)) for name in imports}
    wanted |= {name for name in for_tests if name.startswith("pytest-")}
    return [asked[name] for name in sorted(wanted & asked.keys() - there)]


def tested(value: Any) -> Iterator[Any]:
    """Yields the values in some TOML data whose key says that they are for tests: an extra, a group, an environment."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if re.fullmatch(r"tests?|testing|dev|development|ci", key.lower()):
            yield inner
        else:
            yield from tested(inner)


def is_requirement(text: str) -> bool:
    """Returns whether a text is a requirement that a [project] table could have."""
    try:
        return Requirement(text).url is None
    except InvalidRequirement:
        return False


def imports_of_tests(root: Path) -> set[str]:
    """Returns the top-level names that test modules and conftest.py always import and the repository does not have."""
    files = [name for name in listed(root) if name.endswith(".py")]
    own = {part.removesuffix(".py") for name in files for part in name.split("/")}
    found = set()
    for name in files:
        if not re.fullmatch(r"test_.*|.*_test\.py|conftest\.py", name.rpartition("/")[2]):
            continue
        try:
            body = ast.parse((root / name).read_bytes()).body
        except (SyntaxError, ValueError):  # ruff reports it
            continue
        for node in body:
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - own
