"""Every set of answers makes a package that lints, tests, locks and builds at once, and says what was answered."""

import ast
import filecmp
import re
import tomllib
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import ALL, Render, Run

# What Windows does not take in a file name, or takes for a device.
NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)([.]|$)', re.IGNORECASE)


# The sets with which the ordinary run goes through the tools: a command line and optional imports, a name that is not
# the module's, marks of every kind, an older Python. The tools see the others in the long run; their files are always
# looked at.
TOOLED = {"cli yes, optional yes", "ray-serve-apps", "all marks", "odd"}
tooled = pytest.mark.parametrize(
    "package", [n if n in TOOLED else pytest.param(n, marks=pytest.mark.slow) for n in ALL], indirect=True
)


def files(folder: Path) -> list[str]:
    """Returns the files of a package that a person gets, without what the tools leave behind."""
    left_behind = {".venv", "dist", "__pycache__", ".pytest_cache", ".ruff_cache", ".git"}
    names = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(name.as_posix() for name in names if not left_behind & set(name.parts))


def answered(package: Path) -> dict[str, Any]:
    """Read the stored answers."""
    return yaml.safe_load((package / ".copier-answers.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def made(render: Render) -> Callable[[str], Path]:
    """`made(name)` makes the package of a set of answers, once in each worker."""
    folders: dict[str, Path] = {}

    def made(name: str) -> Path:
        if name not in folders:
            folders[name] = render(**ALL[name])
        return folders[name]

    return made


@pytest.fixture(scope="session", params=ALL)
def package(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> Path:
    """The package of each set of answers."""
    return made(request.param)


@tooled
def test_green_at_once(package: Path, run: Run) -> None:
    """Locked, linted, formatted and tested, by the commands of the README and the workflow."""
    run("uv", "lock", "--check", cwd=package)
    run("uv", "sync", "--frozen", "--extra", "dev", cwd=package)
    run("uv", "run", "--no-sync", "ruff", "check", cwd=package)
    run("uv", "run", "--no-sync", "ruff", "format", "--check", "--diff", cwd=package)
    # The package's own settings leave out what the template owns, which keeps the same rules all the same.
    owned, rules = (".gitea", "tests/test_smoke.py"), ("--isolated", "--line-length", "120")
    run("uv", "run", "--no-sync", "ruff", "check", *rules, "--select", "F,E,W,I", *owned, cwd=package)
    run("uv", "run", "--no-sync", "ruff", "format", *rules, "--check", *owned, cwd=package)
    report = run("uv", "run", "--no-sync", "pytest", "-v", cwd=package).stdout
    answers = answered(package)
    modules = [answers["module_name"], *([f"{answers['module_name']}.cli"] if answers["cli"] else [])]
    assert sorted(re.findall(r"test_imports\[(.*)\] PASSED", report)) == modules
    if answers["cli"]:
        said = run("uv", "run", "--no-sync", answers["project_name"], "--version", cwd=package).stdout
        assert said == "0.0.0\n"


@tooled
def test_wheel_holds_the_package_and_nothing_else(package: Path, run: Run, tmp_path: Path) -> None:
    """The wheel says what was answered, and works where the tree is not."""
    run("uv", "build", "--out-dir", tmp_path / "dist", cwd=package)
    answers = answered(package)
    module, name = answers["module_name"], answers["project_name"].replace("-", "_")
    (tmp_path / "dist" / f"{name}-0.0.0.tar.gz").stat()
    wheel = tmp_path / "dist" / f"{name}-0.0.0-py3-none-any.whl"
    info = f"{name}-0.0.0.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    expected = {f"{module}/__init__.py", f"{module}/py.typed", *(f"{info}/{file}" for file in ("METADATA", "WHEEL"))}
    expected |= {f"{info}/RECORD"}
    if answers["cli"]:
        expected |= {f"{module}/cli.py", f"{info}/entry_points.txt"}
    assert held == expected

    assert metadata.get("Summary", "") == answers["description"]
    assert metadata["Name"] == answers["project_name"]
    assert metadata["Requires-Python"] == f">={answers['python_version']}"

    away = tmp_path / "away"
    away.mkdir()
    run("uv", "venv", "--quiet", "--no-project", "env", cwd=away)
    python = away / "env" / "bin" / "python"
    run("uv", "pip", "install", "--quiet", "--no-index", "--python", python, wheel, cwd=away)
    # -I: neither this folder nor a variable adds to the path.
    place = run(python, "-I", "-c", f"import {module}; print({module}.__file__)", cwd=away).stdout
    assert Path(place.strip()).is_relative_to(away / "env")
    if answers["cli"]:
        assert run(away / "env" / "bin" / answers["project_name"], "--version", cwd=away).stdout == "0.0.0\n"


@tooled
def test_rendering_again_changes_nothing(package: Path, template: Path, copier_command: Run, tmp_path: Path) -> None:
    """The same answers make the same files, uv.lock among them."""
    again = tmp_path / package.name
    copied = ["copy", "--trust", "--defaults", "--quiet", "--vcs-ref", "HEAD", template, again]
    given = {name: value for name, value in answered(package).items() if not name.startswith("_")}
    copier_command(*copied, cwd=tmp_path, answers=given)
    assert files(again) == files(package)
    _, differing, failed = filecmp.cmpfiles(package, again, files(package), shallow=False)
    assert (differing, failed) == ([], [])


def test_files_are_clean(package: Path) -> None:
    """No trailing blanks, one newline at the end, no empty first line, names that Windows takes."""
    for name in files(package):
        assert not [part for part in Path(name).parts if NOT_ON_WINDOWS.search(part)], name
        text = (package / name).read_bytes().decode()
        assert "\r" not in text, name
        assert not [line for line in text.split("\n") if line != line.rstrip()], name
        if text:
            assert text.endswith("\n"), name
            assert not text.startswith("\n"), name
            assert not text.endswith("\n\n"), name
    empty = [name for name in files(package) if not (package / name).stat().st_size]
    assert empty == [f"{answered(package)['module_name']}/py.typed"]


def test_answers_are_in_pyproject(package: Path) -> None:
    """pyproject.toml parses and holds the answers unchanged."""
    answers = answered(package)
    held = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
    project = held["project"]
    assert project["name"] == answers["project_name"]
    assert project["description"] == answers["description"]
    assert project["requires-python"] == f">={answers['python_version']}"
    assert held["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [answers["module_name"]]
    ruff = {"line-length": 120, "lint": {"select": ["F", "E", "W", "I"]}}
    assert held["tool"]["ruff"] == {**ruff, "extend-exclude": [".gitea", "tests/test_smoke.py", "*.md"]}
    (index,) = held["tool"]["uv"]["index"]
    url = f"{answers['gitea_url']}/api/packages/{answers['gitea_owner']}/pypi/simple/"
    assert index == {"name": "gitea", "url": url, "explicit": True}
    assert ("scripts" in project) == answers["cli"]


def content_lines(path: Path) -> int:
    """Count the lines that say something to a machine (to a person, in Markdown)."""
    text, documented = path.read_text(encoding="utf-8"), set()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
                documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    told = [line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in documented]
    return sum(1 for line in told if line and (path.suffix == ".md" or not line.startswith("#")))


def test_default_package_is_small(made: Callable[[str], Path]) -> None:
    """A reader sees all of it: without what uv writes, blank lines, comments and docstrings."""
    package = made("defaults")
    names = set(files(package)) - {"uv.lock", ".gitea/twine.txt", ".gitea/build.txt"}
    assert len(names) <= 23, names
    assert sum(content_lines(package / name) for name in names) <= 1559


def test_cli_answer_decides_about_the_command_line(made: Callable[[str], Path]) -> None:
    """One file more, nothing else."""
    with_cli, without = (set(files(made(f"cli {word}, optional no"))) for word in ("yes", "no"))
    assert with_cli - without == {"handler_base/cli.py"}
    assert without - with_cli == set()


def test_file_names_of_the_template_are_good_on_windows(template: Path) -> None:
    """The template can be cloned there too."""
    names = [file.relative_to(template) for file in template.rglob("*") if ".git" not in file.parts]
    assert Path("copier.yml") in names
    assert not [name for name in names if any(NOT_ON_WINDOWS.search(part) for part in name.parts)]
    assert len({str(name).lower() for name in names}) == len(names)


def test_an_application(render: Render, run: Run) -> None:
    """It has the gates and nothing of a release, and its tests import it although nothing is installed."""
    package = render(publish=False)
    release = {"build.txt", "dist.py", "lock.py", "notes.py", "registry.py", "release.py", "twine.txt", "version.py"}
    names = files(package)
    assert not [name for name in names if Path(name).name in release | {"test_smoke.py"}]
    text = "".join((package / name).read_text() for name in ("README.md", "pyproject.toml", ".gitea/workflows/ci.yaml"))
    assert not [
        word for word in ("secrets.REGISTRY", "test_smoke", "hatch", "twine", "released version") if word in text
    ]
    module = answered(package)["module_name"]
    (package / "tests").mkdir(exist_ok=True)
    (package / "tests/test_one.py").write_text(f"import {module}\n\n\ndef test_one() -> None:\n    assert {module}\n")
    run("uv", "sync", "--locked", "--extra", "dev", cwd=package)
    run("uv", "run", "--no-sync", "ruff", "check", cwd=package)
    run("uv", "run", "--no-sync", "ruff", "format", "--check", cwd=package)
    assert "1 passed" in run("uv", "run", "--no-sync", "pytest", cwd=package).stdout
