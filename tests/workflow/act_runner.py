"""The workflow under `act` in host mode: what a runner gives a job, and nothing of the developer's."""

import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import uv
import yaml

CHECKOUT = "11bd71901bbe5b1630ceea73d27597364c9af683"
UPLOAD = "c24449f33cd45d4826c6702db7e49f7cdb9b551d"
DOWNLOAD = "ad191675b41f6a5b46da9a048cb6893812da158b"
ARTIFACT = Path(__file__).with_name("artifact.py")
# Not the run's id, which is 1 under act: a link that mixes them up is seen.
RUN_NUMBER = "17"
# A machine that reaches its package index in its own way needs these; a plain one has none of them.
NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "HTTP_PROXY")
NETWORK += ("HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "UV_DEFAULT_INDEX", "UV_NATIVE_TLS")

# A step has a terminal, so that tools colour what they say.
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# actions/checkout in as much as the workflow uses it: fetch-depth, persist-credentials, the event's own commit.
CHECKOUT_ACTION = """\
name: checkout
inputs:
  fetch-depth: {default: "1"}
  persist-credentials: {default: "true"}
  token: {default: "${{ github.token }}"}
  ref: {default: ""}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        DEPTH: ${{ inputs.fetch-depth }}
        PERSIST: ${{ inputs.persist-credentials }}
        TOKEN: ${{ inputs.token }}
        WANTED: ${{ inputs.ref || github.sha }}
        REF: ${{ github.ref }}
        SERVER: ${{ github.server_url }}
        REPOSITORY: ${{ github.repository }}
      run: |
        git init -q -b main .
        git remote add origin "$SERVER/$REPOSITORY"
        if [ "$DEPTH" = 0 ]; then
          git fetch -q origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
        else
          git fetch -q --no-tags --depth="$DEPTH" origin "$WANTED"
        fi
        case $REF in
          refs/heads/*)
            git update-ref "refs/remotes/origin/${REF#refs/heads/}" "$WANTED"
            git checkout -q --force -B "${REF#refs/heads/}" "$WANTED" ;;
          *) git checkout -q --force --detach "$WANTED" ;;
        esac
        if [ "$PERSIST" = true ]; then
          git config "http.$SERVER/.extraheader" \\
            "AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
        fi
"""

# The two artifact actions in as much as the workflows use them, as a client of act's own artifact service.
ARTIFACT_ACTION = """\
name: artifact
inputs:
  name: {default: artifact}
  path: {default: .}
  if-no-files-found: {default: warn}
  retention-days: {default: "0"}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        NAME: ${{ inputs.name }}
        PLACE: ${{ inputs.path }}
      run: python3 -I "@CLIENT@" @ACTION@ "$NAME" "$PLACE"
"""

# Stands in for the download of uv's installer and for nothing else; what it serves puts the pinned uv in place.
CURL = """\
#!/bin/bash
for word in "$@"; do
  case $word in
    https://astral.sh/uv/*/install.sh)
      version=${word#https://astral.sh/uv/} version=${version%/install.sh}
      if [ ! -x "@UVS@/$version/uv" ]; then
        echo "curl: (22) The requested URL returned error: 404" >&2
        exit 22
      fi
      out=/dev/stdout
      while [ $# -gt 0 ]; do
        case $1 in -o | --output) out=$2 ;; esac
        shift
      done
      printf '%s\\n' '#!/bin/sh' 'set -eu' 'mkdir -p "${UV_UNMANAGED_INSTALL:?}"' \\
        "cp '@UVS@/$version/uv' '@UVS@/$version/uvx' \\"\\$UV_UNMANAGED_INSTALL/\\"" >"$out"
      exit ;;
  esac
done
exec "@CURL@" "$@"
"""


@dataclass(frozen=True)
class Step:
    """A step that ran: its job, its name, how it ended."""

    job: str
    name: str
    result: str


class Run:
    """What one run of a workflow said: exit code, results of jobs and steps, the log."""

    def __init__(self, code: int, output: str) -> None:
        """Read act's JSON lines from `output`."""
        self.code = code
        self.output = output
        self.jobs: dict[str, str] = {}
        self.steps: list[Step] = []
        # What act took for a command to the runner, from the log or from GITHUB_OUTPUT and its like: name, key, value.
        self.commands: list[tuple[str, str, str]] = []
        self._lines: list[tuple[str, str]] = []
        for line in output.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                self._lines.append(("", line))
                continue
            if "command" in entry:
                self.commands.append((entry["command"], entry.get("name", ""), entry.get("arg", "")))
            if "jobResult" in entry:
                self.jobs[entry["jobID"]] = entry["jobResult"]
            # A composite action's own steps have two numbers; the workflow's have one.
            elif "stepResult" in entry and entry.get("stage") == "Main" and len(entry.get("stepID", ())) == 1:
                self.steps.append(Step(entry["jobID"], entry["step"], entry["stepResult"]))
            self._lines.append((entry.get("jobID", ""), COLOUR.sub("", entry.get("msg", ""))))

    def log(self, job: str | None = None) -> str:
        """Everything that was said, by one job or by all."""
        return "\n".join(text.rstrip("\r\n") for owner, text in self._lines if job in (None, owner))

    def __repr__(self) -> str:
        """The end of the log of each job that failed, or of the whole: what pytest shows where a run surprises."""
        shown = [job for job, result in self.jobs.items() if result != "success"] or [None]
        tails = ["\n".join(self.log(job).splitlines()[-30:]) for job in shown]
        return "\n".join([f"<run {self.code} {self.jobs}>", *tails])


@dataclass(frozen=True)
class Runner:
    """A host runner: one home and one set of tools for all its jobs."""

    folder: Path
    variables: Mapping[str, str]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    @property
    def home(self) -> Path:
        """HOME of every job on this runner."""
        return self.folder / "home"

    @property
    def tools(self) -> Path:
        """The only folder on PATH that this runner adds, in front of the system's."""
        return self.folder / "bin"

    @classmethod
    def make(cls, folder: Path, uvs: Path, uv_cache: Path) -> "Runner":
        """Set a runner up in `folder`, with the uv binaries in `uvs` behind its curl."""
        home, tools = folder / "home", folder / "bin"
        for path in (home, tools, folder / "checkout", folder / "upload", folder / "download", folder / "act"):
            path.mkdir(parents=True)
        for action in ("upload", "download"):
            text = ARTIFACT_ACTION.replace("@CLIENT@", str(ARTIFACT)).replace("@ACTION@", action)
            (folder / action / "action.yml").write_text(text)
        (folder / "checkout" / "action.yml").write_text(CHECKOUT_ACTION)
        curl = CURL.replace("@UVS@", str(uvs)).replace("@CURL@", shutil.which("curl") or "/usr/bin/curl")
        write_program(tools / "curl", curl)
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for name in (python, "python3"):
            (tools / name).symlink_to(Path(sys.base_prefix) / "bin" / python)
        path = path_without_uv(folder / "path")
        variables = {name: os.environ[name] for name in NETWORK if name in os.environ} | {
            "PATH": os.pathsep.join([str(tools), *map(str, path)]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"),
            "UV_CACHE_DIR": str(uv_cache),
            "UV_PYTHON_DOWNLOADS": "never",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (folder / "tmp").mkdir()
        return cls(folder, variables)

    def command(
        self,
        workspace: Path,
        server: str,
        repository: str,
        secrets: Mapping[str, str],
        event: str = "push",
        ref: str = "refs/heads/main",
        workflow: Path | str = ".gitea/workflows/ci.yaml",
        payload: Mapping[str, Any] = {},
        options: tuple[str, ...] = (),
    ) -> list[str]:
        """The command line of one run of `workspace`'s HEAD (see `run`)."""
        file = self.folder / f"event-{os.urandom(4).hex()}.json"
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=workspace, capture_output=True, text=True, check=True
        ).stdout.strip()
        pull = {"number": 1, "head": {"ref": "feature", "sha": head}, "base": {"ref": "main"}}
        content = {"ref": ref, "after": head} | ({} if event == "push" else {"pull_request": pull}) | dict(payload)
        file.write_text(json.dumps(content))
        words = [str(Path(sys.executable).parent / "act"), event, "-e", str(file), "-W", str(workflow), "--json"]
        words += ["-P", "ubuntu-latest=-self-hosted", "--action-cache-path", str(self.folder / "act"), "--rm"]
        words += ["--no-cache-server", "--no-skip-checkout", *options]
        for action, pin in {"checkout": CHECKOUT, "upload-artifact": UPLOAD, "download-artifact": DOWNLOAD}.items():
            place = self.folder / action.removesuffix("-artifact")
            words += ["--local-repository", f"{server}/actions/{action}@{pin}={place}"]
        # An address of each run's own, so that any number of runs share the port.
        address = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.{next(self.numbers) % 254 + 1}"
        words += ["--artifact-server-path", str(self.folder / f"artifacts-{os.urandom(4).hex()}")]
        words += ["--artifact-server-addr", address]
        given = {"GITHUB_REPOSITORY": repository, "GITHUB_SERVER_URL": server, "GITHUB_RUN_NUMBER": RUN_NUMBER}
        for name, value in given.items():
            words += ["--env", f"{name}={value}"]
        for name, value in secrets.items():
            words += ["-s", f"{name}={value}"]
        return words

    def start(self, words: list[str], workspace: Path, variables: Mapping[str, str] = {}) -> "subprocess.Popen[str]":
        """Start act and return at once; `finish` waits for it."""
        return subprocess.Popen(
            words,
            cwd=workspace,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def finish(self, process: "subprocess.Popen[str]") -> Run:
        """Wait for a started act, and read what it said."""
        output, _ = process.communicate(timeout=1200)  # a hang, on whatever machine
        return Run(process.returncode, output)


def path_without_uv(folder: Path) -> list[Path]:
    """The folders of PATH, but for the tests' own environment; one with uv in it is mirrored in `folder` without it.

    A job gets uv from the installer alone, as on a runner that has none.
    """
    found = []
    for place in filter(Path.is_dir, map(Path, os.environ["PATH"].split(os.pathsep))):
        if place.resolve() == (Path(sys.prefix) / "bin").resolve():
            continue
        if (place / "uv").exists():
            mirror = folder / str(len(found))
            mirror.mkdir(parents=True)
            for program in place.iterdir():
                if program.name not in ("uv", "uvx"):
                    (mirror / program.name).symlink_to(program)
            place = mirror
        found.append(place)
    return found


def uv_version() -> str:
    """The version of the tests' own uv."""
    return subprocess.run([uv.find_uv_bin(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def collect_uvs(folder: Path) -> None:
    """Put the tests' own uv into `folder`, below its version, where the stand-in for the installer finds it."""
    source, target = Path(uv.find_uv_bin()), folder / uv_version()
    target.mkdir(parents=True)
    for name in ("uv", "uvx"):
        (target / name).symlink_to(source.parent / name)


def write_program(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def publish_steps(workflow: Path) -> list[str]:
    """The names of the publish job's steps that release something, as the workflow has them."""
    steps = yaml.safe_load(workflow.read_text())["jobs"]["publish"]["steps"]
    return [step["name"] for step in steps if "release.py" in step.get("run", "")]
