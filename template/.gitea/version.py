"""Reads this package's next version from its commits, and has what dist.py and release.py share beside it.

Only the standard library. The template owns this file.
"""

import re
import tomllib

from shared import TEMP, git, need

TAG = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*) ")
STATED = re.compile(r"(?i)v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:([-._]?(?!post|r[e0-9])[a-z])|[-._+a-z]|$).*")
SUBJECT = re.compile(r"\ufeff?(\w[\w.+-]*)(?:\((.*?)\))?(!?):\s*(.*)")
# Footers as Conventional Commits 1.0 has them: in a paragraph that begins with one, not in a comment or a code block.
HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"(?:BREAKING CHANGE|[\w-]+)(?::| #)")
FOOTER = re.compile(r"^BREAKING[ -]CHANGE(?::| #)[ \t]*(.+(?:\n(?![\w-]+(?:: | #)).+)*)", re.MULTILINE)
NONE = re.compile(r"\W*(?:none|no|nothing|n/?a)?\W*", re.IGNORECASE)
MEANT = {"fea": "feat", "fix": "fix", "bug": "fix", "hot": "fix", "maj": "major", "bre": "major"}
ALMOST = re.compile(
    r"\ufeff?(feat(?:s|ures?)?|(?:bug|hot)?fix(?:e[sd])?|major|breaking(?:[ -]changes?)?)\b"
    r"\s*(\(.*?\))?\s*(!?)\s*(?:[:\uff1a-]|\s)\s*(\S.*)",
    re.IGNORECASE,
)
NOTHING, PATCH, MINOR, MAJOR = range(4)
LEVELS = {"fix": PATCH, "feat": MINOR, "major": MAJOR}
STATE = TEMP / "release"
DIST = STATE / "dist"

Version = tuple[int, ...]


def project() -> tuple[str, Version, str]:
    """Returns the package's normalized name, its version, and the variable that sets one, as HEAD has them.

    A fourth number of the version, -1, says that it is a pre-release: 3.0.0.dev0 is below 3.0.0, as in PEP 440.
    """
    config = tomllib.loads(git("show", "HEAD:pyproject.toml"))
    table = config.get("project", {})
    name = re.sub(r"[-_.]+", "-", table.get("name", "")).lower()
    need(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name), "pyproject.toml has no valid project.name: write one.")
    if "version" in table.get("dynamic", ()):
        backend = " ".join(config.get("build-system", {}).get("requires", ())).replace("_", "-")
        advice = 'write version = "0.0.0" under [project] instead of naming it in dynamic.'
        need(re.search("setuptools-scm|hatch-vcs", backend), f"the release cannot set this backend's version: {advice}")
        own = "" if "hatch-vcs" in backend else f"_FOR_{name.replace('-', '_').upper()}"  # hatch-vcs takes no such
        return name, (0, 0, 0), f"SETUPTOOLS_SCM_PRETEND_VERSION{own}"
    found = STATED.fullmatch(table.get("version", "").strip())
    need(found, 'project.version in pyproject.toml is not like 1.2.3 (no epoch): write the last released, or "0.0.0".')
    return name, (*(int(part or 0) for part in found.groups()[:3]), *([-1] if found[4] else [])) if found else (), ""


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


def breaking(message: str) -> str:
    """Returns what the BREAKING CHANGE footer of a commit says, empty if it has none or says that there is none."""
    if "BREAKING" not in message:
        return ""
    _, *paragraphs = re.split(r"\n[ \t]*\n", HIDDEN.sub("", message.replace("\r\n", "\n").strip()))
    for paragraph in filter(TOKEN.match, paragraphs):
        if (found := FOOTER.search(paragraph)) and not NONE.fullmatch(found[1]):
            return found[1]
    return ""


def level(message: str) -> int:
    """Returns what one commit asks for: its subject counts, and a BREAKING CHANGE footer."""
    match = SUBJECT.match(message.lstrip().partition("\n")[0])
    if (match and match[3]) or breaking(message):
        return MAJOR
    return LEVELS.get(match[1].lower(), NOTHING) if match else NOTHING


def almost(message: str) -> str:
    """Returns how a commit that asks for less than it seems to would have to be written, empty for all others."""
    match, found = ALMOST.match(message.lstrip().partition("\n")[0]), level(message)
    if match and found == NOTHING:
        kind, scope, mark, text = match.groups()
        return f"{MEANT[kind[:3].lower()]}{scope or ''}{mark}: {text.strip()}"
    text = HIDDEN.sub("", message) if "BREAKING" in message else ""
    line = re.search(r"^BREAKING(?:[ -]CHANGES?)?:(.*)$", text, re.MULTILINE)
    hidden = line and found < MAJOR and not NONE.fullmatch(line[1])
    return "BREAKING CHANGE: as the first line of a paragraph of its own" if hidden else ""


def bumped(version: Version, bump: int) -> Version:
    """Returns the next version."""
    major, minor, patch = version
    return {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1)}[bump]


def planned() -> tuple[str, str]:
    """Returns the version that HEAD is released as, or an empty text and why there is none."""
    head, known, stated = git("rev-parse", "HEAD"), tags(), project()[1]
    if mine := next((version for version, commit in known.items() if commit == head), None):
        return number(mine), ""
    later = git("rev-list", "--ancestry-path", "HEAD..refs/remotes/origin/main", "--", check=False).split()
    if not set(later).isdisjoint(known.values()):
        return "", "a newer version on main holds this commit."
    last = reachable(known)
    since = f"{known[last]}..HEAD" if last else "HEAD"
    bump = max(map(level, git("log", "-z", "--format=%B", since, "--").split("\0")))
    if bump == NOTHING:
        return "", f"no major:, feat: or fix: since {f'v{number(last)}' if last else 'the first commit'}."
    mine = max(stated[:3], bumped(last or (0, 0, 0), bump)) if stated[3:] else bumped(max(stated, last or ()), bump)
    while mine in known:  # on another branch
        mine = bumped(mine, bump)
    return number(mine), ""


def whole(names: list[str], version: str) -> bool:
    """Returns whether these files have one wheel and one sdist of a version, however the backend spells the name."""
    start = f"{project()[0]}-{version.replace('.', '-')}-"
    return {"whl", ".gz"} <= {name[-3:] for name in names if re.sub(r"[-_.]+", "-", name).lower().startswith(start)}
