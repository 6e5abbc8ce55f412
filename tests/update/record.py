"""Record what the template renders today, so that a clone without tags can still update from it later.

    uv run python tests/update/record.py v1.4.0

Writes recorded/v1.4.0.json: the questions, and the files of a package that answers all of them, without its lock.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest has it

from versions import Package, Template, clean_environment

RECORDED = Path(__file__).parent / "recorded"
# One that is answered in full: nothing of it is a default.
ANSWERS = {
    "project_name": "recorded-package",
    "module_name": "recorded_package",
    "description": 'Says "yes" & more: {{ 7*7 }} #1 ünï.',
    "python_version": "3.10",
    "cli": "true",
    "optional_imports": "[kfp, a.b]",
    "publish": "true",  # the default, because much of what is rendered depends on it
    "format_check": "false",
    "gitea_url": "https://git.example.org/sub",
    "gitea_internal_url": "http://gitea:3000",
    "gitea_owner": "acme.org",
    "ntfy_url": "https://ntfy.example.org",
    "ntfy_topic": "builds_1",
    "ntfy_when": "releases and failures",
    "runner_label": "big.one",
    "update_time": "*/5 0-6 1,15 * 1",
    "dependency_updates": "weekly",
}


def record(version: str, env: dict[str, str], folder: Path) -> dict[str, str]:
    """Returns what a version of the template is made of and what it renders: name to text."""
    template = Template.make(folder / "template", env)
    template.tag(version.removeprefix("v"), "feat: this version")
    package = Package(folder / ANSWERS["project_name"], env)
    package.copy(template, version, **ANSWERS)
    package.git("init", "--quiet")
    files = {f"render/{name}": content.decode() for name, content in package.files().items() if name != "uv.lock"}
    text = files["render/.copier-answers.yml"]
    files["render/.copier-answers.yml"] = text.replace(str(template.path), "TEMPLATE")
    assert "TEMPLATE" in files["render/.copier-answers.yml"]
    questions = [template.path / "copier.yml", *sorted((template.path / "questions").iterdir())]
    return {path.relative_to(template.path).as_posix(): path.read_text() for path in questions} | files


def main(version: str) -> None:
    """Write the record of a version."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(version, clean_environment(Path(folder, "home")), Path(folder))
    RECORDED.mkdir(exist_ok=True)
    text = json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True)
    (RECORDED / f"{version}.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
