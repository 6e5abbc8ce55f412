"""Who holds which credential: seen from inside each step, and in everything that a run leaves behind."""

import base64
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from act_package import GREEN, JOB_TOKEN, PUBLISHER, READER, Package
from act_runner import Runner, write_program

NTFY_TOKEN = "ntfy-token-11aa"
SECRETS = {
    "REGISTRY_TOKEN": PUBLISHER[1],
    "INDEX_TOKEN": READER[1],
    "GITHUB_TOKEN": JOB_TOKEN,
    "NTFY_TOKEN": NTFY_TOKEN,
}

# Notes what a program was given, then becomes the program.
WITNESS = """\
#!@PYTHON@ -IS
import json, os, sys
try:
    config = open(os.path.join(os.environ.get("GITHUB_WORKSPACE", "/nowhere"), ".git/config")).read()
except OSError:
    config = ""
line = json.dumps({"program": "@NAME@", "argv": sys.argv[1:], "env": dict(os.environ), "config": config}) + "\\n"
note = os.open("@NOTE@", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(note, line.encode())
os.close(note)
os.execv("@REAL@", ["@REAL@", *sys.argv[1:]])
"""


def witness(runner: Runner, uv_version: str, note: Path) -> None:
    """Put witnesses in front of the programs that a job starts, git, curl and the installed uv, and of each step."""
    uvs = runner.folder / "uvs"
    (uvs / uv_version).mkdir(parents=True)
    curl = (runner.tools / "curl").read_text()
    real = Path(re.findall(r'-x "(.+)/\$version', curl)[0])
    (runner.folder / "real").mkdir()
    write_program(runner.folder / "real" / "curl", curl.replace(str(real), str(uvs)))
    for place, program in {
        runner.tools / "git": shutil.which("git"),
        runner.tools / "curl": runner.folder / "real" / "curl",
        uvs / uv_version / "uv": (real / uv_version / "uv").resolve(),
        uvs / uv_version / "uvx": (real / uv_version / "uvx").resolve(),
        runner.folder / "step": shutil.which("true"),
    }.items():
        given = {"PYTHON": sys.executable, "NAME": place.name, "NOTE": note, "REAL": program}
        text = WITNESS
        for key, value in given.items():
            text = text.replace(f"@{key}@", str(value))
        write_program(place, text)
    # A bash that is given a file reads this one before it: the step's programs then know whose they are.
    (runner.folder / "bash_env").write_text(
        f'case $0 in */act/workflow/*) export WITNESSED_STEP="${{0##*/}}" && "{runner.folder}/step" ;; esac\n'
    )


def spellings(secret: str) -> list[str]:
    """A secret as it is, and as basic auth hides it, at any offset."""
    found = [secret]
    for offset in range(3):
        coded = base64.b64encode(b"x" * offset + secret.encode()).decode()
        found.append(coded[4 if offset else 0 : -4])
    return found


@dataclass(frozen=True)
class Witnessed:
    """A green release: what each program in it was given, and everything that it said or left behind."""

    entries: list[dict]
    log: str
    package: Package

    def step(self, entry: dict) -> tuple[str, str]:
        """The job and the step in which a program ran, as the workflow names them."""
        job, script = entry["env"]["GITHUB_JOB"], entry["env"]["WITNESSED_STEP"].removesuffix(".sh")
        own, _, inner = script.partition("-composite-")
        steps = yaml.safe_load(self.package.workflow.read_text())["jobs"][job]["steps"]
        step = next((s for s in steps if s.get("id") == own), None) or steps[int(own)]
        if inner and step["uses"].startswith("./"):
            action = yaml.safe_load((self.package.path / step["uses"] / "action.yaml").read_text())
            step = action["runs"]["steps"][int(inner)]
        return job, step.get("name", step.get("uses", "").partition("@")[0])

    def holders(self, secret: str) -> dict[tuple[str, str], set[str]]:
        """Which steps had a secret in their environment, and which of their programs; the checkout may have its own."""
        found: dict[tuple[str, str], set[str]] = {}
        for entry in self.entries:
            if any(s in value for value in entry["env"].values() for s in spellings(secret)):
                own = [
                    word for word in entry["argv"] if not word.startswith(("-c", "core.", "log.", "credential."))
                ]  # git's settings
                words = [entry["program"], *(w for w in own[:2] if re.fullmatch(r"[a-z]+", w))]
                found.setdefault(self.step(entry), set()).add(" ".join(words))
        return {step: programs for step, programs in found.items() if step[1] != "actions/checkout"}


@pytest.fixture
def witnessed(package: Package, uv_version: str, tmp_path: Path) -> Witnessed:
    """A release in which every secret is set, with nothing masked in its log."""
    note = tmp_path / "witnessed"
    witness(package.runner, uv_version, note)
    package.secrets |= {"INDEX_USER": READER[0], "INDEX_TOKEN": READER[1], "NTFY_TOKEN": NTFY_TOKEN}
    run = package.run(variables={"BASH_ENV": str(package.runner.folder / "bash_env")}, options=("--insecure-secrets",))
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]
    return Witnessed([json.loads(line) for line in note.read_text().splitlines()], run.output, package)


def test_credentials(witnessed: Witnessed) -> None:
    """Each credential is where it is needed and nowhere else."""
    jobs = yaml.safe_load(witnessed.package.workflow.read_text())["jobs"]
    seen = {witnessed.step(entry) for entry in witnessed.entries}
    named = {(job, step["name"]) for job in jobs for step in jobs[job]["steps"] if "run" in step}
    assert named <= seen, "a step without a witness"
    assert {entry["program"] for entry in witnessed.entries} == {"step", "git", "curl", "uv"}

    registry, job_token = witnessed.holders(PUBLISHER[1]), witnessed.holders(JOB_TOKEN)
    assert registry == {
        ("publish", "Preflight"): {"step"},
        ("publish", "Upload"): {"step"},
    }
    assert job_token == {
        ("publish", "Preflight"): {"step", "git fetch"},
        ("publish", "Tag"): {"step", "git push", "git fetch"},
        ("publish", "Release page"): {"step"},
    }
    compared = ("lint", "Compare uv.lock with the owner's index")
    assert set(witnessed.holders(READER[1])) == {compared, ("lint", "Sync"), ("test", "Build"), ("test", "Sync")}
    assert set(witnessed.holders(NTFY_TOKEN)) == {("notify", "Message")}

    # Nor by any other name that the runner has for it.
    own = re.compile("(ACTIONS|FORGEJO|GITEA|GITHUB)_.*TOKEN")
    found = [(witnessed.step(entry), name) for entry in witnessed.entries for name in filter(own.match, entry["env"])]
    others = ("actions/checkout", "Hand the files to publish", "Take the files from test")  # these actions need it
    assert [step for step, name in found if step[1] not in others] == []

    for name, secret in SECRETS.items():
        for spelling in spellings(secret):
            assert spelling not in witnessed.log, f"{name} in the log"
            assert not [e["argv"] for e in witnessed.entries if spelling in " ".join(e["argv"])], f"{name} in a command"
            assert not [e for e in witnessed.entries if spelling in e["config"]], f"{name} in .git/config"
            for folder in (witnessed.package.runner.home, witnessed.package.runner.folder / "tmp"):
                left = [p for p in folder.rglob("*") if p.is_file() and spelling.encode() in p.read_bytes()]
                assert left == [], f"{name} left behind"
    assert any("[remote " in entry["config"] for entry in witnessed.entries)


@pytest.mark.parametrize("user", ["u", "us", "user"])
def test_the_search_finds_a_secret(user: str) -> None:
    """A secret is known again in each of its spellings, so that the test above can fail."""
    auth = base64.b64encode(f"{user}:{PUBLISHER[1]}".encode()).decode()
    assert any(spelling in auth for spelling in spellings(PUBLISHER[1]))
    assert PUBLISHER[1] in spellings(PUBLISHER[1])
