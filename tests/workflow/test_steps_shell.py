"""What each step starts from: the shell that all of them have, and the setup of a job, as bash alone runs them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from act_package import ROOT
from act_runner import write_program

SHIPPED = ROOT / "template/.gitea"
VERSION = "0.13.9"
# What the setup calls, beside git, uv and curl.
TOOLS = ("bash", "sh", "cut", "sort", "mktemp", "readlink", "mkdir", "ln", "env", "cat", "sha256sum")


def in_clean_shell(script: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a step does."""
    file = tmp_path / "step.sh"
    file.write_text(script)
    words = ["bash", str(SHIPPED / "clean.sh"), str(file)]
    full = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(words, env=full, cwd=tmp_path, capture_output=True, text=True, check=False)


# What runners of Gitea, Forgejo and GitHub give to every step, and what the next forge may call it.
TOKENS = (
    "GITHUB_TOKEN GITEA_TOKEN FORGEJO_TOKEN ACTIONS_RUNTIME_TOKEN ACTIONS_RUNTIME_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN "
    "ACTIONS_ID_TOKEN_REQUEST_URL FORGEJO_ANYTHING_NEW GITEA_JOB_PASSWORD RUNNER_SECRET"
).split()
# What images say for their own use of uv and Python.
IMAGE = (
    "UV_PROJECT_ENVIRONMENT UV_PROJECT UV_NO_SYNC UV_FROZEN UV_LOCKED UV_NO_DEV UV_SYSTEM_PYTHON UV_WORKING_DIR "
    "UV_ENV_FILE UV_NO_EDITABLE UV_ANYTHING_NEW UV_PUBLISH_TOKEN VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONWARNINGS "
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE GIT_TRACE_REDACT"
).split()
KEPT = (
    "HOME CI LC_ALL SSL_CERT_FILE GIT_SSL_CAINFO NODE_EXTRA_CA_CERTS HTTPS_PROXY no_proxy PIP_INDEX_URL MY_OWN "
    "JOB_TOKEN INDEX_TOKEN REGISTRY_TOKEN UV_INDEX_GITEA_PASSWORD UV_DEFAULT_INDEX UV_CACHE_DIR UV_LINK_MODE "
    "UV_PYTHON_INSTALL_DIR UV_PYTHON UV_HTTP_TIMEOUT UV_SYSTEM_CERTS UV_VERSION UV_CONCURRENT_DOWNLOADS "
    "GITHUB_OUTPUT GITHUB_ENV GITHUB_PATH GITHUB_STEP_SUMMARY GITHUB_SHA GITHUB_REF_NAME GITHUB_EVENT_NAME "
    "GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_REPOSITORY GITHUB_WORKSPACE GITEA_URL RUNNER_TEMP GITEA_ACTIONS"
).split()


def test_what_a_step_inherits(tmp_path: Path) -> None:
    """Neither the environment nor what /proc has of it names a token that the step does not ask for."""
    given = {name: f"value-of-{name}" for name in (*TOKENS, *IMAGE, *KEPT)}
    done = in_clean_shell("env; echo ---; tr '\\0' '\\n' < /proc/$$/environ", tmp_path, **given)
    assert done.returncode == 0, done.stderr
    for part in done.stdout.split("---"):
        names = {line.partition("=")[0] for line in part.splitlines()}
        assert set(KEPT) <= names, set(KEPT) - names
        assert not {*TOKENS, *IMAGE} & names


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("false\ntrue", 1), ("false | true", 1), ("true", 0)])
def test_how_a_step_ends(tmp_path: Path, script: str, code: int) -> None:
    """As GitHub's bash does: the first command that fails is the end, also in a pipe."""
    assert in_clean_shell(script, tmp_path).returncode == code


class Machine:
    """A runner's image with just these programs, and what a job's setup leaves there."""

    def __init__(self, folder: Path) -> None:
        """Make the folders; git is the machine's own, curl and uv are not there."""
        self.folder, self.bin, self.home = folder, folder / "usr/bin", folder / "home"
        self.temp, self.tools = folder / "temp", folder / "toolcache"
        for path in (self.bin, self.home, self.temp, self.tools):
            path.mkdir(parents=True)
        for name in (*TOOLS, "git"):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.path = str(self.bin)

    def program(self, path: Path, text: str) -> None:
        """Put a program of these lines there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        write_program(path, f"#!{self.bin}/sh\n{text}\n")

    def curl(self) -> None:
        """Put a curl there that hands out an installer of uv."""
        installer = 'mkdir -p "$UV_UNMANAGED_INSTALL"; printf "#!/bin/sh\\n" > "$UV_UNMANAGED_INSTALL/uv"'
        self.program(self.bin / "curl", f"while [ $1 != -o ]; do shift; done\ncat > \"$2\" <<'E'\n{installer}\nE")

    def set_up(self, **given: str) -> tuple[int, str, dict[str, str], str]:
        """Run the setup. Returns its exit code, its log, what it tells the next steps, and what it adds to PATH."""
        action = yaml.safe_load((SHIPPED / "actions/setup/action.yaml").read_text())
        (script,) = (step["run"] for step in action["runs"]["steps"])
        env = {"PATH": self.path, "HOME": str(self.home), "RUNNER_TEMP": str(self.temp), "ISOLATED": "false"}
        env |= {"UV_VERSION": VERSION, "RUNNER_TOOL_CACHE": str(self.tools), **given}
        env |= {name: str(self.folder / name) for name in ("GITHUB_ENV", "GITHUB_PATH")}
        for name in ("GITHUB_ENV", "GITHUB_PATH"):
            (self.folder / name).write_text("")
        words = [str(self.bin / "bash"), "-eo", "pipefail", "-c", script]
        done = subprocess.run(words, env=env, cwd=self.folder, capture_output=True, text=True, check=False)
        told = dict(line.split("=", 1) for line in (self.folder / "GITHUB_ENV").read_text().splitlines())
        return done.returncode, done.stdout + done.stderr, told, (self.folder / "GITHUB_PATH").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An image without uv and curl."""
    return Machine(tmp_path)


def last(log: str) -> str:
    """Returns the last line of a log."""
    return log.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("version", "stops"), [("2.20.1", True), ("2.29.9", True), ("2.30.0", False), ("2.39.5", False), ("3.0", False)]
)
def test_an_old_git_is_named(machine: Machine, version: str, stops: bool) -> None:
    """Before anything is installed."""
    machine.curl()
    machine.program(machine.bin / "git", f'echo "git version {version} (of a vendor)"')
    code, log, told, _ = machine.set_up()
    assert (code != 0) is stops
    if stops:
        assert f"This job needs git 2.30 or later and found {version}: install it in the runner's image." in last(log)
        assert told == {}


def test_no_git_and_no_curl_are_named(machine: Machine) -> None:
    """Each in a line of its own."""
    assert "This job needs curl or uv 0.13.9: install one in the runner's image." in last(machine.set_up()[1])
    (machine.bin / "git").unlink()
    code, log, *_ = machine.set_up()
    assert code != 0
    assert "needs git 2.30 or later and found none" in last(log)


UV = f'echo "uv {VERSION} (of a test)"'


def test_uv_of_the_image_is_taken(machine: Machine) -> None:
    """Nothing is downloaded then. Another version is not taken."""
    machine.program(machine.bin / "uv", UV)
    code, log, _, added = machine.set_up(ISOLATED="true")
    assert (code, added) == (0, ""), log
    machine.program(machine.bin / "uv", 'echo "uv 0.13.90 (of a test)"')
    code, log, *_ = machine.set_up(ISOLATED="true")
    assert code != 0
    machine.curl()
    code, log, told, added = machine.set_up(ISOLATED="true")
    assert (code, added.strip()) == (0, f"{told['RUNNER_TEMP']}/bin"), log


@pytest.mark.parametrize("place", ["home", "toolcache", "temp"])
@pytest.mark.parametrize("link", [False, True])
def test_uv_where_other_jobs_may_write_is_not_taken(machine: Machine, place: str, link: bool) -> None:
    """It is not even started, by whatever name."""
    ran = machine.folder / "ran"
    machine.program(machine.folder / place / "uv/uv", f"echo > {ran}; {UV}")
    if link:
        (machine.bin / "uv").symlink_to(machine.folder / place / "uv/uv")
    else:
        machine.path = f"{machine.folder / place / 'uv'}:{machine.path}"
    machine.curl()
    code, log, told, added = machine.set_up()
    assert (code, added.strip()) == (0, f"{told['RUNNER_TEMP']}/bin"), log
    assert not ran.exists()


def test_two_jobs_share_no_folder(machine: Machine) -> None:
    """RUNNER_TEMP is /tmp in containers."""
    machine.program(machine.bin / "uv", UV)
    folders = [machine.set_up(ISOLATED=isolated)[2]["RUNNER_TEMP"] for isolated in ("true", "true", "false")]
    assert len(set(folders)) == 3
    assert all(Path(folder).parent == machine.temp and Path(folder).is_dir() for folder in folders)


def test_a_job_with_a_secret_shares_no_cache(machine: Machine) -> None:
    """The others have the cache that the runner's owner gives them."""
    machine.program(machine.bin / "uv", UV)
    isolated = machine.set_up(ISOLATED="true", UV_CACHE_DIR="/cache")[2]
    assert isolated["UV_CACHE_DIR"] == f"{isolated['RUNNER_TEMP']}/uv-cache"
    assert isolated["HOME"] == isolated["RUNNER_TEMP"]
    shared = machine.set_up(UV_CACHE_DIR="/cache")[2]
    assert shared["UV_CACHE_DIR"] == "/cache"
    assert "HOME" not in shared


def test_certificates_of_the_owner(machine: Machine) -> None:
    """uv and Node would know their own alone; what the owner set stays."""
    machine.program(machine.bin / "uv", UV)
    bundle = machine.folder / "bundle.pem"
    bundle.touch()
    told = machine.set_up(SSL_CERT_FILE=str(bundle))[2]
    assert told["SSL_CERT_FILE"] == told["NODE_EXTRA_CA_CERTS"] == str(bundle)
    told = machine.set_up(SSL_CERT_FILE=str(bundle), NODE_EXTRA_CA_CERTS="/other.pem")[2]
    assert told["NODE_EXTRA_CA_CERTS"] == "/other.pem"


def test_the_hook_has_what_later_steps_have(machine: Machine) -> None:
    """uv on PATH, the job's folder and cache; in a job that holds a secret it does not run."""
    machine.curl()
    machine.program(machine.folder / ".gitea/setup.sh", 'command -v uv; echo "$RUNNER_TEMP"; echo "$UV_CACHE_DIR"')
    _, log, told, added = machine.set_up()
    expected = [f"{added.strip()}/uv", told["RUNNER_TEMP"], told["UV_CACHE_DIR"]]
    assert log.split()[-3:] == expected
    assert machine.set_up(ISOLATED="true")[1] == ""
    machine.program(machine.folder / ".gitea/setup.sh", "false\ntrue")
    assert machine.set_up()[0] == 1


@pytest.mark.parametrize("python", ["exit 0", "exit 1", None])
def test_no_uv_where_python3_is_enough(machine: Machine, python: str | None) -> None:
    """Only where there is one that knows the message's syntax."""
    machine.curl()
    if python:
        machine.program(machine.bin / "python3", python)
    code, log, told, _ = machine.set_up(UNLESS_PYTHON3="true", ISOLATED="true")
    assert code == 0, log
    assert (told == {}) is (python == "exit 0")
