"""The answers: what the user said, what pyproject.toml says instead, and the file that stores them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from commands import Refused
from packaging.utils import canonicalize_name
from repository import NOT_PACKAGES, Project

Answers = dict[str, Any]


def load(text: str) -> Answers:
    """Returns the answers in the text of an answers file."""
    found = yaml.safe_load(text)
    return found if isinstance(found, dict) else {}


def dump(answers: Answers, rendered: bytes) -> bytes:
    """Returns the answers as Copier writes them, below the comment of a rendered answers file."""
    comment = "".join(line for line in rendered.decode().splitlines(True) if line.startswith("#"))
    return (comment + yaml.dump(answers, indent=4, allow_unicode=True, default_flow_style=False)).encode()


def facts(project: Project) -> Answers:
    """Returns the answers that a repository gives by itself."""
    return stated(project.table) | ({"module_name": ", ".join(project.modules)} if project.modules else {})


def stated(table: dict[str, Any]) -> Answers:
    """Returns the answers that a [project] table gives."""
    found = Answers()
    if "name" in table:
        found["project_name"] = canonicalize_name(str(table["name"]))
    if isinstance(table.get("description"), str):
        found["description"] = " ".join(table["description"].split())
    if floor := re.search(r">=?\s*3\.(\d+)", str(table.get("requires-python", ""))):
        found["python_version"] = f"3.{min(max(int(floor[1]), 10), 15)}"
    return found


def changed_facts(project: Project, last: Answers, base: str) -> Answers:
    """Returns the answers that the repository gives by itself and that its owner changed since the last update.

    Args:
        project: The repository.
        last: The answers of the version that the repository is on.
        base: The pyproject.toml of that version for these answers; "" if it is gone.
    """
    found, rendered = facts(project), stated(tomllib.loads(base).get("project", {}))
    # Folders next to the package may be anything, unless pyproject.toml names them.
    wheel = project.tools.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    named = wheel.get("packages") and all(m.isidentifier() and m not in NOT_PACKAGES for m in project.modules)
    if not named and all(name in project.modules for name in str(last["module_name"]).split(", ")):
        found.pop("module_name", None)
    return {key: value for key, value in found.items() if value not in (last.get(key), rendered.get(key))}


def refuse_other_template(path: Path) -> None:
    """Checks that an answers file, if there is one, is of this template.

    Raises:
        Refused: it is of another template.
    """
    if path.exists() and not {"gitea_owner", "module_name"} <= set(stored := load(path.read_text("utf-8"))):
        raise Refused(
            f"{path.name} belongs to another Copier template ({stored.get('_src_path')}). To use both, run the same "
            "command with `-a .copier-answers.gitea.yml`."
        )
