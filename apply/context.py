"""One run in one repository: where everything is, what was written, and what is reported."""

import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from answers import Answers
from commands import Refused, lock
from files import Files, content
from merge import MergeError, merge
from report import Report


class Rendered(dict[str, bytes]):
    """The files of a version of the template, by name."""

    executable: frozenset[str] = frozenset()


@dataclass
class Run:
    """A run of `adopt` or `update`."""

    template: Path  # a clone, at the new version
    answers_file: str
    root: Path  # of the repository
    folder: Path  # empty, for temporary files
    renderer: "subprocess.Popen[str]"  # render.py, which waits for requests
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        """Prepares the writes."""
        self.files = Files(self.root)
        self.requests = 0
        self.merged: set[str] = set()  # TOML files, which the report has by keys

    def render(self, *versions: tuple[str, Answers]) -> list[Rendered | Refused]:
        """Renders versions of the template.

        Args:
            versions: Git references of the template, each with answers.

        Returns:
            For each version its files, or why it could not be rendered: it is gone, or refuses the answers.
        """
        self.requests += 1
        folder = self.folder / str(self.requests)
        request = {"template": str(self.template), "answers_file": self.answers_file, "folder": str(folder)}
        plain = [(ref, {k: v for k, v in answers.items() if not k.startswith("_")}) for ref, answers in versions]
        said, asked = self.renderer.stdout, self.renderer.stdin
        with suppress(BrokenPipeError):
            print(json.dumps({**request, "versions": plain}), file=asked, flush=True)
        if not said or not (answer := said.readline()):
            raise Refused("Copier could not render the template (above). Fix that, then run the same command again.")
        return [Refused(why) if why else read(folder / str(number)) for number, why in enumerate(json.loads(answer))]

    def merge(self, name: str, base: str, theirs: str, ours: str | None = None) -> str:
        """Merges the pattern into a TOML file, and reports each key. Returns the new text.

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
        return merged.text

    def lock(self) -> None:
        """Locks the repository again.

        Raises:
            Refused: uv fails.
        """
        self.files.keep("uv.lock")
        lock(self.root)


def read(folder: Path) -> Rendered:
    """Returns the files below a folder, in order."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    found = Rendered({name: path.read_bytes() for name, path in paths.items()})
    found.executable = frozenset(name for name, path in paths.items() if path.stat().st_mode & 0o100)
    return found


def needed(rendered: Rendered | Refused) -> Rendered:
    """Returns the files of a version that a run cannot go on without.

    Raises:
        Refused: it could not be rendered.
    """
    if isinstance(rendered, Refused):
        raise rendered
    return rendered


def there(rendered: Rendered | Refused) -> Rendered:
    """Returns the files of a version; none if it could not be rendered."""
    return Rendered() if isinstance(rendered, Refused) else rendered
