"""How long after a push its version can be installed: on a real Gitea, in containers beside the machine itself.

Run `uv run benchmarks/bench_push.py [PAIRS]` on a calm machine, with the variables of tests/live (README.md). A pair is
one push to each of two packages, one after the other in turning order. The containers are as docs/gitea.md shows them:
uv is in the image, and its cache is shared. Beside the seconds stand those of each job, and what this machine received.
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import uv
from live.conftest import missing, package, started
from live.daemon import wait_for
from live.engine import Engine
from live.gitea import Repo, Runner
from live.scenarios import names


def received() -> int:
    """Returns the bytes that came from other machines."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return sum(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith(("eth", "en", "wl")))


def push(repo: Repo, version: str) -> tuple[float, float, str]:
    """Pushes a fix. Returns the seconds until the index has both files, the MB received, and each job's seconds."""
    before, start = received(), time.monotonic()
    repo.commit(f"fix: for {version}")
    head = repo.push()
    wait_for(version, lambda: names(repo, version) <= repo.owner.files(repo.name).keys(), 300, 0.1)
    seconds = time.monotonic() - start
    done = repo.wait_run(head)
    megabytes = (received() - before) / 1e6
    jobs = []
    for job in repo.jobs(done.id):
        first, last = (
            time.mktime(time.strptime(job[at], "%Y-%m-%dT%H:%M:%SZ")) for at in ("started_at", "completed_at")
        )
        jobs.append(f"{job['name']} {last - first:.0f}")
    return seconds, megabytes, ", ".join(jobs)


def main(pairs: int) -> None:
    """Measure and print a table of medians."""
    if why := missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        engine = Engine(folder / "engine")
        stack.callback(engine.stop)
        volumes = [f"{uv.find_uv_bin()}:/opt/ci/uv:ro"]
        live = stack.enter_context(started(folder, engine, label="container", volumes=volumes))
        host = Runner(live.runner.binary, folder / "host", live.server, None, "host")
        stack.callback(host.kill)
        owner = live.owner("bench")
        repos = {
            where: package(owner, folder / "packages", where, runner_label=where) for where in ("container", "host")
        }
        taken: dict[str, list[tuple[float, float, str]]] = {where: [] for where in repos}
        for pair in range(pairs + 1):  # the first one fills the caches
            for where in sorted(repos) if pair % 2 else sorted(repos, reverse=True):
                result = push(repos[where], f"0.0.{pair + 1}")
                print(f"{where:10}{result[0]:6.1f} s {result[1]:6.1f} MB   {result[2]}", flush=True)
                if pair:
                    taken[where].append(result)
        print(f"medians of {pairs} pairs")
        for where, results in taken.items():
            seconds = statistics.median(result[0] for result in results)
            megabytes = statistics.median(result[1] for result in results)
            print(f"{where:10}{seconds:6.1f} s {megabytes:6.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
