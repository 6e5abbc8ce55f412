"""The owner's linter and formatter: which are in use, what they are set to, and where ruff has its settings."""

import configparser
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repository import Project
from requirements import distribution

RUFF_FILES = (".ruff.toml", "ruff.toml")  # in this order; both before pyproject.toml
FLAKE8_FILES = (".flake8", "setup.cfg", "tox.ini")
# Where else a repository says that it runs a tool.
MENTIONS = (
    ".pre-commit-config.yaml tox.ini setup.cfg setup.py noxfile.py Makefile Taskfile.y*ml justfile requirements*.txt "
    "requirements/*.txt *-requirements.txt environment.yml Pipfile .github/workflows/*.y*ml .gitlab-ci.yml"
).split()
MOST = 8  # entries of per-file-ignores, where folders instead of files bring them down to that


def formatters(root: Path, project: Project) -> set[str]:
    """Returns which of ruff and black the repository uses: with settings, as a requirement, or in a command."""
    found = {distribution(text) for text in strings(project.toml, keys=True)} | set(project.tools)
    found |= {"ruff"} if any((root / name).exists() for name in RUFF_FILES) else set()
    for path in (path for pattern in MENTIONS for path in root.glob(pattern) if path.is_file()):
        found.update(re.findall(r"(?m)(?:^|[\s\"'/(=-])(ruff|black)\b", path.read_text("utf-8", "replace")))
    return found & {"ruff", "black"}


def strings(value: Any, keys: bool = False) -> Iterator[str]:
    """Yields the strings in the lists of some TOML data (requirements and commands, no descriptions), and keys if asked
    for: Poetry and Pipenv have names there.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [key] if keys else []
            yield from strings(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            yield from [inner] if isinstance(inner, str) else strings(inner, keys)


def ruff_version(root: Path, project: Project) -> str:
    """Returns the owner's version of ruff as a specifier (`==0.12.1`), from its settings or pre-commit; else ""."""
    settings = [tomllib.loads((root / name).read_text("utf-8-sig")) for name in RUFF_FILES if (root / name).exists()]
    for table in (*settings, project.tools.get("ruff", {})):
        if required := str(table.get("required-version", "")):
            return required if required[0] in "<>=!~" else f"=={required}"
    hooks = root / ".pre-commit-config.yaml"
    text = hooks.read_text("utf-8", "replace") if hooks.exists() else ""
    found = re.search(
        r"ruff-pre-commit[\"']?\s+(?:#.*\s+)*rev:\s*(?:[0-9a-f]{40}\s+#\D*)?[\"']?v?(\d+\.\d+\.\d+)", text
    )
    return f"=={found[1]}" if found else ""


def ini(path: Path) -> configparser.RawConfigParser:
    """Returns an ini file's settings; none if the file does not exist or cannot be read."""
    settings = configparser.RawConfigParser(strict=False)
    try:
        settings.read(path, "utf-8-sig")
    except (configparser.Error, UnicodeDecodeError):
        return configparser.RawConfigParser()
    return settings


def line_length(root: Path, project: Project) -> int | None:
    """Returns the line length that black or flake8 are set to, or flake8's own; None if neither says one."""
    black, flake8 = project.tools.get("black", {}), project.tools.get("flake8")
    found = black.get("line-length", black.get("line_length"))
    sections = [dict(settings["flake8"]) for name in FLAKE8_FILES if "flake8" in (settings := ini(root / name))]
    for table in sections + ([flake8] if flake8 is not None else []):
        ignored = re.split(r"[\s,]+", " ".join(str(table.get(key, "")) for key in ("ignore", "extend-ignore")))
        length = table.get("max-line-length", table.get("max_line_length", None if "E501" in ignored else 79))
        found = found or length
    return int(found) if found and re.fullmatch(r"[1-9][0-9]{1,2}", str(found)) and int(found) <= 320 else None


def settings_file(root: Path, name: str) -> str:
    """Returns the file whose settings ruff uses for a file: of the nearest folder that has some."""
    for folder in Path(name).parents:
        for candidate in RUFF_FILES:
            if (root / folder / candidate).exists():
                return (folder / candidate).as_posix()
        path = root / folder / "pyproject.toml"
        if path.exists() and "ruff" in tomllib.loads(path.read_text("utf-8-sig")).get("tool", {}):
            return (folder / "pyproject.toml").as_posix()
    return "pyproject.toml"


def below(place: str, name: str) -> str:
    """Returns the name of a file as seen from the folder of a settings file."""
    return Path(name).relative_to(Path(place).parent).as_posix()


def per_file(broken: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Returns which rules to ignore where: by file, or by folder where there would be too many files.

    Args:
        broken: Rules, each with the file that breaks it.
    """
    table: dict[str, set[str]] = {}
    for depth in range(max(name.count("/") for _, name in broken) + 1, 0, -1):
        table = defaultdict(set)
        for rule, name in broken:
            parts = name.split("/")
            table[name if len(parts) <= depth else f"{'/'.join(parts[:depth])}/**"].add(rule)
        if len(table) <= MOST:
            break
    return {place: sorted(table[place]) for place in sorted(table)}
