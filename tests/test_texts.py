"""A text that breaks TOML, YAML, Jinja or Markdown comes through every file unchanged, or is refused."""

import string
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pytest_copier.plugin import CopierFixture
from rendering import HOSTILE

TEXTS = ["project_name", "module_name", "python_version", "gitea_url", "gitea_internal_url", "gitea_owner"]
TEXTS += ["ntfy_url", "ntfy_topic", "runner_label", "optional_imports"]


def plain(tokens: list[Token]) -> str:
    """Join the text of what Markdown parsed, and name anything else that it found in it."""
    return "".join(token.content if token.type == "text" else f"<{token.type} {token.content}>" for token in tokens)


def shown(markdown: str) -> str:
    """Returns the first paragraph below the first heading, as a reader sees it. Empty: something else is there."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    kinds = [token.type for token in tokens[:6]]
    if kinds != ["heading_open", "inline", "heading_close", "paragraph_open", "inline", "paragraph_close"]:
        return ""
    return plain(tokens[4].children or [])


@pytest.fixture
def settings_path(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's Copier settings."""
    monkeypatch.setenv("COPIER_SETTINGS_PATH", environment["COPIER_SETTINGS_PATH"])


@pytest.fixture
def copy(plain_template: Path, tmp_path: Path, settings_path: None) -> Callable[..., Path]:
    """`copy(**answers)` renders without tasks into a folder that is not there yet, and returns it."""

    def copy(**answers: object) -> Path:
        folder = tmp_path / "handler-base"
        how = {"defaults": True, "skip_tasks": True, "unsafe": True, "quiet": True}
        run_copy(str(plain_template), folder, data=answers, vcs_ref="HEAD", **how)
        return folder

    return copy


@pytest.mark.parametrize("name", HOSTILE)
def test_description_comes_through(copy: Callable[..., Path], name: str) -> None:
    """The stored answers, pyproject.toml and the README hold it; every file is as well-formed as before."""
    text = HOSTILE[name]
    package = copy(description=text)
    read = {file.name: file.read_text(encoding="utf-8") for file in package.rglob("*") if file.is_file()}
    assert yaml.safe_load(read[".copier-answers.yml"])["description"] == text
    assert tomllib.loads(read["pyproject.toml"])["project"]["description"] == text
    assert shown(read["README.md"]) == text
    assert yaml.safe_load(read["ci.yaml"])["jobs"].keys() >= {"lint", "test"}


def pairs() -> list:
    """Each answer with each text; those of the slow run, but for one answer for each text and the other way round."""
    length = max(len(TEXTS), len(HOSTILE))
    ordinary = {(TEXTS[n % len(TEXTS)], list(HOSTILE)[n % len(HOSTILE)]) for n in range(length)}
    every = [(name, text) for name in TEXTS for text in HOSTILE]
    return [pair if pair in ordinary else pytest.param(*pair, marks=pytest.mark.slow) for pair in every]


@pytest.mark.parametrize(("name", "kind"), pairs())
def test_other_texts_come_through_or_are_refused(copy: Callable[..., Path], name: str, kind: str) -> None:
    """No other answer is free enough to hold them; what is taken all the same is held unchanged."""
    refused, text = "", HOSTILE[kind]
    try:
        package = copy(**{name: [text] if name == "optional_imports" else text})
    except ValueError as error:
        refused = str(error)
    if refused:
        assert f"'{name}': Write " in refused or refused.startswith(f"Invalid choice for '{name}': ")
        return
    stored = yaml.safe_load((package / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert stored[name] == ([text] if name == "optional_imports" else text)
    assert text.isascii()
    workflow = yaml.safe_load((package / ".gitea" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    assert {job["runs-on"] for job in workflow["jobs"].values()} == {stored["runner_label"]}
    assert workflow["env"]["NTFY_TOPIC"] == stored["ntfy_topic"]


def test_workflow_holds_the_answers(copy: Callable[..., Path]) -> None:
    """Also those that YAML would read as a number or a truth."""
    answers = {
        "gitea_url": "https://[::1]:3000/git~%20/x",
        "gitea_internal_url": "http://gitea.test/sub",
        "gitea_owner": "1e3",
        "ntfy_url": "https://ntfy.test",
        "ntfy_topic": "null",
        "runner_label": "3.10",
    }
    package = copy(**answers)
    workflow = yaml.safe_load((package / ".gitea" / "workflows" / "ci.yaml").read_text(encoding="utf-8"))
    assert {job["runs-on"] for job in workflow["jobs"].values()} == {"3.10"}
    env = workflow["env"]
    assert env["REGISTRY_URL"] == "http://gitea.test/sub/api/packages/1e3/pypi"
    assert env["INDEX_URL"] == "https://[::1]:3000/git~%20/x/api/packages/1e3/pypi/simple/"
    assert (env["GITEA_URL"], env["NTFY_URL"]) == (answers["gitea_url"], answers["ntfy_url"])
    assert env["NTFY_TOPIC"] == "null"


# Marks are what breaks; letters stand between them. What the validator refuses is not asked for.
SENTENCES = st.text(st.sampled_from(string.punctuation + "  ab1é\U0001f600"), min_size=1, max_size=40).filter(
    lambda text: text == text.strip()
)


def check_markdown(copier: CopierFixture, count: int) -> None:
    """Compare sentences with what a reader of the README would see of them."""
    expression = copier.worker().template.questions_data["description_as_markdown"]["default"]
    template = copier.worker().jinja_env.from_string(expression)

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(SENTENCES)
    def compare(text: str) -> None:
        assert shown(f"# handler-base\n\n{template.render(description=text)}\n\n## Work on it\n") == text

    compare()


def test_markdown_shows_any_sentence(copier: CopierFixture, settings_path: None) -> None:
    """Whatever the marks, and wherever they stand."""
    check_markdown(copier, 300)


@pytest.mark.slow
def test_markdown_shows_any_of_many_sentences(copier: CopierFixture, settings_path: None) -> None:
    """The same, for longer."""
    check_markdown(copier, 5000)
