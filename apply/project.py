"""What an existing repository says of itself: names, version, Python floor, import packages, build backend."""

import configparser
import email
import email.message
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

# Folders beside a package that are not one (setuptools leaves out the same in a flat layout).
NOT_PACKAGES = set(
    "tests test docs doc documentation examples example benchmarks benchmark scripts script tools tasks bin build dist "
    "ci requirements site notebooks notebook data venv env node_modules".split()
)
# Names that `import` finds elsewhere, so that the smoke test would not see these packages.
RESERVED = set((Path(__file__).parents[1] / "questions/reserved_modules.txt").read_text("utf-8").split())
DEVELOPMENT = ("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt", "requirements-test.txt")


class Refused(Exception):
    """The repository cannot be brought onto the template; the text says why and what to do."""


@dataclass
class Project:
    """What was found. `toml` is pyproject.toml parsed (with a [project] table where there is or will be one)."""

    text: str  # pyproject.toml as it is, or "" without one
    toml: dict[str, Any]
    modules: list[str]  # import packages (or modules), by name
    source: str  # "src" or ""
    requirements: list[str] = field(default_factory=list)  # PEP 508, from requirements.txt
    development: list[str] = field(default_factory=list)  # the same, from requirements-dev.txt
    notes: list[str] = field(default_factory=list)  # what is not taken over, for the person to read

    @property
    def table(self) -> dict[str, Any]:
        """Give the [project] table, empty where there is none."""
        return dict(self.toml.get("project", {}))

    @property
    def tools(self) -> dict[str, Any]:
        """Give the [tool] tables."""
        return dict(self.toml.get("tool", {}))

    @property
    def by_tags(self) -> bool:
        """Say whether the version comes from git's tags, by a backend that the release can tell another one."""
        requires = " ".join(self.toml.get("build-system", {}).get("requires", [])).replace("_", "-")
        return "version" in self.table.get("dynamic", []) and bool(re.search("setuptools-scm|hatch-vcs", requires))

    @property
    def unpinned(self) -> list[str]:
        """Name the build requirements without an exact version, which may build other bytes tomorrow."""
        requires = self.toml.get("build-system", {}).get("requires", ["setuptools"] if self.table else [])
        return [entry for entry in requires if "==" not in entry]

    @property
    def backend(self) -> str:
        """Give the build backend; without one but with [project], setuptools by PEP 517."""
        default = "setuptools.build_meta:__legacy__" if self.table else ""
        return str(self.toml.get("build-system", {}).get("build-backend", default))


def normalise(name: str) -> str:
    """Write a distribution name as an index lists it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(requirement: str) -> str:
    """Give the distribution that a requirement names, normalised."""
    return normalise(re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0])


def read(folder: Path, uv: str) -> Project:
    """Read the repository in folder, without changing anything in it.

    Args:
        folder: The root of the repository.
        uv: The uv that builds a wheel where only setup.py knows the metadata.
    Raises:
        Refused: pyproject.toml is not TOML, has no [project] table that could be made, or a requirement is none.
    """
    path = folder / "pyproject.toml"
    try:
        text = utf8(path) if path.exists() else ""
        toml = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"pyproject.toml is not TOML: {error}. Mend it, then run the same command again.") from error
    project = Project(text, toml, *packages(folder, toml))
    scripts = sorted(path.name for path in folder.glob("*.py") if path.name != "setup.py")
    if not project.modules and scripts:
        project.notes.append(f"{', '.join(scripts)} beside the new package: move into it what belongs there")
    if "project" in toml:
        return project
    if "workspace" in toml.get("tool", {}).get("uv", {}):
        raise Refused(
            "pyproject.toml is the root of a uv workspace, and no package itself. Give each package a repository of "
            "its own (git subtree split), then run the same command there."
        )
    if "poetry" in toml.get("tool", {}):
        raise Refused(
            "pyproject.toml has [tool.poetry] and no [project] table, which uv and this template read. "
            "Convert it with `uvx migrate-to-uv`, commit, then run the same command again."
        )
    if (folder / "setup.py").exists() or (folder / "setup.cfg").exists():
        table, modules = from_setup(folder, uv)
        from_git = "version" not in tomllib.loads(table)["project"]
        system = SETUPTOOLS.replace('"]', '", "setuptools-scm>=8"]') if from_git else SETUPTOOLS
        new = table if "build-system" in toml else system + table
        text = new + ("\n" + text.removeprefix("\ufeff") if text else "")
        source = "src" if any((folder / "src" / name).exists() for name in modules) else ""
        return Project(text, tomllib.loads(text), modules, source)
    if (folder / "requirements.txt").exists():
        project.requirements = requirements(folder / "requirements.txt", set(), project.notes)
    for name in DEVELOPMENT:
        if (folder / name).exists():
            seen = {(folder / "requirements.txt").resolve()}
            project.development += requirements(folder / name, seen, project.notes)
    return project


def utf8(path: Path) -> str:
    """Read a text file as it is.

    Raises:
        Refused: it is in another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8. Save it as UTF-8, then run the same command again.") from error


def packages(folder: Path, toml: dict[str, Any]) -> tuple[list[str], str]:
    """Name the import packages of a repository, and the folder they are in ("src" or "")."""
    tool = toml.get("tool", {})
    setup = tool.get("setuptools", {})
    named: list[str] = []
    find: dict[str, Any] = {}
    if wheel := tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {}):
        named = [Path(entry).name.removesuffix(".py") for entry in wheel.get("packages", wheel.get("only-include", []))]
    elif module := tool.get("flit", {}).get("module", {}).get("name"):
        named = [module.split(".")[0]]
    elif module := tool.get("uv", {}).get("build-backend", {}).get("module-name"):
        named = [entry.split(".")[0] for entry in ([module] if isinstance(module, str) else module)]
    elif isinstance(setup.get("packages"), dict):
        find = setup["packages"].get("find", {})
    elif setup:
        named = [entry.split(".")[0] for entry in [*setup.get("packages", []), *setup.get("py-modules", [])]]
    source = "src" if next((folder / "src").rglob("*.py"), None) else ""
    places = find.get("where", ["."] if find else [source])
    plain = normalise(toml.get("project", {}).get("name", folder.resolve().name)).replace("-", "_")
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
    found = but(found, NOT_PACKAGES if places == ["."] else set())
    if not named and (plain in found or not found) and setup.get("packages") is None:
        named = [plain] if plain in found or (folder / source / f"{plain}.py").exists() else []
    return but(list(dict.fromkeys(named or found)), RESERVED), source


def but(names: list[str], unwanted: set[str]) -> list[str]:
    """Leave out the unwanted names, where others remain."""
    return [name for name in names if name not in unwanted] or names


SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
PRETENDED = "0.0.0+from.git"  # what setuptools-scm is told, to see whether the version is its
# Metadata that setup.py keeps giving once a [project] table is there, if the table says so.
KEPT_IN_SETUP = {
    "Author": "authors",
    "Author-email": "authors",
    "Maintainer": "maintainers",
    "Maintainer-email": "maintainers",
    "License": "license",
    "License-Expression": "license",
    "Keywords": "keywords",
    "Classifier": "classifiers",
    "Home-page": "urls",
    "Project-URL": "urls",
}


def from_setup(folder: Path, uv: str) -> tuple[str, list[str]]:
    """Write the [project] table of a repository whose metadata is in setup.py or setup.cfg, and name its modules.

    The wheel knows: it is built from a copy of the folder, so that nothing is left in the repository.
    What `uv add` and the release must be able to change becomes static; the rest stays where it is, as `dynamic`.
    """
    script = "setup.py" if (folder / "setup.py").exists() else "setup.cfg"
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "copy")
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv", "venv", "build", "dist"))
        if not any((copy / name).exists() for name in ("setup.py", "pyproject.toml")):
            (copy / "pyproject.toml").write_text(SETUPTOOLS)  # uv builds nothing without either
        built = subprocess.run(
            [uv, "build", "--quiet", "--wheel", "--out-dir", f"{temporary}/dist", str(copy)],
            env={**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": PRETENDED},
            check=False,
            capture_output=True,
            text=True,
        )
        if built.returncode != 0:
            tail = "\n".join(built.stderr.strip().splitlines()[-5:])
            raise Refused(f"{tail}\n{script} does not build a wheel (above). Mend it, then run the same command again.")
        with zipfile.ZipFile(next(Path(temporary, "dist").glob("*.whl"))) as wheel:
            names = wheel.namelist()
            information = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(wheel.read(f"{information}/METADATA"))
            points = configparser.ConfigParser(delimiters="=")
            if f"{information}/entry_points.txt" in names:
                points.read_string(wheel.read(f"{information}/entry_points.txt").decode())
    tops = {name.split("/")[0] for name in names if not name.startswith(information) and ".data/" not in name}
    modules = sorted(name.removesuffix(".py") for name in tops if name.removesuffix(".py").isidentifier())
    return project_table(metadata, points.sections(), script), but(modules, NOT_PACKAGES | RESERVED)


def project_table(metadata: email.message.Message, entry_points: list[str], script: str) -> str:
    """Write a [project] table from the metadata of a wheel (core metadata specification) that script made."""
    dynamic = {KEPT_IN_SETUP[key] for key in metadata if key in KEPT_IN_SETUP}
    if str(metadata.get_payload()).strip():  # the long description, of whatever type
        dynamic.add("readme")
    kinds = {"console_scripts": "scripts", "gui_scripts": "gui-scripts"}
    dynamic |= {kinds.get(section, "entry-points") for section in entry_points}
    extras: dict[str, list[str]] = {str(name): [] for name in metadata.get_all("Provides-Extra", [])}
    plain: list[str] = []
    for entry in metadata.get_all("Requires-Dist", []):
        entry = str(entry).replace('"', "'")
        requirement, _, marker = entry.partition(";")
        found = re.search(r"""extra == ['"]([^'"]+)['"]""", marker)
        if not found:
            plain.append(entry)
            continue
        rest = re.sub(r"""\s*(and\s+)?extra == ['"][^'"]+['"]\s*$""", "", marker).strip()
        rest = rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest
        extras.setdefault(found[1], []).append(f"{requirement.strip()}; {rest}" if rest else requirement.strip())
    lines = ["[project]", f"name = {quoted(str(metadata['Name']))}"]
    if metadata["Version"] == PRETENDED:
        dynamic.add("version")
    else:  # what a tool of its own made of a commit is the version before it
        lines.append(f"version = {quoted(re.sub(r'([.]dev[0-9]+)?([+].*)?$', '', str(metadata['Version'])))}")
    if metadata["Summary"]:
        lines.append(f"description = {quoted(str(metadata['Summary']))}")
    if metadata["Requires-Python"]:
        lines.append(f"requires-python = {quoted(str(metadata['Requires-Python']))}")
    lines.append(f"dependencies = {array(plain)}")
    if dynamic:
        lines.append(f"# {script} still says these.\ndynamic = {array(sorted(dynamic))}")
    if extras:
        lines += ["", "[project.optional-dependencies]"]
        lines += [
            f"{name if re.fullmatch('[A-Za-z0-9_-]+', name) else quoted(name)} = {array(entries)}"
            for name, entries in extras.items()
        ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Write a TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n")
    return f'"{escaped}"'


def array(entries: list[str]) -> str:
    """Write a TOML array of strings, one a line where there are several."""
    if len(entries) < 2:
        return f"[{', '.join(map(quoted, entries))}]"
    return "[\n" + "".join(f"    {quoted(entry)},\n" for entry in entries) + "]"


def requirements(path: Path, seen: set[Path], notes: list[str]) -> list[str]:
    """Read a requirements file (pip's format) as PEP 508 requirements.

    Comments, hashes and index options are left out (the file itself stays); files that it includes with -r are read
    too, each once, and not those in seen. Constraints, which no [project] table holds, are put into notes.

    Raises:
        Refused: a line that no [project] table can say, such as a path without a name.
    """
    seen.add(path.resolve())
    found: list[str] = []
    text = re.sub(r"\\\r?\n", " ", utf8(path).removeprefix("\ufeff"))
    for number, raw in enumerate(text.splitlines(), 1):
        line = (
            re.sub(r"(^|\s)#.*$", "", raw) if not re.match(r"\s*(-e\s+)?\S+://", raw) else re.sub(r"\s+#.*$", "", raw)
        )
        line = re.sub(r"\s+--(hash|config-settings|global-option)[= ]\S+", "", line).strip()
        if included := re.match(r"(-r|--requirement)[=\s]*(\S+)", line):
            other = (path.parent / included[2]).resolve()
            if not other.exists():
                raise Refused(f"{path.name}, line {number}: {included[2]} is not there. Add it, or remove the line.")
            if other not in seen:
                found += requirements(other, seen, notes)
            continue
        if re.match(r"-c|--constraint", line):
            notes.append(f"{line} in {path.name}: write its lines into tool.uv.constraint-dependencies, then uv lock")
        line = re.sub(r"^(-e|--editable)[=\s]*", "", line)
        if not line or line.startswith("-") or re.fullmatch(r"\./?(\[.*\])?", line):  # the package itself
            continue
        if re.match(r"[a-z+]+://", line):
            name = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+(?:\[[^\]]*\])?)", line)
            if not name:
                raise Refused(f"{path.name}, line {number}: {line} has no name. Write it as NAME @ {line}.")
            line = f"{name[1]} @ {line.partition('#')[0]}"
        if not re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*($|[\[<>=!~;@(])", line):
            raise Refused(
                f"{path.name}, line {number}: '{line}' is no requirement. Write it as NAME @ URL, or remove it."
            )
        found.append(line)
    return found
