"""Write files of a repository so that each is replaced whole or not at all, and all of it can be taken back."""

import os
import shutil
import tempfile
from pathlib import Path


class Files:
    """The writes of one run in one repository."""

    def __init__(self, root: Path) -> None:
        """Take the root of the repository, an absolute path."""
        self.root = root
        self.before: dict[str, bytes | None] = {}

    def keep(self, name: str) -> None:
        """Remember a file as it is now, before somebody changes it."""
        self.before.setdefault(name, content(self.root / name))

    def write(self, name: str, new: bytes) -> bool:
        """Put a file in place, and say whether that changed anything."""
        path = self.root / name
        if content(path) == new:
            return False
        self.keep(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(new)
        if path.exists():
            shutil.copymode(path, file.name)
        else:
            os.chmod(file.name, 0o666 & ~umask())
        os.replace(file.name, path)
        return True

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.keep(name)
        (self.root / name).unlink(missing_ok=True)

    def undo(self) -> None:
        """Take every write back, and the folders that are empty then."""
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
        """The files that were not there before."""
        return sorted(name for name, old in self.before.items() if old is None and (self.root / name).exists())

    @property
    def changed(self) -> list[str]:
        """The files that were there before and are other or gone now."""
        return sorted(n for n, old in self.before.items() if old is not None and content(self.root / n) != old)


def content(path: Path) -> bytes | None:
    """Read a file; None where there is none."""
    return path.read_bytes() if path.exists() else None


def umask() -> int:
    """Give the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
