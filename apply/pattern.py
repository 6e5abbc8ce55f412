"""The pattern for one repository: what of the template's pyproject.toml is merged into the user's.

The rendered pyproject.toml is that of a new package. An existing repository keeps its own [project], build backend,
pytest and ruff settings: the pattern's would change what is built or which tests run.
"""

import os
import re
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import tomlrt
from commands import Refused
from merge import merge
from packaging.utils import canonicalize_name
from quoting import difference
from repository import Project
from requirements import Requirements, distribution
from setup_metadata import array, read_metadata, split_extras
from style import RUFF_FILES, formatters, ini, line_length, ruff_version

SMOKE_TEST = "tests/test_smoke.py"
TORCHES = {"torch", "torchvision", "torchaudio", "torchtext", "torchdata", "pytorch-triton", "xformers"}
PYTEST_SECTIONS = {"pytest.ini": "pytest", ".pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}


def pattern(text: str, project: Project, root: Path, adopting: bool) -> str:
    """Returns a rendered pyproject.toml without what does not concern this repository.

    Args:
        text: The rendered pyproject.toml.
        project: The repository.
        root: Its folder.
        adopting: Whether it has no older pattern yet.

    Raises:
        Refused: the extra `dev` cannot be added.
    """
    document = tomlrt.loads(text)
    development = dev_extra(document, project, root)
    if project.table:
        keep_project(document, project, root, adopting)
    else:
        first_project(document, project, development, root)
    tool = document.table("tool")
    if project.table and adopting:
        tool.table("uv").pop("package", None)
    if project.backend and (adopting or project.backend != "hatchling.build"):
        document.pop("build-system", None)
        tool.pop("hatch", None)
    if adopting:
        keep_pytest(tool, project, root)
    keep_ruff(tool, project, root, adopting)
    return tomlrt.dumps(document).lstrip("\n")


def dev_extra(document: tomlrt.Document, project: Project, root: Path) -> list[str]:
    """Leaves in the extra `dev` what this repository does not have yet, and returns it."""
    extras = document.table("project").table("optional-dependencies")
    elsewhere, synced = development_elsewhere(project)
    pins = requirements_pins(root)
    if version := ruff_version(root, project):
        pins.setdefault("ruff", f"ruff{version}")
    # What the repository asks for elsewhere has its version there, which another version here would contradict. And
    # uv syncs the group `dev` together with the extra: what is there must not be asked for twice.
    wanted = [
        name if name in elsewhere else pins.get(name, str(entry))
        for entry in extras.array("dev")
        if (name := distribution(str(entry))) not in synced
    ]
    if wanted != list(extras.array("dev")):
        extras["dev"] = array(wanted)
    own = project.table.get("optional-dependencies", {})
    if alias := next((name for name in own if name != "dev" and canonicalize_name(name) == "dev"), ""):
        extras[alias] = extras.pop("dev")  # the same extra (PEP 685)
    return wanted


def requirements_pins(root: Path) -> dict[str, str]:
    """Returns what requirements files ask for, by distribution: where they pin pytest or ruff, that is the version."""
    found: dict[str, str] = {}
    for path in sorted([*root.glob("*requirements*.txt"), *root.glob("requirements/*.txt")]):
        with suppress(Refused):  # the file is the user's own, and nothing needs it
            found |= {distribution(entry): entry for entry in Requirements().read(path).entries if " @ " not in entry}
    return found


def development_elsewhere(project: Project) -> tuple[set[str], set[str]]:
    """Returns the distributions asked for outside the extra `dev`, and those of the group that uv syncs with it."""
    uv = project.tools.get("uv", {})
    groups = {canonicalize_name(name): entries for name, entries in project.toml.get("dependency-groups", {}).items()}
    dev = canonicalize_name("dev")
    groups[dev] = groups.get(dev, []) + uv.get("dev-dependencies", [])  # as uv does
    extras = {name: value for name, value in project.table.get("optional-dependencies", {}).items() if name != "dev"}
    lists = [project.table.get("dependencies", []), project.requirements, *extras.values(), *groups.values()]
    default = uv.get("default-groups", ["dev"])
    within = [dev] if default == "all" or "dev" in default else []
    for name in within:  # grows by the groups that each one includes
        included = (canonicalize_name(e["include-group"]) for e in groups.get(name, []) if isinstance(e, dict))
        within += [other for other in included if other not in within]
    elsewhere, synced = (
        {distribution(entry) for entries in found for entry in entries if isinstance(entry, str)}
        for found in (lists, [groups.get(name, []) for name in within])
    )
    return elsewhere, synced


def keep_project(document: tomlrt.Document, project: Project, root: Path, adopting: bool) -> None:
    """Leaves of [project] what an existing one may lack.

    Raises:
        Refused: the extras are dynamic.
    """
    dynamic = project.table.get("dynamic", [])
    if "optional-dependencies" in dynamic:
        raise Refused(
            "The optional dependencies in pyproject.toml are dynamic, and the template adds the extra `dev`. "
            "Write them into [project.optional-dependencies] with this command, then run the same command again:\n"
            f"{static_extras(root, project)}"
        )
    if adopting:
        table = document.table("project")
        for key in set(table) - {"optional-dependencies"} - ({"requires-python"} - set(dynamic)):
            del table[key]


def static_extras(root: Path, project: Project) -> str:
    """Returns the command that writes dynamic extras into pyproject.toml as the build backend knows them.

    Raises:
        Refused: the backend fails.
    """
    _, extras = split_extras(read_metadata(root, "pyproject.toml").core)
    left = "" if len(project.table["dynamic"]) == 1 else "[project]\ndynamic = []\n"
    new = merge(project.text, '[project]\ndynamic = ["optional-dependencies"]\n', left).text
    table = {"optional-dependencies": {name: array(entries) for name, entries in extras.items()}}
    new = merge(new, "", tomlrt.dumps(tomlrt.Document({"project": table}))).text
    return difference("pyproject.toml", project.text, new)


def first_project(document: tomlrt.Document, project: Project, development: list[str], root: Path) -> None:
    """Puts what the repository has into its first [project] table."""
    table, tool = document.table("project"), document.table("tool")
    hatch = tool.table("hatch") if "hatch" in tool else tomlrt.Table.section({})  # there is none to build
    if project.modules and "hatch" in tool:
        names = [f"{project.source}/{name}".lstrip("/") for name in project.modules]
        wheel = hatch.table("build").table("targets").table("wheel")
        wheel["packages"] = array([name if (root / name).is_dir() else f"{name}.py" for name in names])
    name = canonicalize_name(str(table["name"]))
    if name in map(distribution, project.requirements + project.development):
        raise Refused(
            f"The package would be called {name}, like its folder, but it requires {name} from the index. Give it "
            f"another name: run the same command again with -d project_name=my-{name}"
        )
    uv = tool.table("uv")
    if project.links:
        uv["find-links"] = array(project.links)
    torches = [name for name in map(distribution, project.requirements) if name in TORCHES]
    template = uv.aot("index")[0]
    for index in project.indexes:
        if index["url"].rstrip("/") == str(template["url"]).rstrip("/"):
            template.pop("explicit", None)  # it is asked first for every name, as README.md says
            continue
        # Such an index has old versions of other distributions, too, which uv would take.
        torch = bool(torches and re.search(r"/(cpu|cu\d+|rocm[\d.]+|xpu)/?$", index["url"]))
        uv.aot("index").append(tomlrt.Table.section(index | ({"explicit": True} if torch else {})))
        if torch:
            if "sources" in uv:
                raise Refused(
                    "The requirements files have two indexes of torch, and uv.lock can have only one. Remove one, then "
                    "run the same command again."
                )
            uv["sources"] = tomlrt.Table.section({n: tomlrt.Table.inline({"index": index["name"]}) for n in torches})
    if project.requirements:
        table["dependencies"] = array(project.requirements)
    if project.development:
        names = [distribution(entry) for entry in project.development]
        rest = [entry for entry in development if distribution(entry) not in names]
        table.table("optional-dependencies")["dev"] = array(project.development + rest)
    if any(" @ " in entry for entry in project.requirements + project.development):
        hatch["metadata"] = tomlrt.Table.section({"allow-direct-references": True})


def keep_pytest(tool: tomlrt.Table, project: Project, root: Path) -> None:
    """Leaves of pytest's settings what an existing package may lack; none if it has tests or settings of its own."""
    if pytest_settings(root, project) is not None or has_tests(root):
        tool.pop("pytest", None)
        return
    options = tool.table("pytest").table("ini_options")
    for key in {"minversion", "log_level", "strict", "filterwarnings"} & set(options):  # for new code only
        del options[key]


def keep_ruff(tool: tomlrt.Table, project: Project, root: Path, adopting: bool) -> None:
    """Leaves of ruff's settings what does not overrule the owner's: no style where a formatter is in use."""
    settings = project.tools.get("ruff", {})
    selected = settings.get("lint", {}).get("select", [])
    if any((root / name).exists() for name in RUFF_FILES):
        tool.pop("ruff", None)
    elif "ruff" in tool:
        ruff = tool.table("ruff")
        used = formatters(root, project) if adopting else set()
        if used or "select" in settings or "ALL" in selected:
            ruff.pop("lint", None)
        if used:
            del ruff["line-length"]
            ruff["extend-exclude"] = tomlrt.Array([n for n in ruff.array("extend-exclude") if n != "*.md"])
        if adopting and "ruff" not in used and (length := line_length(root, project)):
            ruff["line-length"] = length


def has_tests(root: Path) -> bool:
    """Returns whether there are tests, which the pattern's pytest settings might leave out."""
    for _, folders, names in os.walk(root):
        folders[:] = {name for name in folders if name[0] != "."} - {"venv", "env", "build", "dist", "node_modules"}
        if any(re.fullmatch(r"(test_.*|.*_test|conftest)\.py", name) for name in names):
            return True
    return False


def pytest_settings(root: Path, project: Project) -> dict[str, Any] | None:
    """Returns pytest's settings, from wherever the repository has them; None if it has none."""
    if "pytest" in project.tools:
        return {**project.tools["pytest"], **project.tools["pytest"].get("ini_options", {})}
    found = ((ini(root / name), section) for name, section in PYTEST_SECTIONS.items())
    return next((dict(settings[section]) for settings, section in found if section in settings), None)


def smoke_test_left_out(root: Path, project: Project) -> list[str]:
    """Returns notes if the user's pytest settings leave out the template's test."""
    settings = pytest_settings(root, project) or {}
    paths, files = words(settings.get("testpaths", [])), words(settings.get("python_files", ["test_*.py"]))
    notes = []
    if paths and not any(fnmatch(name, path.strip("./")) for path in paths for name in ("", "tests", SMOKE_TEST)):
        notes.append(f"pytest's testpaths {' '.join(paths)} leave out {SMOKE_TEST}: add it, so that CI runs it")
    if not any(fnmatch(Path(SMOKE_TEST).name, pattern) or fnmatch(SMOKE_TEST, pattern) for pattern in files):
        notes.append(f"pytest's python_files {' '.join(files)} leave out {SMOKE_TEST}: add test_smoke.py to them")
    return notes


def words(value: Any) -> list[str]:
    """Returns a list setting of pytest, which an ini file has as a text."""
    return value.split() if isinstance(value, str) else list(value)
