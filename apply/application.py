"""What is not a library: an application, a workspace, scripts. It is refused with what would fit."""

import re
from pathlib import Path

from answers import Answers
from commands import Refused, listed
from merge import merge
from quoting import difference
from repository import Project
from setup_metadata import array
from toml_edits import write

TEMPLATE = Path(__file__).parents[1] / "template/pyproject.toml.jinja"


def refuse_application(root: Path, project: Project, answers: Answers) -> None:
    """Checks that a repository is a package, or is not to be released.

    Raises:
        Refused: it is an application, the root of a workspace, or scripts.
    """
    if not answers["publish"] or not (why := application(root, project)):
        return
    if project.table:
        old, uv = project.text, project.tools.get("uv", {})
        new = old if "build-system" in project.toml else merge(old, "", packaged(project)).text
        new = merge(new, "[tool.uv]\npackage = false\n", "").text if uv.get("package") is False else new
        how = f"run this, then the same command again:\n{difference('pyproject.toml', old, new)}"
    else:
        folder = answers["module_name"]
        how = f"move what others import into a folder {folder}, with a file {folder}/__init__.py, and commit. Then run "
        how += "the same command again."
    raise Refused(
        f"{why}\nTo release it as a package, {how}\n"
        "To lint, test and notify only, run the same command again with: -d publish=false"
    )


def application(root: Path, project: Project) -> str:
    """Returns why a repository is not a package; "" if it is one, or is empty."""
    uv = project.tools.get("uv", {})
    if uv.get("package") is False:
        return "pyproject.toml has tool.uv.package = false: this is an application, which nobody builds."
    if project.table:
        if "build-system" in project.toml or uv.get("package") or (root / "setup.py").exists():
            return ""
        kind = "the root of a workspace" if "workspace" in uv else "an application"
        return f"pyproject.toml has no [build-system], so uv does not build it: this is {kind}."
    scripts = sorted(name for name in listed(root) if name.endswith((".py", ".ipynb")))
    if project.modules or not scripts:
        return ""
    return f"There is no import package here, only scripts or notebooks ({', '.join(scripts[:3])})."


def packaged(project: Project) -> str:
    """Returns what a pyproject.toml without a build backend needs for one."""
    names = [f"{project.source}/{name}".lstrip("/") for name in project.modules]
    wheel = f"[tool.hatch.build.targets.wheel]\npackages = {write(array(names))}\n" if names else ""
    backend = re.search(r"\[build-system\]\n(?:.+\n)+?(?=\n)", TEMPLATE.read_text("utf-8"))
    return f"{backend[0] if backend else ''}\n{wheel}"
