"""Makes a package of the template's last version, edits it as its owner would, updates it, and looks at what came out.

preview.py runs this for each known package.
"""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

OWNED = (".gitea/", "tests/test_smoke.py")  # as in apply/ownership.py
MERGED = ("pyproject.toml", "uv.lock", ".copier-answers.yml")
DEPENDENCY, RULE = "packaging", "UP"
RULES = "docs/updating.md says how to change the template without breaking packages."
NOISE = ("Task ", "Nothing was written", "> Running task", "Updating to template")
WHO = {
    f"GIT_{who}_{key}": f"owner{'@noreply.invalid' * (key == 'EMAIL')}"
    for who in ("AUTHOR", "COMMITTER")
    for key in ("NAME", "EMAIL")
}
# Without the user's git settings, and without the environment that uv made for this program.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | WHO
ENVIRONMENT |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
Files = dict[str, tuple[bytes, bool]]  # by name: what is in it, and whether it can be executed


class Failed(Exception):
    """Something does not go through: what, why, and what to do."""

    def __init__(self, sentence: str, output: str = "") -> None:
        """Keeps what a program printed, if one failed."""
        super().__init__(sentence)
        self.output = output


@dataclass
class Versions:
    """A clone of the template, and what its versions are called."""

    path: Path
    base: str  # the commit before the change
    last: str  # the tag of the last released version; of the commit before the change if there is none
    new: str  # the tag of the change
    label: str  # of `last`, for people


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Returns what a program prints.

    Raises:
        Failed: it ends with an error. The sentence is the last line that says why.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=ENVIRONMENT | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        output = f"{done.stdout}\n{done.stderr}"
        said = [line for line in map(str.strip, output.splitlines()) if line and not line.startswith(NOISE)]
        why = said[-1] if said else f"{command[0]} ended with exit code {done.returncode}"
        raise Failed(f"{why.rstrip('. ')}.", output)
    return done.stdout


def copier(made: Versions, *words: str | Path, cwd: Path) -> str:
    """Returns what Copier prints. Its cache is this run's own: those who share one get into each other's way."""
    # -P: no module of the folder is taken for one of Copier's.
    env = {"COPIER_CACHE_DIR": str(made.path.with_name("copier"))}
    return run(sys.executable, "-P", "-m", "copier", *words, cwd=cwd, env=env)


def copy(made: Versions, version: str, answers: Path, target: Path, *words: str) -> None:
    """Makes a new package of a version.

    Raises:
        Failed: it cannot be made.
    """
    target.parent.mkdir()
    words = ("copy", "--trust", "--defaults", "--quiet", "--vcs-ref", version, "--data-file", str(answers), *words)
    try:
        copier(made, *words, made.path, target, cwd=target.parent)
    except Failed as failed:
        which = "with this change" if version == made.new else "before this change"
        raise Failed(f"no package can be made {which}: {failed} Correct the template.", failed.output) from None


def files(package: Path) -> Files:
    """Returns the files that git tracks or would track."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=package)
    paths = {name: package / name for name in listed.split("\0") if name and (package / name).is_file()}
    return {name: (path.read_bytes(), os.access(path, os.X_OK)) for name, path in paths.items()}


def edit(package: Path) -> None:
    """Edits a new package as an owner does: a dependency, a lint rule, the README, a test."""
    readme, settings = package / "README.md", package / "pyproject.toml"
    text = readme.read_text("utf-8") if readme.exists() else ""
    readme.write_text(f"# By its owner\n\n{text}\nAnd a last paragraph.\n", "utf-8")
    (package / "test_own.py").write_text('"""A test of the owner\'s."""\n', "utf-8")
    settings.write_text(settings.read_text("utf-8").replace("\nselect = [", f'\nselect = ["{RULE}", ', 1), "utf-8")
    try:
        run(os.environ.get("UV", "uv"), "add", "--quiet", "--no-sync", f"{DEPENDENCY}>=20", cwd=package)
    except Failed as failed:
        raise Failed(
            f"uv cannot add {DEPENDENCY} to it: {failed} Fix that, then run this again.", failed.output
        ) from None


def edits(package: Path) -> set[str]:
    """Returns which of the owner's edits pyproject.toml has."""
    settings = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))
    rules = settings.get("tool", {}).get("ruff", {}).get("lint", {}).get("select", [])
    needed = {re.split(r"\W", entry)[0] for entry in settings.get("project", {}).get("dependencies", [])}
    return ({DEPENDENCY} & needed) | ({RULE} & set(rules))


def update(made: Versions, answers: Path, folder: Path) -> str:
    """Updates a package from the last version, and returns what the update says.

    Raises:
        Failed: the update is refused, conflicts, or leaves what it should not.
    """
    package, fresh = folder / "package" / answers.stem, folder / "fresh" / answers.stem
    copy(made, made.last, answers, package)
    run("git", "init", "--quiet", cwd=package)
    edit(package)
    run("git", "add", "--all", cwd=package)
    run("git", "commit", "--quiet", "--message", "feat: as its owner wants it", cwd=package)
    before, edited = files(package), edits(package)
    start = f"the update from {made.label}"
    report, failed = "", None
    try:
        report = copier(made, "update", "--trust", "--defaults", "--vcs-ref", made.new, cwd=package)
    except Failed as error:
        failed, report = error, error.output
    if unmerged := run("git", "diff", "--name-only", "--diff-filter=U", cwd=package).splitlines():
        raise Failed(f"{start} conflicts in {', '.join(unmerged)}. Keep the owner's edits: {RULES}", report)
    if failed:
        raise Failed(f"{start} is refused: {failed} Correct the template: {RULES}", report)
    stored = folder / "answers.yml"
    stored.write_text(re.sub(r"(?m)^_.*\n", "", (package / ".copier-answers.yml").read_text("utf-8")), "utf-8")
    copy(made, made.new, stored, fresh, "--skip-tasks")
    run("git", "init", "--quiet", cwd=fresh)
    check(start, report, (before, files(package), files(fresh)))
    if lost := edited - edits(package):
        raise Failed(
            f"{start} takes {', '.join(sorted(lost))} out of pyproject.toml. Keep the owner's edits: {RULES}", report
        )
    return report


def check(start: str, report: str, states: tuple[Files, Files, Files]) -> None:
    """Checks that the template's files are those of a new package, and the owner's those of before.

    Args:
        start: The beginning of a sentence.
        report: What the update says.
        states: The files before the update, after it, and of a new package.

    Raises:
        Failed: they are not.
    """
    before, after, fresh = states
    if other := differing(*({n: f for n, f in state.items() if n.startswith(OWNED)} for state in (after, fresh))):
        raise Failed(f"{start} leaves {other} different from a new package. Correct apply/update.py.", report)
    left = (*OWNED, *MERGED)
    if other := differing(*({n: f for n, f in state.items() if not n.startswith(left)} for state in (before, after))):
        raise Failed(f"{start} changes {other}, which the owner has. Do not change it: {RULES}", report)


def differing(one: Files, other: Files) -> str:
    """Returns the names of the files that differ, or are in one of the two alone; "" if there are none."""
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))
