"""Each kind of existing repository comes onto the template, keeps what it has, and releases."""

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from act_package import JOB_TOKEN, OWNER, PUBLISHER, Package
from act_runner import Runner
from adopting import REFUSED, REPOSITORIES, SECOND, SITUATIONS, Adopted, Repository, adopt, commands, wheel
from loopback_gitea import Forge, Ntfy

# One for each way in which a version or a wheel is made; the others release in the long run only.
RELEASED = {
    "setuptools-setup-py",
    "flit",
    "requirements-only",
    "version-hatch-vcs",
    "version-setuptools-scm",
    "version-attr",
    "several-packages",
}
# One for each way in which the gates have to do with what was there; the others go through them in the long run only.
GATED = {"setuptools-setup-py"}
UPDATED = {"smoke-test"}
# One for each kind of what there may be.
KEPT = {
    *("hatchling-flat", "setuptools-setup-py", "setuptools-setup-cfg", "requirements-only", "version-hatch-vcs"),
    *("lint-ruff-toml", "lint-black", "several-packages", "namespace-package", "workflows-ci", "workflows-others"),
    *("uv-lock", "smoke-test", "no-readme", "branch-master"),
}


def some(ordinary: set[str]) -> list:
    """All situations, those that are not in the ordinary run marked slow."""
    return [name if name in ordinary else pytest.param(name, marks=pytest.mark.slow) for name in SITUATIONS]


def adopt_at(forge: Forge, repository: Repository, template: Path) -> str:
    """Bring a repository onto the template's first version at this Gitea, and return the closing message."""
    answers = {"gitea_owner": OWNER, "gitea_url": forge.outside, "gitea_internal_url": forge.inside}
    return adopt(repository, template, *(word for name, text in answers.items() for word in ("-d", f"{name}={text}")))


def published(repository: Repository, template: Path, forge: Forge) -> Repository:
    """Adopt a repository, do what is left to do, and give a clone of what was pushed."""
    bare = forge.add_repository(OWNER, repository.path.name)
    repository.git("remote", "add", "origin", str(bare))
    left = commands(adopt_at(forge, repository, template))
    repository.need("bash", "-euo", "pipefail", "-c", left)
    clone = Repository(repository.path.parent / "clone" / repository.path.name, repository.environment)
    repository.git("clone", "-q", "-b", "main", str(bare), str(clone.path))
    return clone


def release(clone: Repository, forge: Forge) -> None:
    """Do what the test job and the publish job do, on what was pushed."""
    output = clone.path.parent / "output"
    output.touch()
    where = {"REGISTRY_URL": f"{forge.inside}/api/packages/{OWNER}/pypi", "RUNNER_TEMP": str(clone.path.parent)}
    where |= {"GITHUB_SERVER_URL": forge.inside, "GITHUB_REPOSITORY": f"{OWNER}/{clone.path.name}"}
    clone.need("uv", "run", ".gitea/dist.py", "build", **where, GITHUB_OUTPUT=str(output))
    clone.need("uv", "sync", "--frozen", "--extra", "dev")
    clone.need("uv", "run", ".gitea/dist.py", "check", **where)
    handed = dict(line.split("=", 1) for line in output.read_text().splitlines())
    where |= {"VERSION": handed["version"], "FILES": handed["files"]}
    for step, login in {"preflight": PUBLISHER, "tag": None, "upload": PUBLISHER}.items():
        given = {"REGISTRY_USER": login[0], "REGISTRY_TOKEN": login[1]} if login else {}
        given |= {"JOB_TOKEN": JOB_TOKEN} if step in ("preflight", "tag") else {}
        python = clone.path.parent / "release/twine/bin/python"  # which the check has installed
        clone.need(str(python), "-E", ".gitea/release.py", step, **given, **where)


def assert_released(name: str, forge: Forge) -> None:
    """See that the registry has a wheel and an sdist of the version that comes next, and nothing else."""
    situation = SITUATIONS[name]
    start = f"{situation.distribution.replace('-', '_')}-{situation.next}"
    files = {re.sub("[-_.]+(?=[^-]*-[0-9])", "_", file.lower()) for file in forge.files(OWNER)}
    assert files == {f"{start}.tar.gz", f"{start}-py3-none-any.whl"}


def test_every_situation_has_a_folder() -> None:
    """The folders are the list."""
    assert {path.name for path in REPOSITORIES.iterdir()} == {*SITUATIONS, *REFUSED}


def assert_kept(name: str, before: dict[str, bytes], after: dict[str, bytes], said: str) -> None:
    """See that an adoption changed nothing but what it may, told all that it added, and knows the package."""
    situation = SITUATIONS[name]
    replaced = {"pyproject.toml", "ruff.toml", "uv.lock", ".gitea/workflows/ci.yaml", "tests/test_smoke.py"}
    assert {n: b for n, b in after.items() if n in before and n not in replaced} == {
        n: b for n, b in before.items() if n not in replaced
    }, "a file of the user's changed"
    new = {name for name in after if name not in before}
    beside = {".gitea/workflows/ci.yaml.before", "tests/test_smoke_before.py"}
    seeds = {"README.md", ".gitignore", "pyproject.toml", "uv.lock", ".copier-answers.yml", "tests/test_smoke.py"}
    assert {n for n in new - beside - seeds if not n.startswith(".gitea/")} == set(), "stray files"
    assert all(line in said for line in new), "a file that was added and not told"
    answers = yaml.safe_load(after[".copier-answers.yml"])
    assert (answers["project_name"], answers["module_name"]) == (situation.distribution, situation.modules)
    written = tomllib.loads(after["pyproject.toml"].decode())
    assert re.sub("[-_.]+", "-", written["project"]["name"]).lower() == situation.distribution


@pytest.mark.parametrize("name", some(KEPT))
def test_adopted_repository_keeps_what_it_has(name: str, adopted: Callable[[str], Adopted], tmp_path: Path) -> None:
    """Nothing is lost, and the lock is one that uv takes."""
    repository, said = adopted(name)
    untouched = Repository(tmp_path / "untouched", repository.environment)
    repository.git("clone", "-q", str(repository.path), str(untouched.path))
    before = untouched.content()
    fixture = (path.relative_to(REPOSITORIES / name) for path in (REPOSITORIES / name).rglob("*") if path.is_file())
    assert set(before) - {"uv.lock"} == {path.as_posix() for path in fixture} - {"uv.lock"}, "a file is not committed"
    assert_kept(name, before, repository.content(), said)
    repository.need("uv", "lock", "--check")


@pytest.mark.parametrize("name", some(GATED))
def test_adopted_repository_passes_its_gates(
    name: str, existing: Callable[..., Repository], template: Path, forge: Forge
) -> None:
    """Nothing is lost, and after the commands of the closing list a clone passes what CI asks."""
    repository, situation = existing(name), SITUATIONS[name]
    before = repository.content()
    has_backend = "pyproject.toml" in before or "setup.py" in before
    code = {n: b for n, b in before.items() if n.startswith(f"{situation.modules}/")}
    held = wheel(repository, "--wheel") if has_backend else code
    bare = forge.add_repository(OWNER, repository.path.name)
    repository.git("remote", "add", "origin", str(bare))

    said = adopt_at(forge, repository, template)

    assert_kept(name, before, repository.content(), said)

    repository.need("bash", "-euo", "pipefail", "-c", commands(said))
    assert repository.git("status", "--porcelain") == "", "the list commits all"
    clone = Repository(repository.path.parent / "clone" / repository.path.name, repository.environment)
    repository.git("clone", "-q", "-b", "main", str(bare), str(clone.path))
    clone.need("uv", "lock", "--check")
    clone.need("uv", "sync", "--frozen", "--extra", "dev")
    clone.need("uv", "run", "--no-sync", "ruff", "check")
    if yaml.safe_load((clone.path / ".copier-answers.yml").read_text())["format_check"]:
        clone.need("uv", "run", "--no-sync", "ruff", "format", "--check")
    tests = clone.need("uv", "run", "--no-sync", "pytest", "-vv")
    assert "test_smoke.py::test_imports" in tests
    own = [n for n in before if re.fullmatch(r"(.*/)?(test_\w+|\w+_test)\.py", n)]
    for file in own:
        assert f"{file if file != 'tests/test_smoke.py' else 'tests/test_smoke_before.py'}::" in tests
    holds = wheel(clone)
    assert set(holds) == set(held)
    for file in set(holds) - {"from_tags/_version.py"}:
        if file.endswith(".py"):
            assert ast.dump(ast.parse(holds[file])) == ast.dump(ast.parse(held[file]))
        else:
            assert holds[file] == held[file]

    if name in RELEASED:
        release(clone, forge)
        assert_released(name, forge)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SITUATIONS.keys() - RELEASED))
def test_release_counts_on_from_what_there_was(
    name: str, existing: Callable[..., Repository], template: Path, forge: Forge
) -> None:
    """The version is above tags and pyproject.toml, whatever makes it."""
    clone = published(existing(name), template, forge)
    release(clone, forge)
    assert_released(name, forge)


@pytest.mark.parametrize("name", some(set()))
def test_the_workflow_releases_it(
    name: str,
    existing: Callable[..., Repository],
    template: Path,
    forge: Forge,
    ntfy: Ntfy,
    runner: Runner,
) -> None:
    """All four jobs, under act."""
    clone = published(existing(name), template, forge)
    run = Package(clone.path, forge, runner, ntfy, OWNER).run()
    assert run.jobs == dict.fromkeys(("lint", "test", "publish", "notify"), "success"), run
    assert_released(name, forge)


@pytest.mark.slow
@pytest.mark.parametrize("name", SITUATIONS)
def test_fixture_passes_its_own_tests_before(name: str, existing: Callable[..., Repository]) -> None:
    """Else nothing follows from their passing afterwards."""
    repository = existing(name)
    buildable = {"pyproject.toml", "setup.py"} & set(repository.content())
    itself = ["--with", "."] if buildable else []
    done = repository.run("uv", "run", "--no-project", *itself, "--with", "pytest", "python", "-m", "pytest")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", some(UPDATED))
def test_again_changes_nothing_and_an_update_conflicts_with_nothing(
    name: str, adopted: Callable[[str], Adopted], template: Path
) -> None:
    """A second adoption writes nothing; the template's next version meets no edit of the owner's."""
    repository, first = adopted(name)
    once = repository.content()
    said = adopt(repository, template)
    assert repository.content() == once
    assert "Added:" not in said
    assert commands(said) == commands(first), "what is left to do is left still"
    repository.commit("feat: adopt")

    own = {n: b for n, b in once.items() if not n.startswith(".gitea/") and n not in ("pyproject.toml", "uv.lock")}
    done = repository.copier("update", "--trust", "--defaults")
    assert done.returncode == 0, done.stdout
    changed = repository.git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert {line[:2].strip() for line in changed} <= {"M", "??"}
    names = {line[2:].strip() for line in changed}
    kept = {".gitea/workflows/ci.yaml", ".gitea/release.py", ".gitea/new.txt", ".copier-answers.yml"}
    assert kept <= names <= kept | {"pyproject.toml", "uv.lock"}
    after = repository.content()
    assert {n: after[n] for n in own if n != ".copier-answers.yml"} == {
        n: b for n, b in own.items() if n != ".copier-answers.yml"
    }
    assert b"# newer" in after[".gitea/release.py"]
    old, new = (tomllib.loads(c["pyproject.toml"].decode())["project"]["optional-dependencies"] for c in (once, after))
    # What another extra asks for has its version there.
    newer = {"pytest": "pytest>=8"} if not any("pytest" in e for n, e in old.items() if n != "dev") else {}
    assert new["dev"] == [newer.get(entry, entry) for entry in old["dev"]]
    assert f"_commit: {SECOND}".encode() in after[".copier-answers.yml"]
    repository.need("uv", "lock", "--check")
