"""Reads this package's next version from its commits, and has what dist.py and release.py share beside it.

Only the standard library. The template owns this file.
"""

import re
import sys
import tomllib
from pathlib import Path

from shared import TEMP, git, need, run

TAG = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*) ")
STATED = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:[-._+a-z].*)?", re.IGNORECASE)
SUBJECT = re.compile(r"([a-z]+)(?:\([^()]*\))?(!?):", re.IGNORECASE)
FOOTER = re.compile(r"^BREAKING[ -]CHANGE:", re.MULTILINE)
NOTHING, PATCH, MINOR, MAJOR = range(4)
LEVELS = {"fix": PATCH, "feat": MINOR, "major": MAJOR}
STATE = TEMP / "release"
DIST = STATE / "dist"

Version = tuple[int, ...]


def install_twine() -> Path:
    """Installs twine for this job, checking the hash of every file. Returns the Python of its environment."""
    home, pins = STATE / "twine", Path(__file__).with_name("twine.txt")
    if not (home / "bin/twine").exists():
        made = run("uv", "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, home)[0]
        sync = ("uv", "pip", "sync", "--quiet", "--no-config", "--require-hashes", "--no-build", "--python", home, pins)
        need(made and run(*sync)[0], "twine could not be installed, see above: run this job again.")
    return home / "bin/python"


def twine(*arguments: str | Path, env: dict[str, str] | None = None) -> tuple[bool, str]:
    """Runs twine. Returns whether it succeeded, and its output."""
    return run(install_twine(), "-I", "-m", "twine", *arguments, env=env)


def project() -> tuple[str, Version, bool]:
    """Returns the package's normalized name, the version it states, and whether git gives it, as HEAD has them."""
    config = tomllib.loads(git("show", "HEAD:pyproject.toml"))
    table = config.get("project", {})
    name = re.sub(r"[-_.]+", "-", table.get("name", "")).lower()
    need(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name), "pyproject.toml has no valid project.name: write one.")
    if "version" in table.get("dynamic", ()):
        backend = " ".join(config.get("build-system", {}).get("requires", ())).replace("_", "-")
        advice = 'write version = "0.0.0" under [project] instead of naming it in dynamic.'
        need(re.search("setuptools-scm|hatch-vcs", backend), f"the release can tell this backend no version: {advice}")
        return name, (0, 0, 0), True
    found = STATED.fullmatch(table.get("version", "").strip())
    need(found, 'project.version in pyproject.toml is not like 1.2.3: write the last one released, or "0.0.0".')
    return name, tuple(int(part or 0) for part in found.groups()) if found else (), False


def tags() -> dict[Version, str]:
    """Returns every version tag and its commit, the highest first. Other tags do not count."""
    lines = git("for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags").splitlines()
    found = {tuple(map(int, match.groups())): line.split()[-1] for line in lines if (match := TAG.match(line))}
    return dict(sorted(found.items(), reverse=True))


def reachable(known: dict[Version, str]) -> Version | None:
    """Returns the highest of these tags that HEAD holds. If it is near, the cost does not grow with history."""
    for version in list(known)[:2]:
        if git("merge-base", "HEAD", known[version], check=False) == known[version]:
            return version
    merged = set(git("for-each-ref", "--merged=HEAD", "--format=%(refname:strip=2)", "refs/tags").split())
    return next((version for version in known if f"v{number(version)}" in merged), None)


def number(version: Version) -> str:
    """Returns a version as text, such as 1.2.3."""
    return ".".join(map(str, version))


def level(message: str) -> int:
    """Returns what one commit asks for: its subject counts, and a footer at the start of a line."""
    match = SUBJECT.match(message.lstrip().partition("\n")[0])
    if FOOTER.search(message) or (match and match[2]):
        return MAJOR
    return LEVELS.get(match[1].lower(), NOTHING) if match else NOTHING


def bumped(version: Version, bump: int) -> Version:
    """Returns the next version."""
    major, minor, patch = version
    return {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1)}[bump]


def planned() -> tuple[str, str]:
    """Returns the version that HEAD is released as, or an empty text and why there is none."""
    head, known = git("rev-parse", "HEAD"), tags()
    if mine := next((version for version, commit in known.items() if commit == head), None):
        return number(mine), ""
    later = git("rev-list", "--ancestry-path", "HEAD..refs/remotes/origin/main", "--", check=False).split()
    if not set(later).isdisjoint(known.values()):
        return "", "a newer version on main holds this commit."
    last = reachable(known)
    since = f"v{number(last)}..HEAD" if last else "HEAD"
    bump = max(map(level, git("log", "-z", "--format=%B", since, "--").split("\0")))
    if bump == NOTHING:
        return "", f"no major:, feat: or fix: in {since}."
    mine = bumped(max(project()[1], last or ()), bump)
    while mine in known:  # on another branch
        mine = bumped(mine, bump)
    return number(mine), ""


def whole(names: list[str], version: str) -> bool:
    """Returns whether these files have one wheel and one sdist of a version, however the backend spells the name."""
    start = f"{project()[0]}-{version.replace('.', '-')}-"
    return {"whl", ".gz"} <= {name[-3:] for name in names if re.sub(r"[-_.]+", "-", name).lower().startswith(start)}
