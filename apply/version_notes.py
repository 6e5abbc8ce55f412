"""What the release makes of the versions of an existing repository: those with an epoch, of dates, and in its code."""

import ast
import re
from pathlib import Path

from commands import git
from files import content
from next_steps import last_release
from packaging.version import InvalidVersion, Version
from repository import Project
from setup_metadata import need_no_epoch

CODE = ("__init__.py", "_version.py", "__about__.py", "version.py")
YEARS, SHORT_YEARS, MONTHS = range(1990, 2100), range(16, 60), range(1, 13)


def refuse_epoch(root: Path, project: Project) -> None:
    """Checks that neither the version nor a tag has an epoch.

    Raises:
        Refused: one has. The release would continue without it, and installers would take the old one for newer.
    """
    need_no_epoch(str(project.table.get("version", "")))
    for tag in (git(root, "tag", "--merged", "HEAD") or "").split() if project.by_tags else []:
        need_no_epoch(tag, "tag", "Delete such tags")


def version_notes(root: Path, project: Project, name: str) -> list[str]:
    """Returns notes about versions that the release does not read as their owner does."""
    return calendar(root, project, name) + in_code(root, project, name)


def calendar(root: Path, project: Project, name: str) -> list[str]:
    """Returns a note if the last version is a date: how the release continues from it."""
    found = [last_release(root, name)[1].removeprefix("v"), str(project.table.get("version", "0"))]
    try:
        last = max(Version(text or "0") for text in found)
    except InvalidVersion:
        return []
    year, month, day = last.major, last.minor, last.micro
    if not (month in MONTHS and (year in YEARS or (year in SHORT_YEARS and len(last.release) < 4))):
        return []
    return [
        f"the version {last} looks like a date, but the release continues from it by the commits alone: feat: makes "
        f"{year}.{month + 1}.0, fix: {year}.{month}.{day + 1}, major: {year + 1}.0.0, whatever the date is"
    ]


def in_code(root: Path, project: Project, name: str) -> list[str]:
    """Returns notes about each `__version__` in the code that is text, where the release sets the version elsewhere."""
    if "version" in project.table.get("dynamic", []):
        return []
    base = root / project.source
    scripts = ((script, content(root / script) or b"") for script in ("setup.py", "setup.cfg"))
    readers = [script for script, text in scripts if re.search(rb"\bversion\s*=", text)]
    paths = [base / module / file for module in project.modules for file in CODE]
    paths += [base / f"{module}.py" for module in project.modules]
    return [
        f"{path.relative_to(root).as_posix()}, line {line}: __version__ stays {version!r}, as a release "
        f"sets the version in pyproject.toml alone. Write `from importlib.metadata import version` above it, and there "
        f'`__version__ = version("{name}")`{"".join(map(and_delete, readers))}'
        for path in paths
        for line, version in literals(path)
    ]


def and_delete(script: str) -> str:
    """Returns what to do with a version in setup.py or setup.cfg, which would read the code before it is installed."""
    return f", and delete the version in {script}, which pyproject.toml has replaced"


def literals(path: Path) -> list[tuple[int, str]]:
    """Returns the lines of a module that set `__version__` to a text, and the text."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []
    found = list[tuple[int, str]]()
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = any(isinstance(target, ast.Name) and target.id == "__version__" for target in targets)
        if named and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.append((node.lineno, node.value.value))
    return found
