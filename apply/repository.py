"""Reads what an existing repository says about itself: names, version, Python floor, import packages, build backend."""

import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from commands import Refused
from packaging.utils import canonicalize_name
from requirements import Requirements, distribution, utf8
from setup_metadata import SETUPTOOLS, project_table, read_metadata

# Folders next to a package that are not packages (setuptools leaves out the same ones in a flat layout).
NOT_PACKAGES = set(
    "tests test docs doc documentation examples example benchmarks benchmark scripts script tools tasks bin build dist "
    "ci requirements site notebooks notebook data venv env node_modules".split()
)
# Names that `import` finds elsewhere, so that the smoke test would not see these packages.
RESERVED = set((Path(__file__).parents[1] / "questions/reserved_modules.txt").read_text("utf-8").split())
DEVELOPMENT = ("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt", "requirements-test.txt")


@dataclass
class Project:
    """What a repository says about itself. `toml` has a [project] table if there is one or will be one."""

    text: str  # pyproject.toml as it is, or ""
    toml: dict[str, Any]
    modules: list[str]  # import packages (or modules), by name
    source: str  # "src" or ""
    requirements: list[str] = field(default_factory=list)  # PEP 508, from requirements.txt
    development: list[str] = field(default_factory=list)  # the same, from requirements-dev.txt
    notes: list[str] = field(default_factory=list)  # what is not taken over, for the user to read
    indexes: list[dict[str, Any]] = field(default_factory=list)  # for tool.uv.index, from requirements.txt
    links: list[str] = field(default_factory=list)  # for tool.uv.find-links
    wheel: str = ""  # the file name of the one that it builds, if that was asked for and succeeds

    @property
    def table(self) -> dict[str, Any]:
        """The [project] table, or an empty one."""
        return dict(self.toml.get("project", {}))

    @property
    def tools(self) -> dict[str, Any]:
        """The [tool] tables."""
        return dict(self.toml.get("tool", {}))

    @property
    def build_requires(self) -> list[str]:
        """The build requirements; without a [build-system] table, those of PEP 518."""
        return list(self.toml.get("build-system", {}).get("requires", ["setuptools"] if self.table else []))

    @property
    def by_tags(self) -> bool:
        """Whether the version comes from git tags, by a backend that the release can give another version."""
        backends = {"setuptools-scm", "hatch-vcs"} & set(map(distribution, self.build_requires))
        return "version" in self.table.get("dynamic", []) and bool(backends)

    @property
    def unpinned(self) -> list[str]:
        """The build requirements without an exact version, which may build other bytes tomorrow."""
        return [entry for entry in self.build_requires if "==" not in entry]

    @property
    def backend(self) -> str:
        """The build backend; without one but with a [project] table, setuptools (PEP 517)."""
        default = "setuptools.build_meta:__legacy__" if self.table else ""
        return str(self.toml.get("build-system", {}).get("build-backend", default))


def read_project(folder: Path, build: bool = False) -> Project:
    """Returns what the repository in a folder says about itself. Changes nothing in it.

    Args:
        folder: The repository.
        build: Whether its build is asked which import packages there are.

    Raises:
        Refused: pyproject.toml is not TOML, cannot get a [project] table, or a requirement has no name.
    """
    path = folder / "pyproject.toml"
    try:
        text = utf8(path) if path.exists() else ""
        toml = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"pyproject.toml is not TOML: {error}. Fix it, then run the same command again.") from error
    project = Project(text, toml, *packages(folder, toml))
    if "project" in toml:
        if build and ("build-system" in toml or (folder / "setup.py").exists()):
            ask_build(folder, project)
        return project
    refuse_workspace_and_poetry(toml)
    if (folder / "setup.py").exists() or (folder / "setup.cfg").exists():
        return from_setup(folder, project)
    read_requirements(folder, project)
    return project


def ask_build(folder: Path, project: Project) -> None:
    """Takes the import packages from the wheel that the repository builds."""
    try:
        metadata = read_metadata(folder, "pyproject.toml")
    except Refused as refused:
        project.notes.append(
            f"the build fails, so the import packages ({', '.join(project.modules) or 'none'}) are a guess from the "
            f"folders: {str(refused).splitlines()[0]}"
        )
        return
    if metadata.wheel and not metadata.modules:
        raise Refused(
            "The wheel that this repository builds contains nothing to import. Name its packages in the settings of "
            "the build backend, then run the same command again."
        )
    built = but(metadata.modules, NOT_PACKAGES | RESERVED)
    project.wheel = metadata.wheel
    if not metadata.wheel:
        project.notes.append(
            f"no wheel could be built on this machine, so the import packages ({', '.join(project.modules)}) are read "
            "from the settings and the folders: check module_name in the answers"
        )
    if metadata.wheel and set(built) != set(project.modules):
        project.modules = built


def refuse_workspace_and_poetry(toml: dict[str, Any]) -> None:
    """Checks that a pyproject.toml without a [project] table can get one.

    Raises:
        Refused: it is the root of a workspace, or Poetry's.
    """
    if "workspace" in toml.get("tool", {}).get("uv", {}):
        raise Refused(
            "pyproject.toml is the root of a uv workspace, and not a package. Give each package a repository of "
            "its own (git subtree split), then run the same command there."
        )
    if "poetry" in toml.get("tool", {}):
        raise Refused(
            "pyproject.toml has [tool.poetry] but no [project] table, which uv and this template read. "
            "Convert it with `uvx migrate-to-uv --keep-current-build-backend`, which does not change what the "
            "wheel holds, commit, then run the same command again."
        )


def from_setup(folder: Path, project: Project) -> Project:
    """Returns the project with the [project] table that setup.py or setup.cfg amounts to."""
    script = "setup.py" if (folder / "setup.py").exists() else "setup.cfg"
    metadata = read_metadata(folder, script)
    system = "" if "build-system" in project.toml else SETUPTOOLS
    if metadata.from_git and system:
        system = system.replace('"]', '", "setuptools-scm>=8"]')
    text = system + project_table(metadata, script)
    if project.text:
        text += "\n" + project.text.removeprefix("\ufeff")
    modules = but(metadata.modules, NOT_PACKAGES | RESERVED)
    source = "src" if any((folder / "src" / name).exists() for name in modules) else ""
    return Project(text, tomllib.loads(text), modules, source, wheel=metadata.wheel)


def read_requirements(folder: Path, project: Project) -> None:
    """Takes over requirements.txt and the files for development."""
    plain, development = Requirements(), Requirements()
    if (folder / "requirements.txt").exists():
        plain.read(folder / "requirements.txt")
    development.seen.add((folder / "requirements.txt").resolve())
    for name in DEVELOPMENT:
        if (folder / name).exists():
            development.read(folder / name)
    project.requirements, project.development = plain.entries, development.entries
    project.links = list(dict.fromkeys(plain.links + development.links))
    found = dict.fromkeys(plain.indexes + [entry for entry in development.indexes if not entry[1]])
    project.indexes = [index(*entry) for entry in found]
    project.notes += [
        f"the index {entry['url']} of the requirements files is {entry['name']} in pyproject.toml. uv takes what it "
        "has from there alone. Installers of the package do not read that: give it to them, too. A login goes into "
        f"UV_INDEX_{variable(entry['name'])}_USERNAME and _PASSWORD"
        for entry in project.indexes
    ]
    project.notes += [
        f"{name}, a constraints file: write its lines into tool.uv.constraint-dependencies, then run uv lock"
        for name in dict.fromkeys(plain.constraints + development.constraints)
    ]


def index(url: str, replaces: bool) -> dict[str, Any]:
    """Returns an index of a requirements file as uv has it, with its address as its name."""
    address = url.partition("://")[2].removesuffix("/").removesuffix("/simple")
    name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")
    name = f"{name}-index" if name in ("", "gitea") else name  # the template's is gitea
    return {"name": name, "url": url} | ({"default": True} if replaces else {})


def variable(name: str) -> str:
    """Returns a name as uv has it in names of variables."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def packages(folder: Path, toml: dict[str, Any]) -> tuple[list[str], str]:
    """Returns the names of a repository's import packages, and the folder that they are in ("src" or "")."""
    setup = toml.get("tool", {}).get("setuptools", {})
    find = setup.get("packages", {}).get("find", {}) if isinstance(setup.get("packages"), dict) else {}
    named = named_packages(toml)
    source = "src" if next((folder / "src").rglob("*.py"), None) else ""
    places = find.get("where", ["."] if find else [source])
    plain = canonicalize_name(toml.get("project", {}).get("name", folder.resolve().name)).replace("-", "_")
    found = [
        entry.name
        for place in places
        for entry in sorted((folder / place).glob("*"))
        if entry.is_dir()
        and entry.name.isidentifier()
        and (source or find or entry.name not in NOT_PACKAGES)
        and any(fnmatch(entry.name, pattern.split(".")[0]) for pattern in find.get("include", ["*"]))
        and not any(fnmatch(entry.name, pattern) for pattern in find.get("exclude", []))
        and next(entry.rglob("__init__.py" if find.get("namespaces") is False else "*.py"), None)
    ]
    if places == ["."] and not find and "project" not in toml:
        found = [name for name in found if name not in NOT_PACKAGES]
        found = [name for name in found if (folder / name / "__init__.py").exists()] or found
    found = but(found, NOT_PACKAGES if places == ["."] else set())
    if not named and (plain in found or not found) and setup.get("packages") is None:
        named = [plain] if plain in found or (folder / source / f"{plain}.py").exists() else []
    return but(list(dict.fromkeys(named or found)), RESERVED), source


def named_packages(toml: dict[str, Any]) -> list[str]:
    """Returns the top-level packages that the build backend's own settings name."""
    tool = toml.get("tool", {})
    setup = tool.get("setuptools", {})
    if wheel := tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {}):
        return [Path(entry).name.removesuffix(".py") for entry in wheel.get("packages", wheel.get("only-include", []))]
    if (maturin := tool.get("maturin")) is not None or "maturin" in str(toml.get("build-system")):
        name = (maturin or {}).get("module-name", toml.get("project", {}).get("name", ""))
        return [canonicalize_name(name.split(".")[0]).replace("-", "_")] if name else []
    if wheel := tool.get("scikit-build", {}).get("wheel", {}):
        return [Path(entry).name for entry in wheel.get("packages", [])]
    if module := tool.get("flit", {}).get("module", {}).get("name"):
        return [module.split(".")[0]]
    if module := tool.get("uv", {}).get("build-backend", {}).get("module-name"):
        return [entry.split(".")[0] for entry in ([module] if isinstance(module, str) else module)]
    if isinstance(setup.get("packages"), dict):
        return []
    return [entry.split(".")[0] for entry in [*setup.get("packages", []), *setup.get("py-modules", [])]]


def but(names: list[str], unwanted: set[str]) -> list[str]:
    """Returns the names without the unwanted ones, unless nothing would be left."""
    return [name for name in names if name not in unwanted] or names
