"""How long one command takes to a package, and how long the package takes to green. Run by hand on a calm machine.

    uv run benchmarks/bench_copy.py [RUNS]

Medians of paired runs: each run does everything once, so that a slow moment hits all that is compared. uv's cache is
warm from a run that does not count.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = [sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--quiet", "--vcs-ref", "HEAD"]
STEPS = {
    "sync": ["uv", "sync", "--frozen", "--extra", "dev"],
    "ruff": ["sh", "-c", "uv run --no-sync ruff check && uv run --no-sync ruff format --check"],
    "pytest": ["uv", "run", "--no-sync", "pytest", "-v"],
    "build": ["uv", "build"],
}


def timed(command: list[str], cwd: Path) -> float:
    """Run a command, which must succeed, and return its seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return seconds


def once(template: Path, folder: Path) -> dict[str, float]:
    """Make a package without and with its tasks, take the second to green, and return the seconds of each step."""
    plain, package = folder / "plain", folder / "handler-base"
    seconds = {"copy without tasks": timed([*COPY, "--skip-tasks", str(template), str(plain)], folder)}
    seconds["copy"] = timed([*COPY, str(template), str(package)], folder)
    seconds |= {name: timed(command, package) for name, command in STEPS.items()}
    seconds["copy to green"] = sum(seconds[name] for name in ("copy", *STEPS))
    return seconds


def main(runs: int) -> None:
    """Print the medians of some runs as a table, and what the lock adds to a copy."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # A clone: Copier would commit a dirty working tree in each run.
        timed(["git", "clone", "--quiet", str(ROOT), "template"], folder)
        measured = []
        for number in range(runs + 1):
            (folder / str(number)).mkdir()
            measured.append(once(folder / "template", folder / str(number)))
    measured = measured[1:]
    print(f"{runs} runs, seconds\n\n| step | median | fastest | slowest |\n| --- | --- | --- | --- |")
    for name in measured[0]:
        values = [seconds[name] for seconds in measured]
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    ratio = statistics.median(seconds["copy"] / seconds["copy without tasks"] for seconds in measured)
    print(f"\nA copy with its lock takes {ratio:.2f} times a copy without tasks (at most 1.5 is the promise).")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
