"""Writes files of a repository. Each is replaced as a whole or not at all, and all writes can be undone."""

import os
import shutil
import tempfile
from pathlib import Path


class Files:
    """The writes of one run in one repository."""

    def __init__(self, root: Path) -> None:
        """Starts with nothing written below the root of the repository, an absolute path."""
        self.root = root
        self.before: dict[str, bytes | None] = {}
        self.folders: set[str] = set()  # the outermost that did not exist before

    def keep(self, name: str) -> None:
        """Remembers a file as it is now, before it changes."""
        self.before.setdefault(name, content(self.root / name))

    def write(self, name: str, new: bytes) -> bool:
        """Writes a file. Returns whether that changed anything."""
        path = self.root / name
        if content(path) == new:
            return False
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
                if path.exists():
                    shutil.copymode(path, file.name)
                else:
                    os.chmod(file.name, 0o666 & ~umask())
                os.replace(file.name, path)
            except OSError as error:  # a full disk, say
                os.unlink(file.name)
                raise OSError(error.errno, error.strerror, str(path)) from error
        return True

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
        return sorted(n for n, old in self.before.items() if old is not None and content(self.root / n) != old)


def content(path: Path) -> bytes | None:
    """Returns the content of a file; None if it does not exist."""
    return path.read_bytes() if path.exists() else None


def umask() -> int:
    """Returns the umask of this process, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
