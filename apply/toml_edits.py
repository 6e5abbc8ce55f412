"""Edits the text of a TOML file, and keeps its comments, order and layout.

tomlrt carries out the edits. It leaves two things to its caller, which `settle` does on the text: a comment that was
removed with its value comes back where the value was, and a new table does not separate a comment from its subject.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any

import tomlrt
from tomlrt import AoT, Array, Document, Table, TOMLError

Key = str | int | tuple[str]  # an element of a list by its index, one of an array of tables by its (name,)
KeyPath = tuple[Key, ...]
Edit = tuple[KeyPath, Any]  # the new value of a path, or MISSING


MISSING: Any = object()  # the value of a key that does not exist

STRING = r""" \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5} | "(?:\\.|[^"\\])*" | '[^']*' """
STRING_OR_COMMENT = re.compile(rf"(?P<string>{STRING}) | (?P<comment>\#[^\r\n]*)", re.S | re.X)


def write(value: Any) -> str:
    """Returns a value as TOML on one line, or `none` for None.

    Args:
        value: plain data, as the standard parser returns it.

    Raises:
        TypeError: TOML has no such value.
    """
    if value is None:
        return "none"
    document = Document()
    document["x"] = Table.inline(value) if isinstance(value, dict) else value
    return document.render().removeprefix("x = ").removesuffix("\n")


def dotted(path: KeyPath) -> str:
    """Returns a path as a dotted key, as in `tool.uv.index[name]`. Elements by index are left out."""
    names = (key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else write(key) for key in path if isinstance(key, str))
    parts = (f"[{key[0]}]" if isinstance(key, tuple) else f".{next(names)}" for key in path if not isinstance(key, int))
    return "".join(parts).removeprefix(".")


def comments(text: str) -> Counter[str]:
    """Returns each comment of a TOML text and how often it occurs."""
    return Counter(match[0].rstrip() for match in STRING_OR_COMMENT.finditer(text) if match["comment"])


def carry_out(edits: Iterable[Edit], ours: str, theirs: str) -> str:
    """Returns a text after some edits.

    Args:
        edits: what to change, in this order.
        ours: the text to edit, without a byte order mark.
        theirs: the text to copy new values from, with their comments and layout. Only strings that become elements
            of a list are taken from the edits.

    Raises:
        TOMLError: an edit cannot be made.
    """
    document, pattern = tomlrt.loads(ours), tomlrt.loads(theirs)
    for path, value in edits:
        before = document.render()
        if value is MISSING:
            remove(document, path)
        elif isinstance(path[-1], int):
            put_string(document, path[:-1], path[-1], value)
        else:
            put(document, pattern, path)
        after = document.render()
        settled = settle(before, after, under=isinstance(path[-1], int))
        if settled != after:
            document = tomlrt.loads(settled)
    return document.render()


def index(parent: Any, key: Key) -> Any:
    """Returns what to subscript a table or an array with; for a new element this is the length of the array."""
    if not isinstance(key, tuple):
        return key
    names = [element.get("name", element.get("url")) for element in parent]
    return names.index(key[0]) if key[0] in names else len(parent)


def find(node: Any, path: KeyPath) -> Any:
    """Returns the value at a path."""
    for key in path:
        node = node[index(node, key)]
    return node


def holds(document: Document, path: KeyPath) -> bool:
    """Returns whether there is a table at a path. An edit before this one may have removed the last of its keys."""
    try:
        find(document, path)
    except KeyError:
        return False
    return True


def is_inline(value: Any) -> bool:
    """Returns whether a value is an inline table or an array in brackets."""
    return isinstance(value, Array) or (isinstance(value, Table) and value.is_inline)


def put(document: Document, pattern: Document, path: KeyPath) -> None:
    """Copies the value at a path of the pattern to the same path of the document."""
    value, key = find(pattern, path), path[-1]
    if len(path) > 1 and not holds(document, path[:-1]):
        document.install([str(key) for key in path], value)
        return
    parent, source = find(document, path[:-1]), find(pattern, path[:-1])
    if is_inline(parent) and isinstance(value, Table | AoT) and not is_inline(value):
        value = Table.inline(value.to_dict()) if isinstance(value, Table) else value.to_list()
    if isinstance(parent, AoT | Array):
        parent.append(value)
        return
    new = key not in parent
    parent[key] = value
    if new and not is_inline(parent):
        parent.comments.update((name, text) for name, text in source.comments.items() if name == key)
        parent.leading_comments.update((name, text) for name, text in source.leading_comments.items() if name == key)


def put_string(document: Document, path: KeyPath, at: int, new: str) -> None:
    """Sets or adds an element of a list of strings, with single quotes if the last element has them."""
    array = find(document, path)
    quotes = [match["string"] for match in STRING_OR_COMMENT.finditer(tomlrt.dumps({"x": array})) if match["string"]]
    array[at : at + 1] = [new]
    if quotes and quotes[-1].startswith("'") and "'" not in new and new.isprintable():
        double, single = write(new), f"'{new}'"
        text = STRING_OR_COMMENT.sub(lambda m: single if m[0] == double else m[0], tomlrt.dumps({"x": array}))
        find(document, path[:-1])[path[-1]] = tomlrt.loads(text)["x"]


def remove(document: Document, path: KeyPath) -> None:
    """Removes a value, and the tables without a header of their own that it leaves empty."""
    parent = find(document, path[:-1])
    while len(path) > 1 and len(parent) == 1 and not has_header(parent):
        path = path[:-1]
        parent = find(document, path[:-1])
    del parent[index(parent, path[-1])]


def has_header(table: Any) -> bool:
    """Returns whether a table or an array is still written as itself when it is empty."""
    if is_inline(table) or isinstance(table, AoT):
        return is_inline(table)
    try:
        table.header_comment = table.header_comment  # an error where there is no header
    except TOMLError:
        return False
    return True


def settle(before: str, after: str, under: bool) -> str:
    """Returns the text after an edit with lost comments where their value was (below what is there now, if asked for),
    and with a new table above or below the comments that it would part from their subject.
    """
    blank = "\r" if "\r\n" in before else ""
    old, new = ((text + f"{blank}\n" * (text[-1:] != "\n")).split("\n") for text in (before, after))
    start = count(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))
    end = count(lambda pair: pair[0] == pair[1], zip(old[start:][::-1], new[start:][::-1], strict=False))
    gone, came = old[start : len(old) - end], new[start : len(new) - end]
    if lost := list((comments(before) - comments(after)).elements()):
        indent = gone[0][: len(gone[0]) - len(gone[0].lstrip())].rstrip("\r")
        block = [f"{indent}{comment}{blank}" for comment in lost]
        if not came:  # blank lines around what is gone stay
            block = [*gone[: not gone[0].strip()], *block, *gone[len(gone) - (not gone[-1].strip()) :]]
        place = start + len(came) * under
        return "\n".join([*new[:place], *block, *new[place:]])
    if not gone and next((line for line in came if line.strip() and not is_comment(line)), "").lstrip()[:1] == "[":
        place = place_of_table(old, start)
        above, below = ([blank] * bool("".join(lines).strip()) for lines in (old[:place][-1:], old[place:][:1]))
        block = ("\n".join(came).strip() + blank).split("\n")
        return "\n".join([*old[:place], *above, *block, *below, *old[place:]])
    return after


def place_of_table(lines: list[str], place: int) -> int:
    """Returns where to put a table so that comments stay beside what is above or below them."""
    above, below = count(is_comment, lines[:place][::-1]), count(is_comment, lines[place:])
    if all(is_comment(line) for line in lines[place:] if line.strip()):
        return len(lines) - 1
    if above and lines[place].strip():
        return place - above
    if place and lines[place - 1].strip() and not lines[place + below].strip():
        return place + below
    return place


def is_comment(line: str) -> bool:
    """Returns whether a line has only a comment."""
    return line.lstrip().startswith("#")


def count(test: Callable[[Any], bool], items: Iterable[Any]) -> int:
    """Returns how many items at the beginning pass a test."""
    return sum(1 for _ in takewhile(test, items))
