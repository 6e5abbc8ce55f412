"""Reads requirements files (pip's format) as requirements of a [project] table (PEP 508)."""

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from commands import Refused
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from pip_requirements_parser import InstallRequirement


@dataclass
class Requirements:
    """What requirements files ask for."""

    entries: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)  # of the package itself: `test` of `-e .[test]`
    constraints: list[str] = field(default_factory=list)  # files named with `-c`
    seen: set[Path] = field(default_factory=set)
    indexes: list[tuple[str, bool]] = field(default_factory=list)  # URLs, and whether they replace the public one
    links: list[str] = field(default_factory=list)  # `--find-links`

    def read(self, path: Path) -> "Requirements":
        """Adds what a file asks for, with the files that it includes. Reads each file once.

        Hashes and comments are left out: the file itself stays.

        Raises:
            Refused: a line has no name that a [project] table could use, or an included file does not exist.
        """
        from pip_requirements_parser import RequirementsFile  # here, because few repositories need it

        self.seen.add(path.resolve())
        # The parser does not know this option of newer versions of pip.
        text = re.sub(r"\s--config-settings?[= ]\S+", "", utf8(path).replace("\r\n", "\n"))
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
            file.write(text)
            file.flush()
            read = RequirementsFile.from_file(file.name)
        for option in read.options:
            where = f"{path.name}, line {option.line_number}"
            for name in option.options.get("requirements", []):
                other = (path.parent / name).resolve()
                if not other.exists():
                    raise Refused(f"{where}: {name} does not exist. Add the file, or remove the line.")
                if other not in self.seen:
                    self.read(other)
            self.constraints += option.options.get("constraints", [])
            links, more = option.options.get("find_links", []), option.options.get("extra_index_urls", [])
            main = [option.options["index_url"]] if "index_url" in option.options else []
            if any("${" in url for url in links + main + more):
                raise Refused(f"{where}: uv replaces no variable in an address. Write its value.")
            if option.options.get("no_index"):
                raise Refused(
                    f"{where}: --no-index leaves out the index that pytest and ruff come from. Remove the line, then "
                    "run the same command again: tool.uv keeps what --find-links names."
                )
            self.links += map(without_login, links)
            # As in pip, the last of these counts.
            self.indexes = [(url, replaces) for url, replaces in self.indexes if not (replaces and main)]
            self.indexes += [(without_login(url), url in main) for url in main + more]
        for line in read.invalid_lines:
            raise Refused(
                f"{path.name}, line {line.line_number}: {line.line!r} is not a requirement. "
                "Write it as NAME @ URL, or remove it."
            )
        for requirement in read.requirements:
            if requirement.link and requirement.link.url.rstrip("/") == ".":
                self.extras += sorted(requirement.extras)
            else:
                self.entries.append(entry(requirement, path))
        return self


def entry(requirement: "InstallRequirement", path: Path) -> str:
    """Returns a line of a requirements file as a PEP 508 requirement, written as the user wrote it.

    Raises:
        Refused: the line is a path or an address without a name.
    """
    line = re.split(r"\s--\w", requirement.line)[0].strip()
    if requirement.link and without_login(requirement.link.url) != requirement.link.url:
        number = requirement.requirement_line.line_number
        raise Refused(
            f"{path.name}, line {number}: the address has a login, which every wheel would carry. Remove it (git "
            "asks a credential helper), then run the same command again."
        )
    if requirement.req is None or (requirement.link and "://" not in requirement.link.url):
        number = requirement.requirement_line.line_number
        raise Refused(f"{path.name}, line {number}: {line!r} has no name. Write it as NAME @ {line}.")
    try:
        Requirement(line)
    except InvalidRequirement:  # an address with `#egg=NAME`, perhaps after -e
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        url, folder = requirement.link.url.partition("#")[0], requirement.link.subdirectory_fragment
        return f"{requirement.name}{extras} @ {url}{f'#subdirectory={folder}' if folder else ''}"
    return line


def without_login(url: str) -> str:
    """Returns an address without a user's name and password. (`git@` of ssh is neither.)"""
    parts = urlsplit(url)
    if parts.scheme.endswith("ssh"):
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def distribution(requirement: str) -> str:
    """Returns the normalized distribution name of a requirement; the text itself if it is not a requirement."""
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return canonicalize_name(re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0])


def utf8(path: Path) -> str:
    """Returns the text of a file, line ends included.

    Raises:
        Refused: the file has another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8. Save it as UTF-8, then run the same command again.") from error
