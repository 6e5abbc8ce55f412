"""The owner's own indexes and sources of uv: what the template's index `gitea` and a release make of them."""

from pathlib import Path
from typing import Any

import tomlrt
from answers import Answers
from commands import Refused
from packaging.utils import canonicalize_name
from quoting import difference
from repository import Project
from requirements import distribution, without_login


def refuse_sources(root: Path, project: Project, answers: Answers, answers_file: str) -> None:
    """Checks that no index of the owner's has the name of the template's, and that no source needs a workspace around.

    Raises:
        Refused: one does. Logins for `gitea` would go to it, or uv could not lock.
    """
    ours = f"{answers['gitea_url']}/api/packages/{answers['gitea_owner']}/pypi/simple"
    uv = project.tools.get("uv", {})
    others = [i for i in uv.get("index", []) if i.get("name") == "gitea" and str(i.get("url")).rstrip("/") != ours]
    if others and not (root / answers_file).exists():  # else it is that of an earlier run
        url = without_login(str(others[0].get("url")))
        raise Refused(
            f"pyproject.toml has an index named gitea at {url}, and the template's index of that name "
            f"is {ours}/. Rename yours, then run the same command again:\n{renamed(project)}"
        )
    if "workspace" in uv:
        return
    members = [name for name, source in uv.get("sources", {}).items() if kinds(source) == {"workspace"}]
    if members:
        raise Refused(
            f"tool.uv.sources takes {', '.join(members)} from a workspace that this repository is not in. Release them "
            "first, then run this, and the same command again: they come from the template's index then.\n"
            + from_index(project, members)
        )


def renamed(project: Project) -> str:
    """Returns the command that renames the owner's index `gitea`, with the sources that name it."""
    document = tomlrt.loads(project.text)
    uv = document.table("tool").table("uv")
    for index in uv.get("index", []):
        if index.get("name") == "gitea":
            index["name"] = "gitea-other"
    for source in uv.get("sources", {}).values():
        for one in source if isinstance(source, list) else [source]:
            if one.get("index") == "gitea":
                one["index"] = "gitea-other"
    return difference("pyproject.toml", project.text, tomlrt.dumps(document))


def from_index(project: Project, names: list[str]) -> str:
    """Returns the command that takes distributions from the template's index."""
    document = tomlrt.loads(project.text)
    sources = document.table("tool").table("uv").table("sources")
    for name in names:
        sources[name] = tomlrt.Table.inline({"index": "gitea"})
    return difference("pyproject.toml", project.text, tomlrt.dumps(document))


def kinds(source: Any) -> set[str]:
    """Returns where a source of uv takes a distribution from."""
    entries = source if isinstance(source, list) else [source]
    return {kind for entry in entries for kind in ("workspace", "git", "path", "url") if entry.get(kind)}


def source_notes(project: Project) -> list[str]:
    """Returns notes about dependencies that uv takes from elsewhere, which a wheel cannot say."""
    extras = project.table.get("optional-dependencies", {}).values()
    required = {
        distribution(entry) for entries in (project.table.get("dependencies", []), *extras) for entry in entries
    }
    return [
        f"tool.uv.sources takes {name} from {' or '.join(sorted(found))}, and the released wheel requires it from an "
        f'index: release it, write {name} = {{ index = "gitea" }} there, and run uv lock'
        for name, source in project.tools.get("uv", {}).get("sources", {}).items()
        if (found := kinds(source)) and canonicalize_name(name) in required
    ]
