"""One run in one repository: where everything is, what was written, and what is reported."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from answers import Answers
from commands import Refused, lock
from files import Files, content
from merge import MergeError, merge
from report import Report

Rendered = dict[str, bytes]  # the files of a version of the template, by name


@dataclass
class Run:
    """A run of `adopt` or `update`."""

    template: Path  # a clone, at the new version
    answers_file: str
    root: Path  # of the repository
    folder: Path  # empty, for temporary files
    renderer: "subprocess.Popen[str]"  # render.py, which waits for its request
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        """Prepares the writes."""
        self.files = Files(self.root)
        self.merged: set[str] = set()  # TOML files, which the report has by keys

    def render(self, *versions: tuple[str, Answers]) -> list[Rendered | Refused]:
        """Renders versions of the template.

        Args:
            versions: Git references of the template, each with answers.

        Returns:
            For each version its files, or why it could not be rendered: it is gone, or refuses the answers.
        """
        request = {"template": str(self.template), "answers_file": self.answers_file, "folder": str(self.folder)}
        plain = [(ref, {k: v for k, v in answers.items() if not k.startswith("_")}) for ref, answers in versions]
        text = json.dumps({**request, "versions": plain})
        self.renderer.communicate(text)
        if self.renderer.returncode:
            raise Refused("Copier could not render the template (above). Fix that, then run the same command again.")
        errors = json.loads((self.folder / "errors.json").read_text("utf-8"))
        return [Refused(why) if why else read(self.folder / str(number)) for number, why in enumerate(errors)]

    def merge(self, name: str, base: str, theirs: str, ours: str | None = None) -> None:
        """Merges the pattern into a TOML file, and reports each key.

        Args:
            name: The file.
            base: The old pattern, or "".
            theirs: The pattern.
            ours: What is merged with, where that is not the file as it is.

        Raises:
            Refused: the merge fails.
        """
        if ours is None:
            ours = (content(self.root / name) or b"").decode()
        try:
            merged = merge(ours, base, theirs, (name, "the old pattern", "the pattern"))
        except MergeError as error:
            raise Refused(str(error)) from error
        if ours.startswith("\ufeff"):
            self.report.changed.append(f"{name}: the byte order mark is gone, because other tools fail on it")
        self.files.write(name, merged.text.encode())
        self.merged.add(name)
        self.report.add_merged(name, merged)

    def lock(self) -> None:
        """Locks the repository again.

        Raises:
            Refused: uv fails.
        """
        self.files.keep("uv.lock")
        lock(self.root)


def read(folder: Path) -> Rendered:
    """Returns the files below a folder, in order."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def needed(rendered: Rendered | Refused) -> Rendered:
    """Returns the files of a version that a run cannot go on without.

    Raises:
        Refused: it could not be rendered.
    """
    if isinstance(rendered, Refused):
        raise rendered
    return rendered
