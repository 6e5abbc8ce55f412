"""What is asked of the build, what is not a library, and the first push that adoption tries in a copy."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from adopting import ROOT, Repository, add_origin, adopt, commands

sys.path.insert(0, str(ROOT / "apply"))

from setup_metadata import import_names
from trial import smoke_steps

HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
TABLE = '\n[project]\nname = "small"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'


def some(cases: dict, *ordinary: str) -> list:
    """All cases, those that are not in the ordinary run marked slow."""
    return [name if name in ordinary else pytest.param(name, marks=pytest.mark.slow) for name in cases]


def answers(repository: Repository) -> dict:
    """The answers that were written."""
    return yaml.safe_load((repository.path / ".copier-answers.yml").read_text())


# --- Which packages


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["one/__init__.py", "one/a/b.py", "one-1.0.dist-info/METADATA"], {"one"}),
        (["one.py", "two.cpython-311-x86_64-linux-gnu.so", "three.abi3.so"], {"one", "two", "three"}),
        (["one-stubs/__init__.pyi", "one-stubs/py.typed"], {"one-stubs"}),
        (["one-1.0.data/purelib/one/__init__.py", "one-1.0.data/scripts/run.py"], {"one"}),
        (["one/data.csv", "LICENSE"], set()),
    ],
)
def test_names_of_a_wheel(files: list[str], names: set[str]) -> None:
    """Folders and modules that `import` finds, compiled ones too."""
    assert import_names(files) == names


FLIT = '[build-system]\nrequires = ["flit_core>=3.12,<4"]\nbuild-backend = "flit_core.buildapi"\n'
LAYOUTS = {
    "setuptools package-dir": (
        f'{SETUPTOOLS}{TABLE}[tool.setuptools]\npackages = ["fast"]\npackage-dir = {{ fast = "python/sources" }}\n',
        {"python/sources/__init__.py": "", "other/a.py": ""},
        "fast",
    ),
    "unlike the project": (f"{SETUPTOOLS}{TABLE}", {"fast/__init__.py": "", "tests/test_a.py": ""}, "fast"),
    "a single module": (
        f'{SETUPTOOLS}{TABLE}[tool.setuptools]\npy-modules = ["fast"]\n',
        {"fast.py": "", "small/notes.py": ""},
        "fast",
    ),
    "hatch sources": (
        f'{HATCH}{TABLE}[tool.hatch.build.targets.wheel]\nonly-include = ["python/fast"]\nsources = ["python"]\n',
        {"python/fast/__init__.py": "", "small/notes.txt": ""},
        "fast",
    ),
    "stubs alone": (
        f'{SETUPTOOLS}{TABLE}[tool.setuptools]\npackages = ["fast-stubs"]\npackage-data = {{ "*" = ["*.pyi"] }}\n',
        {"fast-stubs/__init__.pyi": "", "small/notes.py": ""},
        "fast-stubs",
    ),
}


@pytest.mark.parametrize("name", some(LAYOUTS, "unlike the project"))
def test_the_build_says_which_packages_there_are(
    name: str, repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """Not the folders; and no code is written beside theirs."""
    toml, files, module = LAYOUTS[name]
    made = repository({"pyproject.toml": toml, **files})
    before = set(made.content())
    adopt(made, template)
    assert answers(made)["module_name"] == module
    new = {file for file in set(made.content()) - before if file.endswith((".py", "py.typed"))}
    assert {file for file in new if not file.startswith(".gitea/")} == {"tests/test_smoke.py"}
    made.need("uv", "sync", "--frozen", "--extra", "dev")
    assert f"test_imports[{module}] PASSED" in made.need(
        "uv", "run", "--no-sync", "pytest", "-v", "tests/test_smoke.py"
    )


EXTENSION = """\
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastsum", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_fastsum(void) { return PyModule_Create(&module); }
"""
EXTENDED = f"""{SETUPTOOLS}{TABLE}
[tool.setuptools]
py-modules = []
ext-modules = [{{ name = "fastsum", sources = ["fastsum.c"] }}]
"""


def test_a_compiled_module_is_not_shadowed(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """A folder of its name would be imported instead of it."""
    made = repository({"pyproject.toml": EXTENDED, "fastsum.c": EXTENSION})
    adopt(made, template)
    assert answers(made)["module_name"] == "fastsum"
    assert not (made.path / "fastsum").exists()
    made.need("uv", "sync", "--frozen", "--extra", "dev")
    assert "test_imports[fastsum] PASSED" in made.need("uv", "run", "--no-sync", "pytest", "-v", "tests/test_smoke.py")


@pytest.mark.slow
def test_what_does_not_build_here_is_a_guess_that_is_told(
    repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """A compiler may be missing; the user's own words say which packages there are."""
    broken = "#error no compiler for this\n"
    made = repository({"pyproject.toml": EXTENDED, "fastsum.c": broken, "small/__init__.py": ""})
    said = adopt(made, template)
    assert "no wheel could be built on this machine, so the import packages (small) are read" in said
    assert answers(made)["module_name"] == "small"


@pytest.mark.slow
def test_what_git_ignores_is_not_copied(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """Runs of MLflow may be gigabytes, and a named pipe would hang whoever reads it."""
    made = repository({"pyproject.toml": f"{SETUPTOOLS}{TABLE}", "small/__init__.py": "", ".gitignore": "mlruns/\n"})
    made.write("mlruns/small/__init__.py", "")
    made.need("mkfifo", "pipe")
    made.write("mlruns/big", "x")
    (made.path / "mlruns/big").chmod(0)
    made.write("setup.py", "import os, setuptools\nassert not os.path.exists('mlruns')\nsetuptools.setup()\n")
    made.commit("fix: no runs")
    adopt(made, template)
    assert answers(made)["module_name"] == "small"


# --- Not a library

APPLICATION = TABLE.lstrip()
NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'
NOT_LIBRARIES = {
    "no build system": (
        {"pyproject.toml": APPLICATION, "small/__init__.py": ""},
        "no [build-system]",
        "an application",
    ),
    "package = false": (
        {"pyproject.toml": f"{HATCH}{TABLE}\n[tool.uv]\npackage = false\n", "small/__init__.py": ""},
        "tool.uv.package = false",
        "an application",
    ),
    "workspace": (
        {"pyproject.toml": f'{APPLICATION}[tool.uv.workspace]\nmembers = ["libs/*"]\n', "small/__init__.py": ""},
        "no [build-system]",
        "the root of a workspace",
    ),
    "scripts": ({"train.py": "x = 1\n", "requirements.txt": "packaging\n"}, "train.py", "only scripts or notebooks"),
    "notebooks": (
        {"notebooks/a.ipynb": NOTEBOOK, "scripts/b.py": ""},
        "notebooks/a.ipynb, scripts/b.py",
        "only scripts",
    ),
}


def refusal(made: Repository, template: Path) -> str:
    """Adopt, see that it is refused and that nothing is written; give the output."""
    before, status = made.content(), made.status()
    done = made.copier("copy", "--trust", "--defaults", "-d", "trial=none", str(template), ".")
    assert done.returncode != 0
    assert "Nothing was written." in done.stdout
    assert (made.content(), made.status()) == (before, status)
    return done.stdout


@pytest.mark.parametrize("name", some(NOT_LIBRARIES, "scripts"))
def test_an_application_is_not_taken_for_a_library(
    name: str, repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """It is said what it is, and both ways out work."""
    files, *words = NOT_LIBRARIES[name]
    made = repository(files)
    said = refusal(made, template)
    assert not [word for word in words if word not in said], said
    assert "with: -d publish=false" in said

    adopt(made, template, "-d", "publish=false")
    jobs = yaml.safe_load((made.path / ".gitea/workflows/ci.yaml").read_text())["jobs"]
    assert list(jobs) == ["lint", "test", "notify"]
    assert jobs["notify"]["needs"] == ["lint", "test"]
    assert not (made.path / "tests/test_smoke.py").exists()
    assert not [
        file for file in ("release.py", "dist.py", "registry.py", "twine.txt") if (made.path / ".gitea" / file).exists()
    ]
    assert answers(made)["publish"] is False
    made.commit("feat: the workflow")
    made.need("uv", "lock", "--check")
    for job in ("lint", "test"):
        for step in jobs[job]["steps"]:
            if str(step.get("run", "")).startswith("uv run --no-sync"):
                made.need("bash", "-euo", "pipefail", "-c", f"uv sync --quiet --frozen --extra dev; {step['run']}")
    assert made.copier("update", "--trust", "--defaults").returncode == 0
    assert answers(made)["publish"] is False


@pytest.mark.parametrize("name", ["no build system", pytest.param("package = false", marks=pytest.mark.slow)])
def test_an_application_becomes_a_package(
    name: str, repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """By the patch of the refusal."""
    made = repository(NOT_LIBRARIES[name][0])
    said = refusal(made, template)
    made.need("bash", "-euc", said.partition("same command again:\n")[2].partition("\nTo lint,")[0])
    adopt(made, template)
    assert answers(made)["publish"] is True
    made.need("uv", "build", "--quiet")
    assert (made.path / "dist/small-1.0.0-py3-none-any.whl").exists()


@pytest.mark.slow
def test_scripts_become_a_package(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """Once what others import is in a folder."""
    made = repository(NOT_LIBRARIES["scripts"][0])
    folder = re.search(r"import into a folder (\w+), with a file", refusal(made, template))
    assert folder
    made.write(f"{folder[1]}/__init__.py", "")
    made.git("mv", "train.py", folder[1])
    made.commit("feat: a package")
    adopt(made, template)
    assert answers(made)["module_name"] == folder[1]


def test_the_lock_of_a_workspace_around_it_is_left_alone(
    repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """uv would write into a folder that is not the repository's."""
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}", "small/__init__.py": ""})
    around = made.path.with_name("around")
    (around / "libs").mkdir(parents=True)
    workspace = TABLE.replace("small", "around") + '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    (around / "pyproject.toml").write_text(workspace)
    (around / "uv.lock").write_text("mine\n")
    inside = Repository(Path(shutil.move(made.path, around / "libs/small")), made.environment)
    said = refusal(inside, template)
    assert f"belongs to the uv workspace in {around}" in said
    assert (around / "uv.lock").read_text() == "mine\n"
    (around / "pyproject.toml").write_text(f'{workspace}exclude = ["libs/small"]\n')
    adopt(inside, template)
    assert (inside.path / "uv.lock").exists()
    assert (around / "uv.lock").read_text() == "mine\n"


# --- The first push


def test_a_first_push_that_is_green(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """Everything is tried, and nothing is left in the repository."""
    made = repository(
        {"pyproject.toml": f"{HATCH}{TABLE}", "small/__init__.py": "", ".gitignore": ".venv\n*.egg-info\n"}
    )
    add_origin(made)
    said = adopt(made, template, trial="package")
    tried = re.findall(r"(?m)^Trying the first push in a copy: (.*)$", said)
    assert tried == ["install", "lint", "build", "smoke test"]
    assert [line for line in commands(said).splitlines() if line.startswith("# ")] == [
        "# commit",
        "# the repository needs the secrets REGISTRY_USER and REGISTRY_TOKEN: a command of the template makes them "
        "(docs/gitea.md)",
        f"# https://git.daviestechlabs.io/daviestechlabs/{made.path.name}/settings/actions/secrets",
        "# push: lint, test and the first release run",
    ]
    assert not {".venv", "dist", "release"} & {path.name for path in made.path.iterdir()}


@pytest.mark.slow
def test_a_module_of_another_system(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """The list has the command that leaves it out, and then the smoke test passes."""
    made = repository(
        {
            "pyproject.toml": f"{HATCH}{TABLE}",
            "small/__init__.py": "",
            "small/win.py": "import winreg\n",
            "small/here.py": "raise RuntimeError('not here')\n",
        }
    )
    add_origin(made)
    said = adopt(made, template, trial="package")
    left = commands(said)
    assert "the smoke test cannot import small.here (RuntimeError: not here), small.win (no winreg)." in left
    made.need("bash", "-euo", "pipefail", "-c", left)
    assert answers(made)["optional_imports"] == ["small.here", "winreg"]
    made.need("uv", "sync", "--frozen", "--extra", "dev")
    assert "1 passed, 1 skipped" in made.need("uv", "run", "--no-sync", "pytest", "tests/test_smoke.py")


PLACES = {
    "tox": ({"tox.ini": "[testenv]\ndeps =\n    toolz\n    pytest-timeout >=2\n"}, ["pytest-timeout", "toolz"]),
    "nox": ({"noxfile.py": "def tests(session):\n    session.install('toolz', '.')\n"}, ["toolz"]),
    "an extra": ('[project.optional-dependencies]\ntest = ["toolz>=0.12"]\n', ["toolz>=0.12"]),
    "a group": ('[dependency-groups]\ntest = ["toolz>=0.12"]\n', ["toolz>=0.12"]),
    "hatch": ('[tool.hatch.envs.test]\nextra-dependencies = ["toolz>=0.12"]\n', ["toolz>=0.12"]),
    "pdm": ('[tool.pdm.dev-dependencies]\ntest = ["toolz>=0.12"]\n', ["toolz>=0.12"]),
    "conda": ({"environment.yml": "dependencies:\n  - python=3.11\n  - toolz\n"}, ["toolz"]),
    "pipenv": ({"Pipfile": '[dev-packages]\ntoolz = "*"\n'}, ["toolz"]),
}


@pytest.mark.parametrize("place", some(PLACES, "tox"))
def test_requirements_of_the_tests(
    place: str, repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """Wherever they are asked for, the list adds them to the extra that CI installs; and it has tried that."""
    where, entries = PLACES[place]
    toml, files = (where, {}) if isinstance(where, str) else ("", where)
    test = "import toolz\n\n\ndef test_one() -> None:\n    assert toolz.identity(1) == 1\n"
    made = repository(
        {"pyproject.toml": f"{HATCH}{TABLE}\n{toml}", "small/__init__.py": "", "tests/test_one.py": test, **files}
    )
    add_origin(made)
    left = commands(adopt(made, template, trial="tests"))
    assert f"uv add --raw --optional dev {' '.join(entries)}\n".replace("toolz>=0.12", "'toolz>=0.12'") in left
    assert "your tests fail" not in left
    made.need("bash", "-euo", "pipefail", "-c", left)
    made.need("uv", "sync", "--frozen", "--extra", "dev")
    made.need("uv", "run", "--no-sync", "pytest", "tests/test_one.py")


@pytest.mark.slow
def test_plugins_of_other_runs_are_not_added(
    repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """One that shuffles the tests, say, which the owner runs elsewhere."""
    groups = '[dependency-groups]\ntests = ["pytest-timeout"]\nshuffled = ["pytest-randomly"]\n'
    tox = "[testenv]\ndeps = pytest-mock\n[testenv:shuffled]\ndeps = pytest-random-order\n"
    made = repository({"pyproject.toml": f"{HATCH}{TABLE}\n{groups}", "small/__init__.py": "", "tox.ini": tox})
    left = commands(adopt(made, template, trial="package"))
    assert "uv add --raw --optional dev pytest-mock pytest-timeout\n" in left


@pytest.mark.slow
def test_a_requirement_that_uv_cannot_add_is_not_offered(
    repository: Callable[[dict[str, str]], Repository], template: Path
) -> None:
    """A command of the list was tried before."""
    made = repository(
        {
            "pyproject.toml": f"{HATCH}{TABLE}",
            "small/__init__.py": "",
            "requirements-test.txt": "no-such-package-x1y2z3\n",
        }
    )
    left = commands(adopt(made, template, trial="package"))
    assert "uv cannot add no-such-package-x1y2z3 to the extra `dev`" in left
    assert "uv add --raw --optional dev NAME" in left


@pytest.mark.slow
def test_own_tests_run_only_when_asked_for(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """They may touch real things; their conftest.py, too."""
    made = repository(
        {
            "pyproject.toml": f"{HATCH}{TABLE}",
            "small/__init__.py": "",
            "tests/conftest.py": "raise SystemExit('touched')\n",
        }
    )
    assert "your tests" not in adopt(made, template, trial="package")
    made.git("clean", "-fdxq")
    made.git("restore", ".")
    assert "# your tests fail: touched" in commands(adopt(made, template, trial="tests"))


def test_what_does_not_build_is_in_the_list(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """With the backend's last words."""
    toml = f'{HATCH}{TABLE}\n[tool.hatch.build.targets.wheel]\npackages = ["gone"]\n'
    made = repository({"pyproject.toml": toml.replace("gone", "small"), "small/__init__.py": ""})
    add_origin(made)
    made.write("hatch_build.py", "raise RuntimeError('no build today')\n")
    made.write("pyproject.toml", f"{toml.replace('gone', 'small')}[tool.hatch.build.hooks.custom]\n")
    made.commit("fix: a hook")
    left = commands(adopt(made, template, trial="package"))
    assert "# the environment cannot be installed: " in left


@pytest.mark.slow
def test_a_second_smoke_test(repository: Callable[[dict[str, str]], Repository], template: Path) -> None:
    """Pytest would take one for the other, and stop."""
    made = repository(
        {
            "pyproject.toml": f"{HATCH}{TABLE}",
            "small/__init__.py": "",
            "unit/test_smoke.py": "def test_one() -> None:\n    pass\n",
        }
    )
    add_origin(made)
    left = commands(adopt(made, template, trial="tests"))
    assert "git mv unit/test_smoke.py unit/test_smoke_unit.py" in left
    assert "your tests fail" not in left
    made.need("bash", "-euo", "pipefail", "-c", left)
    assert "2 passed" in made.need("uv", "run", "--extra", "dev", "pytest")


def test_a_smoke_test_that_says_something_else() -> None:
    """Its last line is told, and the command that shows it."""
    [(why, command)] = smoke_steps(
        "ERROR: unrecognized arguments: --cov\n\n", {"module_name": "a", "optional_imports": []}
    )
    assert why == "the smoke test fails: ERROR: unrecognized arguments: --cov"
    assert command == "uv run --extra dev pytest tests/test_smoke.py"


@pytest.mark.slow
def test_a_dynamic_version_is_set_before_the_trial(existing: Callable[..., Repository], template: Path) -> None:
    """The commands of the list come first in the copy, too: a version that is read from the code cannot be released."""
    left = commands(adopt(existing("version-attr"), template, trial="package"))
    assert "the release sets a version that is written in pyproject.toml" in left
    assert "does not build" not in left
