"""What an update's pull request says: of which changes, and that no text in it does anything."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from rendering import ROOT
from scene import HOSTILE, Scene
from test_update_workflow import GREEN
from versions import Folder

sys.path.insert(0, str(ROOT / "rollout"))

from changes import changed_answers, changed_packages, notes

FIELDS = "reasons since notes report workflows pyproject answers lock files results failures".split()
ADDRESS = "git+https://git.example.org/acme/template.git"


def composed(
    kept: list[tuple[int, str]] = [],  # noqa: B006
    template: str = ADDRESS,
    locked: bool = False,
    **plan: Any,
) -> str:
    """Returns the text that the update's program makes of what the first job handed over, for a version or uv.lock."""
    call = "compose_lock(given[0])" if locked else "compose('v1.1.0', *given)"
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import update_text; "
        f"given = json.loads(sys.stdin.read()); print(update_text.{call})"
    )
    given = json.dumps([dict.fromkeys(FIELDS, "") | plan, template, kept])
    words = [sys.executable, "-c", code, str(ROOT / "template/.gitea")]
    env = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1"}
    return subprocess.run(words, env=env, input=given, capture_output=True, text=True, check=True).stdout


def outside_code(text: str) -> str:
    """Returns what of a text stands in no code block, as CommonMark ends them."""
    shown, fence = [], ""
    for line in text.splitlines():
        ticks = re.match("`{3,}", line)
        if fence:
            fence = "" if ticks and set(line) == {"`"} and len(line) >= len(fence) else fence
        elif ticks:
            fence = ticks[0]
        else:
            shown.append(line)
    assert not fence
    return "\n".join(shown)


ATTACKS = [
    HOSTILE,
    "````\n</details>\n@everyone\n````",
    "```\r@everyone\x0b```\u2028closes #1",
    "`" * 600 + "\n@everyone",
    "\u202e@everyone\x00\x1b[2J",
    "@everyone\n" * 5000,
    "@everyone" * 5000,
    ["@everyone"],
    {"a": "@everyone\n```\n#1"},
]


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_no_text_of_the_first_job_s_does_anything(attack: object, locked: bool) -> None:
    """In any field: it stays in its code block, is bounded, and hides nothing by control characters."""
    plain = outside_code(composed(locked=locked, **dict.fromkeys(FIELDS, "x") | {"since": ""}))
    text = composed(locked=locked, **dict.fromkeys(FIELDS, attack))
    left = outside_code(text)
    for word in ("@everyone", "#1", "<b>", "\u202e", "\x1b"):
        assert word not in left
    assert left.count("</details>") == left.count("<details>")
    folded = re.sub("<details><summary>[0-9]+ lines</summary>|</details>", "", left)
    assert set(folded.split()) <= set(plain.split())
    assert len(text) < 130_000
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u2028\u202e]", text)


def test_the_link_is_of_checked_values() -> None:
    """An address of the web, without a login in it, and a commit; else there is none."""
    link = "https://git.example.org/acme/template/compare/v1.0.0...v1.1.0"
    for address in (ADDRESS, "https://git.example.org/acme/template", "https://git.example.org/acme/template.git/"):
        assert f"([v1.0.0...v1.1.0]({link}))" in composed(since="v1.0.0", template=address)
    for since, address in (
        ("", ADDRESS),
        ("x](http://evil.test", ADDRESS),
        ("../../x", ADDRESS),
        ("v1.0.0", "git@git.example.org:acme/template.git"),
        ("v1.0.0", "https://user:secret@git.example.org/acme/template"),
        ("v1.0.0", "https://git.example.org/a)b [x](y)"),
    ):
        shown = outside_code(composed(since=since, template=address))
        assert "](" not in shown
        assert "user:secret" not in shown


def test_what_is_long_is_folded_and_what_is_cut_is_said() -> None:
    """An owner sees at once how much there is, and what did not change."""
    text = composed(workflows="+ line\n" * 400, lock="one 1.0 -> 1.1", results="pytest: passed")
    assert "### Workflows\n\n<details><summary>400 lines</summary>\n\n```diff\n+ line\n" in text
    assert "and 100 lines more\n```\n\n</details>" in text
    assert "### uv.lock\n\n```text\none 1.0 -> 1.1\n```" in text
    assert "\nUnchanged: pyproject.toml, answers, all files.\n" in text
    assert "### pyproject.toml" not in text


def test_answers_that_changed_came_or_went() -> None:
    """Each with both values; Copier's own are left out."""
    before = "_commit: v1.0.0\nrunner_label: a\ngone: [1, 2]\nsame: x\nlong: |\n  a\n  b\n"
    after = "_commit: v1.1.0\nrunner_label: b c\nnew: ''\nsame: x\nlong: c\n"
    lines = [
        "-gone: [1, 2]",
        '-long: "a\\nb\\n"',
        '+long: "c"',
        '+new: ""',
        '-runner_label: "a"',
        '+runner_label: "b c"',
    ]
    assert changed_answers(before, after) == lines
    assert changed_answers(before.replace("\n", "\r\n"), before) == []
    assert changed_answers("", "a: 1") == ["+a: 1"]


LOCK = """\
[[package]]
name = "handler-base"
version = "{own}"
source = {{ editable = "." }}

[[package]]
name = "one"
version = "{one}"
source = {{ registry = "https://index.test/simple" }}

[[package]]
name = "{other}"
version = "2.0"
source = {{ git = "https://git.test/x?rev=a#{rev}" }}
"""


def test_locked_packages_that_changed_came_or_went() -> None:
    """By name and version; the package itself is none, and a git source is told by its commit."""
    before = LOCK.format(own="0.1.0", one="1.0", other="two", rev="a")
    after = LOCK.format(own="0.2.0", one="1.1", other="three", rev="a")
    place = "https://git.test/x?rev=a#a"
    assert changed_packages(before, after) == [" one 1.0 -> 1.1", f"+three 2.0 ({place})", f"-two 2.0 ({place})"]
    moved = LOCK.format(own="0.1.0", one="1.0", other="two", rev="b")
    assert changed_packages(before, moved) == [f" two 2.0 ({place}) -> 2.0 ({place[:-1]}b)"]
    assert changed_packages(before, before) == []
    assert changed_packages("", before) == ["+one 1.0", f"+two 2.0 ({place})"]


def test_the_notes_of_each_version(tmp_path: Any, env: dict[str, str]) -> None:
    """Newest first: the message of a tag that has one, else the subjects of its commits; none before, none beside."""
    (tmp_path / "template").mkdir()
    template = Folder(tmp_path / "template", env)
    template.git("init", "--quiet", "-b", "main")
    for tag, subjects in (
        ("v0.9.0", ["feat: zero"]),
        ("v1.0.0", ["feat: one"]),
        ("v1.0.1", ["fix: two", "fix: three"]),
    ):
        for subject in subjects:
            template.commit(subject)
        template.git("tag", tag)
    template.commit("feat: told otherwise")
    template.git("tag", "-a", "v1.10.0", "-m", "Every module is compiled.", "-m", "Look at your lint job.")
    template.commit("fix: only named")
    template.git("tag", "-a", "v1.10.1", "-m", "v1.10.1")
    template.git("tag", "other")
    template.commit("feat: later")
    template.git("tag", "v2.0.0")
    text = re.sub("  [0-9-]{10}\n", ":\n", notes(template.path, "v1.0.0", "v1.10.1"))
    assert text == (
        "v1.10.1:\n- fix: only named\n\nv1.10.0:\nEvery module is compiled.\n\nLook at your lint job.\n\n"
        "v1.0.1:\n- fix: three\n- fix: two"
    )


def test_every_changed_file_is_there(tmp_path: Any, env: dict[str, str]) -> None:
    """With its size, its mode, and names that git would quote."""
    (tmp_path / "x").mkdir()
    there = Folder(tmp_path / "x", env)
    there.git("init", "--quiet", "-b", "main")
    there.write("a.txt", "a\n")
    there.write("pyproject.toml", "a\n")
    there.write("run", "x\n")
    there.commit("one")
    there.write("ü.txt", "b\n")
    there.write("pyproject.toml", "b\n")
    there.write(".gitea/workflows/mine.yaml", "b\n")
    there.write("a.txt", "b\n")
    (there.path / "run").chmod(0o755)
    there.commit("two")
    there.git("tag", "new")
    there.git("checkout", "--quiet", "HEAD^")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from update_text import differences; "
        "print(json.dumps(differences('new^{tree}')))"
    )
    shown = json.loads(there.do(sys.executable, "-c", code, ROOT / "template/.gitea"))
    lines = [" ".join(line.split()) for line in shown["files"].splitlines()]
    assert {"a.txt | 2 +-", "ü.txt | 1 +", "mode change 100644 => 100755 run"} <= set(lines)
    assert shown["pyproject"].endswith("@@ -1 +1 @@\n-a\n+b")
    assert "+++ b/.gitea/workflows/mine.yaml" in shown["workflows"]
    assert "a.txt" not in shown["pyproject"] + shown["workflows"]


def test_a_pull_request_tells_all_of_it(scene: Scene) -> None:
    """A new question, a dependency more, a dropped file, an answer that went: what a diff of the repository shows."""
    question = "team:\n  type: str\n  help: Who looks after the package.\n  default: nobody\n\n"
    scene.template.edit("copier.yml", "# --- Computed\n", f"{question}# --- Computed\n")
    scene.template.edit("template/pyproject.toml.jinja", 'dev = ["pytest"', 'dev = ["pytest", "pytest-timeout"')
    scene.template.commit("feat: name the team")
    scene.template.git("tag", "-a", "v1.2.0", "-m", "Tests that hang are stopped.")
    scene.publish()
    run = scene.bot()
    assert run.jobs == GREEN, run
    (pull,) = scene.pulls
    body = pull["body"]
    for text in (
        "/compare/v1.0.0...v1.2.0",
        "Tests that hang are stopped.",
        "v1.1.0",
        "feat: check for likely bugs (ruff B)",
        "+      - name: Compile",
        '+team: "nobody"',
        '+dev = ["pytest"',
        "+pytest-timeout ",
        "uv run --no-sync pytest -v: passed",
        " uv.lock ",
    ):
        assert text in body, f"{text}\n{body}"
    assert "Unchanged" not in body
