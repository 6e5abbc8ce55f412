"""The parts of the adoption by themselves: reading requirements, packages and tags, writing files, the pattern."""

import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import pytest
from act_package import clean_environment
from adopting import ROOT, Repository
from rendering import Render

sys.path.insert(0, str(ROOT / "apply"))

from commands import Refused
from files import Files
from merge import merge
from next_steps import last_release, push
from pattern import pattern, smoke_test_left_out
from report import Report
from repository import Project, packages
from requirements import Requirements
from setup_metadata import Metadata, project_table

LINES = {
    "packaging": ["packaging"],
    "  packaging >= 23 , < 26  # why": ["packaging >= 23 , < 26"],
    "Pkg[one,two]==1.0; python_version < '3.12'": ["Pkg[one,two]==1.0; python_version < '3.12'"],
    "packaging==25.0 --hash=sha256:aa --hash=sha256:bb": ["packaging==25.0"],
    "packaging==25.0 \\\n    --hash=sha256:aa \\\r\n    --hash=sha256:bb": ["packaging==25.0"],
    "# nothing\n\n": [],
    "--index-url https://index.example.org/simple\n-i x\n-c constraints.txt\n--no-binary :all:": [],
    "-e .\n.\n./": [],
    "one @ git+https://git.example.org/one.git@v1#subdirectory=x": [
        "one @ git+https://git.example.org/one.git@v1#subdirectory=x"
    ],
    "git+file:///srv/one#egg=one": ["one @ git+file:///srv/one"],
    "-egit+https://git.example.org/one.git#egg=one": ["one @ git+https://git.example.org/one.git"],
    "-e git+https://git.example.org/one.git#egg=one[x]  # ours": ["one[x] @ git+https://git.example.org/one.git"],
    "\ufeffpackaging": ["packaging"],
}


@pytest.mark.parametrize("text", LINES)
def test_requirements(text: str, tmp_path: Path) -> None:
    """Pip's format as [project] dependencies."""
    path = tmp_path / "requirements.txt"
    path.write_bytes(text.encode())
    read = Requirements().read(path)
    assert read.entries == LINES[text]
    assert read.constraints == ["constraints.txt"] * ("-c " in text)


def test_requirements_include_each_file_once(tmp_path: Path) -> None:
    """Circles too."""
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text("-rmore/base.txt\none\n")
    (tmp_path / "more/base.txt").write_text("--requirement=../requirements.txt\n--requirement deeper.txt\ntwo\n")
    (tmp_path / "more/deeper.txt").write_text("three\n")
    assert Requirements().read(tmp_path / "requirements.txt").entries == ["three", "two", "one"]


@pytest.mark.parametrize("line", ["./one.whl", "../one", "one two", "git+https://git.example.org/one.git", "=1.0"])
def test_requirements_without_a_name(line: str, tmp_path: Path) -> None:
    """The sentence has the file, the line and what to write."""
    path = tmp_path / "requirements.txt"
    path.write_text(f"packaging\n\n{line}\n")
    with pytest.raises(Refused, match=r"requirements\.txt, line 3: .*Write it as NAME @ "):
        Requirements().read(path)


def test_a_missing_include_is_refused(tmp_path: Path) -> None:
    """By name, not with a traceback."""
    path = tmp_path / "requirements.txt"
    path.write_text("-r gone.txt\n")
    with pytest.raises(Refused, match=r"requirements\.txt, line 1: gone\.txt does not exist"):
        Requirements().read(path)


FIND = "[tool.setuptools.packages.find]\n"


@pytest.mark.parametrize(
    ("toml", "files", "found"),
    [
        ("", ["one/a.py", "tests/test_a.py", "docs/conf.py"], ["one"]),
        ("", ["src/one/a.py", "other/b.py"], ["one"]),
        ("", ["one/a.py", "two/b.py"], ["one", "two"]),
        ('[project]\nname = "the-one"', ["the_one/a.py", "two/b.py"], ["the_one"]),
        ('[project]\nname = "the-one"', ["the_one.py"], ["the_one"]),
        ('[tool.setuptools]\npackages = ["a", "a.b"]\npy-modules = ["c"]', ["z/z.py"], ["a", "c"]),
        ('[tool.flit.module]\nname = "a.b"', ["z/z.py"], ["a"]),
        ('[tool.hatch.build.targets.wheel]\npackages = ["src/a", "b"]', ["src/a/a.py", "b/b.py"], ["a", "b"]),
        ('[tool.uv.build-backend]\nmodule-name = "a"', ["z/z.py"], ["a"]),
        ("", ["not-a-name/a.py", "data/x.csv"], []),
        ("", ["tests/test_a.py"], []),
        ("", ["profile/a.py"], ["profile"]),
        ('[tool.hatch.build.targets.wheel]\nonly-include = ["one.py"]', ["one.py"], ["one"]),
        ('[project]\nname = "one"', ["one/a.py", "src/index.ts"], ["one"]),
        (f'{FIND}include = ["one*"]', ["one/a.py", "deploy/b.py", "src/c.py"], ["one"]),
        (f'{FIND}include = ["scripts.*"]', ["scripts/a.py", "one/b.py"], ["scripts"]),
        (f'{FIND}where = ["lib", "gone"]', ["lib/one/a.py", "two/b.py"], ["one"]),
        (f'{FIND}exclude = ["o*", "*.tests"]', ["one/a.py", "two/b.py", "tests/c.py"], ["two"]),
        (f"{FIND}namespaces = false", ["one/__init__.py", "two/b.py"], ["one"]),
        (
            '[project]\nname = "Fast-sum"\n[build-system]\nrequires = ["maturin>=1"]',
            ["pysrc/fast_sum/a.py"],
            ["fast_sum"],
        ),
        ('[tool.maturin]\nmodule-name = "one._native"\npython-source = "python"', ["bench/a.py"], ["one"]),
        ('[tool.scikit-build]\nwheel.packages = ["python/one"]', ["bench/a.py"], ["one"]),
        (FIND, ["src/one/a.py", "src/scripts/b.py", "two/c.py"], ["one", "scripts"]),
        ('[tool.setuptools]\npackages = ["one", "tests", "profile"]', ["one/a.py", "tests/b.py"], ["one"]),
    ],
)
def test_packages(toml: str, files: list[str], found: list[str], tmp_path: Path) -> None:
    """The import packages, as the backend is told them, else as they lie there."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert packages(tmp_path, tomllib.loads(toml))[0] == found


@pytest.mark.parametrize(
    ("version", "written"),
    [
        ("1.4.0", "1.4.0"),
        ("1.4.1.dev1+g9e07c5c35.d20260101", "1.4.1"),
        ("1.4.0+3.gabc", "1.4.0"),
        ("2.0rc1", "2.0rc1"),
        ("3.0.0.dev0", "3.0.0.dev0"),
    ],
)
def test_the_version_of_a_wheel_becomes_static(version: str, written: str) -> None:
    """Without what a tool says of the commit that it was made of."""
    metadata = Metadata({"name": "one", "version": version}, [], [], "")
    assert tomllib.loads(project_table(metadata, "setup.py"))["project"]["version"] == written


@pytest.mark.parametrize(
    ("tags", "last"),
    [
        ([], ("", "")),
        (["nightly", "v1", "2024-05-01"], ("", "")),
        (["v1.9.0", "v1.10.0"], ("v1.10.0", "v1.10.0")),
        (["1.4.0", "v1.3.0"], ("1.4.0", "v1.4.0")),
        (["1.4.0", "v1.4.0"], ("v1.4.0", "v1.4.0")),
        (["handler-base-2.1", "v2.0.9"], ("handler-base-2.1", "v2.1.0")),
        (["Handler_Base/v2.1.3", "python-3.11.2"], ("Handler_Base/v2.1.3", "v2.1.3")),
        (["release/1.0.0", "v1.0.0-rc1"], ("release/1.0.0", "v1.0.0")),
    ],
)
def test_last_release(tags: list[str], last: tuple[str, str], tmp_path: Path) -> None:
    """The highest version that a tag of this history names, whatever its form."""
    repository = Repository(tmp_path / "r", clean_environment(tmp_path / "home"))
    repository.path.mkdir()
    repository.git("init", "-q", "-b", "main")
    repository.git("commit", "-q", "--allow-empty", "-m", "One")
    for tag in tags:
        repository.git("tag", tag)
    repository.git("commit", "-q", "--allow-empty", "-m", "Two")
    repository.git("tag", "v9.9.9")
    repository.git("reset", "-q", "--hard", "HEAD~")
    assert last_release(repository.path, "handler-base") == last


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ("", "git remote add origin https://git.test/acme/one.git && git push -u origin main"),
        ("git@github.test:me/one.git", "git remote add gitea https://git.test/acme/one.git && git push -u gitea main"),
        (
            "https://me:x@github.test/me/one",
            "git remote add gitea https://git.test/acme/one.git && git push -u gitea main",
        ),
        ("ssh://git@git.test:2222/acme/one.git", "git push -u origin main"),
        ("http://inside.test:3000/acme/one.git", "git push -u origin main"),
        ("file:///srv/one.git", "git push -u origin main"),
        ("../one.git", "git push -u origin main"),
    ],
)
def test_push_goes_to_gitea(origin: str, command: str, tmp_path: Path) -> None:
    """At another origin the workflow does not run, and that is said."""
    repository = Repository(tmp_path / "one", clean_environment(tmp_path / "home"))
    repository.path.mkdir()
    repository.git("init", "-q", "-b", "main")
    if origin:
        repository.git("remote", "add", "origin", origin)
    answers = {"gitea_url": "https://git.test", "gitea_internal_url": "http://inside.test:3000", "publish": True}
    why, shown = push(repository.path, answers, "https://git.test/acme/one", "main", "main", "")
    assert shown == command
    assert ("only at https://git.test, and origin is at github.test" in why) == ("gitea main" in command)


def test_files_are_written_whole_and_taken_back(tmp_path: Path) -> None:
    """Modes stay, empty folders go, the user's stay."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/run.sh").write_bytes(b"old\r\n")
    os.chmod(tmp_path / "mine/run.sh", 0o750)
    files = Files(tmp_path)
    files.write("mine/run.sh", b"new")
    written = (tmp_path / "mine/run.sh").stat().st_ino
    files.write("mine/run.sh", b"new")
    assert (tmp_path / "mine/run.sh").stat().st_ino == written, "it was written once more"
    files.write("new/deep/file", b"new")
    files.write("mine/other", b"new")
    (tmp_path / "mine/gone").write_bytes(b"gone")
    files.remove("mine/gone")
    assert (files.made, files.changed) == (["mine/other", "new/deep/file"], ["mine/gone", "mine/run.sh"])
    assert stat.S_IMODE((tmp_path / "mine/run.sh").stat().st_mode) == 0o750
    files.undo()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"mine", "mine/run.sh", "mine/gone"}
    assert (tmp_path / "mine/run.sh").read_bytes() == b"old\r\n"
    assert stat.S_IMODE((tmp_path / "mine/run.sh").stat().st_mode) == 0o750


def merged_in(tmp_path: Path, render: Render, toml: str, adopting: bool = True) -> dict:
    """What of a render is merged into a repository with this pyproject.toml, as data."""
    project = Project(toml, tomllib.loads(toml), ["one"], "")
    return tomllib.loads(pattern((render(tasks=False) / "pyproject.toml").read_text(), project, tmp_path, adopting))


TABLE = '[project]\nname = "one"\nversion = "1.0"\n'


@pytest.mark.parametrize(
    ("toml", "file", "text"),
    [
        ("[tool.pytest.ini_options]\n", "README.md", ""),
        ("", "one/tests/test_a.py", ""),
        ("", "tests/unit/a_test.py", ""),
        ("", "test/conftest.py", ""),
        ("", ".pytest.ini", "[pytest]\n"),
        ("", "tox.ini", "[tox]\n[pytest]\nmarkers =\n    slow: 100% slow\n"),
        ("", "setup.cfg", "[tool:pytest]\naddopts = -q\n"),
    ],
)
def test_pattern_for_an_existing_package(toml: str, file: str, text: str, tmp_path: Path, render: Render) -> None:
    """Nothing that would change what is built or tested."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    found = merged_in(tmp_path, render, f"{TABLE}{toml}")
    assert set(found) == {"project", "tool"}
    assert set(found["project"]) == {"requires-python", "optional-dependencies"}
    assert set(found["tool"]) == {"ruff", "uv"}


@pytest.mark.parametrize("file", ["venv/lib/test_a.py", ".tox/conftest.py", "one/latest.py", "tox.ini"])
def test_pattern_has_pytest_s_settings_where_there_are_no_tests(file: str, tmp_path: Path, render: Render) -> None:
    """Those of other people's code, and of tox, are none of this package."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("[tox]\n")
    settings = merged_in(tmp_path, render, TABLE)["tool"]["pytest"]["ini_options"]
    assert set(settings) == {"testpaths", "addopts"}, "the strict settings are for new code"


@pytest.mark.parametrize(
    ("toml", "tox", "said"),
    [
        ("", "", False),
        ("[tool.pytest.ini_options]\ntestpaths = ['test', 'tests']", "", False),
        ("[tool.pytest.ini_options]\ntestpaths = ['.']", "", False),
        ("[tool.pytest.ini_options]\ntestpaths = './tests/'", "", False),
        ("[tool.pytest]\ntestpaths = ['test']", "", True),
        ("", "[pytest]\ntestpaths = tests/unit test", True),
        ("[tool.pytest.ini_options]\npython_files = ['check_*.py']", "", True),
        ("[tool.pytest.ini_options]\npython_files = 'check_*.py test_*.py'", "", False),
        ("", "[pytest]\npython_files = check_*.py", True),
    ],
)
def test_settings_that_leave_out_the_smoke_test(toml: str, tox: str, said: bool, tmp_path: Path) -> None:
    """The owner is told, as the settings are theirs."""
    (tmp_path / "tox.ini").write_text(tox)
    notes = smoke_test_left_out(tmp_path, Project(toml, tomllib.loads(toml), [], ""))
    assert any("leave out tests/test_smoke.py: add " in note for note in notes) == said


def test_pattern_keeps_off_what_is_dynamic_or_set_elsewhere(tmp_path: Path, render: Render) -> None:
    """A dynamic floor, old-style rules, all rules, a ruff.toml."""
    assert "requires-python" not in merged_in(tmp_path, render, f'{TABLE}dynamic = ["requires-python"]\n')["project"]
    assert "lint" not in merged_in(tmp_path, render, f'{TABLE}[tool.ruff]\nselect = ["E"]\n')["tool"]["ruff"]
    assert "lint" not in merged_in(tmp_path, render, f'{TABLE}[tool.ruff.lint]\nselect = ["ALL"]\n')["tool"]["ruff"]
    (tmp_path / ".ruff.toml").touch()
    assert "ruff" not in merged_in(tmp_path, render, TABLE)["tool"]


LINT = '[project.optional-dependencies]\nlint = ["ruff==0.8.4"]\n'
GROUPS = """\
[dependency-groups]
Dev = ["pytest", {include-group = "li-nt"}]
Li_nt = [{include-group = "dev"}, "ruff==0.8.4"]
"""


@pytest.mark.parametrize(
    ("toml", "dev"),
    [
        ("", ["pytest", "ruff=="]),
        ('[project.optional-dependencies]\ndev = ["ruff==0.8.4"]\n', ["pytest", "ruff=="]),
        (LINT, ["pytest", "ruff"]),
        (GROUPS, []),
        (f"{GROUPS}[tool.uv]\ndefault-groups = 'all'\n", []),
        (f"{GROUPS}[tool.uv]\ndefault-groups = ['li-nt']\n", ["pytest", "ruff"]),
        ('[tool.uv]\ndev-dependencies = ["ruff==0.8.4"]\n', ["pytest"]),
        ('[dependency-groups]\nlint = ["ruff==0.8.4"]\n', ["pytest", "ruff"]),
    ],
)
def test_the_extra_does_not_contradict_what_is_asked_for_elsewhere(
    toml: str, dev: list[str], tmp_path: Path, render: Render
) -> None:
    """And lacks only what uv syncs with it anyway. (The user's own extra is merged by names.)"""
    found = merged_in(tmp_path, render, TABLE + toml)["project"]["optional-dependencies"]["dev"]
    assert [re.sub("(pytest|ruff==).*", r"\1", entry) for entry in found] == dev


def test_pattern_on_update_has_all_but_another_backend(tmp_path: Path, render: Render) -> None:
    """So that what the template changes in it arrives, or is told."""
    hatch = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    assert {"build-system", "project", "tool"} == set(merged_in(tmp_path, render, TABLE + hatch, adopting=False))
    other = merged_in(tmp_path, render, TABLE, adopting=False)
    assert "build-system" not in other
    assert "hatch" not in other["tool"]
    assert {"pytest", "ruff", "uv"} == set(other["tool"])


def test_the_report_has_values_as_pyproject_would() -> None:
    """What was added, changed, dropped and kept can be read, and pasted, as TOML."""
    ours = "since = 2026-01-01\nold = 'a'\ngone = 1\nboth = 1.5\n"
    base = "old = 'a'\ngone = 1\nboth = 1\nmissing = true\n"
    theirs = "since = 2026-02-02\nold = 'ä\"'\nboth = 2\nmissing = false\n[[index]]\nname = 'gitea'\nexplicit = true\n"
    report = Report()
    report.add_merged("pyproject.toml", merge(ours, base, theirs))
    assert report.added == ['pyproject.toml: index = [{ name = "gitea", explicit = true }]']
    assert report.changed == ['pyproject.toml: old = "ä\\"", was "a"', "pyproject.toml: gone is removed"]
    assert report.kept == [
        "pyproject.toml: since is 2026-01-01, the pattern has 2026-02-02",
        "pyproject.toml: both is 1.5, the pattern has 2",
        "pyproject.toml: missing is not set, the pattern has false",
    ]
