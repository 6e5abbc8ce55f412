"""Every version that was ever released updates to what stands here; and no question breaks an answer once given."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from record import ANSWERS, RECORDED, record
from versions import ROOT, Package, Template

NEWEST = "v999.0.0"
TAGS = subprocess.run(
    ("git", "tag", "--list", "v*", "--sort=v:refname"), cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
RECORDS = sorted(path.stem for path in RECORDED.glob("v*.json"))
# Answers that were taken once, the first of each being no default: they are good for ever. Add here, take nothing away.
TAKEN: dict[str, list[str]] = json.loads((RECORDED / "answers.json").read_text())


def here(path: Path, env: dict[str, str], first: Template | None = None) -> Template:
    """Make a template whose newest version is what stands here, upon the versions of another."""
    made = Template.make(path, env)
    if first:
        made.git("fetch", "--quiet", "--tags", first.path, "HEAD")
        made.git("symbolic-ref", "HEAD", "refs/heads/upon")
        made.git("update-ref", "refs/heads/upon", "FETCH_HEAD")
    made.tag(NEWEST.removeprefix("v"), "feat: what stands here")
    return made


def old_template(recorded: dict[str, str], version: str, path: Path, env: dict[str, str]) -> Template:
    """Make a template of one version that renders, to the answers of a record, just what the record has."""
    made = Template(path, env)
    path.mkdir(parents=True)
    for name, text in recorded.items():
        made.write(name.replace("render/", "template/") if name != ANSWERS_FILE else KEPT, text)
    made.write(KEPT, "[[ _copier_answers | to_nice_yaml ]]\n")
    made.git("init", "--quiet", "-b", "main")
    made.tag(version.removeprefix("v"), "feat: the recorded version")
    return made


ANSWERS_FILE, KEPT = "render/.copier-answers.yml", "template/[[ _copier_conf.answers_file ]].jinja"


def updates(package: Package, template: Template, tmp_path: Path) -> None:
    """Update a package; it is then what a fresh render gives, but for its seed files, and sound."""
    package.git("init", "--quiet", "-b", "main")
    before = package.files()
    package.do("uv", "lock", "--quiet")
    package.commit("feat: the first version")
    package.update(NEWEST)
    answers = yaml.safe_load(package.read(".copier-answers.yml"))
    fresh = Package(tmp_path / "fresh", package.env)
    # As a person answers: lists as YAML.
    given = {key: json.dumps(v) if not isinstance(v, str) else v for key, v in answers.items() if key[0] != "_"}
    fresh.copy(template, NEWEST, **given)
    fresh.git("init", "--quiet")
    assert package.owned() == fresh.owned()
    assert package.read("pyproject.toml") == fresh.read("pyproject.toml")
    seeds = {name for name in before if name not in package.owned() and "copier-answers" not in name}
    changed = {name for name in seeds if (package.path / name).exists() and package.files().get(name) != before[name]}
    assert changed <= {"pyproject.toml", "uv.lock"}
    package.sound()


@pytest.mark.parametrize("version", RECORDS)
def test_a_recorded_version_updates_to_this(tmp_path: Path, env: dict[str, str], version: str) -> None:
    """Without any tag."""
    recorded = json.loads((RECORDED / f"{version}.json").read_text())
    old = old_template(recorded, version, tmp_path / "old", env)
    template = here(tmp_path / "template", env, old)
    package = Package(tmp_path / ANSWERS["project_name"], env)
    for name, text in recorded.items():
        if name.startswith("render/"):
            package.write(name.removeprefix("render/"), text.replace("TEMPLATE", str(template.path)))
    updates(package, template, tmp_path)


def test_a_record_is_what_is_rendered(tmp_path: Path, env: dict[str, str]) -> None:
    """The record of this very state, made into a template again, renders itself."""
    recorded = record("v1.0.0", env, tmp_path)
    old = old_template(recorded, "v1.0.0", tmp_path / "old", env)
    package = Package(tmp_path / "again", env)
    data = [word for name, value in ANSWERS.items() for word in ("-d", f"{name}={value}")]
    package.path.mkdir()
    package.do(sys.executable, "-m", "copier", "copy", "--trust", "--skip-tasks", "--quiet", *data, old.path, ".")
    package.git("init", "--quiet")
    files = {
        name: text.decode() for name, text in package.files().items() if name not in (".copier-answers.yml", "uv.lock")
    }
    assert files == {
        n.removeprefix("render/"): t for n, t in recorded.items() if n.startswith("render/") and n != ANSWERS_FILE
    }


@pytest.mark.parametrize(
    "tag", [TAGS[-1], *(pytest.param(t, marks=pytest.mark.slow) for t in TAGS[:-1])] if TAGS else []
)
def test_a_released_version_updates_to_this(tmp_path: Path, env: dict[str, str], tag: str) -> None:
    """From each tag of this repository's own history."""
    released = Template(tmp_path / "released", env)
    released.path.mkdir()
    released.git("clone", "--quiet", ROOT, released.path)
    template = here(tmp_path / "template", env, released)
    package = Package(tmp_path / ANSWERS["project_name"], env)
    package.copy(template, tag, **ANSWERS)
    updates(package, template, tmp_path)


def test_ci_has_the_released_versions() -> None:
    """Without the tags, the test above has nothing to update from."""
    workflow = yaml.safe_load((ROOT / ".gitea/workflows/ci.yaml").read_text())
    checkout = workflow["jobs"]["test"]["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["fetch-depth"] == 0


def questions(text: str) -> dict[str, dict[str, Any]]:
    """Returns what copier.yml asks; what it computes is no question."""
    loaded = yaml.safe_load(text)
    return {key: value for key, value in loaded.items() if key[0] != "_" and value.get("when") is not False}


def broken(now: str, before: str) -> list[str]:
    """Returns which promises of an older copier.yml to its answers the present one breaks."""
    found, asked = [], questions(now)
    found += [f"{name} has no default: a later update would abort" for name, q in asked.items() if "default" not in q]
    migrated = json.dumps([m for m in yaml.safe_load(now).get("_migrations", []) if "version" in m])
    for name, question in questions(before).items():
        if name not in asked:
            if name not in migrated:
                found.append(f"{name} is gone, and no migration with a version speaks of it")
        elif asked[name].get("type") != question.get("type"):
            found.append(f"{name} was {question.get('type')}, and is {asked[name].get('type')}")
        elif lost := set(question.get("choices") or []) - set(asked[name].get("choices") or []):
            found.append(f"{name} takes {lost} no more")
    return found


@pytest.mark.parametrize("version", RECORDS)
def test_no_question_breaks_its_promise(version: str) -> None:
    """Each is there, of the same type, with a default."""
    assert (
        broken((ROOT / "copier.yml").read_text(), json.loads((RECORDED / f"{version}.json").read_text())["copier.yml"])
        == []
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  default: ubuntu-latest\n", "", "runner_label has no default"),
        ("\nrunner_label:\n", "\nlabel:\n", "runner_label is gone"),
        ("cli:\n  type: bool", "cli:\n  type: str", "cli was bool, and is str"),
    ],
)
def test_a_broken_promise_is_seen(old: str, new: str, said: str) -> None:
    """A default lost, a question gone, another type."""
    text = (ROOT / "copier.yml").read_text()
    assert text.count(old) == 1
    assert [promise[: len(said)] for promise in broken(text.replace(old, new), text)] == [said]


def test_a_question_may_go_with_a_migration() -> None:
    """A migration of a version that speaks of it."""
    text = (ROOT / "copier.yml").read_text()
    moved = text.replace("\nrunner_label:\n", "\nlabel:\n")
    migration = "_migrations:\n  - version: v2.0.0\n    command: [python, move.py, runner_label, label]\n"
    assert broken(moved.replace("_migrations:\n", migration), text) == []


def taken_again(path: Path, env: dict[str, str], template: Template, place: int) -> str:
    """Answer each question with one of the answers once taken; give what Copier says against it."""
    data = {name: examples[place % len(examples)] for name, examples in TAKEN.items()}
    words = [word for name, value in data.items() for word in ("-d", f"{name}={value}")]
    done = Package(path.parent, env).copier(
        "copy", "--trust", "--skip-tasks", "--defaults", "--quiet", *words, template.path, path
    )
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Template:
    """The template as it stands here."""
    return here(tmp_path_factory.mktemp("newest") / "template", env)


@pytest.mark.parametrize("place", range(max(map(len, TAKEN.values()))))
def test_an_answer_once_taken_is_taken(tmp_path: Path, env: dict[str, str], newest: Template, place: int) -> None:
    """A validator that is tightened would reset such an answer to its default without a word."""
    assert set(TAKEN) == set(questions((ROOT / "copier.yml").read_text())), "a question without recorded answers"
    assert taken_again(tmp_path / "package", env, newest, place) == ""


def test_a_tightened_validator_is_seen(tmp_path: Path, env: dict[str, str]) -> None:
    """Each of the recorded answers is really asked."""
    template = Template.make(tmp_path / "template", env)
    text = template.read("copier.yml")
    tight = '"[% if ntfy_topic | length > 3 %]ntfy_topic is too long[% endif %]"'
    text, count = re.subn(r"(?s)(\nntfy_topic:\n.*?\n  validator: ).*?(?=\n\n)", rf"\1{tight}", text)
    assert count == 1
    template.write("copier.yml", text)
    template.tag("1.0.0", "feat: tight")
    assert "ntfy_topic" in taken_again(tmp_path / "package", env, template, 0)
