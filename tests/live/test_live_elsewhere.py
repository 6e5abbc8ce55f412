"""Where else users run it: older and newer images, as another user than root, /tmp in common, a private authority."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv
import yaml
from authority import BUNDLE, STORE, Authority

from .conftest import package, started
from .engine import Engine
from .gitea import ROOT, Live, Owner, Runner, handed_on, run
from .scenarios import first_release, installs, released, tail
from .town import Town, founded

NEW = ("# One run of main", "# Anew.\n# One run of main")


def updated(town: Town, name: str) -> None:
    """A new version of the template becomes the one pull request of a package."""
    if not town.owner.server.lets_jobs_open():
        town.packages[name].secret("TEMPLATE_TOKEN", town.token)
    town.version("v1.1.0", "fix: say it anew", *NEW)
    assert town.rollout("ask")[name]["result"] == "asked"
    done = town.ended(name, 1)
    assert done.conclusion == "success", tail(town.packages[name], done, "update") + tail(
        town.packages[name], done, "open"
    )
    (pull,) = town.pulls(name).values()
    assert pull["title"] == "chore: template v1.1.0"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mmdebstrap"), reason="needs root and mmdebstrap")
@pytest.mark.parametrize("release", ["bullseye", "trixie"])
def test_another_image(containers: Engine, live: Live, tmp_path: Path, release: str) -> None:
    """Debian's git 2.30 or its Python 3.13, not as root: the first release and an update, of what is private."""
    runner = Runner(
        *(live.runner.binary, live.folder / release, live.server, containers),
        label=release,
        image=containers.debian(release),
    )
    try:
        owner = live.owner(release, private=True)
        owner.give_index()
        town = founded(owner, tmp_path, {"sample": {"runner_label": release}})
        repo = town.packages["sample"]
        repo.secret("TEMPLATE_READ_TOKEN", town.token)
        first_release(repo)
        updated(town, "sample")
    finally:
        runner.kill()


def test_two_packages_in_one_tmp(containers: Engine, live: Live, owner: Owner, tmp_path: Path) -> None:
    """Where the runner's owner mounts one, two releases at the same time take nothing of each other.

    The runner is the one of docs/runner.md, whose image has uv, and whose jobs share its cache.
    """
    (containers.shared / "tmp").mkdir(mode=0o1777)
    (containers.shared / "tmp").chmod(0o1777)
    page = (ROOT / "docs/runner.md").read_text()
    (shown,) = (found for found in re.findall(r"(?ms)^```yaml\n(.*?)^```", page) if "UV_CACHE_DIR" in found)
    config = yaml.safe_load(shown)
    cache = config["container"]["options"].removeprefix("-v ")
    volumes = [f"{containers.shared / 'tmp'}:/tmp", f"{uv.find_uv_bin()}:/opt/ci/uv:ro", cache]
    where = {"label": "one-tmp", "volumes": volumes, "capacity": 4, "envs": handed_on() | config["runner"]["envs"]}
    runner = Runner(live.runner.binary, live.folder / "one-tmp", live.server, containers, **where)
    hook = {".gitea/setup.sh": 'echo "uv is $(command -v uv), its cache $UV_CACHE_DIR"\n'}
    try:
        repos = [package(owner, tmp_path, name, runner_label=runner.label, **hook) for name in ("first", "second")]
        for repo in repos:
            repo.commit("feat: first version")
        heads = [repo.push() for repo in repos]
        for repo, head in zip(repos, heads, strict=True):
            done = repo.wait_run(head)
            released(repo, done, "0.1.0")
            assert "uv is /opt/ci/uv, its cache /uv-cache" in repo.log(done, "lint")
    finally:
        runner.kill()


@pytest.fixture
def homelab(containers: Engine, tmp_path: Path) -> Iterator[Live]:
    """A Gitea and an ntfy with a certificate of the homelab's own authority, which the jobs' image was told of."""
    authority = Authority(tmp_path / "authority")
    folder = tmp_path / "homelab"
    folder.mkdir()
    # Nothing but the image's store: neither SSL_CERT_FILE nor its like.
    envs = {name: value for name, value in handed_on().items() if "CERT" not in name and "CA_" not in name}
    with started(folder, containers, authority, volumes=[f"{authority.store}:{STORE}:ro"], envs=envs) as live:
        yield live


def test_a_private_authority(homelab: Live, tmp_path: Path) -> None:
    """git, uv, twine, Node and the message accept it: two releases, of which one needs the other, and an update."""
    owner = homelab.owner("homelab")
    first_release(package(owner, tmp_path, "needed"))
    file = f"{STORE}/{BUNDLE}"
    where = {
        "label": "by-file",
        "volumes": homelab.runner.volumes,
        "envs": {**homelab.runner.envs, "SSL_CERT_FILE": file},
    }
    runner = Runner(homelab.runner.binary, homelab.folder / "by-file", homelab.server, homelab.engine, **where)
    try:
        town = founded(owner, tmp_path, {"needing": {"runner_label": runner.label}})
        repo = town.packages["needing"]
        run(["uv", "add", "needed", "--index", "gitea"], repo.folder, repo.env)
        (repo.folder / "needing/more.py").write_text("import needed\n\nHERE = needed.__name__\n")
        first_release(repo)
        installs(repo, "0.1.0")
        updated(town, "needing")
    finally:
        runner.kill()
