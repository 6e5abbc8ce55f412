"""The version rules, a row each, on real repositories."""

from pathlib import Path

import pytest
import yaml
from release_world import Repository, planned


def found(repository: Repository) -> tuple[str | None, str]:
    """Returns the version of HEAD, or None where there is nothing to release, and why."""
    version, why = planned(repository)
    return version or None, why


def stated(repository: Repository, version: str) -> None:
    """Put a version line into pyproject.toml."""
    path = repository.path / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "0.0.0"', version))


CASES = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("message", case.get("bytes"))[:40])
def test_message(history: Repository, case: dict[str, str]) -> None:
    """What one commit after v1.2.3 asks for; nothing of it is printed or run."""
    message, version = case.get("message") or case["bytes"].encode("latin-1"), case["version"]
    assert case["source"]
    history.commit("chore: start")
    history.git("tag", "v1.2.3")
    history.commit(message)
    number, log = found(history)
    assert number == version
    assert not list(history.path.glob("hurt"))
    assert log == ("" if version else "no major:, feat: or fix: since v1.2.3.")


def test_without_a_tag_everything_counts(history: Repository) -> None:
    """A new package begins at 0.0.0."""
    history.commit("docs: start")
    assert found(history)[0] is None
    history.commit("fix: a")
    assert found(history)[0] == "0.0.1"
    history.commit("feat: b")
    assert found(history)[0] == "0.1.0"
    history.commit("docs: c")
    assert found(history)[0] == "0.1.0"


def test_breaking_from_0_x_is_1_0_0(history: Repository) -> None:
    """A breaking change leaves 0.x behind."""
    history.commit("chore: start")
    history.git("tag", "v0.7.3")
    history.commit("fix!: a")
    assert found(history)[0] == "1.0.0"


def test_highest_bump_wins_in_any_order(history: Repository) -> None:
    """Neither the first nor the last commit decides."""
    history.commit("chore: start")
    history.git("tag", "v1.2.3")
    for message in ("fix: a", "feat: b", "docs: c", "fix: d"):
        history.commit(message)
    assert found(history)[0] == "1.3.0"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('version = "1.4.2"', "1.4.3"),
        ("version = '1.4.2'", "1.4.3"),
        ('version="1.4"', "1.4.1"),
        ('version = "3"', "3.0.1"),
        ('version = """1.4.2"""', "1.4.3"),
        ('"version" = "1.4.2" # stays', "1.4.3"),
        ('version = "v1.4.2"', "1.4.3"),
        ('version = "1.4.2.post1"', "1.4.3"),
        ('version = "1.4.2.post1.dev0"', "1.4.3"),
        ('version = "1.4.2+local"', "1.4.3"),
        ('version = "1.4.2.1.dev0"', "1.4.3"),
        ('version = "2026.04"', "2026.4.1"),
    ],
)
def test_stated_version_is_a_base(history: Repository, line: str, version: str) -> None:
    """A package that lived before goes on from the version that it states."""
    stated(history, line)
    history.commit("fix: a")
    assert found(history)[0] == version


def test_higher_of_tag_and_stated_version(history: Repository) -> None:
    """The base is the higher one, either way round."""
    stated(history, 'version = "1.4.2"')
    history.commit("chore: start")
    history.git("tag", "v1.3.9")
    history.commit("fix: a")
    assert found(history)[0] == "1.4.3"
    history.git("tag", "v1.5.0")
    history.commit("fix: b")
    assert found(history)[0] == "1.5.1"


EARLY = ("1.4.2rc1", "1.4.2.dev3+local", "v1.4.2-Beta.1", "1.4.2a0", "1.4.2_c1", "1.4.2-preview2", "1.4.2.rc1.dev3")


@pytest.mark.parametrize("version", EARLY)
def test_stated_pre_release_is_the_next_version(history: Repository, version: str) -> None:
    """PEP 440: it is below the version that it names, which no commit has to ask for by its level."""
    stated(history, f'version = "{version}"')
    history.commit("fix: a")
    assert found(history)[0] == "1.4.2"
    history.git("tag", "v1.4.2")
    history.commit("fix: b")
    assert found(history)[0] == "1.4.3", "it is released"


@pytest.mark.parametrize(
    ("version", "tag", "message", "number"),
    [
        ("3.0.0.dev0", "v2.1.0", "feat: a", "3.0.0"),
        ("3.0.0b2", "v2.1.0", "fix: a", "3.0.0"),
        ("3.0rc1", "v2.1.0", "major: a", "3.0.0"),
        ("3", "v2.1.0", "feat: a", "3.1.0"),
        ("2.1.1.dev0", "v2.1.0", "feat: a", "2.2.0"),
        ("2.1.1.dev0", "v2.1.0", "major: a", "3.0.0"),
        ("2.1.0.dev0", "v2.1.0", "fix: a", "2.1.1"),
        ("2.0.0rc1", "v2.1.0", "fix: a", "2.1.1"),
    ],
)
def test_stated_pre_release_and_a_tag(history: Repository, version: str, tag: str, message: str, number: str) -> None:
    """It is a floor: the commits may ask for more, and a version below the tag counts no more."""
    stated(history, f'version = "{version}"')
    history.commit("chore: start")
    history.git("tag", tag)
    history.commit("docs: b")
    assert found(history)[0] is None
    history.commit(message)
    assert found(history)[0] == number


@pytest.mark.parametrize("line", ['version = "1!2.0"', 'version = "next"', 'version = ""', ""])
def test_stated_version_that_is_none(history: Repository, line: str) -> None:
    """What cannot be a base is refused with the change to make."""
    stated(history, line)
    history.commit("fix: a")
    with pytest.raises(AssertionError, match=r'project.version .* not like 1\.2\.3 \(no epoch\): write .*"0\.0\.0"'):
        found(history)


def test_versions_are_numbers(history: Repository) -> None:
    """v1.10.0 is after v1.9.0."""
    history.commit("chore: start")
    history.git("tag", "v1.9.0")
    history.commit("feat: a")
    history.git("tag", "v1.10.0")
    history.commit("feat: b")
    assert found(history)[0] == "1.11.0"


def test_highest_reachable_tag_not_the_nearest(history: Repository) -> None:
    """An old version tagged late does not count."""
    history.commit("chore: start")
    history.git("tag", "v2.0.0")
    history.commit("fix: a")
    history.git("tag", "v1.9.9")
    history.commit("chore: b")
    assert found(history)[0] == "2.0.1"


def test_other_tags_do_not_count(history: Repository) -> None:
    """Pre-releases, names, other forms."""
    history.commit("chore: start")
    history.git("tag", "v1.0.0")
    history.commit("fix: a")
    for tag in (
        "v2.0.0rc1",
        "v2.0.0-rc.1",
        "2.0.0",
        "v2.0",
        "v02.0.0",
        "v2.0.0.0",
        "release-9",
        "x/v3.0.0",
        "v\u0663.0.0",
    ):
        history.git("tag", tag)
    assert found(history)[0] == "1.0.1"


def test_annotated_tag_counts(history: Repository) -> None:
    """A tag made by hand, with a message."""
    history.commit("chore: start")
    history.git("tag", "-a", "-m", "v9.0.0", "v1.0.0")
    history.commit("fix: a")
    assert found(history)[0] == "1.0.1"


def test_version_of_another_branch_is_never_used_again(history: Repository) -> None:
    """The next free one is taken."""
    history.commit("chore: start")
    history.git("tag", "v1.0.0")
    history.git("checkout", "-q", "-b", "other")
    for tag in ("v1.1.0", "v1.2.0"):
        history.commit("feat: elsewhere")
        history.git("tag", tag)
    history.git("checkout", "-q", "main")
    history.commit("feat: here")
    assert found(history)[0] == "1.3.0"
    history.commit("fix: not only")
    assert found(history)[0] == "1.3.0"


def test_many_tags_of_other_branches(history: Repository) -> None:
    """More than are asked one by one."""
    history.commit("chore: start")
    history.git("tag", "v1.0.0")
    history.git("checkout", "-q", "-b", "other")
    history.commit("feat: elsewhere")
    for minor in range(20):
        history.git("tag", f"v3.{minor}.0")
    history.git("checkout", "-q", "main")
    history.commit("fix: here")
    assert found(history)[0] == "1.0.1"


def test_tagged_head_is_finished(history: Repository) -> None:
    """Whatever its message says; the highest version where there are two."""
    history.commit("docs: start")
    history.git("tag", "v1.0.0")
    assert found(history)[0] == "1.0.0"
    history.git("tag", "v1.10.0")
    history.git("tag", "v1.9.0")
    assert found(history)[0] == "1.10.0"


def test_commit_inside_a_newer_release(history: Repository) -> None:
    """Nothing to do: main has a release that holds it."""
    old = history.commit("feat: a")
    history.commit("fix: b")
    history.git("tag", "v0.1.0")
    history.git("update-ref", "refs/remotes/origin/main", "HEAD")
    history.git("checkout", "-q", "--detach", old)
    number, log = found(history)
    assert number is None
    assert "newer version" in log


def test_newer_release_of_another_branch_is_none(history: Repository) -> None:
    """A branch made from this commit and tagged there does not release main."""
    commit = history.commit("feat: a")
    history.git("update-ref", "refs/remotes/origin/main", "HEAD")
    history.git("checkout", "-q", "-b", "other")
    history.commit("fix: b")
    history.git("tag", "v0.1.0")
    history.git("checkout", "-q", "--detach", commit)
    assert found(history)[0] == "0.2.0"


def test_merge_commit_brings_its_branch(history: Repository) -> None:
    """The commits of a merged branch count, the merge's own subject does not."""
    history.commit("chore: start")
    history.git("tag", "v1.0.0")
    history.git("checkout", "-q", "-b", "topic")
    history.commit("feat: on the branch")
    history.git("checkout", "-q", "main")
    history.commit("fix: on main")
    history.git("merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    assert found(history)[0] == "1.1.0"


def test_branch_from_before_the_tag(history: Repository) -> None:
    """A branch that began before the last release and is merged after it counts."""
    history.commit("chore: start")
    history.git("checkout", "-q", "-b", "topic")
    history.commit("feat: slow work")
    history.git("checkout", "-q", "main")
    history.commit("fix: a")
    history.git("tag", "v0.0.1")
    history.git("merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    assert found(history)[0] == "0.1.0"


def test_commit_without_a_message(history: Repository) -> None:
    """Git can hold one."""
    history.commit("fix: a")
    history.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    assert found(history)[0] == "0.0.1"


def test_a_file_called_as_git_calls_the_commit(history: Repository) -> None:
    """Git would ask which of the two is meant."""
    history.commit("feat: a", HEAD="")
    assert found(history)[0] == "0.1.0"


def test_a_near_tag_is_found_without_looking_at_all(history: Repository, tmp_path: Path) -> None:
    """What a release costs does not grow with history, while its last tag is near."""
    history.commit("feat: a")
    history.git("tag", "v0.1.0")
    history.commit("fix: b")
    history.environment = {**history.environment, "GIT_TRACE": str(tmp_path / "trace")}
    assert found(history)[0] == "0.1.1"
    trace = (tmp_path / "trace").read_text()
    assert "..HEAD --" in trace
    assert "--merged" not in trace


def test_another_encoding(history: Repository) -> None:
    """A commit that says that it is not UTF-8."""
    history.git("config", "i18n.commitEncoding", "ISO-8859-1")
    history.commit(b"feat: caf\xe9")
    assert found(history)[0] == "0.1.0"
