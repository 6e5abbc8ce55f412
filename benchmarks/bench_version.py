"""How long the version takes, on repositories of many commits and tags.

`uv run python benchmarks/bench_version.py [COMMITS …]` prints a row for each size and each place of the tags: none;
three near HEAD; 5,000 along main; 5,000 far from HEAD; 5,000 on other branches. Each cell has the processor time of
`planned` of the shipped version.py, in a process of its own, and that of `git log --oneline` beside it, which is the
least that reading all commits costs: the medians of five pairs, in seconds.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIZES = (100, 10_000, 100_000)
PLACES = {"none": 0, "near": 3, "along": 5_000, "far": 5_000, "branches": 5_000}
SUBJECTS = ("fix: a", "docs: b", "feat(core): c", "chore: d\n\nBody text of\nsome lines.\n")
PYPROJECT = b'[project]\nname = "benchmark"\nversion = "0.0.0"\n'
STEP = "import sys; sys.path.insert(0, sys.argv[1]); import version; version.planned()"
FLOOR = ("git", "log", "--oneline")


def stream(commits: int, tags: int, place: str) -> Iterator[bytes]:
    """Returns what git fast-import reads: one line of commits, and tags in their place."""

    def commit(branch: str, mark: int, parent: int) -> bytes:
        message = SUBJECTS[mark % len(SUBJECTS)].encode()
        head = f"commit {branch}\nmark :{mark}\ncommitter A <a@example.com> {1_500_000_000 + mark * 60} +0000\n"
        return head.encode() + b"data %d\n%s\n" % (len(message), message) + (b"from :%d\n" % parent if parent else b"")

    for mark in range(1, commits + 1):
        yield commit("refs/heads/main", mark, mark - 1)
        if mark == 1:
            yield b"M 100644 inline pyproject.toml\ndata %d\n%s\n" % (len(PYPROJECT), PYPROJECT)
    for number in range(tags):
        at = max(1, commits * (number + 1) // tags)
        if place == "near":
            at = max(1, commits - 10 + number)
        elif place == "far":
            at = max(1, at // 10)
        elif place == "branches":
            yield commit(f"refs/heads/branch-{number}", commits + 1 + number, at)
            at = commits + 1 + number
        yield b"reset refs/tags/v1.%d.0\nfrom :%d\n\n" % (number, at)


def repository(folder: Path, commits: int, tags: int, place: str) -> None:
    """Make a repository."""
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    with subprocess.Popen(["git", "-C", folder, "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        assert process.stdin
        for part in stream(commits, tags, place):
            process.stdin.write(part)
    assert process.returncode == 0


def spent(words: Sequence[str | Path], folder: Path, temp: Path) -> float:
    """Returns the processor time of a command and all that it starts, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "RUNNER_TEMP": str(temp)}
    subprocess.run(words, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def pair(folder: Path, temp: Path) -> str:
    """Returns the median times of the version and of the floor."""
    step = (sys.executable, "-c", STEP, ROOT / "template/.gitea")
    pairs = [(spent(step, folder, temp), spent(FLOOR, folder, temp)) for _ in range(5)]
    return " / ".join(f"{statistics.median(times):.2f}" for times in zip(*pairs, strict=True))


def main(sizes: list[int]) -> None:
    """Print the table."""
    print("| commits | " + " | ".join(f"{place} ({tags:,})" for place, tags in PLACES.items()) + " |")
    print("|---" * (len(PLACES) + 1) + "|")
    for commits in sizes:
        row = []
        for place, tags in PLACES.items():
            with tempfile.TemporaryDirectory() as folder:
                repository(Path(folder) / "repository", commits, tags, place)
                row.append(pair(Path(folder) / "repository", Path(folder) / "temp"))
        print(f"| {commits:,} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
