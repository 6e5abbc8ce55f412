"""What the tests of rendered packages share: the types of their fixtures and the sets of answers."""

import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., Path]

KNOWN = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in (ROOT / "packages").glob("*.yaml")}
YES_OR_NO = {
    f"cli {'yes' if cli else 'no'}, optional {'yes' if optional else 'no'}": {
        "cli": cli,
        "optional_imports": ["kfp", "google.cloud"] if optional else [],
    }
    for cli, optional in product((True, False), repeat=2)
}
# One text for each way in which a text breaks TOML, YAML, Jinja, Markdown or the headers of a wheel.
HOSTILE = {
    "quotes": """a "b" 'c' ""\" ''' `d` ``e""",
    "backslashes": r"\ \\ \n \" \u0041 \N{BULLET} C:\new \_ a\\",
    "shell": "$HOME `id` $(id) ${{ secrets.X }} ; & | > out #comment # c",
    "html": "<b>&amp;</b> <!-- x --> <script>&lt; &#65; <https://example.org> &copy",
    "jinja": "{{ 7*7 }} {% raw %} {# c #} [[ 7*7 ]] [% if %] [# c #] [[7*7]]",
    "markdown": "# *a* **b** _c_ [d](e) ![f](g) [h]: i ~~j~~ | k | http://example.org :tada: @l $m$",
    "heading": "## not a heading ##",
    "list": "1. one",
    "list in brackets": "12) twelve",
    "bullet": "- [ ] x",
    "rule": "---",
    "quote": "> q",
    "number": "0x1F",
    "date": "2024-01-01",
    "yes": "yes",
    "null": "~",
    "float": "3.10",
    "yaml": "a: b, !tag &anchor *alias %directive @at",
    "key": "? complex: {a: [b]}",
    "emoji": "\U0001f600 äöüß 你好 \u202eabc\u202c e\u0301 \U0001f468\u200d\U0001f469",
    "blanks": "a  b   c\u00a0d\u3000e",
    "encoded": "=?utf-8?q?=41?= Name: x",
    "long": ("word " * 60).strip() + ".",
    "longer": "x" * 300,
    "hard break": "ends with a backslash\\",
}
HOSTILE_SETS = {
    "all marks": {"description": " ".join(HOSTILE[name] for name in ("quotes", "backslashes", "html", "jinja"))},
    "more marks": {"description": "# " + " ".join(HOSTILE[name] for name in ("shell", "markdown", "emoji", "encoded"))},
    "long": {"description": HOSTILE["longer"], "cli": True, "project_name": "x" * 64, "module_name": "y" * 64},
    "odd": {
        "description": HOSTILE["float"],
        "project_name": "3d-tools",
        "gitea_url": "https://[::1]:3000/git~%20/x",
        "gitea_internal_url": "http://gitea.test/sub/path",
        "gitea_owner": "A_b.c-d",
        "ntfy_url": "",
        "ntfy_topic": "A_b-C",
        "runner_label": "3.10",
        "python_version": "3.10",
    },
}
DEFAULTS: dict[str, dict[str, Any]] = {"defaults": {}}
ALL = DEFAULTS | YES_OR_NO | KNOWN | HOSTILE_SETS
