# /// script
# requires-python = ">=3.11"
# ///
"""Release this package: a version from the commits, a tag that reserves it, the files of exactly that commit.

The publish job runs `release.py preflight`, `build`, `tag` and `upload`, one step each; STEPS says what each does.
The tag comes before the upload: git gives a new tag to one of any number of racing jobs, so it is the lock. A job
that is cut off after it is healed by running that job again. Only the standard library; the template owns this file.
"""

import base64
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import NoReturn
from urllib.parse import urlsplit

TWINE = ("uvx", "twine==7.0.0")
UPLOAD = (*TWINE, "upload", "--non-interactive", "--disable-progress-bar", "--repository-url")
PYTEST = "-I -m pytest -c /dev/null --rootdir . -p no:cacheprovider --import-mode=importlib test_smoke.py"
INSTALL = ("uv", "pip", "install", "--no-config", "--no-deps", "--reinstall", "--python")
FIX = "fix what it says above, and push; no version was taken."
TAG = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*) ")
STATED = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:[-._+a-z].*)?", re.IGNORECASE)
SUBJECT = re.compile(r"([a-z]+)(?:\([^()]*\))?(!?):", re.IGNORECASE)
FOOTER = re.compile(r"^BREAKING[ -]CHANGE:", re.MULTILINE)
NOTHING, PATCH, MINOR, MAJOR = range(4)
LEVELS = {"fix": PATCH, "feat": MINOR, "major": MAJOR}
PAUSES = (1, 3, 9)  # seconds before the registry is asked again
# Without hooks and settings that others may have left in the runner's or the repository's configuration.
GIT = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.autocrlf=false -c log.showSignature=false".split()
)

STATE = Path(os.environ.get("RUNNER_TEMP", "/tmp")) / "release"
NUMBER, TREE, DIST, SMOKE = STATE / "version", STATE / "tree", STATE / "dist", STATE / "smoke"
REGISTRY = os.environ.get("REGISTRY_URL", "")
# The runner's own word for where this repository is: .git/config may name any other server.
ORIGIN = f"{os.environ.get('GITHUB_SERVER_URL', '').rstrip('/')}/{os.environ.get('GITHUB_REPOSITORY', '')}"
# Taken out of the environment at once, so that nothing that is started from here inherits them.
SECRET = {name: os.environ.pop(name, "") for name in ("REGISTRY_USER", "REGISTRY_TOKEN", "GITHUB_TOKEN")}
os.environ.pop("VIRTUAL_ENV", None)  # uv's for this script; the package has its own

Version = tuple[int, ...]


def need(condition: object, sentence: str) -> None:
    """End the job red unless the condition holds; the sentence, its last line, says what to do."""
    if not condition:
        sys.stdout.flush()
        sys.exit(f"release: {sentence}")


def done(sentence: str) -> NoReturn:
    """End this step green, there being nothing left to do."""
    print(f"release: {sentence}")
    sys.exit(0)


def output(**values: str) -> None:
    """Hand values to the workflow; callers give only names and versions that were checked."""
    with open(os.environ.get("GITHUB_OUTPUT", os.devnull), "a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[bool, str]:
    """Run a program; say whether it succeeded, and its output, shown indented: no line is a command to the runner."""
    text, full = "", {**os.environ, **(env or {})}
    with subprocess.Popen(command, cwd=cwd, env=full, stdout=PIPE, stderr=STDOUT, errors="replace") as process:
        for line in process.stdout or ():
            print("   ", line.rstrip(), flush=True)
            text += line
    return process.returncode == 0, text


def git(*arguments: str, check: bool = True) -> str:
    """Ask git about this repository; with check, a refusal ends the job, else it is an empty answer."""
    result = subprocess.run((*GIT, *arguments), capture_output=True)
    need(not (check and result.returncode), f"git {arguments[0]} failed, {result.stderr!r}: run this job again.")
    return "" if result.returncode else result.stdout.decode("utf-8", "replace").strip()


def remote(*arguments: str) -> tuple[bool, str]:
    """Run git against ORIGIN with the job's token, which only the environment of that one process holds."""
    env = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    if SECRET["GITHUB_TOKEN"] and ORIGIN.startswith("http"):
        login = base64.b64encode(f"x-access-token:{SECRET['GITHUB_TOKEN']}".encode()).decode()
        env[f"GIT_CONFIG_KEY_{count}"] = f"http.{ORIGIN}.extraheader"
        env[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: Basic {login}"
        env["GIT_CONFIG_COUNT"] = str(count + 1)
    return run(*GIT, *arguments, env=env)


def http(url: str, form: str | None = None) -> tuple[int, str]:
    """Get a page or post a form, again where that fails, following no redirect; give the status (0: none) and text."""
    address = urlsplit(url)
    login = base64.b64encode(f"{SECRET['REGISTRY_USER']}:{SECRET['REGISTRY_TOKEN']}".encode()).decode()
    kind = {"Content-Type": "multipart/form-data; boundary=release"} if form else {}  # Gitea: 500 where no part comes
    headers = {"Authorization": f"Basic {login}", **kind}
    for pause in (*PAUSES, 0):
        try:
            server = (HTTPSConnection if address.scheme == "https" else HTTPConnection)(address.netloc, timeout=30)
            server.request("GET" if form is None else "POST", address.path or "/", form, headers)
            answer = server.getresponse()
            status, text = answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as error:
            status, text = 0, str(error)
        if 0 < status < 500:
            break
        time.sleep(pause)
    return status, text


def project() -> tuple[str, Version, bool]:
    """Give the package's normalised name, the version it states, and whether git gives it, as HEAD has them."""
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
    """Give every version tag and its commit, the highest first; other tags do not count."""
    lines = git("for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags").splitlines()
    found = {tuple(map(int, match.groups())): line.split()[-1] for line in lines if (match := TAG.match(line))}
    return dict(sorted(found.items(), reverse=True))


def reachable(known: dict[Version, str]) -> Version | None:
    """Give the highest of these tags that HEAD holds; when it is near, at a cost that does not grow with history."""
    for version in list(known)[:2]:
        if git("merge-base", "HEAD", known[version], check=False) == known[version]:
            return version
    merged = set(git("for-each-ref", "--merged=HEAD", "--format=%(refname:strip=2)", "refs/tags").split())
    return next((version for version in known if tag_of(version) in merged), None)


def tag_of(version: Version) -> str:
    """Give the name of a version's tag."""
    return "v{}.{}.{}".format(*version)


def level(message: str) -> int:
    """Say what one commit asks for: its subject counts, and a footer at the start of a line."""
    match = SUBJECT.match(message.lstrip().partition("\n")[0])
    if FOOTER.search(message) or (match and match[2]):
        return MAJOR
    return LEVELS.get(match[1].lower(), NOTHING) if match else NOTHING


def bumped(version: Version, bump: int) -> Version:
    """Give the next version."""
    major, minor, patch = version
    return {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1)}[bump]


def reserved() -> str:
    """Give the version that this job releases, or end the step: there is none."""
    return NUMBER.read_text() if NUMBER.exists() else done("nothing to release.")


def files() -> dict[Path, str]:
    """Give the built files with their sha256."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(DIST.glob("[!.]*"))}


def listed() -> dict[str, str]:
    """Give the files that the index lists, with their sha256; a link's host, the one for people, does not count."""
    page = f"{REGISTRY}/simple/{project()[0]}/"
    status, text = http(page)
    need(status in (200, 404), f"no index at {page} ({status or text}): see that Gitea is up, then run this job again.")
    return dict(re.findall(r'[/"]([^/"#]+)#sha256=([0-9a-f]{64})"', text))


def missing() -> list[Path]:
    """Give the built files that the index does not list; one that it lists with other bytes ends the job."""
    known = listed()
    advice = f"if both files of {reserved()} are there, leave it; else delete it in Gitea, and run this job again."
    for path, digest in files().items():
        need(known.get(path.name, digest) == digest, f"the registry has another {path.name} than this build: {advice}")
    return [path for path in files() if path.name not in known]


def whole(names: list[str], version: str) -> bool:
    """Say whether these files have one wheel and one sdist of a version, however the backend spells their names."""
    start = f"{project()[0]}-{version.replace('.', '-')}-"
    return {"whl", ".gz"} <= {name[-3:] for name in names if re.sub(r"[-_.]+", "-", name).lower().startswith(start)}


def fetch() -> None:
    """Bring tags and main up to date: a checkout leaves main at the job's own commit, however old that is."""
    words = ("fetch", "--quiet", "--tags", "--force", ORIGIN, "+refs/heads/main:refs/remotes/origin/main")
    need(remote(*words)[0], "origin does not answer: run this job again.")


def preflight() -> None:
    """See that this commit can be released and that the registry takes uploads; reserve nothing."""
    for name in ("REGISTRY_USER", "REGISTRY_TOKEN"):
        need(SECRET[name], f"the secret {name} is not set: add it under Settings → Actions → Secrets.")
    need(git("rev-parse", "--is-shallow-repository") != "true", "the checkout is shallow: give it fetch-depth: 0.")
    fetch()
    project()
    owner = REGISTRY.rpartition("/api/packages/")[2].removesuffix("/pypi")
    form = '--release\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n--release--\r\n'
    status, text = http(REGISTRY, form)
    need(status, f"no answer from {REGISTRY} ({text}): see that Gitea is up at this address, then run this job again.")
    advice = f"give the token the scope write:package and its account a team of {owner} with Packages: write."
    need("reqPackageAccess" not in text, f"Gitea knows REGISTRY_TOKEN, but it may not publish for {owner}: {advice}")
    need(status != 401, "Gitea does not know REGISTRY_TOKEN: put a token with the scope write:package into it.")
    need(status != 403, f"the registry refuses REGISTRY_TOKEN, or the quota of {owner} is used up: see which in Gitea.")
    need(status != 404, f"{REGISTRY}: no such owner, or packages are switched off: correct one of them.")
    # An upload without a file: 400 means that one with a file would have been taken.
    need(status == 400, f"{REGISTRY} answered {status}, not 400: see that this is Gitea's address.")
    head = git("rev-parse", "HEAD")
    older = {version: commit for version, commit in tags().items() if commit != head}
    there, cut_off = list(listed()) if older else [], list[str]()
    while len(cut_off) < 5 and (last := reachable(older)) and git("ls-tree", tag_of(last), ".gitea/release.py"):
        if whole(there, tag_of(last)[1:]):
            break
        cut_off.append(tag_of(last)[1:])
        older = {version: commit for version, commit in older.items() if version < last}
    if cut_off:
        output(unfinished=" ".join(cut_off))
        names = ", v".join(cut_off)
        print(f"release: no files for v{names}: unless deleted, run the publish job of the tag's commit again.")


def version() -> None:
    """Find the version of HEAD and note it; end the step when there is nothing to release."""
    shutil.rmtree(STATE, ignore_errors=True)
    head, known = git("rev-parse", "HEAD"), tags()
    mine = next((version for version, commit in known.items() if commit == head), None)
    if mine is None:
        later = git("rev-list", "--ancestry-path", "HEAD..refs/remotes/origin/main", "--", check=False).split()
        if not set(later).isdisjoint(known.values()):
            done("nothing to release: a newer version on main holds this commit.")
        last = reachable(known)
        since = f"{tag_of(last)}..HEAD" if last else "HEAD"
        bump = max(map(level, git("log", "-z", "--format=%B", since, "--").split("\0")))
        if bump == NOTHING:
            done(f"nothing to release: no major:, feat: or fix: in {since}.")
        mine = bumped(max(project()[1], last or ()), bump)
        while mine in known:  # on another branch
            mine = bumped(mine, bump)
    SMOKE.mkdir(parents=True)
    NUMBER.write_text(tag_of(mine)[1:])
    print(f"release: version {NUMBER.read_text()} of commit {head}", flush=True)


def build() -> None:
    """Build from a fresh clone of the commit: nothing of the job's tree gets in, the bytes are the same each time."""
    (name, _, dynamic), number = project(), reserved()
    git("clone", "--quiet", "--shared", "--no-checkout", ".", str(TREE))
    git("-C", str(TREE), "checkout", "--quiet", "--detach", git("rev-parse", "HEAD"))
    env = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")}
    if dynamic:
        env["SETUPTOOLS_SCM_PRETEND_VERSION"] = number  # hatch-vcs takes no package's own variable
    need(dynamic or run("uv", "version", number, "--frozen", cwd=TREE)[0], f"uv cannot write the version: {FIX}")
    need(run("uv", "build", "--out-dir", DIST, cwd=TREE, env=env)[0], f"the package does not build: {FIX}")
    for sdist in DIST.glob("*.gz"):  # not every backend leaves out when and by whom an sdist was made
        with tarfile.open(sdist) as old, tarfile.open(STATE / "sdist.tar", "w") as new:
            for entry in sorted(old, key=lambda entry: entry.name):
                entry.mtime, entry.pax_headers = int(env["SOURCE_DATE_EPOCH"]), {}
                entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
                new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
        sdist.write_bytes(gzip.compress((STATE / "sdist.tar").read_bytes(), mtime=0))
    right = len(files()) == 2 and whole([path.name for path in files()], number)
    need(right, f"the build did not make one wheel and one sdist of {name} {number}: let the backend make these two.")


def check() -> None:
    """Test the wheel as users get it: away from the sources, with what uv.lock names beside it and nothing else."""
    reserved()
    need(run(*TWINE, "check", *files())[0], f"twine finds the package's description broken: {FIX}")
    need((TREE / "tests/test_smoke.py").exists(), "tests/test_smoke.py, which tests the wheel, is gone: bring it back.")
    shutil.copy(TREE / "tests/test_smoke.py", SMOKE)
    python = Path(".venv/bin/python").absolute()
    need(run(*INSTALL, python, *DIST.glob("*.whl"))[0], f"the wheel does not install: {FIX}")
    need(run(python, *PYTEST.split(), cwd=SMOKE)[0], f"the wheel does not pass tests/test_smoke.py: {FIX}")


def lock() -> None:
    """Reserve the version by pushing its tag; where another run was faster, look again."""
    for _ in range(10):
        tag, head = f"v{reserved()}", git("rev-parse", "HEAD")
        _, text = remote("push", ORIGIN, f"{head}:refs/tags/{tag}")
        fetch()
        taken = git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}", check=False)
        if taken == head:  # what origin has counts, not its answer, which may have been lost
            return
        advice = f"take the rule for {tag} away under Settings → Tags of the repository, and run this job again."
        need(taken or "is protected" not in text, f"Gitea protects the tag {tag}: {advice}")
        need(taken, f"origin took no {tag}, see above: run this job again (after a 403, give it `contents: write`).")
        print(f"release: another run took {tag}, looking again", flush=True)
        for step in STEPS["build"]:
            step()
    need(False, "other runs took version after version: run this job again.")


def upload() -> None:
    """Upload what is missing; after a refusal the index decides, as another run of the commit may have been faster."""
    reserved()
    login = {"TWINE_USERNAME": SECRET["REGISTRY_USER"], "TWINE_PASSWORD": SECRET["REGISTRY_TOKEN"]}
    for pause in PAUSES:
        if not (wanted := missing()) or run(*UPLOAD, REGISTRY, *wanted, env=login)[0]:
            return
        time.sleep(pause)


def verify() -> None:
    """See that the index lists both files with the bytes that were built, and hand on what was released."""
    number, name, absent = reserved(), project()[0], missing()
    need(not absent, f"the registry did not take {absent and absent[0].name}: see above why, and run this job again.")
    output(version=number, name=name)
    print(f"release: {name} {number} is in the registry")


def link() -> None:
    """Show the package on its repository's page; Gitea can from 1.24 on, and a refusal is no failure."""
    server, _, owner = REGISTRY.removesuffix("/pypi").partition("/api/packages/")
    repository = Path(os.environ.get("GITHUB_REPOSITORY", "")).name
    page = f"{server}/api/v1/packages/{owner}/pypi/{project()[0]}/-/link/{repository}"
    if owner and (status := http(page, "")[0]) not in (201, 400):  # 400: it is linked already
        print(f"release: Gitea did not link the package to its repository ({status}); you can, on the package's page.")


# What the steps of the publish job do, in their order.
STEPS = {
    "preflight": [preflight],
    "build": [version, build, check],
    "tag": [lock],
    "upload": [upload, verify, link],
}

if __name__ == "__main__":
    os.umask(0o022)  # a file's mode must not depend on the runner
    for step in STEPS[sys.argv[1]]:
        step()
