"""Merge a pattern into somebody's pyproject.toml by keys, three-way.

`ours` is the user's file, `base` the pattern that it was last merged with (empty for a first time), `theirs` the
pattern of today. What the user changed stays and is reported, what they left alone follows the pattern.

Three steps: `plan` compares plain data and gives a few edits; `Editor` (toml_lines.py) carries them out on the lines of
the user's file, so that whatever no edit names survives byte for byte; `merge` reads the outcome with the standard
parser and refuses unless it says exactly what was planned and no comment is gone.
"""

import copy
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from toml_lines import MISSING, Editor, Elements, KeyPath, comments, dotted, leaves, plain, read, shape

Edit = tuple[KeyPath, Any]  # the value that a path gets: data, Elements, or MISSING


class MergeError(Exception):
    """Nothing was merged; the text is a sentence for the user."""


@dataclass
class Merged:
    """The merged text, and what happened to which key (dotted, elements of lists by name in brackets)."""

    text: str
    added: list[dict[str, Any]] = field(default_factory=list)  # path, value
    removed: list[dict[str, Any]] = field(default_factory=list)  # path, value
    updated: list[dict[str, Any]] = field(default_factory=list)  # path, ours (the old value), theirs (now there)
    kept: list[dict[str, Any]] = field(default_factory=list)  # path, ours ("dynamic", None: deleted), theirs

    def note(self, path: KeyPath, ours: Any, theirs: Any) -> None:
        """Put a change from ours to theirs on the list that it belongs to, new and gone tables key by key."""
        if MISSING not in (ours, theirs):
            self.updated.append({"path": dotted(path), "ours": plain(ours), "theirs": plain(theirs)})
            return
        changes, value = (self.added, theirs) if ours is MISSING else (self.removed, ours)
        whole = isinstance(path[-1], tuple)  # an element of a list
        changes += [
            {"path": dotted(p), "value": plain(v)} for p, v in ([(path, value)] if whole else leaves(path, value))
        ]

    def keep(self, path: KeyPath, ours: Any, theirs: Any) -> None:
        """Report a value of the user's that the pattern would have otherwise."""
        self.kept.append({"path": dotted(path), "ours": plain(ours), "theirs": plain(theirs)})


def same(a: Any, b: Any) -> bool:
    """Whether two values mean the same; 1, 1.0 and true do not."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def is_strings(value: Any) -> bool:
    """Whether this is a list of strings, empty ones included."""
    return isinstance(value, list) and all(isinstance(element, str) for element in value)


def both_tables(a: Any, b: Any) -> bool:
    """Whether two values can be compared key by key."""
    return isinstance(a, dict) and type(a) is type(b)


def table_and_value(a: Any, b: Any) -> bool:
    """Whether a key is a table on one side and something else on the other."""
    return MISSING not in (a, b) and (isinstance(a, dict) or isinstance(b, dict)) and type(a) is not type(b)


def other_backend(ours: dict, base: Any, theirs: dict) -> bool:
    """Whether the user builds with another backend than the pattern, whose requirements are then no use to them."""
    return not same(ours, base) and ours.get("build-backend") != theirs.get("build-backend")


def requirement(text: str) -> tuple[str, str]:
    """The normalised name of a requirement (the text itself when there is none), and all of it without blanks."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text)
    name = re.sub(r"[-_.]+", "-", match[1]).lower() if match else text
    return name, name + re.sub(r"\s", "", text[match.end() :] if match else "")


def holds_requirements(path: KeyPath) -> bool:
    """Whether the list at this path is one of requirements, whose elements are known by their distribution."""
    return path in {("project", "dependencies"), ("build-system", "requires")} or (
        path[:-1] in {("project", "optional-dependencies"), ("dependency-groups",)}
        or (path[:-1] == ("tool", "uv") and str(path[-1]).endswith("-dependencies"))
    )


def plan_list(path: KeyPath, ours: list[str], base: list[str], theirs: list[str], report: Merged) -> Elements:
    """Merge lists of strings as sets of strings, or of distributions, each with all its entries."""
    identify = requirement if holds_requirements(path) else lambda text: (text, text)
    edit = Elements({}, [])
    for name in dict.fromkeys(identify(text)[0] for text in [*theirs, *base]):
        o, b, t = ([s for s in dict.fromkeys(side) if identify(s)[0] == name] for side in (ours, base, theirs))
        o_, b_, t_ = ([identify(s)[1] for s in side] for side in (o, b, t))
        if t_ in (b_, o_):
            continue
        element = (*path, (name,))
        old, new = (side[0] if len(side) == 1 else side or MISSING for side in (o, t))
        if o_ != b_:
            report.keep(element, old, new)
            continue
        report.note(element, old, new)
        for place, text in zip_longest([i for i, s in enumerate(ours) if identify(s)[0] == name], t):
            if place is None:
                edit.added.append(text)
            else:
                edit.replaced[place] = text
    return edit


def plan(ours: dict, base: dict, theirs: dict, report: Merged, path: KeyPath = ()) -> Iterator[Edit]:
    """Compare three tables key by key; give the edits that `ours` needs, and report them and what was kept."""
    for key in dict.fromkeys([*theirs, *base]):
        here = (*path, key)
        o, b, t = (side.get(key, MISSING) for side in (ours, base, theirs))
        if here == ("tool",) and o is MISSING:
            o = {}  # a mere shelf: that it is empty does not mean that somebody took it away
        dynamic = path == ("project",) and o is MISSING and key in dynamic_after(ours, base, theirs)
        if both_tables(o, t) and not (here == ("build-system",) and other_backend(o, b, t)):
            yield from plan(o, b if both_tables(o, b) else {}, t, report, here)
        elif is_strings(o) and is_strings(t):
            edit = plan_list(here, o, b if is_strings(b) else [], t, report)
            if edit.replaced or edit.added:
                yield here, edit
        elif same(t, b) or same(o, t):
            continue
        elif same(o, b) and not dynamic and not table_and_value(o, t):
            report.note(here, o, t)
            yield here, t
        elif t is MISSING and both_tables(o, b) and not isinstance(key, tuple):
            yield from plan(o, b, {}, report, here)  # of a table that the pattern dropped, the user's own keys stay
        else:
            report.keep(here, "dynamic" if dynamic else o, t)


def dynamic_after(ours: dict, base: dict, theirs: dict) -> list[str]:
    """The fields of [project] that the build backend fills in after this merge, which must not be there as values."""
    only = ({key: value for key, value in side.items() if key == "dynamic"} for side in (ours, base, theirs))
    ours, base, theirs = only
    merged = outcome(ours, list(plan(ours, base, theirs, Merged("")))).get("dynamic")
    return merged if is_strings(merged) else []


def outcome(data: dict, edits: list[Edit]) -> dict:
    """The data that the edits lead to."""
    data = copy.deepcopy(data)
    for path, value in edits:
        node = data
        for key in path[:-1]:
            node = node.setdefault(key, {})
        if value is MISSING:
            del node[path[-1]]
        elif isinstance(value, Elements):
            elements = [value.replaced.get(i, text) for i, text in enumerate(node[path[-1]])]
            node[path[-1]] = [text for text in elements if text is not None] + value.added
        else:
            node[path[-1]] = value
    return data


def solid(value: Any) -> Any:
    """Data without empty tables and arrays, which come and go with the headers of their neighbours."""
    if not isinstance(value, dict):
        return value
    inner = {key: solid(v) for key, v in value.items()}
    return type(value)({key: v for key, v in inner.items() if v not in ({}, [])})


def parse(text: str, name: str) -> dict:
    """Read TOML; raises MergeError with the file's name, line and column."""
    try:
        return shape(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        where = str(error).replace("(at end of document)", f"(at line {line}, column {column}, the end)")
        raise MergeError(f"{name} is not valid TOML: {where}. Correct it and run this again.") from None


def merge(ours: str, base: str, theirs: str, names: tuple[str, str, str] = ("ours", "base", "theirs")) -> Merged:
    """Merge three texts of TOML; `base` is empty where there was no pattern before.

    Gives the merged text and the report of what changed. Raises MergeError, naming the text by `names`, when one is
    not valid TOML, and when the outcome would not be what was planned (then the merge has a fault).
    """
    mark = "\ufeff" if ours.startswith("\ufeff") else ""
    end_of_line = "\r\n" if "\r\n" in ours else "\n"
    ours, base, theirs = (text.removeprefix("\ufeff") for text in (ours, base, theirs))
    theirs = theirs.replace("\r\n", "\n").replace("\n", end_of_line)
    o, b, t = (parse(text, name) for text, name in zip((ours, base, theirs), names, strict=True))
    report = Merged("")
    edits = list(plan(o, b, t, report))
    if ours.replace("\r\n", "\n") == base.replace("\r\n", "\n"):
        report.text = mark + theirs  # untouched by the user: comments and order follow the pattern, too
        return report
    editor = Editor(read(ours, o), read(theirs, t), end_of_line)
    for path, value in edits:
        editor.apply(path, value)
    text = "".join(line.text for line in editor.lines)
    try:
        fault = not same(solid(outcome(o, edits)), solid(shape(tomllib.loads(text)))) or comments(ours) - comments(text)
    except tomllib.TOMLDecodeError as error:
        fault = error
    if fault:
        todo = ", ".join(dotted(path) for path, _ in edits)
        raise MergeError(f"{names[0]} is written in a way that cannot be merged safely. Change these by hand: {todo}.")
    report.text = mark + text
    return report
