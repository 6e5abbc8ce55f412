"""Shows text from elsewhere as data: on a terminal, in a log, and in a command to paste."""

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
