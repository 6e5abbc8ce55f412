"""Runs the ruff that uv.lock names on the user's files."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from commands import listed, uv
from ownership import owned


@dataclass
class Lint:
    """What ruff reports about the user's files."""

    broken: list[tuple[str, str]]  # a rule, such as E501, and the file that breaks it
    unreadable: list[str]  # files that are not valid Python
    unformatted: list[str]
    failed: str  # why ruff could not run, or ""

    @property
    def only_markdown(self) -> bool:
        """Whether `ruff format` would change Markdown only."""
        return bool(self.unformatted) and all(name.endswith(".md") for name in self.unformatted)


def lint(root: Path) -> Lint:
    """Returns what ruff reports about the files of this repository, without the template's own."""
    packages = tomllib.loads((root / "uv.lock").read_text("utf-8"))["package"]
    version = next(package["version"] for package in packages if package["name"] == "ruff")
    ruff = ("tool", "run", "--quiet", f"ruff@{version}")
    # A variable: `ruff format` has the option only since 0.16. And `fix = true` is for the user's own runs.
    how = {"RUFF_OUTPUT_FORMAT": "json"}
    checked = uv(root, *ruff, "check", "--no-cache", "--no-fix", **how)
    formatted = uv(root, *ruff, "format", "--check", "--no-cache", **how)
    # ruff also looks at submodules, which git does not list.
    mine = {name for name in listed(root) if not owned(name)}
    found = [
        (entry["code"] or "", name)
        for entry in json.loads(checked.stdout or "[]")
        if (name := Path(entry["filename"]).relative_to(root).as_posix()) in mine
    ]
    if formatted.stdout.startswith("["):
        entries = (entry for entry in json.loads(formatted.stdout) if entry["code"] == "unformatted")
        unformatted = {Path(entry["filename"]).relative_to(root).as_posix() for entry in entries}
    else:
        unformatted = set(re.findall("^Would reformat: (.*)$", formatted.stdout, re.MULTILINE))
    rule = re.compile("(?!E902)[A-Z]+[0-9]+")  # E902 is a file that cannot be read
    return Lint(
        sorted({(code, name) for code, name in found if rule.fullmatch(code)}),
        sorted({name for code, name in found if not rule.fullmatch(code)}),
        sorted(unformatted & mine),
        "" if checked.stdout else " ".join(checked.stderr.split()),
    )
