"""What a refusal or a note tells to do is done here to the end: the adoption succeeds, the wheel is as before."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from adopting import Repository, adopt, undo_commands, wheel
from test_adoption_refusals import refused

TABLE = '[project]\nname = "small"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools==80.9.0"]\nbuild-backend = "setuptools.build_meta"\n'
POETRY = """\
[tool.poetry]
name = "small"
version = "1.2.0"
description = "Small"
authors = ["A. Person <a@example.org>"]
license = "MIT"

[tool.poetry.dependencies]
python = "^3.11"

[build-system]
requires = ["poetry-core==2.2.1"]
build-backend = "poetry.core.masonry.api"
"""
EXTRAS = """\
dynamic = ["readme", "optional-dependencies"]

[tool.setuptools.dynamic]
readme = { file = "README.md" }
optional-dependencies = { more = { file = "more.txt" }, "all_of.it" = { file = "all.txt" } }
"""
EXTENSION = "from setuptools import Extension, setup\n\nsetup(ext_modules=[Extension('small._fast', ['fast.c'])])\n"
FAST = """\
#include <Python.h>
static struct PyModuleDef it = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&it); }
"""
Make = Callable[..., Repository]


@pytest.fixture
def make(existing: Make, tmp_path: Path) -> Make:
    """Returns a function that makes a repository of a package `small` with a license, data, and these files."""

    def made(text: str, **files: str) -> Repository:
        there = {
            "small/__init__.py": "X = 1\n",
            "small/data.csv": "a,b\n",
            "LICENSE": "MIT\n",
            "README.md": "# small\n",
        }
        for name, content in (there | {"pyproject.toml": text} | files).items():
            (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "files" / name).write_text(content)
        return existing("small", files=tmp_path / "files")

    return made


def follow(repository: Repository, command: str) -> None:
    """Run a command that a message tells, as a person pastes it, and commit what it changed."""
    repository.need("bash", "-euo", "pipefail", "-c", command)
    if repository.git("status", "--porcelain"):
        repository.commit("chore: what the message told")


def told(said: str) -> str:
    """Returns the command that a message has in backticks."""
    found = re.search(r"`((?:git|uvx) [^`]+)`", said)
    assert found, said
    return found[1]


def test_poetry(make: Make, template: Path) -> None:
    """The conversion leaves the build backend, and with it what the wheel holds."""
    repository = make(POETRY)
    before = wheel(repository)
    assert {"small/data.csv", "licenses/LICENSE"} <= set(before)
    follow(repository, told(refused(repository, template)))
    adopt(repository, template)
    assert wheel(repository) == before


def test_dynamic_extras(make: Make, template: Path) -> None:
    """The patch has what the backend reads from elsewhere; the other dynamic fields stay."""
    files = {"more.txt": "packaging>=23\ncolorama; sys_platform == 'win32'\n", "all.txt": "# all\nidna\n"}
    repository = make(f"{TABLE}{EXTRAS}\n{SETUPTOOLS}", **files)
    before = wheel(repository)
    said = refused(repository, template)
    patch = said[said.index("git apply") : said.index("END\nNothing was written.")] + "END"
    follow(repository, patch)
    text = (repository.path / "pyproject.toml").read_text()
    assert 'dynamic = ["readme"]\n' in text
    adopt(repository, template)
    assert wheel(repository) == before
    shown = repository.need("uv", "export", "--quiet", "--extra", "more", "--extra", "all-of-it", "--no-hashes")
    assert {"packaging", "idna"} <= {line.partition("=")[0] for line in shown.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("raise_it", [True, False])
def test_pythons_that_a_pin_leaves_out(raise_it: bool, make: Make, template: Path) -> None:
    """Either sentence works: a higher floor, or a marker behind the pin."""
    extra = '[project.optional-dependencies]\ndev = ["ruff", "pytest==9.0.2"]\n'
    repository = make(TABLE.replace("3.11", "3.7") + extra + SETUPTOOLS.replace("80.9.0", "68.0.0"))
    before = wheel(repository)
    said = refused(repository, template)
    found = re.search(
        r'Write (requires-python = ">=[\d.]+") in pyproject.toml; or, to keep >=3.7, write (; .*) behind (\w+) ', said
    )
    assert found, said
    text = (repository.path / "pyproject.toml").read_text()
    if raise_it:
        text = text.replace('requires-python = ">=3.7"', found[1])
    else:
        text = re.sub(rf'"({found[3]}[^"]*)"', rf'"\1{found[2]}"', text)
    repository.write("pyproject.toml", text)
    repository.commit("fix: Pythons")
    adopt(repository, template)
    assert wheel(repository) == before


@pytest.fixture
def foreign(make: Make) -> Repository:
    """A repository that belongs to another user than the one who works in it."""
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    repository = make(TABLE + SETUPTOOLS)
    for path in (repository.path, *repository.path.rglob("*")):
        os.chown(path, 4321, 4321)
    return repository


@pytest.mark.slow
def test_a_folder_of_another_user(foreign: Repository, template: Path) -> None:
    """`git init`, which git itself would not need there, is not what helps."""
    done = foreign.copier("copy", "--trust", "--defaults", str(template), ".")
    assert done.returncode != 0
    assert "git init" not in done.stdout
    found = re.search(r"^git config --global --add safe\.directory .*$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    foreign.environment["GIT_CONFIG_GLOBAL"] = str(foreign.path.with_name("gitconfig"))
    foreign.git("config", "--global", "user.name", "A")
    follow(foreign, found[0])
    adopt(foreign, template)


def test_a_shallow_clone(make: Make, template: Path) -> None:
    """Its tags are not all there, so the next version could be one that is taken."""
    whole = make(TABLE + SETUPTOOLS)
    whole.git("tag", "v4.0.0")
    whole.git("commit", "-q", "--allow-empty", "-m", "fix: later")
    shallow = Repository(whole.path.with_name("shallow"), whole.environment)
    whole.git("clone", "-q", "--depth", "1", "--no-tags", f"file://{whole.path}", str(shallow.path))
    said = refused(shallow, template)
    assert "shallow" in said
    follow(shallow, told(said))
    assert shallow.git("tag") == "v4.0.0"
    adopt(shallow, template)


@pytest.mark.slow
@pytest.mark.parametrize("setup", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_worktree(setup: bool, make: Make, template: Path) -> None:
    """There `.git` is a file. The build backend that is asked for metadata gets the history all the same."""
    script = "from setuptools import setup\n\nsetup(name='small', version='1.0.0', packages=['small'])\n"
    main = make("", **{"setup.py": script}) if setup else make(TABLE + SETUPTOOLS)
    tree = Repository(main.path.with_name("tree"), main.environment)
    main.git("worktree", "add", "-q", "-b", "topic", str(tree.path))
    before, content, status = wheel(main), tree.content(), tree.status()
    said = adopt(tree, template)
    assert wheel(tree) == before
    tree.need("bash", "-euo", "pipefail", "-c", undo_commands(said))
    assert (tree.content(), tree.status(), main.status()) == (content, status, "")


@pytest.mark.slow
def test_a_member_of_a_workspace(make: Make, template: Path) -> None:
    """Split from its root it has a repository of its own, with its history."""
    root = make('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    for name in ("alpha", "beta"):
        root.write(f"packages/{name}/pyproject.toml", TABLE.replace("small", name) + SETUPTOOLS)
        root.write(f"packages/{name}/{name}/__init__.py", "X = 1\n")
        root.write(f"packages/{name}/LICENSE", "MIT\n")
    root.commit("feat: two packages")
    for folder in (root.path, root.path / "packages/alpha"):
        assert "git subtree split" in refused(Repository(folder, root.environment), template)
    root.git("subtree", "split", "-q", "-P", "packages/alpha", "-b", "alpha")
    alpha = Repository(root.path.with_name("alpha"), root.environment)
    root.git("clone", "-q", "-b", "alpha", str(root.path), str(alpha.path))
    before = wheel(alpha)
    assert set(before) == {"alpha/__init__.py", "licenses/LICENSE"}
    adopt(alpha, template)
    assert wheel(alpha) == before
    assert alpha.git("log", "--format=%s") == "feat: two packages"


@pytest.mark.slow
def test_a_compiled_extension(make: Make, template: Path) -> None:
    """It is told what the one wheel means, and the wheel is built as before."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    repository = make(TABLE + SETUPTOOLS, **{"setup.py": EXTENSION, "fast.c": FAST})
    before = wheel(repository)
    assert [name for name in before if name.startswith("small/_fast.")]
    said = adopt(repository, template)
    assert "\n  the wheel is for one platform (small-" in said
    assert set(wheel(repository)) == set(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["hatchling-flat", *(pytest.param(n, marks=pytest.mark.slow) for n in ("setuptools-setup-py", "flit"))]
)
def test_licenses_and_data_stay(name: str, existing: Make, template: Path) -> None:
    """Whatever the backend puts beside the code."""
    repository = existing(name)
    (package,) = [path.parent for path in repository.path.rglob("__init__.py") if "tests" not in path.parts][:1]
    repository.write("LICENSE", "MIT\n")
    repository.write("AUTHORS.md", "A person\n")
    repository.write(str((package / "data.csv").relative_to(repository.path)), "a,b\n")
    repository.commit("fix: a license")
    before = wheel(repository)
    assert "licenses/LICENSE" in before
    adopt(repository, template)
    assert wheel(repository) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    ["small/__init__.py", *(pytest.param(f"small/{n}.py", marks=pytest.mark.slow) for n in ("_version", "__about__"))],
)
def test_a_version_in_the_code(file: str, make: Make, template: Path) -> None:
    """The release would leave it behind. With the two lines it is that of the wheel."""
    line = '__version__: str = "1.0.0"' if "about" in file else '__version__ = "1.0.0"'
    repository = make(TABLE + SETUPTOOLS, **{file: f'"""One."""\n\n{line}\n'})
    said = adopt(repository, template)
    found = re.search(
        rf"\n  {file}, line 3: __version__ stays '1.0.0', .*`(from .*)` above it, and there `(.*)`\n", said
    )
    assert found, said
    repository.write(file, f'"""One."""\n\n{found[1]}\n\n{found[2]}\n')
    assert "__version__" not in adopt(repository, template)
    repository.need("uv", "version", "2.0.0", "--frozen")
    module = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    code = f"import {module} as it; print(it.__version__)"
    assert repository.need("uv", "run", "-q", "--no-dev", "python", "-c", code).strip() == "2.0.0"


@pytest.mark.slow
def test_a_version_in_the_code_that_setup_cfg_reads(existing: Make, template: Path) -> None:
    """Before the package is installed it has no version to read: the line there goes, too."""
    repository = existing("setuptools-setup-cfg")
    said = adopt(repository, template)
    assert '`__version__ = version("cfg-only")`, and delete the version in setup.cfg, ' in said
    before, file = wheel(repository), "cfg_only/__init__.py"
    lines = 'from importlib.metadata import version\n\n__version__ = version("cfg-only")'
    for name, old, new in (
        (file, '__version__ = "1.2.0"', lines),
        ("setup.cfg", "version = attr: cfg_only.__version__\n", ""),
    ):
        repository.write(name, (repository.path / name).read_text().replace(old, new))
    after = wheel(repository)
    assert before.pop(file) != after.pop(file)
    assert before == after


def test_a_version_that_the_backend_reads_from_the_code(existing: Make, template: Path) -> None:
    """It has a step of its own."""
    assert "__version__ stays" not in adopt(existing("version-attr"), template)


@pytest.mark.parametrize(
    ("version", "tag", "shown"),
    [
        ("2026.11.1", "", "2026.11.1 looks like a date"),
        pytest.param("26.4", "", "26.4 looks like a date", marks=pytest.mark.slow),
        pytest.param("1.0.0", "2026.11.1", "2026.11.1 looks like a date", marks=pytest.mark.slow),
        ("1.4.0", "v1.11.0", ""),
    ],
)
def test_a_version_of_a_date(version: str, tag: str, shown: str, make: Make, template: Path) -> None:
    """The list says how the release continues."""
    repository = make(TABLE.replace("1.0.0", version) + SETUPTOOLS)
    if tag:
        repository.git("tag", tag)
    said = adopt(repository, template)
    assert (shown in said) if shown else "looks like a date" not in said
    if version == "2026.11.1":
        assert "feat: makes 2026.12.0, fix: 2026.11.2, major: 2027.0.0" in said


@pytest.mark.slow
@pytest.mark.parametrize("place", ["static", "code", "setup"])
def test_an_epoch(place: str, make: Make, template: Path) -> None:
    """Dropped, the release would be older than what is there; the sentence names what to write, and that works."""
    table = TABLE.replace("1.0.0", "1!2.0.0")
    if place == "code":
        table = TABLE.replace('version = "1.0.0"', 'dynamic = ["version"]')
        table += '[tool.setuptools.dynamic]\nversion = { attr = "small.__version__" }\n'
    code = {"small/__init__.py": '__version__ = "1!2.0.0"\n'}
    script = "from setuptools import setup\n\nsetup(name='small', version='1!2.0.0', packages=['small'])\n"
    repository = make("", **{"setup.py": script}) if place == "setup" else make(table + SETUPTOOLS, **code)
    said = refused(repository, template)
    assert "The version 1!2.0.0 has an epoch" in said
    assert "Write a version without an epoch" in said
    for path in (
        repository.path / "pyproject.toml",
        repository.path / "setup.py",
        repository.path / "small/__init__.py",
    ):
        if path.exists():
            path.write_text(path.read_text().replace("1!2.0.0", "3.0.0"))
    repository.commit("fix: no epoch")
    adopt(repository, template)


@pytest.mark.slow
def test_a_tag_with_an_epoch(existing: Make, template: Path) -> None:
    """The version comes from it."""
    repository = existing("version-setuptools-scm")
    repository.git("tag", "v1!0.4.0")
    assert "The tag v1!0.4.0 has an epoch" in refused(repository, template)
    subprocess.run(["git", "tag", "-d", "v1!0.4.0"], cwd=repository.path, check=True, capture_output=True)
    adopt(repository, template)
