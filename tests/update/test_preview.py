"""What a change of the template does to the known packages, as its author and a pull request's reader see it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rendering import ROOT
from sharing import Once
from test_update_text import outside_code
from versions import CI, Template, ci_step
from versions import OWNED as TEMPLATE_S

sys.path.insert(0, str(ROOT / "rollout"))

from package_update import OWNED, Failed, check

README = "template/README.md.jinja"
HOSTILE = "::set-env name=PATH::x\n````\n@everyone | <b>x</b>\n##[error]x\n\x1b[2Jclosed\r::error::x\n```\n\u202e#1\n"


@dataclass
class Preview:
    """What a run of the program has left."""

    code: int
    log: list[str]
    page: str
    files: dict[str, str]

    @property
    def lines(self) -> list[str]:
        """What it says below the page."""
        return [line for line in self.log if not line.startswith("|")]


@pytest.fixture(scope="session")
def released(once: Once, env: dict[str, str]) -> Template:
    """A template of one version, with two packages; tests leave it as it is."""

    def make(folder: Path) -> None:
        made = Template.make(folder / "template", env)
        made.write("packages/handler-base.yaml", "project_name: handler-base\nmodule_name: handler_base\n")
        made.write("packages/mlflow-utils.yaml", "project_name: mlflow-utils\ncli: true\noptional_imports: [kfp]\n")
        made.tag("1.4.0", "feat: the first version")

    return Template(once("released", make) / "template", env)


@pytest.fixture
def template(tmp_path: Path, released: Template) -> Template:
    """The test's own, with one package."""
    shutil.copytree(released.path, tmp_path / "template")
    made = Template(tmp_path / "template", released.env)
    (made.path / "packages/mlflow-utils.yaml").unlink()
    return made


@pytest.fixture
def preview(tmp_path: Path) -> Callable[..., Preview]:
    """Run the program in a template."""

    def run(template: Template, *words: str) -> Preview:
        page, folder = tmp_path / "page.md", tmp_path / "kept"
        command = (sys.executable, template.path / "rollout/preview.py", *words, "--output", folder)
        done = template.run(*command, GITHUB_STEP_SUMMARY=str(page), UV=shutil.which("uv") or "uv")
        assert "Traceback" not in done.stderr, done.stderr
        files = {file.name: file.read_text() for file in folder.glob("*")}
        log = done.stdout.split("\n")
        return Preview(done.returncode, log, page.read_text() if page.exists() else "", files)

    return run


def test_a_change_is_shown_for_each_package(
    tmp_path: Path, released: Template, preview: Callable[..., Preview]
) -> None:
    """As a new one has it, of this branch alone, in the log, on the page and as files; and each package updates."""
    shutil.copytree(released.path, tmp_path / "template")
    template = Template(tmp_path / "template", released.env)
    template.git("checkout", "--quiet", "-b", "change")
    ci_step(template)
    template.commit("feat: compile")
    template.edit(README, "# [[ project_name ]]", "# The package [[ project_name ]]")  # not committed yet
    template.git("stash", "--quiet")
    template.git("checkout", "--quiet", "main")
    template.edit(CI, "name: CI\n", "name: Of main alone\n")
    template.commit("feat: meanwhile")
    template.git("checkout", "--quiet", "change")
    template.git("stash", "pop", "--quiet")
    seen = preview(template, "main")
    names = ("handler-base", "mlflow-utils")
    assert seen.lines == [*(f"{name}: 2 files, +3 -1; update from v1.4.0: ok" for name in names), "", ""]
    assert seen.code == 0
    assert sorted(seen.files) == [*(f"{name}.diff" for name in names), "preview.md"]
    for name in names:
        assert "\n+      - name: Compile\n" in seen.files[f"{name}.diff"]
        assert f"\n+# The package {name}\n" in seen.files[f"{name}.diff"]
    assert seen.page.count("\n+      - name: Compile\n") == 2
    assert seen.page.count("\n  .gitea/workflows/ci.yaml\n") == 2, "what the update says"
    assert "Of main alone" not in seen.page
    assert "_commit" not in seen.page
    shown = "\n".join(line.removeprefix("| ") for line in seen.log if line.startswith("|"))
    assert shown.rstrip("\n") == seen.page.rstrip("\n") == seen.files["preview.md"].rstrip("\n")


@pytest.mark.slow
def test_no_change_shows_nothing(template: Template, preview: Callable[..., Preview]) -> None:
    """Nor does one of what no package gets. Without a released version packages update from the base."""
    template.git("tag", "--delete", "v1.4.0")
    template.write("docs/more.md", "More.\n")
    seen = preview(template)
    assert seen.lines == ["handler-base: no change; update from main: ok", "", ""]
    assert seen.code == 0
    assert seen.files["handler-base.diff"] == "\n"
    assert "```diff" not in seen.page


def refused(template: Template) -> None:
    """A migration that fails."""
    broken = (
        """_migrations:\n  - command: "echo ::error::this cannot be; false"\n    when: "[[ _stage == 'after' ]]"\n"""
    )
    template.edit("copier.yml", "_migrations:\n", broken)


def conflicting(template: Template) -> None:
    """Copier updates the seed files itself, and one of them changes."""
    template.edit("copier.yml", "existing or _copier_operation == 'update'", "existing")
    template.edit(README, "# [[ project_name ]]", "# The package [[ project_name ]]")


def left_behind(template: Template) -> None:
    """An owned file that changes, and that no update brings."""
    template.edit("apply/ownership.py", 'OWNED = (".gitea/", "tests/test_smoke.py")', 'OWNED = (".gitea/",)')
    name = "template/tests/test_smoke.py.jinja"
    template.write(name, f"{template.read(name)}# Another line.\n")


def unrendered(template: Template) -> None:
    """What is no Jinja."""
    template.write(README, "[[ project_name\n")


@pytest.mark.parametrize(
    ("change", "line", "sentence"),
    [
        (
            refused,
            "no change; update from v1.4.0: failed",
            "the update from v1.4.0 is refused: ::error::this cannot be. Correct the template: ",
        ),
        (
            conflicting,
            "1 file, .1 -1; update from v1.4.0: failed",
            "the update from v1.4.0 conflicts in README.md, pyproject.toml. Keep ",
        ),
        pytest.param(
            left_behind,
            "1 file, .1 -0; update .+: failed",
            "the update .+ leaves tests/test_smoke.py different from a new ",
            marks=pytest.mark.slow,
        ),
        (unrendered, "not rendered", "no package can be made with this change: .+ Correct the template."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_that_breaks_updates_fails(
    template: Template, preview: Callable[..., Preview], change: Callable[[Template], None], line: str, sentence: str
) -> None:
    """A sentence names the package, what happened and what to do; the page has it, too."""
    change(template)
    seen = preview(template)
    assert seen.code == 1
    shown, said, end = seen.lines
    assert re.fullmatch(f"handler-base: {line}", shown)
    assert re.match(f"handler-base: {sentence}", said), said
    assert end == ""
    assert outside_code(seen.page).count("**") == 2
    assert seen.files["preview.md"]


@pytest.mark.slow
def test_nothing_in_a_file_does_anything(template: Template, preview: Callable[..., Preview]) -> None:
    """Not in the log, on the page or in a terminal: it is no command, leaves no code block, and hides nothing."""
    template.write("template/.gitea/hostile.txt", HOSTILE)
    template.write("template/.gitea/long.txt", "@everyone\n" * 5000)
    seen = preview(template)
    assert seen.code == 0
    assert seen.lines[0].startswith("handler-base: 2 files, +50")
    assert seen.lines[1:] == ["", ""]
    left = outside_code(seen.page)
    for word in ("::", "@everyone", "<b>", "##[", "#1"):
        assert word not in left
    assert left.count("</details>") == left.count("<details>")
    assert "more lines" in seen.page or "lines more" in seen.page
    assert "::set-env name=PATH::x" in seen.page
    assert len(seen.page) < 40_000
    for text in (*seen.log, seen.page, *seen.files.values()):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028\u202e]", text)


def test_a_base_that_is_not_there(template: Template, preview: Callable[..., Preview]) -> None:
    """A sentence."""
    seen = preview(template, "origin/none")
    assert seen.code == 1
    assert seen.lines[0].startswith("preview: there is no origin/none here, or it shares no commit with HEAD: fetch ")


BEFORE = {".gitea/a": (b"old", False), "README.md": (b"mine", False), "pyproject.toml": (b"a", False)}
AFTER = BEFORE | {".gitea/a": (b"new", True), "pyproject.toml": (b"b", False)}
FRESH = AFTER | {"README.md": (b"theirs", False), "pyproject.toml": (b"c", False)}


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({".gitea/a": (b"new", False)}, "leaves .gitea/a different from a new package"),
        ({".gitea/b": (b"", False)}, "leaves .gitea/b different from a new package"),
        ({"README.md": (b"theirs", False)}, "changes README.md, which the owner has"),
        ({"a.py": (b"", False), "b.py": (b"", False)}, "changes a.py, b.py, which the owner has"),
    ],
)
def test_whose_file_it_is(after: dict[str, tuple[bytes, bool]], words: str) -> None:
    """The template's are those of a new package, to the byte and the executable bit; the owner's stay."""
    check("the update", "", (BEFORE, AFTER, FRESH))
    with pytest.raises(Failed, match=words):
        check("the update", "", (BEFORE, AFTER | after, FRESH))


def test_the_owned_files_are_those_of_updates() -> None:
    """The rule stands in two places: apply/ runs in packages, where rollout/ is not."""
    assert OWNED == TEMPLATE_S
    assert f"OWNED = {OWNED}".replace("'", '"') in (ROOT / "apply/ownership.py").read_text()


def test_uv_runs_it() -> None:
    """As the documentation says, with what it names at its top."""
    words = ("uv", "run", "--quiet", "rollout/preview.py", "--help")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[--output OUTPUT] [base]" in done.stdout
