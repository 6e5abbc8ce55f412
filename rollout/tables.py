"""Shows what was found: as text in 80 columns that is Markdown too, as JSON, and as one HTML page."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from escape import one_line
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.cells import cell_len
from rich.text import Text
from survey import Row, Survey

WIDTH = 80
NARROW = 6  # no column gets narrower
NAMED = 50  # of the names that one sentence has


@dataclass
class Sheet:
    """A table: its title, the names of its columns, its lines, and the sentences below it."""

    title: str
    columns: Sequence[str]
    lines: list[list[str]]
    below: list[str]


def names(found: Sequence[str]) -> str:
    """Returns names as a part of a sentence, not too many of them."""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def counted(number: int, what: str) -> str:
    """Returns a number with what it counts, in the plural where that is one."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def short(survey: Survey, name: str) -> str:
    """Returns the name of a repository, without its owner where all have the same."""
    owners = {row.repository.partition("/")[0] for row in survey.rows}
    return name.partition("/")[2] if len(owners) == 1 else name


def shown(survey: Survey) -> list[Row]:
    """Returns the repositories that are on the template or could not be asked, or were not reached."""
    return [row for row in survey.rows if row.enrolled or row.failed or not row.result or not survey.owner]


def template(row: Row) -> str:
    """Returns the template version of a repository and how many versions came after it, such as v1.2.0 -8."""
    mark = "" if row.version == "?" else " ?"
    return row.version + (mark if row.behind is None else f" -{row.behind}" if row.behind else "")


def status_sheet(survey: Survey) -> Sheet:
    """Returns where each repository is."""
    rows = shown(survey)
    lines = []
    for row in rows:
        pulls = " ".join(pull.partition(" ")[0] for pull in row.pulls)
        main = " ".join(filter(None, (row.unreleased, row.run)))
        lines.append(
            [short(survey, row.repository), template(row), pulls, f"{row.released} {row.released_at}".strip(), main]
        )
    count = Counter(row.result for row in rows if not row.failed)
    sums = [
        f"{counted(sum(bool(row.enrolled) for row in rows), 'repository')} on the template",
        *(f"{count[result]} {word}" for result, word in (("newest", "newest"), ("behind", "behind"))),
        *([f"{count['unknown version']} with an unknown version"] if count["unknown version"] else []),
        f"{sum(len(row.pulls) for row in rows)} with an update to merge",
        f"{sum(bool(row.unreleased) for row in rows)} with unreleased commits",
        f"{sum(row.run == 'red' for row in rows)} red",
    ]
    legend = "template -N: N versions behind. main: what its commits since the release ask for, and red if CI failed."
    return Sheet("status", ("repository", "template", "pull", "released", "main"), lines, [", ".join(sums), legend])


def ask_sheet(survey: Survey) -> Sheet:
    """Returns whom was asked, and what each answered."""
    rows = shown(survey)
    lines = [[short(survey, row.repository), row.version, row.result] for row in rows]
    asked = sum(row.result == "asked" for row in rows)
    return Sheet("ask", ("repository", "before", "result"), lines, [f"{asked} of {len(rows)} asked"])


def installed_sheet(survey: Survey) -> Sheet:
    """Returns who has which version of which package of the owner's, the packages one after the other."""
    uses = sorted(((use.package, row.repository, use) for row in survey.rows for use in row.uses), key=lambda u: u[:2])
    lines = []
    for package, repository, use in uses:
        behind = "?" if use.behind is None else str(use.behind)
        place = f"{use.file}, from {use.source}" if use.source else use.file
        lines.append([package, short(survey, repository), use.version or "any", behind, place])
    below = []
    for item in dict.fromkeys(package for package, _, _ in uses):
        mine = [use for package, _, use in uses if package == item]
        newest = {str(found.newest) for (_, name), found in survey.packages.items() if name == item and found.newest}
        released = f" ({', '.join(sorted(newest))} is released)" if newest else ""
        users = counted(len({repository for package, repository, _ in uses if package == item}), "repository")
        behind = f"{sum(bool(use.behind) for use in mine)} behind"
        below.append(f"{item}{released}: in {users}, {behind}")
    below = below or ["No repository has a package of the owner's in uv.lock or requirements*.txt."]
    return Sheet("installed", ("package", "in repository", "version", "behind", "file"), lines, below)


SHEETS = {"status": status_sheet, "ask": ask_sheet, "installed": installed_sheet}


def notes(survey: Survey) -> list[str]:
    """Returns what there is to say below all tables: who is not enrolled, what failed, what is not known."""
    found = [*survey.notes]
    missing = [f"{item.name} ({item.repository or 'no repository'})" for item in survey.unenrolled()]
    if missing:
        found.append(f"Packages in the registry whose repository is not on the template: {names(missing)}.")
    without = sum(row.enrolled is False for row in survey.rows)
    if without and survey.owner:
        found.append(f"{counted(without, 'repository')} of {survey.owner} without the template's answers.")
    if survey.skipped:
        kinds = Counter(survey.skipped.values())
        found.append(f"Left out: {', '.join(f'{number} {why}' for why, number in sorted(kinds.items()))}.")
    found += [f"Failed: {row.repository}: {row.result}" for row in survey.rows if row.failed]
    if survey.stopped:
        waiting = sum(not row.result for row in survey.rows)
        found.append(f"{survey.stopped}: {counted(waiting, 'repository')} not finished.")
    failed = sum(row.failed or not row.result for row in survey.rows)
    found.append(f"{len(survey.rows) - failed} of {len(survey.rows)} answered.")
    return found


def widths(table: list[list[str]], space: int) -> list[int]:
    """Returns the widths of columns: the widest ones give way until all fit."""
    wide = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    while sum(wide) > space and max(wide) > NARROW:
        wide[wide.index(max(wide))] -= 1
    return wide


def as_text(survey: Survey, actions: Sequence[str], width: int = WIDTH) -> Iterator[str]:
    """Gives the lines of the tables, which are Markdown, and of what there is to say."""
    for sheet in (SHEETS[action](survey) for action in actions):
        cells = [[one_line(cell).replace("|", "\\|") for cell in line] for line in sheet.lines]
        table = [list(sheet.columns), *cells]
        wide = widths(table, width - 3 * len(sheet.columns) - 1)
        for number, line in enumerate(table):
            cut = [Text(cell) for cell in line]
            for text, size in zip(cut, wide, strict=True):
                text.truncate(size, overflow="ellipsis", pad=True)
            yield f"| {' | '.join(text.plain for text in cut)} |"
            if number == 0:
                yield f"|{'|'.join('-' * (size + 2) for size in wide)}|"
        yield from ("", *(one_line(sentence) for sentence in sheet.below), "")
    yield from map(one_line, notes(survey))


def as_data(survey: Survey, actions: Sequence[str]) -> dict[str, Any]:
    """Returns everything as JSON has it. Keys may come, none goes or changes its meaning."""
    sheets = {"repositories": [asdict(row) for row in survey.rows]}
    return sheets | {
        "actions": list(actions),
        "owner": survey.owner,
        "template": str(max(survey.known)),
        "packages": [
            {
                "name": item.name,
                "owner": item.owner,
                "repository": item.repository,
                "versions": {str(version): item.versions[version] for version in sorted(item.versions)},
            }
            for item in survey.packages.values()
        ],
        "unenrolled": [{"name": item.name, "repository": item.repository} for item in survey.unenrolled()],
        "skipped": survey.skipped,
        "notes": survey.notes,
        "stopped": survey.stopped,
    }


def as_json(survey: Survey, actions: Sequence[str]) -> Iterator[str]:
    """Gives the text of the JSON."""
    yield json.dumps(as_data(survey, actions), indent=2)


def as_html(survey: Survey, actions: Sequence[str]) -> Iterator[str]:
    """Gives the text of the page: it loads nothing, runs nothing, and everything in it is escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    sheets = [SHEETS[action](survey) for action in actions]
    page.filters["one_line"] = one_line
    yield page.get_template("overview.html").render(
        owner=survey.owner, sheets=sheets, notes=notes(survey), now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
