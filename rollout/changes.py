"""What an update changes, as lines for its pull request: answers, locked packages, the template's releases."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml
from template_versions import versions

Lines = list[str]


def git(folder: Path, *arguments: str) -> str:
    """Returns what git prints, or an empty text if it fails."""
    words = ("git", "-c", "core.quotePath=false", *arguments)
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace")
    return result.stdout.rstrip() if result.returncode == 0 else ""


def changed_answers(before: str, after: str) -> Lines:
    """Returns the answers that changed, came (+) or went (-), of two texts of the answers file."""
    old, new = (yaml.safe_load(text) or {} for text in (before, after))
    lines = []
    for name in sorted(name for name in old.keys() | new.keys() if not str(name).startswith("_")):
        if name in old and name in new and old[name] == new[name]:
            continue
        lines += [f"-{name}: {shown(old[name])}"] if name in old else []
        lines += [f"+{name}: {shown(new[name])}"] if name in new else []
    return lines


def shown(value: Any) -> str:
    """Returns a value on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def changed_packages(before: str, after: str) -> Lines:
    """Returns the packages of two texts of uv.lock whose version changed, which came (+) and which went (-)."""
    old, new = locked(before), locked(after)
    lines = []
    for name in sorted(old.keys() | new.keys()):
        was, now = ", ".join(sorted(old.get(name, ()))), ", ".join(sorted(new.get(name, ())))
        if was == now:
            continue
        lines.append(f" {name} {was} -> {now}" if was and now else f"+{name} {now}" if now else f"-{name} {was}")
    return lines


def locked(text: str) -> dict[str, set[str]]:
    """Returns the versions of each package in a text of uv.lock. One that is not from an index has its source."""
    found: dict[str, set[str]] = {}
    for package in tomllib.loads(text).get("package", []):
        source = package.get("source", {})
        here = source.keys() & {"editable", "virtual", "directory"}
        if not here:  # the package itself, whose version is its own matter
            place = source.get("git") or source.get("url") or source.get("path")
            version = package.get("version", "no version")
            found.setdefault(package["name"], set()).add(f"{version} ({place})" if place else version)
    return found


def notes(template: Path, since: str, new: str) -> str:
    """Returns what each version after `since` up to `new` says of itself, newest first.

    That is the message of its tag, or the subjects of its commits where the tag has none.
    """
    tags = git(template, "tag", "--merged", f"refs/tags/{new}", "--no-merged", since).split()
    parts, below = [], since
    for tag in versions("\n".join(tags)).values():
        said = git(
            template,
            "for-each-ref",
            "--format=%(if:equals=tag)%(objecttype)%(then)%(contents)%(end)",
            f"refs/tags/{tag}",
        )
        said = said.split("-----BEGIN ")[0].strip()
        if said.strip("v ") in ("", tag.strip("v")):
            said = git(template, "log", "--no-merges", "--format=- %s", f"{below}..refs/tags/{tag}")
        parts.append(f"{tag}  {git(template, 'log', '-1', '--format=%as', f'refs/tags/{tag}')}\n{said}")
        below = f"refs/tags/{tag}"
    return "\n\n".join(reversed(parts))
