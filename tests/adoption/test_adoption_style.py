"""The owner's style stays: line length, rules and formatting of a code base that has a formatter or a linter."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from adopting import FIRST, ROOT, Adopted, Repository, add_origin, adopt, commands
from rendering import Render

sys.path.insert(0, str(ROOT / "apply"))

from pattern import pattern
from repository import Project
from style import formatters, line_length, per_file, ruff_version, settings_file

TABLE = '[project]\nname = "one"\nversion = "1.0"\n'
HOOK = """\
repos:
  - repo: https://git.example.org/astral-sh/ruff-pre-commit
    rev: {rev}
    hooks:
      - id: ruff-check
"""
BLACK = "repos:\n  - repo: https://git.example.org/psf/black\n    rev: 25.1.0\n    hooks:\n      - id: black\n"


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def project(toml: str) -> Project:
    """What a pyproject.toml says."""
    return Project(toml, tomllib.loads(toml), ["one"], "")


@pytest.fixture
def ruff(tmp_path: Path, render: Render) -> Callable[..., dict]:
    """`ruff(toml, files)` is what the pattern has of ruff's settings for such a repository, and of the extra dev."""

    def ruff(toml: str = TABLE, files: dict[str, str] | None = None) -> dict:
        write(tmp_path, files or {})
        text = (render(tasks=False) / "pyproject.toml").read_text()
        found = tomllib.loads(pattern(text, project(toml), tmp_path, adopting=True))
        dev = found["project"]["optional-dependencies"]["dev"]
        return found["tool"].get("ruff", {}) | {"dev": [entry for entry in dev if entry.startswith("ruff")]}

    return ruff


@pytest.mark.parametrize(
    ("toml", "files"),
    [
        ("[tool.ruff]\n", {}),
        ("[tool.ruff.format]\nquote-style = 'single'\n", {}),
        ("[tool.ruff.lint]\nextend-select = ['B']\n", {}),
        ("[dependency-groups]\ndev = ['ruff']\n", {}),
        ("[tool.hatch.envs.lint]\ndependencies = ['ruff>=0.5']\n", {}),
        ("[tool.hatch.envs.lint.scripts]\nall = ['ruff check .']\n", {}),
        ("[tool.poetry.group.dev.dependencies]\nruff = '^0.5'\n", {}),
        ("[tool.black]\n", {}),
        ("[dependency-groups]\nlint = ['black==25.1.0']\n", {}),
        ("", {".pre-commit-config.yaml": BLACK}),
        ("", {"requirements/lint.txt": "black\n"}),
        ("", {"tox.ini": "[testenv:lint]\ncommands = black --check .\n"}),
        ("", {"Makefile": "lint:\n\truff check\n"}),
        ("", {".github/workflows/ci.yml": "jobs:\n  lint:\n    steps:\n      - run: uvx ruff check\n"}),
    ],
)
def test_no_style_where_a_formatter_is_in_use(toml: str, files: dict[str, str], ruff: Callable[..., dict]) -> None:
    """A selection would narrow what they check, a length would rewrap their code; their defaults are settings, too."""
    found = ruff(TABLE + toml, files)
    assert found.pop("dev") in (["ruff"], ["ruff==0.17.6"], [])
    assert found == {"extend-exclude": [".gitea", "tests/test_smoke.py"]}


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "ruff and black\n", "one/black.py": "", "docs/conf.py": "# black\n"},
        {".pre-commit-config.yaml": "# blackened, a rough sea\n"},
    ],
)
def test_the_record_s_style_where_there_was_none(files: dict[str, str], ruff: Callable[..., dict]) -> None:
    """120; F, E, W and I."""
    found = ruff(TABLE + "description = 'a black box'\n", files)
    assert found["line-length"] == 120
    assert found["lint"] == {"select": ["F", "E", "W", "I"]}
    assert found["extend-exclude"] == [".gitea", "tests/test_smoke.py", "*.md"]


def test_black_s_length_is_ruff_s(ruff: Callable[..., dict]) -> None:
    """`ruff format` would rewrap everything otherwise. The rules are ruff's own."""
    found = ruff(TABLE + "[tool.black]\nline-length = 99\n")
    assert found["line-length"] == 99
    assert "lint" not in found
    both = ruff(TABLE + "[tool.black]\nline-length = 99\n[tool.ruff]\n")
    assert "line-length" not in both


@pytest.mark.parametrize(
    ("toml", "files", "length"),
    [
        ("[tool.black]\nline-length = 99", {}, 99),
        ("", {".flake8": "[flake8]\nmax-line-length = 79\n"}, 79),
        ("", {"setup.cfg": "[flake8]\nmax_line_length = 100\n"}, 100),
        ("[tool.flake8]\nmax-line-length = 95\n", {}, 95),
        ("[tool.flake8]\nmax_line_length = 96\n", {}, 96),
        ("", {"tox.ini": "[flake8]\nexclude = docs\n"}, 79),
        ("", {".flake8": "[flake8]\nextend-ignore = E203, E501\n"}, None),
        ("", {"tox.ini": "[flake8]\nmax-line-length=100 # x\n"}, None),
        ("", {"setup.cfg": "not an ini file"}, None),
        ("", {"setup.cfg": "[flake8]\nmax-line-length = 9999\n"}, None),
        ("", {"setup.cfg": "[metadata]\nname = one\n"}, None),
        ("", {}, None),
    ],
)
def test_line_length(toml: str, files: dict[str, str], length: int | None, tmp_path: Path) -> None:
    """As black or flake8 have it, where ruff takes it; flake8's own is 79."""
    write(tmp_path, files)
    assert line_length(tmp_path, project(toml)) == length


@pytest.mark.parametrize(
    ("toml", "files", "version"),
    [
        ("", {".pre-commit-config.yaml": HOOK.format(rev="v0.15.8")}, "==0.15.8"),
        ("", {".pre-commit-config.yaml": HOOK.format(rev="'0.16.3'")}, "==0.16.3"),
        ("", {".pre-commit-config.yaml": HOOK.format(rev=f"{'c60c' * 10}  # frozen: v0.15.9")}, "==0.15.9"),
        (
            "",
            {".pre-commit-config.yaml": HOOK.format(rev="v0.15.8").replace("    rev", "    # Version.\n    rev")},
            "==0.15.8",
        ),
        ("", {".pre-commit-config.yaml": BLACK}, ""),
        ("[tool.ruff]\nrequired-version = '0.14.0'\n", {}, "==0.14.0"),
        ("[tool.ruff]\nrequired-version = '>=0.14,<0.16'\n", {}, ">=0.14,<0.16"),
        ("", {"ruff.toml": "required-version = '==0.13.1'\n"}, "==0.13.1"),
        ("", {}, ""),
    ],
)
def test_the_owner_s_ruff(toml: str, files: dict[str, str], version: str, tmp_path: Path) -> None:
    """Another version knows other rules."""
    write(tmp_path, files)
    assert ruff_version(tmp_path, project(toml)) == version


def test_the_owner_s_ruff_is_in_the_extra(ruff: Callable[..., dict]) -> None:
    """From pre-commit, or from requirements files; these first."""
    files = {".pre-commit-config.yaml": HOOK.format(rev="v0.15.8")}
    assert ruff(files=files)["dev"] == ["ruff==0.15.8"]
    assert ruff(files={"requirements-dev.txt": "ruff==0.12.1\npytest<9\n"})["dev"] == ["ruff==0.12.1"]


def test_settings_files(tmp_path: Path) -> None:
    """The nearest folder that has some, and of its files the first one that ruff takes."""
    write(
        tmp_path,
        {
            "pyproject.toml": TABLE,
            "tests/ruff.toml": "",
            "lib/pyproject.toml": "[tool.ruff]\n",
            "sub/pyproject.toml": TABLE,
        },
    )
    names = ("one/a.py", "tests/unit/test_a.py", "lib/b.py", "sub/c.py")
    found = [settings_file(tmp_path, name) for name in names]
    assert found == ["pyproject.toml", "tests/ruff.toml", "lib/pyproject.toml", "pyproject.toml"]
    write(tmp_path, {"ruff.toml": "", "lib/.ruff.toml": "", "lib/ruff.toml": ""})
    assert [settings_file(tmp_path, name) for name in names[:3]] == ["ruff.toml", "tests/ruff.toml", "lib/.ruff.toml"]


def test_rules_by_file_or_by_folder() -> None:
    """By file while these are few; then the deepest folders first."""
    few = [("F401", "one/a.py"), ("E501", "one/a.py"), ("F401", "b.py")]
    assert per_file(few) == {"b.py": ["F401"], "one/a.py": ["E501", "F401"]}
    deep = [("F401", f"one/two/{n}.py") for n in range(9)]
    assert per_file([*few, *deep]) == {"b.py": ["F401"], "one/a.py": ["E501", "F401"], "one/two/**": ["F401"]}
    wide = [("F401", f"one/{n}/a.py") for n in range(9)]
    assert per_file([*few, *wide]) == {"b.py": ["F401"], "one/**": ["E501", "F401"]}


def settings(repository: Repository, name: str = "pyproject.toml") -> dict:
    """Ruff's settings in a file."""
    found = tomllib.loads((repository.path / name).read_text())
    return found["tool"]["ruff"] if name.endswith("pyproject.toml") else found


def steps(repository: Repository) -> dict[str, str]:
    """The commands of the lint job, by name."""
    jobs = yaml.safe_load((repository.path / ".gitea/workflows/ci.yaml").read_text())["jobs"]
    return {step["name"]: step["run"] for step in jobs["lint"]["steps"] if "run" in step}


def test_the_lint_job_is_green_at_once(existing: Callable[..., Repository], adopted: Callable[[str], Adopted]) -> None:
    """Older code is left as it is: rules are off in the files that break them alone, and the format is not checked."""
    before = existing("lint-flake8").content()
    repository, said = adopted("lint-flake8")
    assert {n: b for n, b in repository.content().items() if n in before} == before
    ruff = settings(repository)
    assert ruff["line-length"] == 100, "that of flake8"
    assert "ignore" not in ruff["lint"]
    off = ruff["lint"]["extend-per-file-ignores"]
    assert {rule for rules in off.values() for rule in rules} == {"E701", "E741", "F401", "F403", "I001"}
    text = (repository.path / "pyproject.toml").read_text()
    comment = "# Older code breaks these rules. Fix the code, then delete its line.\n"
    assert f'[tool.ruff.lint.extend-per-file-ignores]\n{comment}"' in text
    repository.need("uv", "sync", "--frozen", "--extra", "dev")
    repository.need("bash", "-eo", "pipefail", "-c", steps(repository)["Lint"])
    assert "Format" not in steps(repository)
    assert "no check of the format: `ruff format` would change " in said
    assert "ruff format" not in commands(said)
    repository.write("flaked/new.py", "import os\n")
    assert "F401" in repository.run("uv", "run", "--no-sync", "ruff", "check").stdout, "new code keeps the rules"


def test_the_format_is_checked_once_the_owner_wants_it(adopted: Callable[[str], Adopted]) -> None:
    """By the commands that adoption names."""
    repository, said = adopted("lint-flake8")
    repository.commit("feat: adopt")
    words = next(line for line in said.splitlines() if "no check of the format" in line)
    repository.need("uv", "run", "--extra", "dev", "ruff", "format")
    repository.commit("style: format")
    done = repository.copier(*words.partition("copier ")[2].split())
    assert done.returncode == 0, done.stdout
    assert f"_commit: {FIRST}" in (repository.path / ".copier-answers.yml").read_text()
    repository.need("bash", "-eo", "pipefail", "-c", steps(repository)["Format"])
    repository.write("flaked/new.py", "x=1\n")
    red = repository.run("bash", "-eo", "pipefail", "-c", steps(repository)["Format"])
    assert red.returncode == 1
    assert red.stdout.splitlines()[-1] == "Not formatted. Fix: uv run ruff format"


def test_rules_are_off_beside_the_owner_s_own(adopted: Callable[[str], Adopted]) -> None:
    """Their lists stay as they are, and none of them is under the template's comment."""
    repository, _ = adopted("lint-ruff")
    ruff = settings(repository)
    assert ruff["line-length"] == 88
    assert ruff["extend-exclude"] == ["generated", ".gitea", "tests/test_smoke.py"]
    assert ruff["lint"]["select"] == ["E", "F", "B", "Q"]
    assert ruff["lint"]["ignore"] == ["E501"]
    assert ruff["lint"]["per-file-ignores"] == {"tests/*": ["B011"]}
    before = tomllib.loads((ROOT / "tests/adoption/repositories/lint-ruff/pyproject.toml").read_text())
    assert {**before["tool"]["ruff"], "extend-exclude": 0} == {**ruff, "extend-exclude": 0}


def test_markdown_alone_is_left_out(existing: Callable[..., Repository], template: Path) -> None:
    """Code in a changelog is not what the format check is for."""
    repository = existing("lint-ruff")
    repository.write("CHANGELOG.md", "# 1.0\n\n```python\nx=1\n```\n")
    repository.commit("docs: changes")
    said = adopt(repository, template)
    assert settings(repository)["extend-exclude"] == ["generated", ".gitea", "tests/test_smoke.py", "*.md"]
    assert "no check of the format" not in said
    repository.need("uv", "sync", "--frozen", "--extra", "dev")
    repository.need("bash", "-eo", "pipefail", "-c", steps(repository)["Format"])


@pytest.mark.parametrize("name", ["ruff.toml", pytest.param(".ruff.toml", marks=pytest.mark.slow)])
def test_settings_in_a_file_of_their_own(name: str, existing: Callable[..., Repository], template: Path) -> None:
    """They are merged there, in the old style of it as well."""
    repository = existing("lint-ruff-toml")
    (repository.path / "ruff.toml").unlink()
    repository.write(name, 'line-length = 88\r\nselect = ["E", "F"]\r\nignore = ["E741"] # short\r\n')
    repository.write("ruff_tomled/old.py", "import os\n\nl = 1\n")
    repository.commit("fix: older")
    add_origin(repository)
    said = adopt(repository, template)
    assert f'{name}: extend-exclude = [".gitea", "tests/test_smoke.py"]' in said
    ruff = settings(repository, name)
    assert ruff["ignore"] == ["E741"]
    assert ruff["lint"] == {"extend-per-file-ignores": {"ruff_tomled/old.py": ["F401"]}}
    assert "ruff" not in tomllib.loads((repository.path / "pyproject.toml").read_text())["tool"]
    assert b" # short\r\n" in (repository.path / name).read_bytes()
    repository.need("bash", "-euo", "pipefail", "-c", commands(said))
    assert repository.git("status", "--porcelain") == ""
    repository.need("uv", "run", "--extra", "dev", "ruff", "check")


@pytest.mark.slow
def test_settings_of_a_folder(existing: Callable[..., Repository], template: Path) -> None:
    """Ruff reads the nearest ones only: what is excluded and ignored has to stand there."""
    repository = existing("lint-ruff")
    repository.write("tests/ruff.toml", 'extend = "../pyproject.toml"\n\n[lint]\nselect = ["F", "E", "D100"]\n')
    repository.write("tests/test_old.py", '"""One."""\n\nimport os\n\n\ndef test_one() -> None:\n    """One."""\n')
    repository.commit("fix: older")
    adopt(repository, template)
    ruff = settings(repository, "tests/ruff.toml")
    assert ruff["extend-exclude"] == ["test_smoke.py"]
    assert ruff["lint"]["extend-per-file-ignores"]["test_old.py"] == ["F401"]
    repository.need("uv", "sync", "--frozen", "--extra", "dev")
    repository.need("uv", "run", "--no-sync", "ruff", "check")


def test_formatters_are_found_without_reading_text_for_people(tmp_path: Path) -> None:
    """A file that is no text hinders nobody."""
    (tmp_path / "Makefile").write_bytes(b"\xff\xfe black\n")
    assert formatters(tmp_path, project(TABLE)) == {"black"}
