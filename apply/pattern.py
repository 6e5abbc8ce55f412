"""What of the template's pyproject.toml concerns one repository: the text that is merged into the user's.

The pattern is that of a new package. In an existing one the user's own [project], build backend, pytest and ruff
settings hold; to lay the pattern's over them would change what is built or which tests run.
"""

import configparser
import os
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from project import Project, Refused, array, distribution, normalise

RUFF_FILES = ("ruff.toml", ".ruff.toml")
SMOKE_TEST = "tests/test_smoke.py"
PYTEST_SECTIONS = {"pytest.ini": "pytest", ".pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}


class Blocks:
    """A pattern as text in blocks, which blank lines part: each is one table with the comments above it."""

    def __init__(self, text: str) -> None:
        """Take the text of the pattern."""
        blocks = text.strip("\n").split("\n\n")
        self.by_table = {re.findall(r"^\[+([^]]+)", block, re.MULTILINE)[0]: block for block in blocks}

    @property
    def text(self) -> str:
        """The text of the blocks that are left."""
        return "\n\n".join(self.by_table.values()) + "\n"

    def drop(self, *tables: str) -> None:
        """Take tables out, with those below them."""
        below = tuple(f"{table}." for table in tables)
        self.by_table = {t: block for t, block in self.by_table.items() if not f"{t}.".startswith(below)}

    def put(self, table: str, key: str, value: list[str] | int) -> None:
        """Give a key of a table another value."""
        new = f"{key} = {array(value) if isinstance(value, list) else value}"
        old = re.compile(rf"^{key} = .*(\n[ \]].*)*", re.MULTILINE)
        self.by_table[table] = old.sub(lambda _: new, self.by_table[table])


def pattern(text: str, project: Project, root: Path, adopting: bool) -> str:
    """Take out of a rendered pyproject.toml what does not concern this repository.

    Args:
        text: The rendered pyproject.toml.
        project: The repository as it is.
        root: Its folder.
        adopting: Whether it is brought onto the template just now, and has no older pattern.
    Raises:
        Refused: the pattern's extra cannot be added.
    """
    blocks = Blocks(text)
    extra = tomllib.loads(text)["project"]["optional-dependencies"]["dev"]
    elsewhere, synced = named(project)
    # What the repository asks for in another place has its version there, which another here would contradict. And
    # uv syncs the group `dev` along with the extra: what is there need not, and may not, be asked for twice.
    development = [
        name if name in elsewhere else entry for entry in extra if (name := distribution(entry)) not in synced
    ]
    if development != extra:
        blocks.put("project.optional-dependencies", "dev", development)
    if project.table:
        dynamic = project.table.get("dynamic", [])
        if "optional-dependencies" in dynamic:
            raise Refused(
                "The optional dependencies in pyproject.toml are dynamic, and the template adds a `dev` extra. "
                "Write them into [project.optional-dependencies], then run the same command again."
            )
        if adopting:
            lines = blocks.by_table["project"].splitlines()
            floor = [
                line for line in lines if line.startswith("requires-python = ") and "requires-python" not in dynamic
            ]
            blocks.by_table["project"] = "\n".join(["[project]", *floor])
            blocks.by_table.pop("project.scripts", None)
    else:
        seed(blocks, project, development, root)
    if project.backend and (adopting or project.backend != "hatchling.build"):
        blocks.drop("build-system", "tool.hatch")
    if adopting and (pytest_settings(root, project) is not None or has_tests(root)):
        blocks.drop("tool.pytest")
    if any((root / name).exists() for name in RUFF_FILES):
        blocks.drop("tool.ruff")
        return blocks.text
    ruff = project.tools.get("ruff", {})
    if "select" in ruff or "ALL" in ruff.get("lint", {}).get("select", []):
        blocks.drop("tool.ruff.lint")
    if adopting and (length := line_length(root, project)):
        blocks.put("tool.ruff", "line-length", length)
    return blocks.text


def named(project: Project) -> tuple[set[str], set[str]]:
    """Name the distributions asked for outside the extra `dev`, and those of the group that uv syncs along with it."""
    uv = project.tools.get("uv", {})
    groups = {normalise(name): entries for name, entries in project.toml.get("dependency-groups", {}).items()}
    groups["dev"] = groups.get("dev", []) + uv.get("dev-dependencies", [])  # as uv does
    extras = {name: value for name, value in project.table.get("optional-dependencies", {}).items() if name != "dev"}
    lists = [project.table.get("dependencies", []), project.requirements, *extras.values(), *groups.values()]
    default = uv.get("default-groups", ["dev"])
    within = ["dev"] if default == "all" or "dev" in default else []
    for name in within:  # grows by the groups that each includes
        included = (normalise(entry["include-group"]) for entry in groups.get(name, []) if isinstance(entry, dict))
        within += [other for other in included if other not in within]
    elsewhere, synced = (
        {distribution(entry) for entries in found for entry in entries if isinstance(entry, str)}
        for found in (lists, [groups.get(name, []) for name in within])
    )
    return elsewhere, synced


def seed(blocks: Blocks, project: Project, development: list[str], root: Path) -> None:
    """Put what the repository has into the pattern that becomes its first [project] table."""
    wheel = "tool.hatch.build.targets.wheel"
    if project.modules:
        names = [f"{project.source}/{name}".lstrip("/") for name in project.modules]
        blocks.put(wheel, "packages", [name if (root / name).is_dir() else f"{name}.py" for name in names])
    if project.requirements:
        blocks.put("project", "dependencies", project.requirements)
    if project.development:
        names = {distribution(entry) for entry in project.development}
        rest = [entry for entry in development if distribution(entry) not in names]
        blocks.put("project.optional-dependencies", "dev", project.development + rest)
    if any(" @ " in entry for entry in project.requirements + project.development):
        blocks.by_table[wheel] += "\n\n[tool.hatch.metadata]\nallow-direct-references = true"


def has_tests(root: Path) -> bool:
    """Say whether there are tests, which the pattern's pytest settings might pass over."""
    for _, folders, names in os.walk(root):
        folders[:] = {name for name in folders if name[0] != "."} - {"venv", "env", "build", "dist", "node_modules"}
        if any(re.fullmatch(r"(test_.*|.*_test|conftest)\.py", name) for name in names):
            return True
    return False


def ini(path: Path) -> configparser.RawConfigParser:
    """Read an ini file; one that is not there, or is none, says nothing."""
    settings = configparser.RawConfigParser(strict=False)
    try:
        settings.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return configparser.RawConfigParser()
    return settings


def pytest_settings(root: Path, project: Project) -> dict[str, Any] | None:
    """Give pytest's settings, from wherever the repository has them; None where it has none."""
    if "pytest" in project.tools:
        return {**project.tools["pytest"], **project.tools["pytest"].get("ini_options", {})}
    found = ((ini(root / name), section) for name, section in PYTEST_SECTIONS.items())
    return next((dict(settings[section]) for settings, section in found if section in settings), None)


def passed_over(root: Path, project: Project) -> list[str]:
    """Say it where the user's settings of pytest leave out the template's test."""
    paths = (pytest_settings(root, project) or {}).get("testpaths", [])
    paths = paths.split() if isinstance(paths, str) else paths
    if not paths or any(fnmatch(name, path.strip("./")) for path in paths for name in ("", "tests", SMOKE_TEST)):
        return []
    return [f"pytest's testpaths {' '.join(paths)}, which leave out {SMOKE_TEST}: add it, so that CI runs it"]


def line_length(root: Path, project: Project) -> int | None:
    """Give the line length that the code was written for, as black or flake8 were told it."""
    found = project.tools.get("black", {}).get("line-length")
    for name in (".flake8", "setup.cfg", "tox.ini"):
        found = found or ini(root / name).get("flake8", "max-line-length", fallback=None)
    return int(found) if found and re.fullmatch(r"[1-9][0-9]{1,2}", str(found)) and int(found) <= 320 else None
