"""A package rendered from the template, as its developer has it, with the servers around it."""

import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from act_runner import NETWORK, Run, Runner
from forked import run_copier
from loopback_gitea import Forge, Ntfy
from sharing import python_folder

ROOT = Path(__file__).parents[2]
OWNER = "acme"
PUBLISHER = ("ci-bot", "registry-token-5f2c")
READER = ("reader", "index-token-9b41")
JOB_TOKEN = "job-token-73d0"
# Stand in the render where a test puts its own servers' addresses.
INSIDE, OUTSIDE, NTFY = "http://inside.test", "http://outside.test", "http://ntfy.test"
WORKFLOW = ".gitea/workflows/ci.yaml"
# How the jobs of a push to main end when all is well.
GREEN = {"lint": "success", "test": "success", "publish": "success", "notify": "success"}


def clean_environment(home: Path) -> dict[str, str]:
    """An environment with a home of its own and nothing of the developer's but the way to the package index."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in NETWORK if name in os.environ}
    return kept | {
        "PATH": os.pathsep.join([str(python_folder()), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Dev",
        "GIT_AUTHOR_EMAIL": "dev@example.com",
        "GIT_COMMITTER_NAME": "Dev",
        "GIT_COMMITTER_EMAIL": "dev@example.com",
        "UV_CACHE_DIR": str(uv_cache()),
        "UV_PYTHON_DOWNLOADS": "never",
    }


@cache
def uv_cache() -> Path:
    """The cache of the uv that runs the tests: filled once, used by every test."""
    found = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True, cwd="/")
    return Path(found.stdout.strip())


def tracked(*patterns: str) -> list[str]:
    """The files of this repository that match, as they stand: new ones included, ignored and deleted ones not."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


def copy_tracked(folder: Path, *patterns: str) -> None:
    """Copy these files into another folder."""
    for name in tracked(*patterns):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def render(destination: Path, home: Path, **answers: str) -> Path:
    """Make a package of the template as it stands in the working tree, locked, and return its folder."""
    # A copy without .git is rendered as it stands; a clone would be rendered at its latest tag.
    source = destination.parent / f"{destination.name}-template"
    copy_tracked(source, "copier.yml", "questions", "template", "apply", "rollout")
    answers = {
        "project_name": "handler-base",
        "gitea_url": OUTSIDE,
        "gitea_internal_url": INSIDE,
        "gitea_owner": OWNER,
        "ntfy_url": NTFY,
        "ntfy_topic": "ci",
        **answers,
    }
    words = ["copy", "--trust", "--defaults", "--quiet"]
    words += [word for name, value in answers.items() for word in ("-d", f"{name}={value}")]
    done = run_copier([*words, source, destination], Path("/"), clean_environment(home))
    assert done.returncode == 0, done.stderr
    assert (destination / "uv.lock").exists(), done.stderr
    return destination


@dataclass
class Package:
    """A developer's clone of a package, with the servers around it."""

    path: Path
    forge: Forge
    runner: Runner
    ntfy: Ntfy
    owner: str = OWNER
    secrets: dict[str, str] = field(
        default_factory=lambda: {
            "REGISTRY_USER": PUBLISHER[0],
            "REGISTRY_TOKEN": PUBLISHER[1],
            "GITHUB_TOKEN": JOB_TOKEN,
        }
    )

    @property
    def repository(self) -> str:
        """The repository's name on the Gitea, with its owner."""
        return f"{self.owner}/{self.path.name}"

    @property
    def bare(self) -> Path:
        """The bare repository behind the Gitea's address."""
        return self.forge.folder / "git" / self.owner / f"{self.path.name}.git"

    @property
    def workflow(self) -> Path:
        """The rendered workflow file."""
        return self.path / WORKFLOW

    @property
    def module(self) -> str:
        """The name of the import package."""
        return self.path.name.replace("-", "_")

    def git(self, *words: str, path: Path | None = None, **variables: str) -> str:
        """Run git in the clone (or `path`) as the developer, and return what it printed."""
        done = subprocess.run(
            ["git", *words],
            cwd=path or self.path,
            env=clean_environment(self.path.parent / "dev") | variables,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace").strip()

    def write(self, name: str, text: str) -> None:
        """Write a file of the package."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def commit(self, message: str | bytes, push: bool = True, **variables: str) -> str:
        """Commit everything there is (a line in the package's own module at least), push main, return the commit."""
        module = self.path / self.module / "__init__.py"
        if not self.git("status", "--porcelain"):
            count = int(self.git("rev-list", "--count", "HEAD"))
            module.write_text(re.sub(r"(\nSTATE = \d+\n)?\Z", f"\nSTATE = {count}\n", module.read_text(), count=1))
        self.git("add", "-A")
        text = message if isinstance(message, bytes) else message.encode()
        (self.path.parent / "message").write_bytes(text)
        self.git(
            "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", str(self.path.parent / "message"), **variables
        )
        if push:
            self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def start(self, path: Path | None = None, variables: Mapping[str, str] = {}, **how: Any) -> "subprocess.Popen[str]":
        """Start a run of HEAD; `Package.runner.finish` waits for it. `how` is `Runner.command`'s."""
        path = path or self.path
        secrets = how.pop("secrets", self.secrets)
        words = self.runner.command(path, self.forge.inside, self.repository, secrets, **how)
        return self.runner.start(words, path, variables)

    def run(self, **how: Any) -> Run:
        """Run the workflow on HEAD and wait for its end."""
        return self.runner.finish(self.start(**how))

    def clone_at(self, commit: str) -> Path:
        """Another clone of the repository, at `commit`."""
        path = self.path.parent / f"clone-{commit[:8]}-{os.urandom(2).hex()}" / self.path.name
        self.git("clone", "-q", str(self.bare), str(path))
        self.git("checkout", "-q", commit, path=path)
        return path

    def tags(self) -> dict[str, str]:
        """The tags of the origin, with the commit of each."""
        lines = self.git(
            "for-each-ref", "--format=%(refname:short) %(*objectname)%(objectname)", "refs/tags", path=self.bare
        ).splitlines()
        return {line.split()[0]: line.split()[1][:40] for line in lines}

    def files(self) -> dict[str, bytes]:
        """What the owner's registry holds of this package."""
        prefix = self.module.lower()
        return {name: data for name, data in self.forge.files(self.owner).items() if name.startswith(prefix)}

    def released(self) -> list[str]:
        """The versions in the registry, each of them whole, tagged and made of its tag's commit; or the test fails."""
        tags, files = self.tags(), self.files()
        found: dict[str, set[str]] = {}
        for name in files:
            version = re.fullmatch(rf"{self.module}-([^-]+)(-py3-none-any\.whl|\.tar\.gz)", name)
            assert version, f"no name of a wheel or sdist: {name}"
            found.setdefault(version[1], set()).add(version[2])
        for version, kinds in found.items():
            assert kinds == {"-py3-none-any.whl", ".tar.gz"}, f"half a version: {version} {kinds}"
            assert f"v{version}" in tags, f"{version} has no tag: {tags}"
            self._compare(
                f"v{version}",
                files[f"{self.module}-{version}-py3-none-any.whl"],
                files[f"{self.module}-{version}.tar.gz"],
            )
        versions = sorted(found, key=lambda v: tuple(map(int, v.split("."))))
        empty = sorted(tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag) and tag[1:] not in found)
        assert not [tag for tag in empty if tag not in self.git("tag", "-l", "v*").split()], f"tags of nothing: {empty}"
        return versions

    def metadata(self, version: str) -> str:
        """The metadata of a published wheel."""
        with zipfile.ZipFile(BytesIO(self.files()[f"{self.module}-{version}-py3-none-any.whl"])) as archive:
            return archive.read(f"{self.module}-{version}.dist-info/METADATA").decode()

    def _compare(self, tag: str, wheel: bytes, sdist: bytes) -> None:
        names = self.git("ls-tree", "-r", "--name-only", tag, f"{self.module}/", path=self.bare).splitlines()
        assert names
        with zipfile.ZipFile(BytesIO(wheel)) as archive, tarfile.open(fileobj=BytesIO(sdist)) as ball:
            inside = {n for n in archive.namelist() if not n.split("/")[0].endswith(".dist-info")}
            assert inside == set(names), f"the wheel of {tag} does not hold what its tag holds"
            for name in names:
                wanted = subprocess.run(
                    ["git", "show", f"{tag}:{name}"], cwd=self.bare, capture_output=True, check=True
                )
                assert archive.read(name) == wanted.stdout, f"{name} in the wheel is not that of {tag}"
                member = ball.extractfile(f"{self.module}-{tag[1:]}/{name}")
                assert member, f"{name} is not in the sdist of {tag}"
                assert member.read() == wanted.stdout, f"{name} in the sdist is not that of {tag}"


def make_package(source: Path, folder: Path, forge: Forge, runner: Runner, ntfy: Ntfy, owner: str = OWNER) -> Package:
    """Copy a render into `folder`, with these servers' addresses in it, as a repository with nothing committed."""
    path = folder / source.name
    shutil.copytree(source, path, ignore=shutil.ignore_patterns(".git"))
    for file in (p for p in path.rglob("*") if p.is_file()):
        text = file.read_text()
        put = text.replace(INSIDE, forge.inside).replace(OUTSIDE, forge.outside).replace(NTFY, ntfy.url)
        if put != text:
            file.write_text(put)
    made = Package(path, forge, runner, ntfy, owner)
    forge.add_repository(owner, path.name)
    made.git("init", "-q", "-b", "main")
    made.git("remote", "add", "origin", str(made.bare))
    return made


def patched_workflow(package: Package, change: Callable[[dict], None]) -> Path:
    """A changed copy of the rendered workflow beside the clone: what `act -W` runs, while the commit stays as it is."""
    loaded = yaml.safe_load(package.workflow.read_text())
    loaded["on"] = loaded.pop(True)  # the word `on` is a truth value to this reader
    change(loaded)
    path = package.path.parent / f"workflow-{os.urandom(3).hex()}.yaml"
    path.write_text(yaml.safe_dump(loaded))
    return path


def without_gates(workflow: dict) -> None:
    """Let lint succeed at once, and test build and do no more: where they add nothing to a test but time."""
    for name, job in workflow["jobs"].items():
        if name == "lint" or (name == "test" and "outputs" not in job):
            job["steps"] = [{"run": "true"}]
            del job["defaults"]  # the shell comes with a checkout
        elif name == "test":
            sync = next(i for i, step in enumerate(job["steps"]) if step.get("uses") == "./.gitea/actions/sync")
            job["steps"] = job["steps"][:sync]
