# /// script
# requires-python = ">=3.11"
# dependencies = ["copier==9.19.1", "packaging==26.3"]
# ///
"""Shows what a change of the template does to each known package: to a new one, and to one that is updated.

Compares this clone, as its files are, with the commit that it has in common with BASE. Ends with 1 if a package that
its owner has edited cannot be updated from the last released version (package_update.py). Run it with `uv run`.
"""

import argparse
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "template/.gitea"))

from package_update import Failed, Versions, copy, update  # noqa: E402
from packaging.version import Version  # noqa: E402
from shared import git, marked, need, one_line, summary  # noqa: E402
from template_versions import versions  # noqa: E402
from update_text import fenced  # noqa: E402

WHOLE = 1_000_000  # characters of a difference that are kept in a file
TAIL = 40  # lines of what failed
DIFF = "-c core.quotePath=false diff --no-color --no-ext-diff --no-textconv".split()
BOT = ("-c", "user.name=preview", "-c", "user.email=preview@noreply.invalid", "-c", "commit.gpgSign=false")
OF_COPIER = re.compile(r"(?m)^_.*\n")  # answers that are no answers: the version, the template's address


@dataclass
class Seen:
    """What a change does to one package. Texts from elsewhere are escaped, line by line."""

    name: str
    line: str = "not rendered"
    difference: str = ""
    files: str = ""
    report: str = ""  # what the update says
    failure: str = ""  # a sentence; the package cannot be updated
    output: str = ""  # the end of what failed


def escaped(text: str) -> str:
    """Returns text without control characters but the ends of its lines."""
    return "\n".join(one_line(line.expandtabs()) for line in text.split("\n"))


def template(base: str, folder: Path) -> Versions:
    """Clones the template, and commits what is here as its newest version.

    Args:
        base: The branch that the change is for.
        folder: Where the clone is made.
    """
    commit = git("merge-base", base, "HEAD", cwd=ROOT, check=False)
    need(commit, f"there is no {base} here, or it shares no commit with HEAD: fetch the whole history of both.")
    clone = folder / "template"
    git("clone", "--quiet", "--no-local", "--no-checkout", ROOT, clone)
    git("--git-dir", clone / ".git", "--work-tree", ROOT, "add", "--all", cwd=ROOT)
    git(*BOT, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", "what is here", cwd=clone)
    released = versions(git("tag", "--merged", commit, cwd=clone))
    last = [*released.values(), "v0.0.0"][max(len(released) - 1, 0)]
    if not released:
        git("tag", "--force", last, commit, cwd=clone)
    new = f"v{max(released, default=Version('0.0.0')).major + 1}.0.0"
    git("tag", "--force", new, cwd=clone)
    return Versions(clone, commit, last, new, last if released else base)


def compare(made: Versions, answers: Path, folder: Path) -> Path:
    """Renders a new package of both versions. Returns a git folder whose last commit is the difference."""
    repository = folder / "difference.git"
    git("init", "--quiet", "--bare", repository, cwd=folder)
    for version in (made.base, made.new):
        tree = folder / version / answers.stem
        copy(made, version, answers, tree, "--skip-tasks")
        file = tree / ".copier-answers.yml"
        file.write_text(OF_COPIER.sub("", file.read_text("utf-8")), "utf-8")
        there = ("--git-dir", repository, "--work-tree", tree)
        git(*there, "add", "--all", "--force", cwd=tree)
        git(*there, *BOT, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", version, cwd=tree)
    return repository


def counted(repository: Path) -> str:
    """Returns how many files and lines the last commit changes."""
    rows = [row.split("\t") for row in git(*DIFF, "--numstat", "HEAD^", "HEAD", cwd=repository).splitlines()]
    added, removed = (sum(int(row[place]) for row in rows if row[place].isdigit()) for place in (0, 1))
    return f"{len(rows)} file{'s' * (len(rows) != 1)}, +{added} -{removed}" if rows else "no change"


def look(made: Versions, answers: Path, folder: Path) -> Seen:
    """Returns what the change does to one package."""
    seen = Seen(answers.stem)
    try:
        repository = compare(made, answers, folder)
        seen.difference = escaped(git(*DIFF, "HEAD^", "HEAD", cwd=repository))
        seen.files = escaped(git(*DIFF, "--stat=110,80", "--summary", "HEAD^", "HEAD", cwd=repository))
        seen.line = f"{counted(repository)}; update from {made.label}: failed"
        seen.report = escaped(update(made, answers, folder))
        seen.line = seen.line.removesuffix("failed") + "ok"
    except Failed as failed:
        seen.failure = one_line(f"{seen.name}: {failed}")
        seen.output = "\n".join(escaped(failed.output).splitlines()[-TAIL:])
    return seen


def text(all_seen: list[Seen]) -> str:
    """Returns the page, as Markdown: text from elsewhere stands in code blocks, and is bounded."""
    parts = ["## What this change does to the known packages\n"]
    for seen in all_seen:
        parts.append(f"### {marked(f'{seen.name}: {seen.line}')}\n")
        if seen.failure:
            parts += [f"**{marked(seen.failure)}**\n", *([fenced(seen.output)] if seen.output else [])]
        if seen.difference:
            parts += ["In a new package:\n", fenced(seen.files), fenced(seen.difference, "diff")]
        if seen.report.strip():
            parts += ["The update says:\n", fenced(seen.report.strip())]
    return "\n".join(parts)


def main() -> int:
    """Prints the page and a line for each package. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", nargs="?", default="main", help="the branch that the change is for (main)")
    parser.add_argument("--output", type=Path, help="a folder for the page and the whole differences")
    given = parser.parse_args()
    names = sorted((ROOT / "packages").glob("*.yaml"))
    for file in names:
        need(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", file.stem), f"packages/{file.name}: name it after the package.")
    with tempfile.TemporaryDirectory() as temporary:
        made = template(given.base, Path(temporary))
        all_seen = []
        for file in names:
            folder = Path(temporary) / file.stem
            folder.mkdir()
            all_seen.append(look(made, file, folder))
    page = text(all_seen)
    if given.output:
        given.output.mkdir(parents=True, exist_ok=True)
        (given.output / "preview.md").write_text(page, "utf-8")
        for seen in all_seen:
            (given.output / f"{seen.name}.diff").write_text(f"{seen.difference[:WHOLE]}\n", "utf-8")
    summary(page)
    # No line of it is a command to the runner.
    print(*(f"| {line}" for line in page.split("\n")), sep="\n")
    print(*(one_line(f"{seen.name}: {seen.line}") for seen in all_seen), sep="\n")
    print(*(seen.failure for seen in all_seen if seen.failure), sep="\n", flush=True)
    return 1 if any(seen.failure for seen in all_seen) else 0


if __name__ == "__main__":
    sys.exit(main())
