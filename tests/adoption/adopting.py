"""Existing repositories as their owners have them, and what is done to them here."""

import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from act_package import clean_environment
from forked import run_copier

ROOT = Path(__file__).parents[2]
REPOSITORIES = Path(__file__).with_name("repositories")
FIRST, SECOND = "v1.0.0", "v1.1.0"


@dataclass(frozen=True)
class Situation:
    """What a fixture folder cannot hold, and what is known of it."""

    distribution: str
    modules: str
    next: str  # the version that the commit of the adoption releases
    tags: tuple[str, ...] = ()
    branch: str = "main"
    locked: bool = False  # it has a uv.lock
    repository: str = ""  # its folder's name, where it is not the fixture's


SITUATIONS = {
    "hatchling-flat": Situation("handler-base", "handler_base", "0.5.0"),
    "setuptools-setup-py": Situation("greeter-tools", "greeter_tools", "1.9.0"),
    "setuptools-setup-cfg": Situation("cfg-only", "cfg_only", "1.3.0"),
    "setuptools-pyproject": Situation("greeter", "greeter", "3.2.0"),
    "flit": Situation("flitted", "flitted", "0.8.0"),
    "requirements-only": Situation("pipeline", "pipeline", "0.1.0", repository="pipeline"),
    "version-hatch-vcs": Situation("from-tags", "from_tags", "1.5.0", tags=("1.3.0", "1.4.0")),
    "version-setuptools-scm": Situation("scm-data", "scm_data", "0.4.0", tags=("v0.3.0",)),
    "version-use-scm-version": Situation("scm-setup", "scm_setup", "1.5.0", tags=("v1.4.0",)),
    "version-attr": Situation("attributed", "attributed", "2.6.0"),
    "lint-ruff": Situation("ruffled", "ruffled", "1.1.0"),
    "lint-ruff-toml": Situation("ruff-tomled", "ruff_tomled", "0.3.0"),
    "lint-flake8": Situation("flaked", "flaked", "0.10.0"),
    "lint-black": Situation("blackened", "blackened", "0.2.0"),
    "src-layout": Situation("sourced", "sourced", "0.3.0"),
    "several-packages": Situation("ray-serve-apps", "serving, applications", "0.4.0", repository="ray-serve"),
    "namespace-package": Situation("acme-handlers", "acme", "1.2.0"),
    "modules-without-init": Situation("jobs", "jobs", "0.6.0"),
    "workflows-others": Situation("deployed", "deployed", "0.3.0"),
    "workflows-ci": Situation("checked", "checked", "0.3.0"),
    "uv-lock": Situation("locked", "locked", "0.3.0", locked=True),
    "tests-elsewhere": Situation("elsewhere", "elsewhere", "0.3.0"),
    "smoke-test": Situation("smoked", "smoked", "0.3.0"),
    "version-tags": Situation("tagged", "tagged", "1.3.0", tags=("v1.1.0", "v1.2.0", "nightly")),
    "version-no-tags": Situation("stated", "stated", "2.4.0"),
    "no-readme": Situation("unread", "unread", "0.3.0"),
    "untyped-code": Situation("untyped", "untyped", "0.3.0"),
    "branch-master": Situation("mastered", "mastered", "0.3.0", branch="master"),
}
# What a wheel says of itself; the rest of its .dist-info are files of the repository's.
METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")
REFUSED = ("other-template", "monorepo-folder")


@dataclass
class Repository:
    """A folder under git, and the environment of its owner."""

    path: Path
    environment: dict[str, str]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it as its owner, without a terminal; the output holds both streams."""
        return subprocess.run(
            words,
            cwd=self.path,
            env=self.environment | variables,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def need(self, *words: str, **variables: str) -> str:
        """Run a program that has to succeed, and give what it said."""
        done = self.run(*words, **variables)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
        return done.stdout

    def git(self, *words: str) -> str:
        """Run git."""
        return self.need("git", *words).strip()

    def commit(self, message: str) -> None:
        """Commit all there is."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def copier(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Copier."""
        return run_copier(words, self.path, self.environment | variables, merged=True)

    def status(self) -> str:
        """What git sees, ignored files too."""
        return self.git("status", "--porcelain", "--ignored", "--untracked-files=all")

    def content(self) -> dict[str, bytes]:
        """Every file beside git's own."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        names = {path: path.relative_to(self.path).as_posix() for path in files}
        return {name: path.read_bytes() for path, name in names.items() if not name.startswith(".git/")}

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, newline="")


class Adopted(NamedTuple):
    """A repository that was just adopted, and the closing message."""

    repository: Repository
    said: str


def adopt(repository: Repository, template: Path, *words: str, trial: str = "none") -> str:
    """Bring a repository onto the template's first version, and return the closing message."""
    how = ("copy", "--trust", "--defaults", "-r", FIRST, "-d", f"trial={trial}")
    done = repository.copier(*how, *words, str(template), ".")
    assert done.returncode == 0, done.stdout
    return done.stdout


def make_template(folder: Path) -> Path:
    """Make a template repository of the working tree, with the version FIRST."""
    made = Repository(folder / "template", clean_environment(folder / "home"))
    made.path.mkdir(parents=True)
    places = ("copier.yml", "questions", "template", "apply", "rollout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (made.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, made.path / name)
    made.git("init", "-q", "-b", "main")
    made.commit("feat: the template")
    made.git("tag", FIRST)
    # A change of each kind of file: a value, two files of the template's, one that is new, a seed.
    for name, old, new in (
        ("pyproject.toml.jinja", '"pytest"', '"pytest>=8"'),
        ("pyproject.toml.jinja", 'requires = ["hatchling==', 'requires = ["hatchling>='),
        (".gitea/workflows/ci.yaml.jinja", "name: CI\n", "name: CI\n# newer\n"),
        (".gitea/release.py", "import os\n", "import os  # newer\n"),
        ("README.md.jinja", "## Work on it", "## How to work on it"),
    ):
        path = made.path / "template" / name
        text = path.read_text()
        assert old in text, f"{name} has changed: change something else of it here"
        path.write_text(text.replace(old, new))
    made.write("template/.gitea/new.txt", "newer\n")
    made.commit("feat: newer")
    made.git("tag", SECOND)
    return made.path


def make_repository(name: str, folder: Path, files: Path | None = None) -> Repository:
    """Make a fixture a repository with history, in `folder`.

    Args:
        name: The situation.
        folder: Where it is made.
        files: The fixture folder, where it is not that of the same name.
    """
    situation = SITUATIONS.get(name, Situation("", "", ""))
    made = Repository(folder / (situation.repository or name), clean_environment(folder / "home"))
    shutil.copytree(files or REPOSITORIES / name, made.path)
    for path in made.path.glob("requirements*.txt"):
        path.write_text(path.read_text().replace("@SISTER@", str(make_sister(folder))))
    made.git("init", "-q", "-b", situation.branch)
    made.commit("Everything so far")
    for tag in situation.tags:
        made.git("commit", "-q", "--allow-empty", "-m", f"Release {tag}")
        made.git("tag", tag)
    if situation.locked:
        made.need("uv", "lock", "--quiet", "--upgrade-package", "packaging==24.2")
        made.commit("Lock")
    return made


def with_hook(repository: Repository, folder: Path, text: str) -> dict[str, str]:
    """Returns the variable with which an adoption's Python runs this text first, through a uv of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(text)
    uv = folder / "uv"
    found = shutil.which("uv", path=repository.environment["PATH"])
    uv.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {found} "$@"\n')
    uv.chmod(0o755)
    return {"UV": str(uv)}


def add_origin(repository: Repository) -> Repository:
    """Returns a repository an empty origin beside it."""
    bare = Repository(repository.path.with_name("origin.git"), repository.environment)
    repository.git("init", "-q", "--bare", "-b", "main", str(bare.path))
    repository.git("remote", "add", "origin", str(bare.path))
    return bare


def make_sister(folder: Path) -> Path:
    """Make a small package in a git repository, which a requirement names by its address."""
    made = Repository(folder / "sister", clean_environment(folder / "home"))
    if not made.path.exists():
        made.write("sister.py", 'NAME = "sister"\n')
        system = '[build-system]\nrequires = ["flit_core>=3.12,<4"]\nbuild-backend = "flit_core.buildapi"\n'
        table = '[project]\nname = "sister"\nversion = "1.0.0"\ndescription = "One"\n'
        made.write("pyproject.toml", f"{table}{system}")
        made.git("init", "-q", "-b", "main")
        made.commit("One")
    return made.path


def commands(output: str) -> str:
    """Returns what a closing message leaves to do, as a person pastes it into a shell."""
    return output.partition("Next steps, in this order:\n")[2].partition("\n\nTo undo everything:\n")[0].rstrip()


def undo_commands(output: str) -> str:
    """Returns the commands of a closing message that take everything back."""
    return output.partition("To undo everything:\n")[2]


def wheel(repository: Repository, *words: str) -> dict[str, bytes]:
    """Build a wheel from a copy of a repository, and give what it holds beside its metadata, licenses included."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy", repository.path.name)
        shutil.copytree(repository.path, copy, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
        Repository(copy, repository.environment).need("uv", "build", "--quiet", "--out-dir", f"{folder}/dist", *words)
        [built] = Path(folder, "dist").glob("*.whl")
        with zipfile.ZipFile(built) as archive:
            parts = {name: name.partition(".dist-info/") for name in archive.namelist()}
            # A license's folder has the version in its name, which may be another one.
            short = {name: inside or name for name, (_, _, inside) in parts.items()}
            return {short[name]: archive.read(name) for name in parts if short[name] not in METADATA}
