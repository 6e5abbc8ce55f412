"""Write data as TOML in the many ways in which people do, for the property test."""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

Data = dict[str, Any]


class Author:
    """Somebody who writes TOML files with habits of their own, drawn from `dice`."""

    def __init__(self, dice: Random, name: str) -> None:
        """Take the habits: indentation, line ends, how often there are comments and blank lines."""
        self.dice, self.name, self.remarks = dice, name, 0
        self.comment_rate = dice.choice([0, 0.2, 0.5])
        self.indent = dice.choice(["", "", "  ", "\t"])
        self.line_end = dice.choice(["\n", "\n", "\r\n"])
        self.header_rate = dice.choice([1, 0.7, 0.2])

    def file(self, data: Data) -> str:
        """The whole file; its tables in any order that TOML allows."""
        root, *others = self.blocks((), data)
        self.dice.shuffle(others)
        lines = [line for block in [root, *others] for line in block]
        text = "\n".join(lines) + self.dice.choice(["\n", "\n\n", ""])
        text = ("\ufeff" if self.dice.random() < 0.1 else "") + text
        return text.replace("\n", self.line_end)

    def comment(self) -> str:
        """A comment that stands nowhere else, hard to tell from TOML."""
        self.remarks += 1
        return f"# {self.name} {self.remarks} " + self.dice.choice(
            ["plain", "x = [1, ", "'quo\"te", '"""', "[t]", "# #"]
        )

    def remark(self) -> str:
        """A comment behind something, or nothing."""
        return self.dice.choice([" ", "  ", "\t", ""]) + self.comment() if self.wants_comment() else ""

    def wants_comment(self) -> bool:
        """Whether to write a comment here."""
        return self.dice.random() < self.comment_rate

    def above(self) -> Iterator[str]:
        """The lines before a statement."""
        if self.wants_comment():
            yield self.dice.choice(["", " "]) + self.comment()
        if self.dice.random() < 0.1:
            yield self.dice.choice(["", "  "])

    def blocks(self, path: tuple[str, ...], table: Data, brackets: str = "[]") -> list[list[str]]:
        """The block of a table, then those of the tables in it that have a header of their own."""
        own: list[str] = []
        others: list[list[str]] = []
        entries = list(table.items())
        self.dice.shuffle(entries)
        for key, value in entries:
            inner = (*path, key)
            with_header = self.dice.random() < self.header_rate
            if isinstance(value, dict) and with_header:
                others += self.blocks(inner, value)
            elif is_tables(value) and with_header:
                group = [self.blocks(inner, element, "[[]]") for element in value]
                others.append([line for blocks in group for block in blocks for line in block])
            else:
                own += self.pairs((key,), value)
        half = len(brackets) // 2
        header = [*self.above(), f"{brackets[:half]}{self.key(path)}{brackets[half:]}{self.remark()}"] if path else []
        needless = path and others and not own and brackets == "[]" and self.dice.random() < 0.8
        return ([] if needless else [[*header, *own]]) + others

    def pairs(self, path: tuple[str, ...], value: Any) -> Iterator[str]:
        """The lines of a value: `key = value`, or for a table dotted keys."""
        if isinstance(value, dict) and value and self.dice.random() < 0.5:
            for key, inner in value.items():
                yield from self.pairs((*path, key), inner)
            return
        yield from self.above()
        equals = self.dice.choice([" = ", " = ", "=", "  =\t"])
        yield f"{self.indent}{self.key(path)}{equals}{self.value(value)}{self.remark()}"

    def key(self, path: tuple[str, ...]) -> str:
        """A dotted key, some parts of it in quotes."""
        dot = self.dice.choice([".", ".", " . "])
        bare = re.compile(r"[\w-]+")
        return dot.join(
            self.dice.choice([key if bare.fullmatch(key) else f'"{key}"'] * 3 + [f'"{key}"', f"'{key}'"])
            for key in path
        )

    def value(self, value: Any, multi_line: bool = True) -> str:
        """A value in one of its spellings."""
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, dict):
            blank = self.dice.choice(["", " "])
            pairs = f",{blank}".join(f"{self.key((k,))} = {self.value(v, False)}" for k, v in value.items())
            return f"{{{blank}{pairs}{blank}}}"
        if isinstance(value, list):
            return self.array(value, multi_line)
        return str(value).lower() if isinstance(value, bool | int | float) else value.isoformat()

    def string(self, text: str) -> str:
        """A string in one of four kinds of quotes."""
        kinds = [json.dumps(text, ensure_ascii=False)]
        if "'" not in text:
            kinds += [f"'{text}'", f"'''{text}'''"]
        if '"' not in text and "\\" not in text:
            kinds.append(f'"""{text}"""')
        return self.dice.choice(kinds)

    def array(self, value: list[Any], multi_line: bool) -> str:
        """An array on one line, one element a line, or filled up."""
        style = self.dice.choice(["flat", "flat", "tall", "tall", "filled", "commas first"] if multi_line else ["flat"])
        texts = [self.value(element, multi_line) for element in value]
        last = self.dice.choice(["", ","]) if texts else ""
        if style == "flat":
            blank = self.dice.choice(["", " "])
            return f"[{blank}{', '.join(texts)}{last}{blank}]"
        if style == "filled":
            between, end = self.dice.choice([(", ", "\n"), (",\n  ", "")])
            return f"[{between.join(texts)}{last}{end}]"
        lines = ["[" + self.remark()]
        for i, text in enumerate(texts):
            if self.wants_comment():
                lines.append(f"    {self.comment()}")
            if style == "tall":
                comma = last if i == len(texts) - 1 else ","
                lines.append(f"{self.indent or '    '}{text}{comma}{self.remark()}")
            else:
                lines.append(f"  {', ' if i else '  '}{text}{self.remark()}")
        if self.wants_comment():
            lines.append(f"    {self.comment()}")
        return "\n".join([*lines, "]"])


def is_tables(value: Any) -> bool:
    """Whether this is an array of tables."""
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)
