"""Shows text from elsewhere as data."""


def one_line(text: str) -> str:
    """Returns text on one line: control characters, line breaks and bidirectional marks are escaped.

    A runner reads commands from the beginning of each line of a log, so text from elsewhere must not start one.
    """
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
