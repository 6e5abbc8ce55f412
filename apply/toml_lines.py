"""Carry out edits on the text of a TOML file, so that whatever they do not name survives byte for byte.

The file is cut into lines (a statement with all its lines is one), and an edit changes, inserts or takes away few of
them. A TOML writer would do with less code, and move lines: new keys below the comment of the next table, comments
lost with the value beside them, one line end for the whole file. What is written here is not to be trusted blindly
either: the caller reads the outcome with the standard parser and compares.
"""

import datetime
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

# A key; or an element of an array of tables, by its place or, as (name,), by its name.
Key = str | int | tuple[str]
KeyPath = tuple[Key, ...]


class _Missing:
    """The value of a key that is not there."""


MISSING: Any = _Missing()


class Named(dict[Any, Any]):
    """An array of tables that all have a name of their own: {(name,): table}."""


class Elements(NamedTuple):
    """Changes of a list of strings: by place what replaces an element (None: nothing does), and what is added."""

    replaced: dict[int, str | None]
    added: list[str]


def shape(value: Any) -> Any:
    """Parsed TOML with each array of tables by name, where all its tables have one of their own."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(v, dict) and isinstance(v.get("name"), str) for v in value):
        named = Named({(v["name"],): shape(v) for v in value})
        return named if len(named) == len(value) else value
    return value


def plain(value: Any) -> Any:
    """The reverse of `shape`; None for what is missing."""
    if isinstance(value, dict):
        values = {key: plain(inner) for key, inner in value.items()}
        return list(values.values()) if isinstance(value, Named) else values
    return None if value is MISSING else value


# TOML as text. The standard parser took it before, so nothing here need doubt it.

STRING = r""" \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5} | "(?:\\.|[^"\\])*" | '[^']*' """
TOKEN = re.compile(
    rf"""(?P<string>{STRING}) | (?P<comment>\#[^\r\n]*) | (?P<open>[\[{{]) | (?P<close>[\]}}]) | (?P<comma>,)
    | (?P<end>\n) | (?P<bare>[^\s"'\#,\[\]{{}}]+)""",
    re.S | re.X,
)
KEY = re.compile(rf"""\s* ((?: {STRING} | [^="'])+?) \s* = \s*""", re.S | re.X)
HEADER = re.compile(rf"""\s* (\[\[?) ((?: {STRING} | [^\]"'])+) \]""", re.S | re.X)


@dataclass(eq=False)
class Line:
    """A statement over all its lines, or a blank or comment line, with its line end."""

    text: str
    table: KeyPath  # where it stands
    path: KeyPath | None = None  # what it sets: a header its table, a blank or comment line nothing

    @property
    def is_header(self) -> bool:
        """Whether this line opens a table."""
        return self.path == self.table

    @property
    def indent(self) -> str:
        """The blanks before the first character."""
        return re.match(r"[ \t]*", self.text)[0]


def tokens(text: str, start: int = 0) -> Iterator[tuple[re.Match[str], int]]:
    """Each token with the depth of brackets behind it."""
    depth = 0
    for match in TOKEN.finditer(text, start):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        yield match, depth


def comments(text: str) -> Counter[str]:
    """Each comment and how often it stands there."""
    return Counter(match[0].rstrip() for match, _ in tokens(text) if match.lastgroup == "comment")


def keys(text: str) -> KeyPath:
    """The keys of a dotted key."""
    node, found = tomllib.loads(f"{text} = 0"), []
    while isinstance(node, dict):
        [(key, node)] = node.items()
        found.append(key)
    return tuple(found)


def dotted(path: KeyPath) -> str:
    """A path as a dotted key, the elements of arrays of tables in brackets."""
    parts = ""
    for key in path:
        if isinstance(key, str):
            parts += "." * bool(parts) + (key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else write(key))
        else:
            parts += f"[{key[0] if isinstance(key, tuple) else key}]"
    return parts


def write(value: Any) -> str:
    """A value as TOML on one line."""
    value = plain(value)
    if isinstance(value, dict):
        pairs = ", ".join(f"{dotted((key,))} = {write(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(write, value))}]"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()


def read(text: str, data: dict) -> list[Line]:
    """Cut a file with this data into its lines."""
    lines: list[Line] = []
    table: KeyPath = ()
    current: dict[KeyPath, tuple[int, Key]] = {}  # the element of each array of tables that headers speak of
    ends = [match.end() for match, depth in tokens(text) if match.lastgroup == "end" and not depth]
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        statement = text[start:end]
        if not statement.strip() or statement.lstrip().startswith("#"):
            lines.extend([Line(statement, table)] if statement else [])
        elif header := HEADER.match(statement):
            table = ()
            *parents, last = keys(header[2])
            for key in parents:
                table += (key,)
                table += current[table][1:] if table in current else ()
            table += (last,)
            if header[1] == "[[":
                place = current[table][0] + 1 if table in current else 0
                array: Any = data
                for key in table:
                    array = array[key]
                current[table] = (place, list(array)[place] if isinstance(array, Named) else place)
                table += current[table][1:]
            lines.append(Line(statement, table, table))
        else:
            lines.append(Line(statement, table, table + keys(KEY.match(statement)[1])))
    return lines


def value_at(pair: str) -> tuple[int, int]:
    """Where the value of `key = value` begins and ends."""
    start = end = KEY.match(pair).end()
    for match, depth in tokens(pair, start):
        if not depth and match.lastgroup in ("comment", "end"):
            break
        end = match.end()
    return start, end


def items(text: str) -> list[list[int]]:
    """Where the items of an array or inline table begin and end, and where the comma behind each is (else -1)."""
    found: list[list[int]] = []
    fresh = True
    for match, depth in list(tokens(text))[1:-1]:
        if match.lastgroup == "comma" and depth == 1:
            found[-1][2], fresh = match.start(), True
        elif match.lastgroup not in ("comment", "end") or depth > 1:
            if fresh:
                found.append([match.start(), match.end(), -1])
            found[-1][1], fresh = match.end(), False
    return found


def cut(text: str, item: list[int]) -> str:
    """An array or inline table without one item; a comment behind it stays."""
    start, end, comma = item
    head, tail = text[:start], text[end:comma] + text[comma + 1 :] if comma >= 0 else text[end:]
    begins_line = re.search(r"\n[ \t]*\Z", head)
    if begins_line and re.match(r"[ \t]*\r?\n", tail):
        return head.rstrip(" \t") + tail.partition("\n")[2]
    if comma < 0 and not begins_line:
        head = re.sub(r",[ \t]*\Z", "", head)
        return head + tail
    return head + tail.lstrip(" \t")


def append(text: str, new: str, end_of_line: str) -> str:
    """An array or inline table with one more item, laid out as the last one."""
    if not (found := items(text)):
        if "\n" not in text:
            blank = " " if text[0] == "{" else ""
            return text[0] + blank + new + blank + text[-1]
        head, _, tail = text.rpartition("\n")
        return f"{head}\n    {tail[:-1]}{new},{end_of_line}{tail}"
    start, end, comma = found[-1]
    head, tail = (text[: comma + 1], text[comma + 1 :]) if comma >= 0 else (text[:end] + ",", text[end:])
    new += "," if comma >= 0 else ""
    begins_line = re.search(r"\n([ \t]*)\Z", text[:start])
    if not begins_line:
        return f"{head} {new}{tail}"
    rest = re.match(r"([ \t]*(#[^\r\n]*)?(?=\r?\n))?", tail)[0]
    return f"{head}{rest}{end_of_line}{begins_line[1]}{new}{tail[len(rest) :]}"


def rewrite(text: str, path: KeyPath, change: Callable[[str | None], str | None], end_of_line: str) -> str | None:
    """Change the value at a path inside a value: `change` gets its text or None, gives the new one or None for none."""
    if not path:
        return change(text)
    for item in items(text):
        inner = text[item[0] : item[1]]
        if text[0] == "{":
            names, (start, end) = keys(KEY.match(inner)[1]), value_at(inner)
        else:
            names, (start, end) = ((tomllib.loads(f"x = {inner}")["x"]["name"],),), (0, len(inner))
        if names == path[: len(names)]:
            new = rewrite(inner[start:end], path[len(names) :], change, end_of_line)
            return cut(text, item) if new is None else text[: item[0] + start] + new + text[item[0] + end :]
        if names[: len(path)] == path:  # a table of dotted keys: it can only go, key by key
            return rewrite(cut(text, item), path, change, end_of_line)
    new = change(None)
    return text if new is None else append(text, new if text[0] == "[" else f"{dotted(path)} = {new}", end_of_line)


class Editor:
    """Carries edits out on the lines of one file; what it adds it takes from the lines of the pattern."""

    def __init__(self, ours: list[Line], theirs: list[Line], end_of_line: str) -> None:
        """Take the lines of both files, and what the user's ends its lines with."""
        self.lines, self.theirs, self.end_of_line = ours, theirs, end_of_line

    def apply(self, path: KeyPath, value: Any) -> None:
        """Carry out one edit."""
        if isinstance(value, Elements):
            self.change(path, lambda text: self.elements(text or "", value))
        elif value is MISSING:
            self.remove(path)
        elif (line := self.holder(path)) and line.path == path:
            self.change(path, lambda _: self.pattern_text(path, value))
        elif line:
            self.add(path, value)
        else:
            self.remove(path)
            self.add(path, value)

    def holder(self, path: KeyPath) -> Line | None:
        """The `key = value` in whose value the path is found, if it stands in one."""
        return next((li for li in self.lines if li.path and not li.is_header and li.path == path[: len(li.path)]), None)

    def pattern_text(self, path: KeyPath, value: Any) -> str:
        """How the pattern writes a value."""
        for line in self.theirs:
            if line.path == path and not line.is_header:
                return slice_of(line.text, value_at(line.text))
        return write(value)

    def change(self, path: KeyPath, how: Callable[[str | None], str | None]) -> None:
        """Rewrite the value at a path that stands in a `key = value`."""
        line = self.holder(path)
        start, end = value_at(line.text)
        new = rewrite(line.text[start:end], path[len(line.path) :], how, self.end_of_line)
        self.replace(line, "" if new is None else line.text[:start] + new + line.text[end:])

    def elements(self, text: str, edit: Elements) -> str:
        """The text of a list of strings with other elements, in the quotes that the list has."""
        found = items(text)
        single = bool(found) and text[found[-1][0]] == "'"

        def quote(new: str) -> str:
            return f"'{new}'" if single and new.isprintable() and "'" not in new else write(new)

        for place, new in sorted(edit.replaced.items(), reverse=True):
            start, end, _ = found[place]
            text = cut(text, items(text)[place]) if new is None else text[:start] + quote(new) + text[end:]
        for new in edit.added:
            text = append(text, quote(new), self.end_of_line)
        return text

    def replace(self, line: Line, text: str) -> None:
        """Put another text, or none, in a line's place; its comments stay, above it if need be."""
        lost = (comments(line.text) - comments(text)).elements()
        new = [Line(f"{line.indent}{comment}{self.end_of_line}", line.table) for comment in lost]
        at = self.lines.index(line)
        self.lines[at : at + 1] = [*new, Line(text, line.table, line.path)] if text else new
        around = self.lines[max(at - 1, 0) : at + 1]
        if line.is_header and not text and not new and not any(neighbour.text.strip() for neighbour in around):
            del self.lines[max(at - 1, 0) : at]  # or two blank lines would meet

    def remove(self, path: KeyPath) -> None:
        """Take away a value, or a table with all its lines but the comments."""
        if self.holder(path):
            self.change(path, lambda _: None)
        for line in [line for line in self.lines[::-1] if line.path and line.path[: len(path)] == path]:
            self.replace(line, "")

    def add(self, path: KeyPath, value: Any) -> None:
        """Add a value or a table where its parent is, in the way in which that is written."""
        parent = path[:-1]
        beside = [li for li in self.lines if li.path and not li.is_header and li.path[: len(parent)] == parent]
        beside = [li for li in beside if len(li.table) < len(parent) < len(li.path)]
        if self.holder(parent):
            for leaf, inner in [(path, value)] if isinstance(path[-1], tuple) else leaves(path, value):
                self.change(leaf, lambda _, inner=inner: write(inner))
        elif beside and not any(li.is_header and li.path == parent for li in self.lines):
            for leaf, inner in leaves(path, value):
                self.insert_pair(beside[-1].table, leaf, self.pattern_text(leaf, inner), self.lines.index(beside[-1]))
        else:
            self.copy(path, value)

    def copy(self, path: KeyPath, value: Any) -> None:
        """Add what stands at a path, line by line as in the pattern where it has lines of its own for it."""
        parent = path[:-1]
        source = [line for line in self.theirs if line.path and line.path[: len(path)] == path]
        for line in source:
            if line.is_header:
                self.open(line.path)
            elif len(line.table) < len(parent):
                self.insert_pair(parent, line.path, slice_of(line.text, value_at(line.text)))
            else:
                self.insert(line.table, line.path, line.text, self.comments_above(line))
        if not source and isinstance(path[-1], tuple):
            self.open(path)
            for key, inner in value.items():
                self.insert_pair(path, (*path, key), write(inner))
        elif not source:
            self.insert_pair(parent, path, write(value))

    def comments_above(self, line: Line) -> list[str]:
        """The comment lines of the pattern that stand right above one of its lines."""
        above = self.theirs[: self.theirs.index(line)][::-1]
        return [li.text for li in takewhile(lambda li: li.path is None and li.text.strip(), above)][::-1]

    def insert_pair(self, table: KeyPath, path: KeyPath, value: str, after: int | None = None) -> None:
        """Write `key = value` into a table."""
        key = dotted(path[len(table) :])
        self.insert(table, path, f"{key} = {value}{self.end_of_line}", [], after)

    def insert(self, table: KeyPath, path: KeyPath, text: str, above: list[str], after: int | None = None) -> None:
        """Put a `key = value` behind the last one of its table, indented as that."""
        if table:
            self.open(table)
        members = [i for i, line in enumerate(self.lines) if line.path and line.table == table]
        if after is None:
            after = members[-1] if members else -1
        indent = self.lines[after].indent if after >= 0 else ""
        new = [*(Line(comment, table) for comment in above), Line(text, table, path)]
        for line in new:
            line.text = indent + line.text.lstrip(" \t")
        self.put(after + 1, new)

    def open(self, table: KeyPath) -> None:
        """Write the header of a table that has none, behind its nearest relatives."""
        if any(line.is_header and line.path == table for line in self.lines):
            return

        def kinship(line: Line) -> int:
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(line.table, table, strict=False)))

        nearest = max((kinship(line) for line in self.lines if line.path), default=0)
        relatives = [i for i, line in enumerate(self.lines) if line.path and kinship(line) == nearest]
        at = relatives[-1] + 1 if nearest else len(self.lines)
        behind = at + sum(1 for _ in takewhile(lambda li: li.path is None and li.text.strip(), self.lines[at:]))
        if not any(line.path for line in self.lines[at:]):
            at = len(self.lines)
        elif not self.lines[behind].is_header:
            at = behind  # comments that end the table, where no other one begins right below them
        source = next((line for line in self.theirs if line.is_header and line.path == table), None)
        name = dotted(tuple(key for key in table if isinstance(key, str)))
        text = f"[{name}]" if isinstance(table[-1], str) else f"[[{name}]]"
        new = [Line(source.text if source else text + self.end_of_line, table, table)]
        new[:0] = [Line(above, table) for above in self.comments_above(source)] if source else []
        if at and self.lines[at - 1].text.strip():
            new.insert(0, Line(self.end_of_line, table))
        if at < len(self.lines) and self.lines[at].text.strip():
            new.append(Line(self.end_of_line, table))
        self.put(at, new)

    def put(self, at: int, new: list[Line]) -> None:
        """Insert lines, and the line end that the one before or the last of them may lack."""
        for line in [*self.lines[max(at - 1, 0) : at], *new]:
            line.text += "" if line.text.endswith("\n") else self.end_of_line
        self.lines[at:at] = new


def slice_of(text: str, place: tuple[int, int]) -> str:
    """The text between two places."""
    return text[place[0] : place[1]]


def leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """The values of a table with their paths; arrays of tables and empty tables count as values."""
    if isinstance(value, dict) and value and not isinstance(value, Named):
        for key, inner in value.items():
            yield from leaves((*path, key), inner)
    else:
        yield path, value
