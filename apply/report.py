"""What the user reads at the end: what was added, changed and kept, what to do next, and how to undo it."""

from dataclasses import dataclass, field
from pathlib import Path

from commands import git, ignored
from files import Files
from merge import Merged
from quoting import join, one_line, quote
from toml_edits import write

WORKFLOWS = ("ci.yaml", "template-update.yaml")


@dataclass
class Report:
    """The lists of the closing message."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    next_steps: list[tuple[str, str]] = field(default_factory=list)  # why, and the command
    undo: str = ""

    def add_merged(self, file: str, merged: Merged) -> None:
        """Lists what happened to the keys of a TOML file."""
        for note in merged.added:
            table, element = place(note["path"], note["value"])
            self.added.append(f"{file}: {table}: {element}" if element else f"{file}: {table} = {write(note['value'])}")
        for note in merged.updated:
            self.changed.append(f"{file}: {note['path']} = {write(note['theirs'])}, was {write(note['ours'])}")
        for note in merged.removed:
            table, element = place(note["path"], note["value"])
            self.changed.append(
                f"{file}: {element} is removed from {table}" if element else f"{file}: {table} is removed"
            )
        for note in merged.kept:
            ours, theirs = ("not set" if note[side] is None else write(note[side]) for side in ("ours", "theirs"))
            self.kept.append(f"{file}: {note['path']} is {ours}, the pattern has {theirs}")

    def show(self, title: str) -> None:
        """Prints the lists that are not empty. Commands are not indented, so that they can be pasted."""
        print(f"\n{title}")
        for name, lines in (("Added", self.added), ("Changed", self.changed), ("Kept, and to check", self.kept)):
            if lines:
                print(f"\n{name}:", *map(one_line, lines), sep="\n  ")
        if self.next_steps:
            print("\nNext steps, in this order:")
            for why, command in self.next_steps:
                print(f"# {one_line(why)}", command, sep="\n")  # a line break would end the comment
        if self.undo:
            print(f"\nTo undo everything:\n{self.undo}")


def place(path: str, value: object) -> tuple[str, str]:
    """Returns the key of a list and the element of it that changed, as TOML has it; for all else the path and ""."""
    if not (isinstance(value, str) and path.endswith("]")):
        return path, ""
    table = path.removesuffix(f"[{value}]")  # a requirement is named by its distribution, which has no bracket
    return path.rpartition("[")[0] if table == path else table, write(value)


def other_workflows(root: Path) -> list[str]:
    """Returns notes about the user's own workflows."""
    found = [path.name for path in sorted((root / ".gitea/workflows").glob("*.y*ml")) if path.name not in WORKFLOWS]
    lines = [f".gitea/workflows/{name} runs as well as ci.yaml: check that it does not publish too" for name in found]
    if (root / ".github/workflows").is_dir():
        lines.append(".github/workflows: Gitea ignores it, now that there is .gitea/workflows")
    if (root / ".forgejo/workflows").is_dir():
        move = "git mv .forgejo/workflows/* .gitea/workflows/"
        lines.append(f".forgejo/workflows: Forgejo runs it, and ignores .gitea/workflows. Fix: {move}")
    return lines


def undo_commands(files: Files, changed_before: set[str]) -> str:
    """Returns the commands that undo a run, and nothing else.
    Args:
        files: What was written.
        changed_before: The files that git saw as changed or untracked before. A copy of each that was written goes
            into git's objects, as does one of each that git ignores.
    """
    commands = []
    if files.made:  # without a name, git clean would remove everything
        flags = "-fdx" if ignored(files.root, *files.made) else "-fd"
        commands.append(f"git clean {flags} -- {join(files.made)}")
    if files.folders:
        commands.append(f"find {join(sorted(files.folders))} -type d -empty -delete")
    untracked = {name for name in files.changed if git(files.root, "ls-files", "--error-unmatch", "--", name) is None}
    if not changed_before | untracked:
        return " && ".join(["git restore .", *commands])
    for name in files.changed:
        if name not in changed_before | untracked:
            commands.append(f"git restore -- {quote(name)}")
        elif old := git(files.root, "hash-object", "-w", "--stdin", stdin=files.before[name]):
            commands.append(f"git cat-file blob {old} > {quote(name)}")
    return "\n".join(commands)
