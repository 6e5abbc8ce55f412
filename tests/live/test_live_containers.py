"""What jobs meet in containers: another user than root, nothing of the machine's, files handed from job to job."""

import re
from pathlib import Path

import pytest

from .conftest import ACTIONS, Make, clones
from .gitea import LABEL, USER, Owner, Repo, Run
from .scenarios import first_release, why

# What a job prints of itself, and whether uv is on its PATH.
WHERE = """
on: push
jobs:
  look:
    name: look
    runs-on: RUNNER
    steps:
      - run: id -u; echo "$HOME"; command -v uv || echo no uv; ls /usr/lib/python3*/EXTERNALLY-MANAGED; git --version
"""
HANDED = """
on: push
jobs:
  give:
    name: give
    runs-on: RUNNER
    steps:
      - run: mkdir out && head -c 3000000 /dev/urandom > out/file && sha256sum out/file
      - uses: actions/upload-artifact@c24449f33cd45d4826c6702db7e49f7cdb9b551d # v3.2.1-node20
        with:
          name: made
          path: out
  take:
    name: take
    needs: give
    runs-on: RUNNER
    steps:
      - uses: actions/download-artifact@ad191675b41f6a5b46da9a048cb6893812da158b # v3.1.0-node20
        with:
          name: made
          path: out
      - run: sha256sum out/file
"""


def with_workflow(owner: Owner, folder: Path, text: str, label: str = LABEL) -> Repo:
    """Returns a repository that has just this workflow."""
    repo = Repo(owner, "tiny", folder)
    file = folder / ".gitea/workflows/tiny.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace("RUNNER", label))
    owner.live.actions.pin(folder)
    return repo


@pytest.mark.usefixtures("containers")
@pytest.mark.parametrize(("label", "user", "home"), [(LABEL, "0", "/root"), (f"{LABEL}-{USER}", "1000", "/home/ci")])
def test_a_job_finds_the_tools_and_no_uv(owner: Owner, tmp_path: Path, label: str, user: str, home: str) -> None:
    """The image's own user and home, Python with its marker, git, and no uv."""
    repo = with_workflow(owner, tmp_path / "tiny", WHERE, label)
    done = repo.release("docs: look")
    assert done.conclusion == "success", why(repo, done)
    printed = repo.log(done, "look")
    for line in (user, home, "no uv", r"/usr/lib/python3\S*/EXTERNALLY-MANAGED", r"git version \S+"):
        assert re.search(rf"^{line}$", printed, re.MULTILINE), printed


@pytest.mark.usefixtures("containers")
def test_a_first_release_as_another_user_than_root(make: Make, owner: Owner) -> None:
    """All four jobs, and nothing in their logs that reads like a fault."""
    repo = make(owner, runner_label=f"{LABEL}-{USER}")
    done = first_release(repo)
    for job in done.jobs:
        log = repo.log(done, job)
        assert [line for line in log.splitlines() if re.search("command not found|hardlink|warning:", line)] == [], job
        # Not /tmp itself, which jobs may share.
        if job == "test":
            assert re.search(r"/tmp/job\.\w+/release/dist/", log), log


@pytest.mark.skipif(
    len(clones()) < len(ACTIONS), reason="needs clones of actions/upload-artifact and download-artifact"
)
def test_a_file_is_handed_from_job_to_job(owner: Owner, tmp_path: Path) -> None:
    """3 MB arrive as they were, also when the whole run is run again: then the new ones."""
    repo = with_workflow(owner, tmp_path / "tiny", HANDED)

    def sums(done: Run) -> list[str]:
        assert done.jobs == {"give": "success", "take": "success"}, why(repo, done)
        return [re.findall(r"^([0-9a-f]{64})  out/file$", repo.log(done, job), re.MULTILINE)[0] for job in done.jobs]

    first = repo.release("docs: hand over")
    given, taken = sums(first)
    assert given == taken
    given_again, taken_again = sums(repo.again(first))
    assert given_again == taken_again != given
