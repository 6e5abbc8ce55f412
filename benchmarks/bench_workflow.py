"""What the workflow costs: its lint and test jobs under act, beside the same commands by hand.

Run `uv run benchmarks/bench_workflow.py [PAIRS]` on a calm machine. A pair is one run of each,
right after the other in turning order, so that a slow minute falls on both. Both start from a fresh clone with uv's
cache warm.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "workflow"))

from act_package import JOB_TOKEN, OWNER, PUBLISHER, READER, Package, clean_environment, make_package, render, uv_cache
from act_runner import Runner, collect_uvs
from loopback_gitea import Forge, Ntfy

COMMANDS = {
    "lint": [["uv", "run", "--no-sync", "ruff", "check"], ["uv", "run", "--no-sync", "ruff", "format", "--check"]],
    "test": [["uv", "run", "--no-sync", "pytest", "-v"]],
}


def timed(action: Callable[[], object]) -> float:
    """The seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def by_hand(package: Package, job: str, folder: Path) -> None:
    """Do what a job does, in a fresh clone."""
    environment = clean_environment(folder / "home")
    sync = ["uv", "sync", "-q", "--frozen", "--extra", "dev"]
    subprocess.run(["git", "clone", "-q", str(package.bare), str(folder / "clone")], check=True, env=environment)
    for words in [sync, *COMMANDS[job]]:
        subprocess.run(words, cwd=folder / "clone", env=environment, check=True, capture_output=True)


def under_act(package: Package, job: str) -> None:
    """Let act run one job, without those that come after it."""
    run = package.run(options=("--job", job))
    if run.code or run.jobs != {job: "success"}:
        raise SystemExit(f"the job did not succeed: {run}")


def main(pairs: int) -> None:
    """Measure and print a table of medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ntfy, forge = Ntfy(), Forge(folder / "gitea", JOB_TOKEN, PUBLISHER, READER)
        forge.add_owner(OWNER)
        collect_uvs(folder / "uvs")
        runner = Runner.make(folder / "runner", folder / "uvs", uv_cache())
        rendered = render(folder / "rendered" / "handler-base", folder / "home")
        package = make_package(rendered, folder / "dev", forge, runner, ntfy)
        package.commit("feat: first")
        print(f"{'job':6}{'act':>8}{'by hand':>10}{'more':>8}   seconds, medians of {pairs} pairs")
        for job in COMMANDS:
            taken: dict[str, list[float]] = {"act": [], "hand": [], "more": []}
            for pair in range(-1, pairs):
                hand = folder / f"{job}{pair}"
                ways = {
                    "act": partial(under_act, package, job),
                    "hand": partial(by_hand, package, job, hand),
                }
                seconds = {way: timed(ways[way]) for way in (sorted(ways) if pair % 2 else sorted(ways)[::-1])}
                shutil.rmtree(hand)
                if pair >= 0:  # the first pair warms the caches
                    seconds["more"] = seconds["act"] - seconds["hand"]
                    for way, value in seconds.items():
                        taken[way].append(value)
            act, by, more = (statistics.median(taken[way]) for way in ("act", "hand", "more"))
            print(f"{job:6}{act:8.2f}{by:10.2f}{more:8.2f}", flush=True)
        forge.close()
        ntfy.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
