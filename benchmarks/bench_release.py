"""How long a push takes to become a version, beside an older state of the template: whole runs under act, in pairs.

Run `uv run benchmarks/bench_release.py REVISION [PAIRS]` on a calm machine. A pair is one run of each, right after the
other in turning order, so that a slow minute falls on both. Each run is a first release of a package of its own, with
uv's cache warm where the jobs share one.
"""

import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "workflow"))

from act_package import (
    INSIDE,
    JOB_TOKEN,
    NTFY,
    OUTSIDE,
    OWNER,
    PUBLISHER,
    READER,
    ROOT,
    clean_environment,
    render,
    uv_cache,
)
from act_package import make_package as package_of
from act_runner import Runner, collect_uvs
from forked import run_copier
from loopback_gitea import Forge, Ntfy


def render_old(revision: str, folder: Path) -> Path:
    """Returns a package as a revision of this repository renders it."""
    words = ["git", "archive", revision, "copier.yml", "questions", "template", "apply", "rollout"]
    data = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder / "template", filter="data")
    answers = {"gitea_url": OUTSIDE, "gitea_internal_url": INSIDE, "gitea_owner": OWNER, "ntfy_url": NTFY}
    answers |= {"project_name": "handler-base"}
    data_words = [word for name, value in answers.items() for word in ("-d", f"{name}={value}")]
    made = folder / "handler-base"
    words = ["copy", "--trust", "--defaults", "--quiet", *data_words, str(folder / "template"), str(made)]
    done = run_copier(words, Path("/"), clean_environment(folder / "home"))
    assert done.returncode == 0, done.stderr
    return made


def release(rendered: Path, folder: Path) -> float:
    """Returns the seconds of a whole run that releases the first version of a package."""
    folder.mkdir()
    ntfy, forge = Ntfy(), Forge(folder / "gitea", JOB_TOKEN, PUBLISHER, READER)
    forge.add_owner(OWNER)
    collect_uvs(folder / "uvs")
    runner = Runner.make(folder / "runner", folder / "uvs", uv_cache())
    package = package_of(rendered, folder / "dev", forge, runner, ntfy)
    package.commit("feat: first")
    start = time.perf_counter()
    run = package.run()
    seconds = time.perf_counter() - start
    if run.code or package.released() != ["0.1.0"]:
        raise SystemExit(f"the run released nothing: {run}")
    forge.close()
    ntfy.close()
    return seconds


def main(revision: str, pairs: int) -> None:
    """Measure and print medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rendered = {
            "before": render_old(revision, folder / "before"),
            "now": render(folder / "now" / "handler-base", folder / "home"),
        }
        taken: dict[str, list[float]] = {"before": [], "now": []}
        for pair in range(-1, pairs):
            for way in sorted(taken, reverse=bool(pair % 2)):
                seconds = release(rendered[way], folder / f"{way}{pair}")
                if pair >= 0:  # the first pair warms the caches
                    taken[way].append(seconds)
        ratio = statistics.median(now / before for now, before in zip(taken["now"], taken["before"], strict=True))
        before, now = (statistics.median(taken[way]) for way in ("before", "now"))
        print(f"before {before:.2f} s, now {now:.2f} s, now/before {ratio:.2f} (medians of {pairs} pairs)")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7)
