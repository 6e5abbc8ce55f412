"""Checks that a checkout holds what a run works with: a repository with history, whole, and plain files."""

from pathlib import Path

from commands import Refused, foreign, git


def refuse_folder(root: Path) -> None:
    """Checks that a folder is the root of a git repository with a commit.

    Raises:
        Refused: it is not.
    """
    if remedy := foreign(root):
        raise Refused(
            "git refuses this folder, which belongs to another user of this machine. If you trust it, run\n"
            f"{remedy}\nthen run the same command again."
        )
    top = git(root, "rev-parse", "--show-toplevel")
    if top is not None and Path(top).resolve() != root.resolve():
        raise Refused(
            f"This folder is inside the repository {top}, and Gitea only runs workflows at the root of a repository. "
            "Give the package a repository of its own (git subtree split), then run the same command there."
        )
    if git(root, "rev-parse", "--verify", "HEAD") is None:
        raise Refused(
            "This folder has no commit, so git could not restore anything. Commit what is here "
            "(git init -b main, git add, git commit), then run the same command again."
        )


def refuse_shallow(root: Path) -> None:
    """Checks that the history is all there.

    Raises:
        Refused: it is not.
    """
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise Refused(
            "This clone is shallow: commits and tags are missing, so the versions would be wrong. Get them with "
            "`git fetch --unshallow --tags`, then run the same command again."
        )


def refuse_sparse(root: Path) -> None:
    """Checks that all files are there.

    Raises:
        Refused: some are not.
    """
    if git(root, "config", "--type=bool", "core.sparseCheckout") == "true":
        raise Refused(
            "This is a sparse checkout, so files of the repository are missing here. Get all of them with "
            "`git sparse-checkout disable`, then run the same command again."
        )


def refuse_links(root: Path, names: list[str]) -> None:
    """Checks that no file to be written is a symbolic link, or is behind one, or is a folder.

    Raises:
        Refused: one is. It would be replaced, or git would not see the file.
    """
    for path in map(Path, names):
        if link := next((part for part in (path, *path.parents) if (root / part).is_symlink()), None):
            raise Refused(
                f"{link} is a symbolic link, but the template writes plain files there. Replace it with what it "
                "points to, then run the same command again."
            )
        if (root / path).is_dir():
            raise Refused(
                f"{path} is a folder, but the template writes a file there. Rename the folder, then run the same "
                "command again."
            )
        if above := next((part for part in path.parents if (root / part).is_file()), None):
            raise Refused(
                f"{above} is a file, but the template writes {path}. Rename the file, then run the same command again."
            )
