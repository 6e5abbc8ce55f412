"""A package that needs a sister package, whose name the public index has too; and addresses that do not answer."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from act_package import GREEN, OWNER, PUBLISHER, READER, Package, clean_environment, patched_workflow, without_gates
from loopback_gitea import Forge

# A small package of the public index, at a much higher version there: whoever asks in the wrong place gets that one.
SISTER = "six"


def publish_sister(forge: Forge, owner: str, folder: Path) -> None:
    """Put version 0.0.1 of the sister package into the owner's registry."""
    (folder / SISTER).mkdir(parents=True)
    (folder / SISTER / "__init__.py").write_text('OURS = "not the public one"\n')
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{SISTER}"\nversion = "0.0.1"\n\n'
        '[build-system]\nrequires = ["hatchling==1.33.0"]\nbuild-backend = "hatchling.build"\n'
    )
    words = ["uv", "build", "-q", "--out-dir", str(forge.folder / "packages" / owner)]
    subprocess.run(words, cwd=folder, check=True, env=clean_environment(folder / "home"), capture_output=True)
    (forge.folder / "packages" / owner / ".gitignore").unlink()


def need_sister(package: Package, **login: str) -> None:
    """Make the package need its sister, as the README tells it."""
    # A cache of its own: what the developer fetched is not on the runner.
    login["UV_CACHE_DIR"] = str(package.path.parent / "dev-cache")
    text = (package.path / "pyproject.toml").read_text()
    package.write("pyproject.toml", text.replace("explicit = true\n", ""))
    words = ["uv", "add", "-q", "--no-sync", "--index", "gitea", SISTER]
    environment = clean_environment(package.path.parent / "dev") | login
    done = subprocess.run(words, cwd=package.path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    module = package.path / package.module / "needs.py"
    module.write_text(f'"""Works with the sister package alone."""\n\nfrom {SISTER} import OURS\n\nSAID = OURS\n')
    lock = (package.path / "uv.lock").read_text()
    assert f'name = "{SISTER}"\nversion = "0.0.1"' in lock


@pytest.mark.slow
@pytest.mark.parametrize(
    "private", [pytest.param(False, id="public", marks=pytest.mark.slow), pytest.param(True, id="private")]
)
def test_internal_dependency(new_package: Callable[..., Package], forge: Forge, tmp_path: Path, private: bool) -> None:
    """All four jobs take the sister package from the owner's index, with the reader's secrets where it is private."""
    owner = "hidden" if private else "acme"
    if private:
        forge.add_owner(owner, private=True)
    publish_sister(forge, owner, tmp_path / "sister")
    package = new_package(owner=owner)
    login = {"UV_INDEX_GITEA_USERNAME": READER[0], "UV_INDEX_GITEA_PASSWORD": READER[1]} if private else {}
    need_sister(package, **login)
    package.commit("feat: says what its sister says")
    if private:
        run = package.run()
        assert run.jobs == {"lint": "failure", "test": "failure", "notify": "success"}, run
        assert "INDEX_TOKEN" in run.log("lint"), "the secrets that are missing are named"
        package.secrets |= {"INDEX_USER": READER[0], "INDEX_TOKEN": READER[1]}
    run = package.run()
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]
    if private:
        reads = [r for r in forge.requests(part=f"/pypi/packages/{SISTER}") if r.status == 200]
        assert {(r.user, r.password) for r in reads} == {READER}
        assert {(r.user, r.password) for r in forge.stored(owner)} == {PUBLISHER}


def test_lock_of_somebody_elses_package(package: Package) -> None:
    """A name that the owner has too, and that uv.lock takes from the public index, makes lint red, nothing else."""
    (package.forge.folder / "packages" / OWNER / "iniconfig-0.0.1-py3-none-any.whl").write_bytes(b"the owner's")
    run = package.run(options=("--job", "lint"))
    assert run.jobs == {"lint": "failure"}, run
    assert "check_index: uv.lock takes iniconfig from " in run.log("lint")
    assert "Fix: delete `explicit = true`" in run.log("lint")
    assert run.steps[-1].name != "Lint"


@pytest.mark.slow
def test_outside_answers_nothing(package: Package) -> None:
    """From within a cluster without a way out, a package that needs no sister is released, green."""
    package.forge.close_outside()
    run = package.run()
    assert run.jobs == GREEN, run
    assert package.released() == ["0.1.0"]


@pytest.mark.slow
def test_link_refused(package: Package) -> None:
    """A server that cannot link a package to its repository, or will not, is no failure."""
    package.forge.link_status = "404 Not Found"
    run = package.run(workflow=patched_workflow(package, without_gates))
    assert run.code == 0, run
    assert len(package.forge.requests(part="/-/link/")) == 1
    assert package.released() == ["0.1.0"]


@pytest.mark.parametrize("how", ["closed", *(pytest.param(h, marks=pytest.mark.slow) for h in ("refuses", "none"))])
def test_ntfy_does_not_answer(new_package: Callable[..., Package], how: str) -> None:
    """An ntfy that is gone, refuses, or was never named leaves the run green and says so."""
    package = new_package(**({"ntfy_url": ""} if how == "none" else {}))
    package.commit("docs: nothing to release")
    if how == "closed":
        package.ntfy.close()
    package.ntfy.status = "403 Forbidden" if how == "refuses" else "200 OK"
    run = package.run(workflow=patched_workflow(package, without_gates))
    assert run.jobs == GREEN, run
    assert len(package.ntfy.received) == (how == "refuses")
    assert {"closed": "refused", "refuses": "403", "none": "ntfy"}[how] in run.log("notify")


@pytest.mark.slow
def test_protected_topic(new_package: Callable[..., Package]) -> None:
    """NTFY_TOKEN goes along as a bearer token, and only then."""
    package = new_package()
    package.commit("docs: nothing to release")
    workflow = patched_workflow(package, without_gates)
    for token in (None, "ntfy-token-11aa"):
        package.secrets |= {"NTFY_TOKEN": token} if token else {}
        run = package.run(workflow=workflow)
        assert run.code == 0, run
    assert [headers.get("HTTP_AUTHORIZATION") for headers in package.ntfy.headers] == [None, "Bearer ntfy-token-11aa"]
