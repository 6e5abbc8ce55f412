"""What the closing list promises, and the settings of tools that were there before."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from adopting import FIRST, Adopted, Repository, add_origin, adopt, commands, wheel


def pyproject(repository: Repository) -> dict:
    """The repository's pyproject.toml."""
    return tomllib.loads((repository.path / "pyproject.toml").read_text())


def answers(repository: Repository) -> dict:
    """The answers that were written."""
    return yaml.safe_load((repository.path / ".copier-answers.yml").read_text())


FRONT_END = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "front-end"
version = "1.0.0"
requires-python = ">=3.11"
"""

HANDLER_BASE = """\
--- a/pyproject.toml
+++ b/pyproject.toml
@@ -25,3 +25,12 @@ log_format = 'json'
 testpaths = ["tests"]
 asyncio_mode = "auto"
 filterwarnings = ["ignore::pytest.PytestConfigWarning"]
+
+[tool.ruff]
+extend-exclude = [".gitea", "tests/test_smoke.py"] # as the template has them
+
+# To need a package of the same owner, delete "explicit" and run: uv add NAME --index gitea
+[[tool.uv.index]]
+name = "gitea"
+url = "https://git.daviestechlabs.io/api/packages/daviestechlabs/pypi/simple/"
+explicit = true
"""


def test_handler_base_reads_as_written_by_hand(adopted: Callable[[str], Adopted]) -> None:
    """Its whole change: pyproject.toml, and files of the template's beside it."""
    repository, said = adopted("hatchling-flat")
    assert "build-system.requires has hatchling: pin it with ==" in said
    shown = repository.git("diff", "--no-color").partition("--- a/")
    assert f"{shown[1]}{shown[2]}\n" == HANDLER_BASE
    assert repository.git("diff", "--name-only") == "pyproject.toml"


@pytest.mark.slow
def test_ruff_that_cannot_run_is_told(existing: Callable[..., Repository], template: Path) -> None:
    """Its silence is not taken for clean code."""
    repository = existing("lint-ruff")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write("pyproject.toml", text.replace("[tool.ruff]\n", '[tool.ruff]\nrequired-version = "<0.10"\n'))
    said = adopt(repository, template)
    assert "Required version `<0.10` does not match" in said
    assert "Fix that, then run the same command again" in commands(said).splitlines()[0]


@pytest.mark.slow
def test_an_older_ruff_that_mends_by_itself(existing: Callable[..., Repository], template: Path) -> None:
    """Its settings (`fix`, its own output) change no file of the user's, and what it says is read in its old form."""
    repository = existing("lint-ruff")
    text = (repository.path / "pyproject.toml").read_text().replace('"ruff>=0.12"', '"ruff==0.15.9"')
    repository.write(
        "pyproject.toml", text.replace("[tool.ruff]\n", '[tool.ruff]\nfix = true\noutput-format = "full"\n')
    )
    name, code = "ruffled/old.py", "import os\nx=1\n"
    repository.write(name, code)
    repository.commit("fix: older")
    said = adopt(repository, template)
    assert (repository.path / name).read_text() == code
    assert pyproject(repository)["tool"]["ruff"]["lint"]["extend-per-file-ignores"] == {name: ["F401"]}
    assert "no check of the format: `ruff format` would change 1 files" in said
    repository.need("uv", "run", "--extra", "dev", "ruff", "format")
    assert "no check of the format: `ruff format` would change 0 files" in adopt(repository, template)


@pytest.mark.slow
def test_static_version_is_that_of_the_release(existing: Callable[..., Repository], template: Path) -> None:
    """What a tool says of the commit is left out, and no empty `dynamic` stays."""
    repository = existing("version-attr")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write(
        "pyproject.toml", text.replace('["version", "dependencies"]', '["version"]').partition("dependencies =")[0]
    )
    repository.write("attributed/__init__.py", '__version__ = "2.5.0+3.gabcdef.dirty"\n')
    repository.commit("fix: a local version")
    add_origin(repository)
    repository.need("bash", "-euo", "pipefail", "-c", commands(adopt(repository, template)))
    project = pyproject(repository)["project"]
    assert project["version"] == "2.5.0"
    assert "dynamic" not in project


@pytest.mark.slow
def test_requirements_beside_a_project_table(existing: Callable[..., Repository], template: Path) -> None:
    """What the tests may need, and nothing else names, comes into the extra `dev` by a command of the list."""
    repository = existing("hatchling-flat")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write(
        "pyproject.toml",
        text.replace('dev = ["pytest>=8", "ruff"]\n', 'dev = ["pytest>=8", "ruff"]\nmore = ["idna"]\n'),
    )
    repository.write("requirements-docs.txt", "sphinx\n")
    repository.write(
        "requirements-dev.txt", "-r requirements.txt\npytest>=7\nxmltodict >= 0.13 # for tests\n-e .[more]\n"
    )
    repository.write("requirements.txt", "xmltodict\niniconfig\nPyGments\n")
    repository.write("requirements/test.txt", "toolz>=0.12\nidna\n")
    repository.write("requirements/broken-test.txt", "./a-path\n")
    repository.commit("fix: requirements")
    add_origin(repository)
    said = adopt(repository, template)
    assert "# requirements/test.txt, requirements-dev.txt: add what the tests need of it " in said
    assert "broken-test" not in said
    assert "sphinx" not in said
    repository.need("bash", "-euo", "pipefail", "-c", commands(said))
    extra = pyproject(repository)["project"]["optional-dependencies"]["dev"]
    name = pyproject(repository)["project"]["name"]
    new = {"idna", "toolz>=0.12", "xmltodict>=0.13", f"{name}[more]"}
    assert set(extra) == {"pytest>=8", "ruff", *new}
    assert repository.git("status", "--porcelain") == ""
    repository.need("uv", "lock", "--check")
    assert "uv add" not in commands(adopt(repository, template))


@pytest.mark.slow
def test_files_that_are_no_python_are_named(existing: Callable[..., Repository], template: Path) -> None:
    """Nobody can switch that off by a rule."""
    repository = existing("untyped-code")
    repository.write("untyped/old.py", 'print "old"\n')
    add_origin(repository)
    left = commands(adopt(repository, template))
    assert "# ruff cannot read untyped/old.py: fix or exclude them\ngit apply " in left
    repository.need("bash", "-euo", "pipefail", "-c", left)
    repository.need("uv", "run", "--extra", "dev", "ruff", "check")
    assert repository.git("status", "--porcelain") == "?? untyped/old.py"


@pytest.mark.slow
def test_a_submodule_is_not_looked_at(existing: Callable[..., Repository], template: Path) -> None:
    """Neither its rules nor its format are this repository's."""
    repository, other = existing("lint-black"), existing("lint-flake8")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "vendor")
    repository.commit("fix: a submodule")
    said = adopt(repository, template)
    assert "ruff format" not in said
    assert "lint" not in pyproject(repository)["tool"]["ruff"]


@pytest.mark.slow
def test_group_dev_is_completed_by_the_extra(existing: Callable[..., Repository], template: Path) -> None:
    """CI's `--extra dev` gives pytest and ruff, whichever of them the group has."""
    repository = existing("lint-ruff")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write(
        "pyproject.toml", text.replace('dev = ["ruff>=0.12", "pytest"]', 'dev = ["Pytest>=8", "iniconfig"]')
    )
    repository.commit("fix: group")
    adopt(repository, template)
    project = pyproject(repository)
    assert project["dependency-groups"] == {"dev": ["Pytest>=8", "iniconfig"]}
    assert [entry.partition("=")[0] for entry in project["project"]["optional-dependencies"]["dev"]] == ["ruff"]
    repository.need("uv", "sync", "--frozen", "--extra", "dev")
    for tool in ("ruff", "pytest"):
        assert (repository.path / ".venv/bin" / tool).exists()


@pytest.mark.slow
def test_master_is_renamed_by_a_person(adopted: Callable[[str], Adopted]) -> None:
    """On master nothing would ever be published, without a word."""
    repository, said = adopted("branch-master")
    assert "only publishes from main" in said
    assert "default branch in Gitea" in said
    lines = commands(said).splitlines()
    home = "https://git.daviestechlabs.io/daviestechlabs/branch-master"
    push, choose = f"git remote add origin {home}.git && git push -u origin main", f"# {home}/settings/branches"
    assert lines.index("git branch -m master main") < lines.index(push) < lines.index(choose)
    assert repository.git("symbolic-ref", "--short", "HEAD") == "master"


@pytest.mark.parametrize(
    ("command", "branch"),
    [
        pytest.param("git checkout -q --detach", "adopt", marks=pytest.mark.slow),
        pytest.param("git switch -q -c feature", "feature", marks=pytest.mark.slow),
        pytest.param("git branch -m trunk", "main", marks=pytest.mark.slow),
        pytest.param("git branch -m trunk; git checkout -q --detach", "adopt", marks=pytest.mark.slow),
        ("git branch -m master; git switch -q -c 'x;y'", "x;y"),
    ],
)
def test_whatever_is_checked_out_comes_to_main(
    command: str, branch: str, existing: Callable[..., Repository], template: Path
) -> None:
    """The commit is pushed on its branch, main is there, and the merge is named."""
    repository = existing("untyped-code")
    repository.need("bash", "-c", command)
    bare, old = add_origin(repository), repository.git("rev-parse", "HEAD")
    left = commands(adopt(repository, template))
    repository.need("bash", "-euo", "pipefail", "-c", left)
    shown = bare.git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
    pushed = dict(line.split() for line in shown.splitlines())
    new = repository.git("rev-parse", "HEAD")
    assert new != old
    assert pushed == {"main": old} | {branch: new}
    assert (f"push, then merge {branch} into main" in left) == (branch != "main")


def test_locked_versions_stay(adopted: Callable[[str], Adopted]) -> None:
    """An existing uv.lock is locked again, not anew."""
    repository, _ = adopted("uv-lock")
    lock = tomllib.loads((repository.path / "uv.lock").read_text())
    versions = {package["name"]: package["version"] for package in lock["package"]}
    assert versions["packaging"] == "24.2"
    assert "ruff" in versions


def test_requirements_become_dependencies(adopted: Callable[[str], Adopted]) -> None:
    """Includes are read, hashes and comments are not; what comes from git is told."""
    repository, said = adopted("requirements-only")
    project = pyproject(repository)["project"]
    *plain, sister = project["dependencies"]
    assert plain == ["pluggy>=1.5", "colorama; sys_platform == 'win32'", "packaging==25.0"]
    assert re.fullmatch(r"sister @ git\+file:///\S+/sister", sister)
    assert project["optional-dependencies"]["dev"][:2] == ["pytest>=8", "iniconfig"]
    assert f"{sister} in pyproject.toml: once the index has it, run uv add sister --index gitea" in said


def test_workflows_beside_are_named(adopted: Callable[[str], Adopted]) -> None:
    """They stay; those of GitHub's folder do not run any more."""
    _, said = adopted("workflows-others")
    assert ".gitea/workflows/deploy.yaml runs as well as ci.yaml: check that it does not publish too" in said
    assert ".github/workflows: Gitea ignores it" in said
    assert ".forgejo/workflows: Forgejo runs it, and ignores .gitea/workflows. Fix: git mv .forgejo/workflows/*" in said


@pytest.mark.slow
def test_metadata_of_setup_py_stays(adopted: Callable[[str], Adopted]) -> None:
    """What uv and the release must read becomes static; the rest setup.py goes on saying."""
    repository, _ = adopted("setuptools-setup-py")
    assert "# setup.py still says these.\n" in (repository.path / "pyproject.toml").read_text()
    project = pyproject(repository)["project"]
    assert project["dependencies"] == ["packaging>=23", "colorama; sys_platform == 'win32'"]
    assert project["optional-dependencies"]["plugins"] == ["pluggy>=1.5"]
    assert project["dynamic"] == ["authors", "readme", "scripts"]
    assert project["version"] == "1.8.2"


@pytest.mark.slow
def test_metadata_of_setup_cfg_alone_stays(adopted: Callable[[str], Adopted]) -> None:
    """The same without a setup.py, which the comment then does not name."""
    repository, _ = adopted("setuptools-setup-cfg")
    assert "# setup.cfg still says these.\n" in (repository.path / "pyproject.toml").read_text()
    project = pyproject(repository)["project"]
    assert project["dynamic"] == ["authors", "classifiers", "readme", "scripts"]
    assert project["version"] == "1.2.0"


@pytest.mark.slow
def test_tests_that_are_packaged_are_no_import_package(existing: Callable[..., Repository], template: Path) -> None:
    """As `find_packages()` does where they have an __init__.py."""
    repository = existing("setuptools-setup-py")
    text = (repository.path / "setup.py").read_text()
    repository.write("setup.py", text.replace('exclude=["tests"]', ""))
    repository.write("tests/__init__.py", "")
    adopt(repository, template)
    assert answers(repository)["module_name"] == "greeter_tools"


@pytest.mark.slow
def test_a_single_module_is_what_is_built(existing: Callable[..., Repository], template: Path, tmp_path: Path) -> None:
    """Where requirements.txt was all that said so."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "requirements.txt").write_text("packaging\n")
    (files / "onefile.py").write_text("X = 1\n")
    repository = existing("onefile", files=files)
    adopt(repository, template)
    assert set(wheel(repository)) == {"onefile.py"}
    adopt(repository, template)
    assert answers(repository)["module_name"] == "onefile"


@pytest.mark.slow
def test_a_pin_of_ruff_elsewhere_holds(existing: Callable[..., Repository], template: Path) -> None:
    """The extra has ruff without a version, which `uv lock` failed beside it."""
    repository = existing("untyped-code")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write("pyproject.toml", f'{text}\n[project.optional-dependencies]\nlint = ["ruff==0.17.5"]\n')
    adopt(repository, template)
    assert "ruff" in pyproject(repository)["project"]["optional-dependencies"]["dev"]


@pytest.mark.slow
@pytest.mark.parametrize("pyproject_before", ["", '[build-system]\nrequires = ["setuptools", "setuptools_scm>=8"]\n'])
def test_a_version_that_setup_py_has_from_git_stays_so(
    pyproject_before: str, existing: Callable[..., Repository], template: Path
) -> None:
    """It would be that of a commit, for ever. The release tells setuptools-scm another one."""
    repository = existing("version-use-scm-version")
    repository.write("pyproject.toml" if pyproject_before else "notes.txt", pyproject_before)
    repository.commit("fix: after the tag")
    said = adopt(repository, template)
    assert "version" in pyproject(repository)["project"]["dynamic"]
    assert re.search("setuptools.scm>=8", str(pyproject(repository)["build-system"]["requires"]))
    assert "git apply" not in said


def test_what_is_not_taken_over_is_told(existing: Callable[..., Repository], template: Path, tmp_path: Path) -> None:
    """Constraints become no dependencies."""
    files = tmp_path / "files"
    files.mkdir()
    for name, text in (("requirements.txt", "-c limits.txt\npackaging\n"), ("README.md", "")):
        (files / name).write_text(text)
    said = adopt(existing("limited", files=files), template)
    assert "\n  limits.txt, a constraints file: write its lines into tool.uv.constraint-dependencies" in said


@pytest.mark.parametrize("file", ["__init__.py", pytest.param("words.csv", marks=pytest.mark.slow)])
def test_nothing_is_written_beside_code(
    file: str, existing: Callable[..., Repository], template: Path, tmp_path: Path
) -> None:
    """Nor in a folder that has the package's name; another language's src/ is no layout of Python's."""
    files = tmp_path / "files"
    for name, text in (("pyproject.toml", FRONT_END), (f"front_end/{file}", ""), ("src/index.ts", "let x;\n")):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(text)
    repository = existing("front-end", files=files)
    adopt(repository, template)
    assert [path.name for path in (repository.path / "front_end").iterdir()] == [file]
    assert answers(repository)["module_name"] == "front_end"


@pytest.mark.parametrize("end", [pytest.param("\n", marks=pytest.mark.slow), "\r\n"])
def test_a_readme_and_no_code_become_a_package(
    end: str, existing: Callable[..., Repository], template: Path, tmp_path: Path
) -> None:
    """What Gitea makes for a new repository: the seeds come, the README stays."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "README.md").write_text(f"# fresh{end}", newline="")
    repository = existing("fresh", files=files)
    adopt(repository, template)
    assert (repository.path / "README.md").read_bytes() == f"# fresh{end}".encode()
    assert (repository.path / "fresh/__init__.py").exists()
    assert (repository.path / "fresh/py.typed").exists()
    repository.need("uv", "sync", "--frozen", "--extra", "dev")
    repository.need("uv", "run", "--no-sync", "pytest")


def test_line_ends_stay(existing: Callable[..., Repository], template: Path) -> None:
    """As an editor on Windows writes them."""
    repository = existing("untyped-code")
    text = (repository.path / "pyproject.toml").read_text()
    repository.write("untyped/old.py", "import os\n")
    (repository.path / "pyproject.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    repository.commit("fix: Windows")
    adopt(repository, template)
    content = (repository.path / "pyproject.toml").read_bytes()
    assert content.startswith(b"[build-system]\r\n")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert b"[tool.ruff]" in content
    assert b'then delete its line.\r\n"untyped/old.py" = ["F401"]' in content


@pytest.mark.slow
def test_a_folder_with_an_awkward_name(existing: Callable[..., Repository], template: Path) -> None:
    """Blanks and what a pattern of file names would read in it."""
    repository = existing("untyped-code")
    awkward = Repository(repository.path.rename(repository.path.with_name("it's [1] *")), repository.environment)
    done = awkward.copier("copy", "--trust", "--defaults", "-r", FIRST, str(template), str(awkward.path))
    assert done.returncode == 0, done.stdout
    assert "git remote add origin https://git.daviestechlabs.io/daviestechlabs/it-s-1.git && " in done.stdout
    assert pyproject(awkward)["project"]["name"] == "untyped"
    assert (awkward.path / "uv.lock").exists()
    assert not (awkward.path / "untyped/py.typed").exists()


def test_a_readme_that_comes_names_the_distribution(adopted: Callable[[str], Adopted]) -> None:
    """Not the folder: pyproject.toml says what people install."""
    repository, _ = adopted("no-readme")
    lines = (repository.path / "README.md").read_text().splitlines()
    assert lines[0] == "# unread"
    assert any(line.startswith("uv add unread --index gitea=") for line in lines)
    assert "readme" not in pyproject(repository)["project"]
