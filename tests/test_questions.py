"""The questions: what they say, what they default to, and what they refuse before anything is written."""

import json
import keyword
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from pytest_copier.plugin import CopierFixture
from rendering import KNOWN, ROOT, Render, Run

CONFIGURATION = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
SETTINGS = {name: value for name, value in CONFIGURATION.items() if name.startswith("_")}
ASKED = {
    name: question
    for name, question in CONFIGURATION.items()
    if name not in SETTINGS and question.get("when") is not False
}
URLS = ["gitea_url", "gitea_internal_url", "ntfy_url"]
FREE = [name for name, question in ASKED.items() if question["type"] != "bool" and "choices" not in question]
LONG = "x" * 300

# Answer, text, what is offered instead (in the first line, and at a terminal in the first 80 columns).
REFUSED = [
    ("project_name", "Handler_Base", "handler-base"),
    ("project_name", "handler.base", "handler-base"),
    ("project_name", "handler--base", "handler-base"),
    ("project_name", "handler base", "handler-base"),
    ("project_name", "-handler-", "handler"),
    ("project_name", "händler", "h-ndler"),
    ("project_name", "", "handler-base"),
    ("project_name", "pytest", "my-pytest"),
    ("project_name", "ruff", "my-ruff"),
    ("project_name", LONG, "at most 64 characters"),
    ("module_name", "json", "handler_base"),
    ("module_name", "tomllib", "handler_base"),
    ("module_name", "class", "handler_base"),
    ("module_name", "True", "handler_base"),
    ("module_name", "handler-base", "handler_base"),
    ("module_name", "handler.base", "handler_base"),
    ("module_name", "1handler", "handler_base"),
    ("module_name", "händler", "handler_base"),
    ("module_name", "", "handler_base"),
    ("module_name", "alpha, json", "handler_base"),
    ("module_name", "tests", "handler_base"),
    ("module_name", "pytest", "handler_base"),
    ("module_name", "dist", "handler_base"),
    ("module_name", "nul", "handler_base"),
    ("module_name", LONG, "handler_base"),
    ("description", "two\nlines", "one line"),
    ("description", "a tab\there", "one line"),
    ("description", "a bell\a", "one line"),
    ("description", "deleted\x7f", "one line"),
    ("description", "next\x85line", "one line"),
    ("description", "separated\u2028line", "one line"),
    ("description", "marked\ufeff", "one line"),
    ("description", " blank", "'blank', without spaces"),
    ("description", "blank ", "'blank', without spaces"),
    ("optional_imports", "kfp", "[kfp]"),
    ("optional_imports", {"kfp": 1}, "[kfp]"),
    ("optional_imports", ["a-b"], "names such as [kfp]"),
    ("optional_imports", ["kfp\n"], "names such as [kfp]"),
    ("optional_imports", [1], "names such as [kfp]"),
    ("optional_imports", [["kfp"]], "names such as [kfp]"),
    ("optional_imports", ["kfp."], "names such as [kfp]"),
    ("optional_imports", [LONG], "names such as [kfp]"),
    *(
        (name, text, offered)
        for name in URLS
        for text, offered in [
            ("git.test", "https://"),
            ("ftp://git.test", "https://"),
            ("//git.test", "https://"),
            ("https://", "https://"),
            ("https://git test", "https://"),
            ('https://git.test/"', "https://"),
            ("https://git.test:port", "https://"),
            ("https://user:secret@git.test", "https://git.test"),
            ("https://secret@git.test", "https://git.test"),
            ("https://git.test?q=1", "https://git.test"),
            ("https://git.test#x", "https://git.test"),
            ("https://git.test/git/", "https://git.test/git"),
        ]
    ),
    ("trial", "smoke", "package"),
    ("gitea_url", "", "https://"),
    ("gitea_internal_url", "", "https://"),
    ("gitea_owner", "my org", "my-org"),
    ("gitea_owner", "-org", "org"),
    ("gitea_owner", "my--org", "my-org"),
    ("gitea_owner", "org/team", "org-team"),
    ("gitea_owner", "", "my-organisation"),
    ("gitea_owner", LONG, "x" * 23),
    ("ntfy_topic", "my topic", "my-topic"),
    ("ntfy_topic", "my/topic", "my-topic"),
    ("ntfy_topic", "", "ci"),
    ("ntfy_topic", LONG, "x" * 25),
    ("runner_label", "my label", "ubuntu-latest"),
    ("runner_label", "ubuntu:docker://image", "ubuntu-latest"),
    ("runner_label", "", "ubuntu-latest"),
    *(
        ("update_time", text, "17 4 * * 1")
        for text in ("", "weekly", "17 4 * *", "17  4 * * 1", "17 4 * * 1 6", "@weekly")
    ),
    *(("dependency_updates", text, "monthly") for text in ("", "Weekly", "daily", "none", "monthly\n")),
    # The end of a line is no end of a text: a data file ends its block texts with one.
    *((name, f"{default}\n", "") for name, default in [("project_name", "a"), ("module_name", "a")]),
    *((name, "https://git.test\n", "https://git.test") for name in URLS),
    *((name, "ci\n", "") for name in ("description", "gitea_owner", "ntfy_topic", "runner_label")),
    ("update_time", "17 4 * * 1\n", "17 4 * * 1"),
]

ACCEPTED = {
    "project_name": ["a", "3d-tools", "x" * 64, "json"],
    "module_name": ["a", "_a", "Handler2", "x" * 64],
    "python_version": ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"],
    "optional_imports": [[], ["kfp"], ["google.cloud", "_a1"], ["x" * 100]],
    "gitea_url": ["http://git.test:3000", "https://git.test/sub/path", "http://[::1]:3000", "http://127.0.0.1"],
    "gitea_internal_url": ["http://gitea-http.gitea.svc.cluster.local:3000"],
    "gitea_owner": ["a", "A_b.c-d", "x" * 40],
    "ntfy_url": ["", "https://ntfy.test/sub"],
    "ntfy_topic": ["a", "A_b-c", "x" * 64],
    "ntfy_when": ["always", "releases and failures"],
    "runner_label": ["ubuntu-22.04", "3.10", "true", "self_hosted"],
    "update_time": ["17 4 * * 1", "*/5 0-6 1,15 * 1"],
    "dependency_updates": ["weekly", "monthly", "never"],
}


@pytest.fixture
def folder(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is to become a package, with nobody's Copier settings."""
    monkeypatch.setenv("COPIER_SETTINGS_PATH", environment["COPIER_SETTINGS_PATH"])
    return tmp_path / "handler-base"


@pytest.fixture
def ask(copier: CopierFixture, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`ask(**answers)` takes some answers and returns those to all questions; nothing is rendered."""
    folder.mkdir()
    monkeypatch.chdir(folder)

    def ask(**answers: Any) -> dict[str, Any]:
        context = copier.context(**answers)
        return {name: context[name] for name in ASKED}

    return ask


@pytest.fixture
def copy(plain_template: Path, folder: Path) -> Callable[..., None]:
    """`copy(**answers)` renders into the folder, without tasks."""

    def copy(**answers: Any) -> None:
        how = {"defaults": True, "skip_tasks": True, "unsafe": True, "quiet": True}
        run_copy(str(plain_template), folder, data=answers, vcs_ref="HEAD", **how)

    return copy


@pytest.mark.parametrize(("name", "text", "offered"), REFUSED, ids=lambda value: str(value)[:30])
def test_bad_answer_is_refused(copy: Callable, tmp_path: Path, name: str, text: Any, offered: str) -> None:
    """One sentence names the answer, says what to write and what was wrong, and nothing is written."""
    with pytest.raises(ValueError, match=f"'{name}': Write .*") as refusal:
        copy(**{name: text})
    said = str(refusal.value)
    # A prompt shows this much of it.
    assert f"'{name}': Write {offered}" in said[:80]
    assert said.endswith(".")
    assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


NO_CHOICE = {
    "python_version": ["3.9", "3.99", "3.1", "3", ">=3.11", "3.11.2", "", "3.11\n"],
    "ntfy_when": ["never", "", "Always", "failures"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in NO_CHOICE.items() for text in texts])
def test_an_answer_that_is_no_choice_is_refused(copy: Callable, tmp_path: Path, name: str, text: str) -> None:
    """The sentence has all that are; nothing is written."""
    with pytest.raises(ValueError, match=f"^Invalid choice for '{name}': ") as refusal:
        copy(**{name: text})
    assert str(CONFIGURATION[name]["choices"]) in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


OFFERS = ("project_name", "module_name", "gitea_owner", "ntfy_topic", *URLS)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, text, _ in REFUSED if name in OFFERS and text != LONG]
)
def test_what_is_offered_is_good(ask: Callable, name: str, text: Any) -> None:
    """Following a refusal leads to an answer that is taken."""
    with pytest.raises(ValueError, match="Write") as refusal:
        ask(**{name: text})
    offered = re.split(r":\s|, ", str(refusal.value).partition(": Write ")[2])[0]
    assert ask(**{name: offered})[name] == offered


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ACCEPTED.items() for text in texts])
def test_good_answer_is_stored_unchanged(ask: Callable, name: str, text: Any) -> None:
    """What is good is taken, however short or long it is."""
    assert ask(**{name: text})[name] == text


def test_refusal_without_a_terminal(copier_command: Run, template: Path, tmp_path: Path) -> None:
    """The last line of what the command line prints is the whole sentence."""
    words = ["copy", "--trust", "--defaults", "-d", "python_version=2.7", "-r", "HEAD", template, tmp_path / "made"]
    done = copier_command(*words, cwd=tmp_path, code=None)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith(
        "Invalid choice for 'python_version': '2.7' is not in ['3.10', '3.11', '3.12', '3.13', '3.14', '3.15']"
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ASKED)
def test_question_is_complete(name: str) -> None:
    """A help and a default always, a validator where the text is free, no secret, all of the help at a terminal."""
    question = ASKED[name]
    assert "default" in question
    assert not question.get("secret")
    assert ("validator" in question) == (name in FREE)
    lines = question["help"].splitlines()
    # The prompt's mark stands before the first line.
    assert [line for line in lines if len(line) > 76] == []
    assert re.search(r"[.)?]$", lines[-1])


def test_nothing_else_is_asked() -> None:
    """The questions are those of the promise, in the order in which they build on each other."""
    assert list(ASKED) == [
        "project_name",
        "module_name",
        "description",
        "python_version",
        "cli",
        "optional_imports",
        "publish",
        "format_check",
        "gitea_url",
        "gitea_internal_url",
        "gitea_owner",
        "ntfy_url",
        "ntfy_topic",
        "ntfy_when",
        "runner_label",
        "update_time",
        "dependency_updates",
    ]
    assert "_secret_questions" not in SETTINGS


def test_defaults_are_those_of_the_decision_record(template: Path, folder: Path) -> None:
    """A folder's name is enough, every answer is stored, nothing else is."""
    run_copy(str(template), folder, vcs_ref="HEAD", defaults=True, skip_tasks=True, unsafe=True, quiet=True)
    stored = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert {name for name in stored if name.startswith("_")} == {"_commit", "_src_path"}
    assert {name: value for name, value in stored.items() if not name.startswith("_")} == {
        "project_name": "handler-base",
        "module_name": "handler_base",
        "description": "",
        "python_version": "3.11",
        "cli": False,
        "optional_imports": [],
        "publish": True,
        "format_check": True,
        "gitea_url": "https://git.daviestechlabs.io",
        "gitea_internal_url": "http://gitea-http.gitea.svc.cluster.local:3000",
        "gitea_owner": "daviestechlabs",
        "ntfy_url": "https://ntfy.daviestechlabs.io",
        "ntfy_topic": "ci",
        "ntfy_when": "always",
        "runner_label": "ubuntu-latest",
        "update_time": "43 21 * * 2",
        "dependency_updates": "monthly",
    }


def test_packages_look_for_a_newer_template_at_different_times(ask: Callable) -> None:
    """A thousand of them start in all minutes of the week, and each time is one that cron takes."""
    times = {ask(project_name=f"package-{number}")["update_time"] for number in range(20)}
    assert len(times) == 20
    for time in times:
        minute, hour, *any_day, day = time.split()
        assert (int(minute) < 60, int(hour) < 24, any_day, int(day) < 7) == (True, True, ["*", "*"], True)


def test_another_gitea_is_asked_for_once(ask: Callable) -> None:
    """The record's cluster and ntfy are nobody else's."""
    stored = ask(gitea_url="https://git.test/sub")
    assert stored["gitea_internal_url"] == "https://git.test/sub"
    assert stored["ntfy_url"] == ""


@pytest.mark.parametrize(
    ("project_name", "module_name"),
    [("json", "json_lib"), ("class", "class_lib"), ("3d-tools", "_3d_tools"), ("3" + "x" * 63, "_3" + "x" * 62)],
)
def test_module_name_follows_the_project_name(ask: Callable, project_name: str, module_name: str) -> None:
    """Its default is one that its own validator takes."""
    assert ask(project_name=project_name)["module_name"] == module_name


@pytest.mark.parametrize(
    ("present", "module_name"),
    [
        (["engine/__init__.py", "tests/__init__.py", "docs/__init__.py"], "engine"),
        (["src/engine/__init__.py"], "engine"),
        (["alpha/__init__.py", "beta/__init__.py"], "handler_base"),
        (["engine/other.py"], "handler_base"),
    ],
)
def test_module_name_is_that_of_the_package_that_is_there(
    ask: Callable, folder: Path, present: list[str], module_name: str
) -> None:
    """In an existing repository the one package folder is meant, also under src."""
    for name in present:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    assert ask()["module_name"] == module_name


@pytest.mark.parametrize(
    ("folder", "project_name"), [("Handler Base", "handler-base"), ("my_lib", "my-lib"), ("...", "package")]
)
def test_project_name_is_the_folders(
    template: Path, copier_command: Run, tmp_path: Path, folder: str, project_name: str
) -> None:
    """As the index would list it."""
    words = ["copy", "--trust", "--defaults", "--quiet", "--skip-tasks", "-r", "HEAD", template, tmp_path / folder]
    copier_command(*words, cwd=tmp_path)
    stored = yaml.safe_load((tmp_path / folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert stored["project_name"] == project_name


def test_reserved_modules_are_all_that_python_has() -> None:
    """Every standard module and keyword of this Python is refused as an import package."""
    reserved = (ROOT / "questions" / "reserved_modules.txt").read_text().split()
    assert set(sys.stdlib_module_names) | set(keyword.kwlist) <= set(reserved)
    assert len(reserved) == len(set(reserved))


def test_needed_packages_are_all_that_the_dev_extra_brings(render: Render) -> None:
    """uv locks no project with the name of one of its own dependencies, so those names are refused."""
    package = render(python_version="3.10")
    locked = tomllib.loads((package / "uv.lock").read_text())["package"]
    needed = {entry["name"] for entry in locked} - {"handler-base"}
    assert {"pytest", "pluggy"} <= needed
    assert needed == set(CONFIGURATION["needed_packages"]["default"].split())
    reserved = (ROOT / "questions" / "reserved_modules.txt").read_text().split()
    assert {name.replace("-", "_") for name in needed} <= set(reserved)


@pytest.mark.parametrize("name", KNOWN)
def test_known_packages_answer_only_what_is_asked(name: str) -> None:
    """Copier ignores an answer to no question."""
    assert set(KNOWN[name]) <= set(ASKED)
    assert KNOWN[name]["project_name"] == name


def test_known_packages() -> None:
    """Those of the decision record."""
    assert set(KNOWN) == {"mlflow-utils", "handler-base", "ray-serve-apps"}
    mlflow = KNOWN["mlflow-utils"]
    assert (mlflow["module_name"], mlflow["cli"], mlflow["optional_imports"]) == ("mlflow_utils", True, ["kfp"])


@pytest.mark.parametrize("text", ["yes", "3.10", "null", "[a]", "{{ 7*7 }}", "[[ 7*7 ]]", '"quoted"', "# x", "a: b"])
def test_description_of_the_command_line_stays_a_text(
    copier_command: Run, template: Path, tmp_path: Path, text: str
) -> None:
    """`-d` reads no YAML and no Jinja out of it."""
    words = ["copy", "--trust", "--defaults", "--quiet", "--skip-tasks", "-r", "HEAD", "-d", f"description={text}"]
    copier_command(*words, template, tmp_path / "made", cwd=tmp_path)
    stored = yaml.safe_load((tmp_path / "made" / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert stored["description"] == text
    held = tomllib.loads((tmp_path / "made" / "pyproject.toml").read_text(encoding="utf-8"))
    assert json.dumps(held["project"]["description"]) == json.dumps(text)
