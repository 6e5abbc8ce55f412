"""How long a rollout of many repositories takes, on a stand-in of Gitea on loopback.

`uv run python benchmarks/bench_rollout.py [REPOSITORIES]` prints the median seconds of five runs of the program, each a
process of its own as a person starts it: of `status`, `installed` and `ask`, for 1,000 repositories of one owner. Each
has answers, a package with twenty versions in the registry, a uv.lock with ten packages, and a commit after its
release. Beside them stand the calls of one run, and the seconds of a run whose server hangs, which are its --deadline.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/update"), str(ROOT / "tests/workflow")]

from gitea_api import BOT, Repository  # noqa: E402
from gitea_owner import GiteaOwner  # noqa: E402
from versions import Template, clean_environment  # noqa: E402

REPEATS = 5
VERSIONS, LOCKED = 20, 10
DEADLINE = 5
SOURCE = 'source = { registry = "https://git.example.org/api/packages/acme/pypi/simple/" }'


def filled(folder: Path, count: int) -> GiteaOwner:
    """Returns a Gitea whose owner has this many packages."""
    gitea = GiteaOwner(folder)
    for number in range(count):
        name = f"package-{number}"
        names = [f"package-{(number + other) % count}" for other in range(1, LOCKED + 1)]
        lock = "\n".join(f'[[package]]\nname = "{other}"\nversion = "0.9.0"\n{SOURCE}\n' for other in names)
        gitea.known[f"acme/{name}"] = Repository(
            f"acme/{name}",
            answers=f"_commit: v1.0.0\ngitea_owner: acme\nproject_name: {name}\n",
            files={"uv.lock": lock},
            tag=f"v0.{VERSIONS - 1}.0",
            commits=["fix: a"],
            state="success",
        )
        for version in range(VERSIONS):
            gitea.put("acme", name, f"0.{version}.0", "2026-01-01", f"acme/{name}")
    return gitea


def seconds(template: Template, gitea: GiteaOwner, *words: str) -> tuple[float, int]:
    """Returns how long the program took, and its exit code."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(template.path / "rollout/rollout.py"), *words, "--owner", "acme"],
        env=template.env | {"GITEA_URL": gitea.inside, "ROLLOUT_TOKEN": BOT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start, done.returncode


def hang(over: threading.Event) -> None:
    """Waits for the end of the measurement."""
    over.wait()


def main(count: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder, over = Path(name), threading.Event()
        template = Template.make(folder / "template", clean_environment(folder / "home"))
        template.tag("1.0.0", "feat: one")
        template.tag("1.1.0", "feat: two")
        gitea = filled(folder / "gitea", count)
        try:
            for action in ("status", "installed", "ask"):
                gitea.calls.clear()
                runs = [seconds(template, gitea, action) for _ in range(REPEATS)]
                assert {code for _, code in runs} == {0}
                median = statistics.median(taken for taken, _ in runs)
                calls = len(gitea.calls) // REPEATS
                print(f"{action:10} {count:6} repositories {calls:6} calls {median:6.1f} s", flush=True)
            gitea.stop = lambda call, _: hang(over) if call == "raw" else None
            taken, _ = seconds(template, gitea, "status", "--deadline", str(DEADLINE))
            print(f"a server that hangs, --deadline {DEADLINE}: {taken:.1f} s")
        finally:
            over.set()
            gitea.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
