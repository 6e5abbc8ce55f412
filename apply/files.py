"""Writes files of a repository. Each is replaced as a whole or not at all, and all writes can be undone."""

import os
import stat
import tempfile
from pathlib import Path


class Files:
    """The writes of one run in one repository."""

    def __init__(self, root: Path) -> None:
        """Starts with nothing written below the root of the repository, an absolute path."""
        self.root = root
        self.before: dict[str, bytes | None] = {}
        self.modes: dict[str, int] = {}  # of those that existed
        self.folders: set[str] = set()  # the outermost that did not exist before

    def keep(self, name: str) -> None:
        """Remembers a file as it is now, before it changes."""
        if name not in self.before and (old := content(self.root / name)) is not None:
            self.modes[name] = mode(self.root / name)
            self.before[name] = old
        self.before.setdefault(name, None)

    def write(self, name: str, new: bytes, executable: bool | None = None) -> None:
        """Writes a file. It keeps the mode of the one that was there; `executable` sets or clears those bits."""
        path = self.root / name
        wanted = mode(path) if path.exists() else 0o666 & ~umask()
        if executable is not None:
            wanted = wanted | (wanted & 0o444) >> 2 if executable else wanted & ~0o111
        if content(path) == new and mode(path) == wanted:
            return
        self.keep(name)
        folders = [str(folder) for folder in Path(name).parents]
        absent = [folder for folder in folders if not (self.root / folder).exists()]
        if absent and self.folders.isdisjoint(folders):
            self.folders.add(absent[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(new)
                file.close()
                os.chmod(file.name, wanted)
                os.replace(file.name, path)
            except OSError as error:  # a full disk, say
                os.unlink(file.name)
                raise OSError(error.errno, error.strerror, str(path)) from error

    def remove(self, name: str) -> None:
        """Removes a file."""
        self.keep(name)
        (self.root / name).unlink(missing_ok=True)

    def undo(self) -> None:
        """Undoes every write, and removes the folders that are empty then."""
        for name, old in self.before.items():
            path = self.root / name
            if old is not None:
                self.write(name, old)
                path.chmod(self.modes.get(name, mode(path)))
                continue
            path.unlink(missing_ok=True)
            for folder in (self.root / parent for parent in Path(name).parents[:-1]):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    @property
    def made(self) -> list[str]:
        """The files that did not exist before."""
        return sorted(name for name, old in self.before.items() if old is None and (self.root / name).exists())

    @property
    def changed(self) -> list[str]:
        """The files that existed before and are changed or removed now."""
        there = ((name, old, self.root / name) for name, old in self.before.items() if old is not None)
        return sorted(
            n for n, old, path in there if content(path) != old or mode(path) != self.modes.get(n, mode(path))
        )


def mode(path: Path) -> int:
    """Returns the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> bytes | None:
    """Returns the content of a file; None if it does not exist."""
    return path.read_bytes() if path.exists() else None


def umask() -> int:
    """Returns the umask of this process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
