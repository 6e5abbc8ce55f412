"""How long an update and an adoption take, beside what Copier or uv do of it.

    uv run python benchmarks/bench_update.py [update] [adoption]

The first figure is `copier update` of a package over one version of the template, with the migration that brings the
template's files, pyproject.toml and uv.lock; the second the same to a version that has no migration. The third is the
adoption of a repository, the fourth a bare `uv lock` of what came of it. Medians, in seconds: of time, and of a
processor's work in it, which other work on the same machine changes less.
"""

import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/update"), str(ROOT / "tests/workflow")]

from versions import Package, Template, ci_step, clean_environment  # noqa: E402

REPEATS = 5
COPIER = (sys.executable, "-m", "copier")  # the whole command, not the forked one of the tests


Figures = dict[str, tuple[float, float]]


def median(what: Callable[[], object], before: Callable[[], object]) -> tuple[float, float]:
    """Returns the median time, and processor time, of something prepared anew; the first time only warms up."""
    times = []
    for _ in range(REPEATS + 1):
        before()
        start, work = time.perf_counter(), sum(os.times()[:4])
        what()
        times.append((time.perf_counter() - start, sum(os.times()[:4]) - work))
    wall, used = zip(*times[1:], strict=True)
    return statistics.median(wall), statistics.median(used)


def updates(folder: Path) -> Figures:
    """Time an update with and without its migration."""
    env = clean_environment(folder / "home")
    template = Template.make(folder / "template", env)
    template.tag("1.0.0", "feat: one")
    ci_step(template)
    template.tag("1.1.0", "feat: two")
    head, migration, tail = re.split(r"(?ms)^(_migrations:.*?)(?=^\S)", template.read("copier.yml"))
    assert "apply/run.py" in migration
    template.write("copier.yml", head + tail)
    template.tag("1.2.0", "feat: two, without the migration")
    package = Package(folder / "handler-base", env)
    package.copy(template, "v1.0.0")
    package.git("init", "--quiet")
    package.commit("feat: one")

    def update(version: str) -> None:
        done = package.run(*COPIER, "update", "--trust", "--defaults", "--quiet", "--vcs-ref", version)
        assert done.returncode == 0, done.stderr

    def clean() -> None:
        package.git("reset", "--quiet", "--hard")

    return {
        "update": median(lambda: update("v1.1.0"), clean),
        "update, no migration": median(lambda: update("v1.2.0"), clean),
    }


def adoption(folder: Path) -> Figures:
    """Time the adoption of a repository, and the lock alone of what came of it."""
    env = clean_environment(folder / "home")
    template = Template.make(folder / "template", env)
    template.tag("1.0.0", "feat: one")
    package = Package(folder / "handler-base", env)
    shutil.copytree(ROOT / "tests/adoption/repositories/hatchling-flat", package.path)
    package.git("init", "--quiet")
    package.commit("feat: one")

    adopt = (*COPIER, "copy", "--trust", "--defaults", "--quiet", template.path, package.path)

    def clean() -> None:
        package.git("reset", "--quiet", "--hard")
        package.git("clean", "--quiet", "-fdx")

    return {
        "adoption": median(lambda: package.do(*adopt), clean),
        "uv lock": median(lambda: package.do("uv", "lock", "--quiet"), (package.path / "uv.lock").unlink),
    }


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        parts = {"update": updates, "adoption": adoption}
        chosen = [part for name, part in parts.items() if name in (sys.argv[1:] or parts)]
        figures = {name: figure for part in chosen for name, figure in part(root / part.__name__).items()}
        for name, (seconds, work) in figures.items():
            print(f"{name:28} {seconds:6.2f} {work:6.2f}", flush=True)


if __name__ == "__main__":
    main()
