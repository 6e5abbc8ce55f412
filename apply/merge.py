"""Merges a pattern into a user's pyproject.toml by keys, three-way.

`ours` is the user's file, `base` the pattern of the last merge (empty the first time), `theirs` the new pattern. What
the user changed stays and is reported. What they did not change follows the pattern.

Three steps: `plan` compares plain data and yields edits; `carry_out` (toml_edits.py) makes them in the user's text;
`merge` reads the outcome with the standard parser and refuses unless it is what was planned and no comment is gone.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from itertools import zip_longest
from typing import Any, TypeGuard

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from toml_edits import MISSING, Edit, KeyPath, carry_out, comments, dotted
from tomlrt import TOMLError

Data = dict[Any, Any]


class Named(Data):
    """An array of tables with unique names, as {(name,): table}."""


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
        """Reports a change from ours to theirs; new and removed tables key by key."""
        if MISSING not in (ours, theirs):
            self.updated.append({"path": dotted(path), "ours": plain(ours), "theirs": plain(theirs)})
            return
        changes, value = (self.added, theirs) if ours is MISSING else (self.removed, ours)
        changes += [{"path": dotted(leaf), "value": plain(inner)} for leaf, inner in leaves(path, value)]

    def keep(self, path: KeyPath, ours: Any, theirs: Any) -> None:
        """Reports a value of the user's that differs from the pattern."""
        self.kept.append({"path": dotted(path), "ours": plain(ours), "theirs": plain(theirs)})


def shape(value: Any) -> Any:
    """Returns parsed TOML with each array of tables as `Named`, if its tables have unique names (or URLs)."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(v, dict) and isinstance(name_of(v), str) for v in value):
        named = Named({(name_of(v),): shape(v) for v in value})
        return named if len(named) == len(value) else value
    return value


def name_of(table: Data) -> Any:
    """Returns what identifies a table of an array: its name; an index of uv may have a URL alone."""
    return table.get("name", table.get("url"))


def plain(value: Any) -> Any:
    """Returns the reverse of `shape`, and None for MISSING."""
    if isinstance(value, dict):
        values = {key: plain(inner) for key, inner in value.items()}
        return list(values.values()) if isinstance(value, Named) else values
    return None if value is MISSING else value


def leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """Yields the values of a table with their paths. Empty tables and arrays of tables are values, as are elements."""
    if isinstance(value, dict) and value and not isinstance(value, Named) and not isinstance(path[-1], tuple):
        for key, inner in value.items():
            yield from leaves((*path, key), inner)
    else:
        yield path, value


def same(a: Any, b: Any) -> bool:
    """Returns whether two values mean the same; 1, 1.0 and true do not."""
    if isinstance(a, dict) and type(a) is type(b):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def is_strings(value: Any) -> TypeGuard[list[str]]:
    """Returns whether a value is a list of strings, which may be empty."""
    return isinstance(value, list) and all(isinstance(element, str) for element in value)


def both_tables(a: Any, b: Any) -> bool:
    """Returns whether two values can be compared key by key."""
    return isinstance(a, dict) and type(a) is type(b)


@cache
def requirement(text: str) -> tuple[str, str]:
    """Returns the normalized name of a requirement and its normalized text. Other text is returned as it is."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return text, text
    parsed.name = canonicalize_name(parsed.name)
    return parsed.name, str(parsed)


def holds_requirements(path: KeyPath) -> bool:
    """Returns whether the list at a path is one of requirements, which are identified by their distribution."""
    lists = r"build-system\.requires|project\.dependencies|(project\.optional-dependencies|dependency-groups)\..+"
    return bool(re.fullmatch(rf"{lists}|tool\.uv\.[a-z-]+-dependencies", dotted(path)))


def plan_list(path: KeyPath, ours: list[str], base: list[str], theirs: list[str], report: Merged) -> Iterator[Edit]:
    """Yields the edits that a list of strings needs, compared by string, or by distribution with all its entries."""
    identify = requirement if holds_requirements(path) else lambda text: (text, text)
    end, gone = len(ours), []
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
            if text is None:
                gone.append(place)
            elif place is None:
                yield (*path, end), text
                end += 1
            else:
                yield (*path, place), text
    yield from (((*path, place), MISSING) for place in sorted(gone, reverse=True))


def plan(ours: Data, base: Data, theirs: Data, report: Merged, path: KeyPath = ()) -> Iterator[Edit]:
    """Yields the edits that a table needs, compared key by key, and reports them and what is kept."""
    for key in dict.fromkeys([*theirs, *base]):
        here = (*path, key)
        o, b, t = (side.get(key, MISSING) for side in (ours, base, theirs))
        if here == ("tool",) and o is MISSING:
            o = {}  # [tool] only holds other tables: that it is missing does not mean that the user deleted it
        dynamic = path == ("project",) and o is MISSING and key in dynamic_after(ours, base, theirs)
        other_kind = MISSING not in (o, t) and isinstance(o, dict) | isinstance(t, dict) and type(o) is not type(t)
        whole = here == ("build-system",) and not same(o, b)  # then the requirements of another backend are of no use
        if both_tables(o, t) and not (whole and o.get("build-backend") != t.get("build-backend")):
            yield from plan(o, b if both_tables(o, b) else {}, t, report, here)
        elif is_strings(o) and is_strings(t):
            yield from plan_list(here, o, b if is_strings(b) else [], t, report)
        elif same(t, b) or same(o, t):
            continue
        elif same(o, b) and not dynamic and not other_kind:
            report.note(here, o, t)
            yield here, t
        elif t is MISSING and both_tables(o, b) and not isinstance(key, tuple):
            yield from plan(o, b, {}, report, here)  # of a table that the pattern dropped, the user's own keys stay
        else:
            report.keep(here, "dynamic" if dynamic else o, t)


def dynamic_after(ours: Data, base: Data, theirs: Data) -> list[str]:
    """Returns the fields of [project] that the build backend fills in after the merge. They must have no value."""
    only = ({key: side[key] for key in side if key == "dynamic"} for side in (ours, base, theirs))
    ours, base, theirs = only
    merged = outcome(ours, plan(ours, base, theirs, Merged(""))).get("dynamic")
    return merged if is_strings(merged) else []


def outcome(data: Data, edits: Iterable[Edit]) -> Data:
    """Returns the data after some edits."""
    merged: Data = deepcopy(data)
    for path, value in edits:
        node: Any = merged
        for key in path[:-1]:
            node = node.setdefault(key, {})
        if value is MISSING:
            del node[path[-1]]
        elif isinstance(path[-1], int):
            node[path[-1] : path[-1] + 1] = [value]
        else:
            node[path[-1]] = value
    return merged


def solid(value: Any) -> Any:
    """Returns data without empty tables and arrays, which come and go with the headers of their neighbors."""
    if not isinstance(value, dict):
        return value
    inner = {key: solid(v) for key, v in value.items()}
    return type(value)({key: v for key, v in inner.items() if v not in ({}, [])})


def parse(text: str, name: str) -> Data:
    """Returns the data of a TOML text. A MergeError has its name, line and column."""
    try:
        return {key: shape(value) for key, value in tomllib.loads(text).items()}
    except tomllib.TOMLDecodeError as error:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        where = str(error).replace("(at end of document)", f"(at line {line}, column {column}, the end)")
        raise MergeError(f"{name} is not valid TOML: {where}. Correct it and run this again.") from None


def merge(ours: str, base: str, theirs: str, names: tuple[str, str, str] = ("ours", "base", "theirs")) -> Merged:
    """Returns the merge of three TOML texts and what it changed.

    Args:
        ours: the user's text. A byte order mark is taken off; each line keeps its own end.
        base: the pattern of the last merge; empty if there was none.
        theirs: the new pattern.
        names: what error messages call the three texts.

    Raises:
        MergeError: a text is not valid TOML, or the edits would not lead to the planned outcome.
    """
    before = ours.removeprefix("\ufeff")
    ours, base, theirs = (text.removeprefix("\ufeff").replace("\r\n", "\n") for text in (ours, base, theirs))
    o, b, t = (parse(text, name) for text, name in zip((ours, base, theirs), names, strict=True))
    report = Merged("")
    edits = list(plan(o, b, t, report))
    if ours == base:
        report.text = with_ends(theirs, before)  # untouched by the user: comments and order follow the pattern, too
        return report
    try:
        text = carry_out(edits, ours, theirs)
        sound = same(solid(outcome(o, edits)), solid(parse(text, ""))) and not comments(ours) - comments(text)
    except (TOMLError, MergeError, LookupError):
        sound = False
    if not sound:
        keys = ", ".join(dict.fromkeys(dotted(path) for path, _ in edits))
        raise MergeError(f"{names[0]} is written in a way that cannot be merged safely. Change these by hand: {keys}.")
    report.text = with_ends(text, before)
    return report


def with_ends(text: str, before: str) -> str:
    """Returns a text whose lines end as they did before the merge; a new one ends as the line above it."""
    if "\r\n" not in before:
        return text
    old, new = before.split("\n"), text.split("\n")
    ends = ["\r" * line.endswith("\r") for line in old]
    matcher = SequenceMatcher(None, [line.rstrip("\r") for line in old], new, autojunk=False)
    end, lines = ends[0], []
    for _, start, stop, first, last in matcher.get_opcodes():
        for number in range(last - first):
            end = ends[start + number] if start + number < min(stop, len(ends) - 1) else end
            lines.append(new[first + number] + end)
    return "\n".join([*lines[:-1], new[-1]])
