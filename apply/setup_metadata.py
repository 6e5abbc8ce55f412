"""Asks a build backend for a repository's metadata, and writes a [project] table from what setup.py says."""

import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Any

import tomlrt
from commands import Refused, git, listed
from packaging.markers import Marker
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.version import Version
from tomlrt import Array

SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
TIMEOUT = 300  # seconds for a build
PRETENDED = "0.0.0+from.git"  # given to setuptools-scm, to see whether the version comes from it
# Fields of the core metadata that setup.py still gives once a [project] table lists them as dynamic.
KEPT_IN_SETUP = {
    "author": "authors",
    "author_email": "authors",
    "maintainer": "maintainers",
    "maintainer_email": "maintainers",
    "license": "license",
    "license_expression": "license",
    "keywords": "keywords",
    "classifiers": "classifiers",
    "home_page": "urls",
    "project_urls": "urls",
    "description": "readme",
}
ENTRY_POINTS = {"console_scripts": "scripts", "gui_scripts": "gui-scripts"}


@dataclass
class Metadata:
    """What a build backend says about a repository."""

    core: RawMetadata  # as in the core metadata specification
    entry_points: list[str]  # the groups
    modules: list[str]  # import packages and modules, by name
    wheel: str  # its file name, or "" if it was not built

    @property
    def from_git(self) -> bool:
        """Whether setuptools-scm gives the version."""
        return self.core["version"] == PRETENDED

    @property
    def version(self) -> str:
        """The version, without what a tool adds for the commit that it was made from. 3.0.0.dev0 alone stays.

        Raises:
            Refused: it has an epoch.
        """
        version = Version(self.core["version"])
        need_no_epoch(version.public)
        return re.sub(r"\.dev\d+$", "", version.public) if version.local else version.public


def read_metadata(root: Path, named: str) -> Metadata:
    """Returns the metadata of a repository, from its build backend. Writes nothing into the repository.

    The wheel says which import packages there are. Where it does not build on this machine (a compiler is missing, for
    example), the metadata alone is read.

    Args:
        root: The repository.
        named: What the user calls the source of the metadata, for the message.

    Raises:
        Refused: the backend fails.
    """
    from build import BuildBackendException, BuildException  # here, because few repositories need it

    print(f"Building {root.name} in a copy, to see what is in its wheel", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        source = copy(root, Path(temporary, "source"))
        if not any((source / name).exists() for name in ("setup.py", "pyproject.toml")):
            (source / "pyproject.toml").write_text(SETUPTOOLS)
        try:
            info, names = prepare(source, temporary)
        except (BuildException, BuildBackendException, subprocess.SubprocessError) as error:
            reason = getattr(error, "exception", error)
            said = getattr(reason, "stderr", None) or str(error).encode()
            tail = "\n".join(said.decode("utf-8", "replace").strip().splitlines()[-5:])
            raise Refused(
                f"{tail}\n{named} does not build (above). Fix it, then run the same command again."
            ) from error
        found = Distribution.at(info)
        core, _ = parse_email(found.read_text("METADATA") or "")
        groups = sorted(found.entry_points.groups)
        modules = import_names(names) or set((found.read_text("top_level.txt") or "").split())
        wheel = next((path.name for path in Path(temporary).glob("*.whl")), "")
    return Metadata(core, groups, sorted(n for n in modules if n.removesuffix("-stubs").isidentifier()), wheel)


def import_names(names: list[str]) -> set[str]:
    """Returns the top-level names that the files of a wheel make importable."""
    found = set()
    for name in names:
        path = PurePosixPath(name)
        if path.parts[0].endswith(".data"):
            path = (
                PurePosixPath(*path.parts[2:]) if path.parts[1:2] in (("purelib",), ("platlib",)) else PurePosixPath()
            )
        if path.suffix in (".py", ".pyi", ".so", ".pyd"):
            found.add(path.parts[0].partition(".")[0])
    return found


def need_no_epoch(version: str, kind: str = "version", remedy: str = "Write a version without an epoch") -> None:
    """Checks that a version (or a tag) has no epoch.

    Raises:
        Refused: it has. The release would continue without one, and installers would take the old ones for newer.
    """
    if re.match(r"v?\d+!", version.strip()):
        raise Refused(
            f"The {kind} {version} has an epoch. The release makes versions without one, which installers take for "
            f"older. {remedy}, delete from the registry what has an epoch, then run the same command again."
        )


def copy(root: Path, target: Path, more: Iterable[str] = ()) -> Path:
    """Copies a repository, with its history and without the files that git ignores, except for some more."""
    git(root, "clone", "--quiet", "--shared", "--no-checkout", "--", str(root), str(target))
    for name in dict.fromkeys((*listed(root), *more)):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name, follow_symlinks=False)
    return target


def prepare(source: Path, folder: str) -> tuple[Path, list[str]]:
    """Returns the `.dist-info` folder of a source tree, written into a folder by its build backend, and the names of
    the wheel's files; none if it does not build.
    """
    from build import BuildBackendException, ProjectBuilder
    from build.env import DefaultIsolatedEnv

    pretended = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": PRETENDED}

    def quietly(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        env = {**pretended, **(extra_environ or {})}
        subprocess.run(cmd, cwd=cwd, env=env, check=True, capture_output=True, timeout=TIMEOUT)

    with DefaultIsolatedEnv(installer="uv") as isolated:
        builder = ProjectBuilder.from_isolated_env(isolated, source, runner=quietly)
        isolated.install(builder.build_system_requires)
        isolated.install(builder.get_requires_for_build("wheel"))
        try:
            built = builder.build("wheel", folder)
        except (BuildBackendException, subprocess.SubprocessError):
            return Path(builder.metadata_path(folder)), []
    unpacked = Path(folder, "wheel")
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(unpacked)
        return next(unpacked.glob("*.dist-info")), wheel.namelist()


def project_table(metadata: Metadata, script: str) -> str:
    """Returns a [project] table. What `uv add` and the release change is static; the rest is dynamic.

    Args:
        metadata: What the build backend says.
        script: `setup.py` or `setup.cfg`, which gives the dynamic fields.
    """
    core = metadata.core
    dynamic = {KEPT_IN_SETUP[key] for key in KEPT_IN_SETUP if str(core.get(key, "")).strip()}
    dynamic |= {ENTRY_POINTS.get(group, "entry-points") for group in metadata.entry_points}
    plain, extras = split_extras(core)
    table: dict[str, Any] = {"name": core["name"]}
    if metadata.from_git:
        dynamic.add("version")
    else:
        table["version"] = metadata.version
    table |= {"description": core.get("summary"), "requires-python": core.get("requires_python")}
    table |= {"dependencies": array(plain), "dynamic": array(sorted(dynamic))}
    table |= {"optional-dependencies": {name: array(entries) for name, entries in extras.items()}}
    said = {key: value for key, value in table.items() if value or key == "dependencies"}
    document = tomlrt.Document({"project": said})
    if dynamic:
        document.table("project").leading_comments["dynamic"] = (f"{script} still says these.",)
    return tomlrt.dumps(document)


def split_extras(core: RawMetadata) -> tuple[list[str], dict[str, list[str]]]:
    """Returns the dependencies, and those of each extra, without the marker that names the extra."""
    plain: list[str] = []
    extras: dict[str, list[str]] = {name: [] for name in core.get("provides_extra", [])}
    for text in core.get("requires_dist", []):
        requirement, entries = Requirement(text), plain
        if found := re.search(r'(?:^| and )extra == "([^"]+)"$', str(requirement.marker or "")):
            entries = extras.setdefault(found[1], [])
            rest = str(requirement.marker)[: found.start()]
            requirement.marker = Marker(rest) if rest else None
        entries.append(str(requirement).replace('"', "'"))
    return plain, extras


def array(entries: list[str]) -> Array:
    """Returns a TOML array of strings, one per line if there are several."""
    return Array(entries, multiline=len(entries) > 1)
