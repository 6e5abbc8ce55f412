"""Shows text from elsewhere as data: on a terminal, in a log, and in a command to paste."""

import difflib
import shlex
from collections.abc import Iterable


def one_line(text: str) -> str:
    """Returns text on one line: control characters, line breaks and bidirectional marks are escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def quote(word: str) -> str:
    """Returns a word for a shell. One that has control characters is in the form $'…', which bash and zsh read."""
    if word.isprintable():
        return shlex.quote(word)
    raw = word.encode("utf-8", "surrogateescape")
    return (
        "$'" + "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in raw) + "'"
    )


def join(words: Iterable[str]) -> str:
    """Returns words as a command for a shell."""
    return " ".join(map(quote, words))


def difference(name: str, old: str, new: str) -> str:
    """Returns the command that changes a file's text from old to new, or "" if both are the same."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{name}", f"b/{name}")
    patch = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    # A line that is pasted into a terminal loses its carriage return.
    return f"git apply --ignore-whitespace - <<'END'\n{patch}END" if patch else ""
