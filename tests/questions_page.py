"""Writes docs/questions.md from copier.yml: `uv run python tests/questions_page.py`."""

import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/questions.md"
HEAD = """\
# Questions

Made from [copier.yml](../copier.yml) by `uv run python tests/questions_page.py`.

Copier asks these when a package is made, and keeps the answers in `.copier-answers.yml`. `--defaults` asks nothing.
`-d NAME=VALUE` answers one, on a copy and on an update: `uvx copier update --trust --defaults -d runner_label=big`. An
existing repository gives some of the answers by itself: pyproject.toml wins.
"""
# Defaults that are computed, in words.
COMPUTED = {
    "project_name": "the folder's name",
    "module_name": "the distribution name with `_`, or the package folder that is there",
    "gitea_internal_url": "the same as `gitea_url`",
    "ntfy_url": "empty",
    "update_time": "a minute of the week, from the package's name",
    "dependency_updates": "`monthly`; `never` for an existing repository",
}

ADDRESS = "`http://` or `https://`, host and path, without user, password and a slash at the end"
# What is taken, in words.
TAKES = {
    "project_name": "lower-case letters, digits and single `-`, at most 64; not a name that all tests need (pytest)",
    "module_name": "names that `import` takes, at most 64 characters; no name of a module of Python's or of pytest's",
    "description": "one line of text, or nothing",
    "optional_imports": "import names, such as `[kfp, google.cloud]`",
    **dict.fromkeys(("gitea_url", "gitea_internal_url", "ntfy_url"), ADDRESS),
    "gitea_owner": "letters, digits, and single `.`, `_` and `-` between them, at most 40",
    "ntfy_topic": "letters, digits, `_` and `-`, at most 64",
    "runner_label": "a label as the runner's configuration has it, without the part behind the colon",
    "update_time": "five fields of cron: numbers, `*`, `/`, `-` and commas",
    "dependency_updates": "`weekly`, `monthly` or `never`",
    "trial": "`package`, `tests` or `none`",
}


def questions() -> dict[str, dict[str, Any]]:
    """Returns the questions that have an answer of the user's, by name."""
    found = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    return {name: what for name, what in found.items() if isinstance(what, dict) and "help" in what}


def default(name: str, what: dict[str, Any]) -> str:
    """Returns the default of a question, as code or in words."""
    value = what["default"]
    if name in COMPUTED:
        return COMPUTED[name]
    assert "[[" not in str(value), f"say in words what the default of {name} is"
    shown = {True: "yes", False: "no", "": "empty", "[]": "`[]`"}
    return shown.get(value if not isinstance(value, list) else str(value), f"`{value}`")


def page() -> str:
    """Returns the text of the page."""
    parts = [HEAD]
    asked = {name: what for name, what in questions().items() if what.get("ask") is not False}
    for title, group in (("Asked", asked), ("Not asked", {n: w for n, w in questions().items() if n not in asked})):
        parts.append(f"\n## {title}\n")
        if title == "Not asked":
            parts.append("\nThey have a default that suits most. Give them with `-d`.\n")
        for name, what in group.items():
            help_ = textwrap.fill(" ".join(what["help"].split()), 120)
            parts.append(f"\n### {name}\n\n{help_}\n\n")
            choices = ", ".join(f"`{choice}`" for choice in what.get("choices", []))
            kind = choices or ("yes or no" if what["type"] == "bool" else TAKES[name])
            parts.append(f"- takes {kind}\n- default: {default(name, what)}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
