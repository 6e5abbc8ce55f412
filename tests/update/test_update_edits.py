"""What users do to their own repository, and what an update over a year makes of it, with the real tools afterwards."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from versions import CI, FIRST, NEWEST, VERSIONS, Package

LOCKED = r'name = "tomli"\nversion = "([0-9.]+)"'
# An answer that the floor of the year's end leaves behind.
OLD = {"python_version": "3.10"}


@dataclass
class Edit:
    """What a user does, and what holds after the update; `said` are texts of the update's report."""

    do: Callable[[Package], object]
    holds: Callable[[Package], object] = lambda _: None
    said: tuple[str, ...] = ()


EDITS: dict[str, Edit] = {}


def edit(
    *said: str, holds: Callable[[Package], object] = lambda _: None
) -> Callable[[Callable[[Package], object]], None]:
    """Register an edit under its function's name."""

    def register(do: Callable[[Package], object]) -> None:
        EDITS[do.__name__] = Edit(do, holds, said)

    return register


def has(name: str, *texts: str) -> Callable[[Package], None]:
    """Say that a file has each of these texts once."""

    def look(package: Package) -> None:
        text = package.read(name)
        assert [text.count(part) for part in texts] == [1] * len(texts), text

    return look


def gone(*names: str) -> Callable[[Package], None]:
    """Say that none of these files is there."""
    return lambda package: [pytest.fail(f"{n} is back") for n in names if (package.path / n).exists()] and None


@edit(holds=has("pyproject.toml", '"tomli>=2"'))
def dependency(package: Package) -> None:
    """A dependency that uv.lock holds at an old version."""
    package.edit("pyproject.toml", "dependencies = []", 'dependencies = ["tomli>=2"]')
    package.do("uv", "lock", "--quiet", "--upgrade-package", "tomli==2.0.1")
    assert re.findall(LOCKED, package.read("uv.lock")) == ["2.0.1"]


def pin_kept(package: Package) -> None:
    """The version that uv.lock held."""
    assert re.findall(LOCKED, package.read("uv.lock")) == ["2.0.1"]


EDITS["dependency"].holds = pin_kept


@edit(holds=has("pyproject.toml", 'version = "3.2.1"'))
def version(package: Package) -> None:
    """A version of the user's."""
    package.edit("pyproject.toml", 'version = "0.0.0"', 'version = "3.2.1"')


@edit(
    holds=has("pyproject.toml", 'select = ["F", "E", "I", "B"]', 'ignore = ["E501"] # long lines', '"tests/*" = ["E"]')
)
def lint_ignores(package: Package) -> None:
    """Ignored rules."""
    rules = 'ignore = ["E501"] # long lines\n\n[tool.ruff.lint.per-file-ignores]\n"tests/*" = ["E"]\n'
    package.edit("pyproject.toml", 'select = ["F", "E", "W", "I"]\n', f'select = ["F", "E", "W", "I"]\n{rules}')


@edit(holds=has("pyproject.toml", 'select = ["F", "I", "UP", "B"]'))
def lint_rules(package: Package) -> None:
    """Rules taken out and put in: the pattern's come and go beside them."""
    package.edit("pyproject.toml", 'select = ["F", "E", "W", "I"]', 'select = ["F", "I", "UP"]')


@edit(
    'project.requires-python is ">=3.10,<4", the pattern',
    holds=has("pyproject.toml", 'requires-python = ">=3.10,<4"'),
)
def floor(package: Package) -> None:
    """A ceiling of the user's, on a floor that the pattern raises."""
    package.edit("pyproject.toml", 'requires-python = ">=3.10"', 'requires-python = ">=3.10,<4"')


@edit(
    'build-system.requires[hatchling] is "hatchling==1.31.0", the pattern',
    holds=has("pyproject.toml", '"hatchling==1.31.0"'),
)
def own_hatchling(package: Package) -> None:
    """A value that the pattern changes, too."""
    package.edit("pyproject.toml", "hatchling==1.33.0", "hatchling==1.31.0")


@edit(holds=has("pyproject.toml", 'say-it = "handler_base:say"', '[project.entry-points."a.b"]'))
def scripts(package: Package) -> None:
    """A command and an entry point."""
    package.write("handler_base/__init__.py", '"""Says it."""\n\n\ndef say() -> None:\n    """Say it."""\n')
    new = '[project.scripts]\nsay-it = "handler_base:say"\n\n[project.entry-points."a.b"]\nx = "handler_base:say"\n\n'
    package.edit("pyproject.toml", "[tool.hatch", f"{new}[tool.hatch")


def tables(text: str) -> list[str]:
    """The headers of a TOML file, in their order."""
    return re.findall(r"(?m)^\[.*\]$", text)


def still_reversed(package: Package) -> None:
    """The order that the user gave to the tables."""
    assert tables(package.read("pyproject.toml"))[0] == "[[tool.uv.index]]"
    assert tables(package.read("pyproject.toml"))[-1] == "[build-system]"


@edit(holds=still_reversed)
def tables_moved(package: Package) -> None:
    """Every table at another place."""
    blocks = re.split(r"(?m)^(?=\[)", package.read("pyproject.toml"))
    assert len(blocks) > 6
    package.write("pyproject.toml", "\n".join(block.rstrip() + "\n" for block in reversed(blocks) if block.strip()))


@edit(holds=has("tests/test_smoke.py", '"core"'))
def package_renamed(package: Package) -> None:
    """The import package has another name."""
    package.git("mv", "handler_base", "core")
    package.edit("pyproject.toml", 'packages = ["handler_base"]', 'packages = ["core"]')


@edit(holds=has("pyproject.toml", 'name = "other-name"'))
def distribution_renamed(package: Package) -> None:
    """The distribution has another name."""
    package.edit("pyproject.toml", 'name = "handler-base"', 'name = "other-name"')
    package.do("uv", "lock", "--quiet")


@edit(holds=has("pyproject.toml", 'packages = ["src/core"]'))
def renamed_into_src(package: Package) -> None:
    """The import package has another name, in another folder."""
    package.write("src/core/__init__.py", "")
    package.git("rm", "--quiet", "-r", "handler_base")
    package.edit("pyproject.toml", 'packages = ["handler_base"]', 'packages = ["src/core"]')


@edit(holds=has("tests/test_smoke.py", '"handler_base",\n    "beta"'))
def package_added(package: Package) -> None:
    """A second import package, which the smoke test then imports, too."""
    package.write("src/beta/__init__.py", "")
    package.edit("pyproject.toml", 'packages = ["handler_base"]', 'packages = ["handler_base", "src/beta"]')


@edit(holds=has("tests/test_smoke.py", '"alpha",\n    "beta"'))
def package_split(package: Package) -> None:
    """Two import packages in the place of one."""
    package.write("beta/__init__.py", "")
    package.git("mv", "handler_base", "alpha")
    package.edit("pyproject.toml", 'packages = ["handler_base"]', 'packages = ["alpha", "beta"]')


@edit(
    holds=has("pyproject.toml", 'name = "other-name"', '[project.scripts]\nhandler-base = "handler_base.cli:main"\n\n')
)
def distribution_renamed_with_cli(package: Package) -> None:
    """The distribution has another name, and consumers still run the command that they know."""
    package.edit("pyproject.toml", 'name = "handler-base"', 'name = "other-name"')
    package.edit("handler_base/cli.py", 'name = "handler-base"', 'name = "other-name"')
    package.do("uv", "lock", "--quiet")


@edit("you deleted tests/test_smoke.py", holds=gone("tests/test_own.py", "tests/__init__.py"))
def test_deleted(package: Package) -> None:
    """The template's test goes; it is the template's, so it comes back."""
    package.git("rm", "--quiet", "tests/test_smoke.py")
    package.write("tests/test_mine.py", "def test_mine() -> None:\n    assert True\n")


@edit(holds=has("README.md", "Another text altogether."))
def readme_rewritten(package: Package) -> None:
    """Nothing of the template's README is left."""
    package.write("README.md", "# Another\n\nAnother text altogether.\n")


@edit(holds=gone(".gitignore", "handler_base/py.typed", "README.md"))
def seeds_deleted(package: Package) -> None:
    """Seed files go, and stay away."""
    package.write(".git/info/exclude", ".venv/\n__pycache__/\n*_cache/\n")
    package.git("rm", "--quiet", ".gitignore", "handler_base/py.typed", "README.md")
    package.edit("pyproject.toml", 'readme = "README.md"\n', "")


@edit("git diff HEAD -- .gitea/workflows/ci.yaml)", ".gitea/setup.sh")
def owned_edit_that_conflicts(package: Package) -> None:
    """An edit of a line that the template changes."""
    text = package.read(".gitea/workflows/ci.yaml")
    package.write(".gitea/workflows/ci.yaml", re.sub(r'UV_VERSION: "[0-9.]+"', 'UV_VERSION: "0.1.0"', text))


@edit("git diff HEAD -- tests/test_smoke.py)", "move it into a test")
def owned_edit_that_would_merge(package: Package) -> None:
    """An edit far from every line that the template changes."""
    package.write("tests/test_smoke.py", package.read("tests/test_smoke.py") + "\n\nEXTRA = 1\n")


def aside(package: Package) -> None:
    """The file whose name the template takes is beside the template's, as it was."""
    assert package.read(".gitea/tell_before.py") == "# Mine.\n"
    (package.path / ".gitea/tell_before.py").unlink()


@edit(".gitea/tell_before.py: your .gitea/tell.py", holds=aside)
def name_taken(package: Package) -> None:
    """A file of the user's, of a name that the template takes in a later version."""
    package.write(".gitea/tell.py", "# Mine.\n")


@edit()
def commented(package: Package) -> None:
    """Comments and blank lines all over pyproject.toml."""
    text = package.read("pyproject.toml")
    package.write("pyproject.toml", "# Ours.\n" + re.sub(r"(?m)^(\[.*)$", r"# Above.\n\1 # Behind.", text))


ALONE = {
    *("package_renamed", "distribution_renamed", "lint_rules", "tables_moved", "commented", "seeds_deleted"),
    *(
        "renamed_into_src",
        "package_split",
        "package_added",
        "name_taken",
        "distribution_renamed_with_cli",
        "test_deleted",
    ),
}
TOGETHER = [name for name in EDITS if name not in ALONE]
# Those of the rest that go together; in this order, as some of them need what others change.
GROUPS = {
    "beside each other": ["lint_rules", "tables_moved", "name_taken", "distribution_renamed"],
    "renamed": ["package_renamed", "commented"],
    "moved": ["renamed_into_src", "test_deleted"],
    "split": ["seeds_deleted", "package_split"],
}
# Of those that go with no others, the one that changes most.
ORDINARY = {"package_added"}
SINGLE = ALONE - {name for names in GROUPS.values() for name in names}
# What makes the package's own name or folders another's, and with them its smoke test.
OTHER_PACKAGES = {"package_renamed", "renamed_into_src", "package_split", "package_added"}


def updated(package: Package, names: list[str], version: str) -> None:
    """Do the edits, update, and see what has to hold after each of them."""
    for name in names:
        EDITS[name].do(package)
    package.commit("fix: mine")
    mine = {
        name: text for name, text in package.files().items() if not name.startswith((".gitea/", "tests/test_smoke"))
    }
    report = package.update(version)
    # Whatever was in a template-owned file, it is the template's.
    for name in names:
        EDITS[name].holds(package)
        for text in EDITS[name].said:
            assert text in report, report
    now = package.files()
    assert {name for name in set(mine) | set(now) - set(package.owned()) if now.get(name) != mine.get(name)} <= {
        "pyproject.toml",
        "uv.lock",
        ".copier-answers.yml",
    }
    package.sound()


@pytest.mark.parametrize(
    "name", [name if name in ORDINARY else pytest.param(name, marks=pytest.mark.slow) for name in EDITS]
)
def test_an_edit_survives_a_year(package: Callable[..., Package], rendered: Callable[..., Package], name: str) -> None:
    """One edit, then the update from the first version to the last."""
    answers = {**OLD, "cli": "true"} if name.endswith("with_cli") else OLD
    mine = package(FIRST, **answers)
    updated(mine, [name], NEWEST)
    if name not in OTHER_PACKAGES:
        assert mine.owned() == rendered(NEWEST, **OLD).owned()
    assert "tests/test_smoke.py" in mine.owned()


@pytest.mark.parametrize(
    "group", [pytest.param(g, marks=pytest.mark.slow) if g in ("moved", "renamed", "split") else g for g in GROUPS]
)
def test_edits_of_a_group_survive(
    package: Callable[..., Package], rendered: Callable[..., Package], group: str
) -> None:
    """The edits that do not go with all the others, some at once: each holds as it does alone."""
    mine = package(FIRST, **OLD)
    updated(mine, GROUPS[group], NEWEST)
    if OTHER_PACKAGES.isdisjoint(GROUPS[group]):
        assert mine.owned() == rendered(NEWEST, **OLD).owned()
    assert "tests/test_smoke.py" in mine.owned()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EDITS if name != "test_deleted"])
def test_steps_lead_where_one_jump_does(package: Callable[..., Package], name: str) -> None:
    """From version to version of the year, the same files come out, and nothing more is said of the user's edits."""
    mine = package(FIRST, **({**OLD, "cli": "true"} if name.endswith("with_cli") else OLD))
    EDITS[name].do(mine)
    mine.commit("fix: mine")
    jump = Package(shutil.copytree(mine.path, mine.path.with_name("jump") / mine.path.name, symlinks=True), mine.env)
    said = jump.update(NEWEST)
    jump.commit("chore: update")
    for version in VERSIONS[1:]:
        report = mine.update(version)
        assert report.count("not your edit") <= said.count("not your edit")
        mine.commit("chore: update")
    assert mine.files() == jump.files()


def test_every_edit_is_tried() -> None:
    """Alone or with others."""
    assert sorted([*TOGETHER, *SINGLE, *(name for names in GROUPS.values() for name in names)]) == sorted(EDITS)


@pytest.mark.parametrize("version", [FIRST, *(pytest.param(v, marks=pytest.mark.slow) for v in VERSIONS[1:-1])])
def test_all_edits_survive(package: Callable[..., Package], rendered: Callable[..., Package], version: str) -> None:
    """Many edits at once, then the update from any version."""
    mine = package(version, **OLD)
    early = VERSIONS.index(version)
    names = [n for n in TOGETHER if early < 7 or n != "floor"]
    updated(mine, names if not early else ["dependency", "version", "scripts", "readme_rewritten", "commented"], NEWEST)
    assert mine.owned() == rendered(NEWEST, **OLD).owned()


@pytest.mark.slow
def test_what_git_holds_is_the_edit(package: Callable[..., Package]) -> None:
    """The command that the update names does show the edit that it took away."""
    mine = package()
    mine.write(".gitea/workflows/ci.yaml", mine.read(".gitea/workflows/ci.yaml") + "# an edit of mine\n")
    mine.commit("chore: mine")
    report = mine.update(NEWEST)
    (command,) = re.findall(r"git diff HEAD -- \S+(?=\))", report)
    assert "-# an edit of mine" in mine.do(*command.split())


@pytest.mark.parametrize("autocrlf", ["false", "true"])
def test_nothing_is_said_of_files_that_nobody_edited(package: Callable[..., Package], autocrlf: str) -> None:
    """Silence is the rule: no file of the template's is named as edited, none of the user's as changed."""
    mine = package()
    mine.git("config", "core.autocrlf", autocrlf)
    mine.git("rm", "--quiet", "--cached", "-r", ".")
    mine.git("reset", "--quiet", "--hard")
    assert (b"\r\n" in mine.owned()["tests/test_smoke.py"]) is (autocrlf == "true")
    report = mine.update(NEWEST)
    assert "Kept" not in report
    assert CI.removeprefix("template/").removesuffix(".jinja") in report
