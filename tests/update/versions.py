"""A template with versions, and packages on them: what the tests of updates are made of."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forked import run_copier
from sharing import python_folder

ROOT = Path(__file__).parents[2]
PARTS = ("copier.yml", "questions", "template", "apply", "rollout")
OWNED = (".gitea/", "tests/test_smoke.py")
# A machine that reaches its package index in its own way needs these; a plain one has none of them.
NETWORK = re.compile(r"SSL_CERT_\w+|\w+_CA_BUNDLE|GIT_SSL_CAINFO|https?_proxy|no_proxy|UV_(DEFAULT_)?INDEX\w*", re.I)


def clean_environment(home: Path) -> dict[str, str]:
    """Returns an environment with a home of its own: nobody's settings of git or Copier count; uv's cache is shared."""
    home.mkdir(parents=True, exist_ok=True)
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True, cwd="/").stdout.strip()
    who = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in PERSON.items()}
    return {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)} | {
        **who,
        "PATH": os.pathsep.join([str(python_folder()), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "UV_CACHE_DIR": cache,
        "UV_PYTHON_DOWNLOADS": "never",
    }


PERSON = {"NAME": "A Person", "EMAIL": "person@example.com"}


@dataclass
class Folder:
    """A folder, and the environment in which its owner works in it."""

    path: Path
    env: dict[str, str]

    def run(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, whatever comes of that."""
        return subprocess.run(
            [str(word) for word in words],
            cwd=self.path,
            env=self.env | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def do(self, *words: str | Path, **variables: str) -> str:
        """Run a program that has to succeed, and give what it printed."""
        done = self.run(*words, **variables)
        assert done.returncode == 0, f"{words[:6]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def git(self, *words: str | Path) -> str:
        """Run git, and give what it printed without its end."""
        return self.do("git", *words).strip()

    def read(self, name: str) -> str:
        """Read a file."""
        return (self.path / name).read_text()

    def write(self, name: str, text: str) -> None:
        """Write a file, with the folders above it."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Put a text in the place of another, which has to be there once."""
        text = self.read(name)
        assert text.count(old) == 1, f"{name} has {text.count(old)} of {old!r}"
        self.write(name, text.replace(old, new))

    def commit(self, message: str) -> str:
        """Commit all that there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


class Template(Folder):
    """A template's repository, which begins as the working tree here stands."""

    @classmethod
    def make(cls, path: Path, env: dict[str, str]) -> "Template":
        """Copy the template of the working tree into a repository without a commit."""
        made = cls(path, env)
        path.mkdir(parents=True)
        words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS)
        listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, path / name)
        # Settings of uv with which no index has anything: they are for the tests of a template, not for who uses it.
        made.write("pyproject.toml", '[tool.uv]\nexclude-newer = "2000-01-01T00:00:00Z"\n')
        made.git("init", "--quiet", "-b", "main")
        return made

    def tag(self, version: str, subject: str) -> None:
        """Commit what there is as a version."""
        self.commit(subject)
        self.git("tag", f"v{version}")


class Package(Folder):
    """A package's repository."""

    def copier(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Copier on it."""
        return run_copier(words, self.path, self.env)

    def copy(self, template: Template, version: str, **answers: str) -> None:
        """Make it, or bring it onto a version of the template."""
        data = [word for name, value in answers.items() for word in ("-d", f"{name}={value}")]
        self.path.mkdir(parents=True, exist_ok=True)
        words = ("--trust", "--defaults", "--quiet", "--vcs-ref", version, *data, template.path, self.path)
        done = self.copier("copy", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def update(self, version: str) -> str:
        """Update it to a version of the template, and give what the update printed."""
        done = self.copier("update", "--trust", "--defaults", "--vcs-ref", version)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.git("diff", "--name-only", "--diff-filter=U") == ""
        return done.stdout

    def files(self) -> dict[str, bytes]:
        """Returns the files that git holds or would hold, without uv.lock."""
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        return {name: (self.path / name).read_bytes() for name in listed if name and (self.path / name).exists()}

    def owned(self) -> dict[str, bytes]:
        """Returns the template-owned files that are there."""
        return {name: content for name, content in self.files().items() if name.startswith(OWNED)}

    def sound(self, build: bool = True) -> None:
        """See that the package locks, lints, passes its tests and builds."""
        assert not [name for name, content in self.files().items() if re.search(rb"(?m)^(<{7}|>{7}) ", content)]
        self.do("uv", "lock", "--check")
        self.do("uv", "sync", "--quiet", "--frozen", "--extra", "dev")
        self.do("uv", "run", "--no-sync", "ruff", "check")
        self.do("uv", "run", "--no-sync", "ruff", "format", "--check")
        self.do("uv", "run", "--no-sync", "pytest", "-q")
        if build:
            self.do("uv", "build", "--quiet", "--out-dir", self.path.parent / f"{self.path.name}-dist")


Change = Callable[[Template], None]


def ci_step(template: Template) -> None:
    """A step of CI."""
    step = "      - name: Compile\n        run: uv run --no-sync python -m compileall -q .\n"
    template.edit(CI, "\n  test:\n", f"{step}\n  test:\n")


def rule_added(template: Template) -> None:
    """A lint rule more."""
    template.edit(PYPROJECT, 'select = ["F", "E", "W", "I"]', 'select = ["F", "E", "W", "I", "B"]')


def rule_removed(template: Template) -> None:
    """A lint rule less."""
    template.edit(PYPROJECT, 'select = ["F", "E", "W", "I", "B"]', 'select = ["F", "E", "I", "B"]')


def uv_pin(template: Template) -> None:
    """Another uv."""
    for name in (CI, "template/.gitea/workflows/template-update.yaml.jinja"):
        text = template.read(name)
        new = re.sub(r'UV_VERSION: "[0-9.]+"', 'UV_VERSION: "0.99.0"', text)
        assert new != text
        template.write(name, new)


def new_question(template: Template) -> None:
    """A question, with a default that changes nothing for those who never heard of it."""
    question = 'team:\n  type: str\n  help: Who looks after the package.\n  default: ""\n\n'
    template.edit("copier.yml", "# --- Computed\n", f"{question}# --- Computed\n")
    template.edit(CI, "  NTFY_URL:", "  TEAM: [[ team | to_json ]]\n  NTFY_URL:")


def owned_renamed(template: Template) -> None:
    """An owned file of another name."""
    template.git("mv", "template/.gitea/notify.py", "template/.gitea/tell.py")
    template.write(CI, template.read(CI).replace(".gitea/notify.py", ".gitea/tell.py"))


def file_dropped(template: Template) -> None:
    """An owned file less."""
    template.git("rm", "--quiet", "template/.gitea/LEFT.md")


def floor_raised(template: Template) -> None:
    """No package supports Python 3.10 any more, whatever it answered once."""
    floor = '">=[[ python_version ]]"'
    template.edit(PYPROJECT, floor, """">=[[ '3.11' if python_version == '3.10' else python_version ]]\"""")


def dev_dependency(template: Template) -> None:
    """A tool more for those who work on a package."""
    template.edit(PYPROJECT, 'dev = ["pytest"', 'dev = ["pytest", "pytest-timeout"')


def hatchling_pin(template: Template) -> None:
    """Another hatchling."""
    template.edit(PYPROJECT, "hatchling==1.33.0", "hatchling==1.32.0")


CI, PYPROJECT = "template/.gitea/workflows/ci.yaml.jinja", "template/pyproject.toml.jinja"
# A year: what changes, and the commit's subject.
YEAR: list[tuple[Change, str]] = [
    (ci_step, "feat: compile every module in the lint job"),
    (rule_added, "feat: check for likely bugs (ruff B)"),
    (rule_removed, "feat: leave trailing blanks to the formatter (ruff W)"),
    (uv_pin, "fix: uv 0.99.0"),
    (new_question, "feat: name the team in the workflow"),
    (owned_renamed, "fix: call the message's program tell.py"),
    (file_dropped, "fix: drop a file that nobody reads"),
    (floor_raised, "feat: Python 3.11 is the oldest"),
    (dev_dependency, "feat: tests that hang are stopped"),
    (hatchling_pin, "fix: hatchling 1.32.0"),
]
VERSIONS = [f"v1.{number}.0" for number in range(len(YEAR) + 1)]
FIRST, NEWEST = VERSIONS[0], VERSIONS[-1]


def a_year(path: Path, env: dict[str, str]) -> Template:
    """Make a template with the versions of a year, the first of which is what stands here."""
    template = Template.make(path, env)
    template.write("template/.gitea/LEFT.md", "A file that a later version drops.\n")
    template.tag("1.0.0", "feat: the first version")
    for number, (change, subject) in enumerate(YEAR, 1):
        change(template)
        template.tag(f"1.{number}.0", subject)
    return template
