"""What cannot be brought onto the template is refused with a sentence, and nothing is written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from adopting import Repository

BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
TABLE = BACKEND + '[project]\nname = "small"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
REQUIREMENTS = "packaging\n"

BROKEN = {
    "toml": ({"pyproject.toml": "[project\n"}, ["pyproject.toml is not TOML", "line 1", "Fix it"]),
    "encoding": ({"pyproject.toml": "\udcff"}, ["pyproject.toml is not UTF-8", "Save it as UTF-8"]),
    "poetry": ({"pyproject.toml": '[tool.poetry]\nname = "small"\n'}, ["[tool.poetry]", "uvx migrate-to-uv"]),
    "dynamic": (
        {"pyproject.toml": TABLE + 'dynamic = ["optional-dependencies"]\n'},
        ["optional dependencies", "dynamic", "Write them into [project.optional-dependencies]"],
    ),
    "path": (
        {"requirements.txt": REQUIREMENTS + "./wheels/one.whl\n"},
        ["requirements.txt, line 2", "./wheels/one.whl", "NAME @ URL"],
    ),
    "requirements-encoding": (
        {"requirements.txt": "\udcff\udcfep\0i\0p\0"},
        ["requirements.txt is not UTF-8", "Save it as UTF-8"],
    ),
    "workspace": (
        {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["one"]\n'},
        ["root of a uv workspace", "git subtree split"],
    ),
    "no-name": (
        {"requirements.txt": REQUIREMENTS + "git+https://git.example.org/one.git\n"},
        ["requirements.txt, line 2", "has no name", "NAME @ git+https://git.example.org/one.git"],
    ),
    "lock": (
        {"pyproject.toml": TABLE + 'dependencies = ["packaging>2", "packaging<2"]\n'},
        ["unsatisfiable", "`uv lock` failed"],
    ),
    "setup": (
        {"setup.py": "import nothing_of_this_name\n"},
        ["nothing_of_this_name", "setup.py does not build"],
    ),
    "reserved": (
        {
            "pyproject.toml": TABLE + '[tool.hatch.build.targets.wheel]\npackages = ["profile"]\n',
            "profile/__init__.py": "",
        },
        ["'profile' is a keyword, or would hide a module", "an existing folder: rename it"],
    ),
    "empty wheel": (
        {"pyproject.toml": TABLE + '[tool.hatch.build.targets.wheel]\npackages = ["gone"]\n'},
        ["contains nothing to import", "Name its packages in the settings of the build backend"],
    ),
    "setup-cfg": (
        {"setup.cfg": "[metadata]\nname = small\nversion = file: gone.txt\n"},
        ["setup.cfg does not build", "Fix it"],
    ),
}


def refused(repository: Repository, template: Path, *words: str, **variables: str) -> str:
    """Run Copier, see that it refuses and that nothing of the repository is other than before; give its output."""
    status, content = repository.status(), repository.content()
    folders = {path for path in repository.path.rglob("*") if path.is_dir()}
    done = repository.copier("copy", "--trust", "--defaults", *words, str(template), ".", **variables)
    assert done.returncode != 0, done.stdout
    assert "Nothing was written." in done.stdout
    assert "Traceback" not in done.stdout
    assert repository.content() == content
    assert repository.status() == status
    assert {path for path in repository.path.rglob("*") if path.is_dir()} == folders
    return done.stdout


def without_uv(repository: Repository) -> str:
    """The PATH without the folders that have a uv."""
    folders = repository.environment["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder, "uv").exists())


@pytest.fixture
def small(existing: Callable[..., Repository]) -> Repository:
    """A repository with a change and a file that are not committed, and an ignored one."""
    repository = existing("untyped-code")
    repository.write("untyped/__init__.py", "X = 1\n")
    repository.write("notes.txt", "Mine.\n")
    repository.write("dist/old.txt", "Mine, too.\n")
    return repository


@pytest.mark.parametrize("name", BROKEN)
def test_a_repository_that_cannot_be_understood(name: str, small: Repository, template: Path) -> None:
    """The sentence says what was wrong and what to do."""
    files, wanted = BROKEN[name]
    (small.path / "pyproject.toml").unlink()
    for file, text in files.items():
        (small.path / file).parent.mkdir(exist_ok=True)
        (small.path / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    said = refused(small, template)
    assert not [part for part in wanted if part not in said], said


def test_without_uv(small: Repository, template: Path) -> None:
    """Neither on PATH nor named by UV."""
    assert "UV" not in small.environment
    said = refused(small, template, PATH=without_uv(small))
    assert "uv was not found" in said
    assert "Install uv (or start Copier with uvx)" in said


@pytest.mark.slow
def test_uv_that_only_its_variable_names(small: Repository, template: Path) -> None:
    """Started with uvx, Copier may have no uv on PATH."""
    uv = shutil.which("uv", path=small.environment["PATH"])
    done = small.copier("copy", "--trust", "--defaults", str(template), ".", PATH=without_uv(small), UV=str(uv))
    assert done.returncode == 0, done.stdout
    assert (small.path / "uv.lock").exists()


@pytest.mark.slow
def test_a_repository_of_another_template(existing: Callable[..., Repository], template: Path) -> None:
    """Its answers stay; with a file of its own the two live side by side."""
    repository = existing("other-template")
    said = refused(repository, template)
    assert "another Copier template (https://git.example.org/templates/python.git)" in said
    assert "`-a .copier-answers.gitea.yml`" in said
    old = (repository.path / ".copier-answers.yml").read_bytes()
    words = ("copy", "--trust", "--defaults", "-a", ".copier-answers.gitea.yml", "-r", "v1.0.0", str(template), ".")
    assert repository.copier(*words).returncode == 0
    assert (repository.path / ".copier-answers.yml").read_bytes() == old
    repository.commit("feat: adopt")
    done = repository.copier("update", "--trust", "--defaults", "-a", ".copier-answers.gitea.yml")
    assert done.returncode == 0, done.stdout
    assert "# newer" in (repository.path / ".gitea/release.py").read_text()
    assert (repository.path / ".copier-answers.yml").read_bytes() == old


def test_a_folder_of_a_monorepo(existing: Callable[..., Repository], template: Path) -> None:
    """Gitea would never run its workflow."""
    whole = existing("monorepo-folder")
    status, content = whole.status(), whole.content()
    said = refused(Repository(whole.path / "packages/alpha", whole.environment), template)
    assert f"inside the repository {whole.path}" in said
    assert "git subtree split" in said
    assert (whole.status(), whole.content()) == (status, content)


@pytest.mark.parametrize("link", ["pyproject.toml", ".gitea", "tests/test_smoke.py"])
def test_a_symbolic_link(link: str, small: Repository, template: Path) -> None:
    """git adds nothing behind a folder that is one; a file would be replaced."""
    place = small.path / link
    place.parent.mkdir(exist_ok=True)
    target = small.path / "behind"
    shutil.move(place, target) if place.exists() else target.mkdir()
    place.symlink_to(os.path.relpath(target, place.parent))
    assert f"{link} is a symbolic link" in refused(small, template)


@pytest.mark.slow
@pytest.mark.parametrize("git", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_folder_without_a_commit(git: bool, small: Repository, template: Path) -> None:
    """What pyproject.toml was would be lost, and the first commit would lack the code."""
    shutil.rmtree(small.path / ".git")
    if git:
        small.git("init", "-q", "-b", "main")
    before = small.content()
    done = small.copier("copy", "--trust", "--defaults", str(template), ".")
    assert done.returncode != 0
    assert "Commit what is here (git init -b main, git add, git commit)" in done.stdout
    assert small.content() == before
    small.git("init", "-q", "-b", "main")
    small.commit("fix: all")
    assert small.copier("copy", "--trust", "--defaults", str(template), ".").returncode == 0


def test_an_answer_that_is_refused(small: Repository, template: Path) -> None:
    """Copier's own refusal comes before anything of ours."""
    before = small.content()
    done = small.copier("copy", "--trust", "--defaults", "-d", "gitea_owner=a b", str(template), ".")
    assert done.returncode != 0
    assert "gitea_owner" in done.stdout
    assert small.content() == before


@pytest.mark.slow
def test_a_failing_update_takes_back_the_answers(small: Repository, template: Path) -> None:
    """Copier has written the new version into them by then."""
    small.commit("fix: all")
    words = ("copy", "--trust", "--defaults", "-r", "v1.0.0", str(template), ".")
    assert small.copier(*words).returncode == 0
    text = (small.path / "pyproject.toml").read_text()
    small.write("pyproject.toml", text.replace("dependencies = []", 'dependencies = ["packaging>2", "packaging<2"]', 1))
    small.commit("feat: adopt, and break")
    before = small.content()
    done = small.copier("update", "--trust", "--defaults")
    assert done.returncode != 0
    assert "`uv lock` failed" in done.stdout
    assert small.content() == before
    assert small.git("status", "--porcelain") == ""
