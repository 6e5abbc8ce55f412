"""What stands in the way of a release is named in the last lines of the log; once it is gone, the job heals."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from .conftest import Make
from .gitea import ADMIN, Owner, Repo
from .scenarios import complete, released, tail, text, told, unreleased

Obstacle = Callable[[Repo], AbstractContextManager[None]]


@contextlib.contextmanager
def other_token(repo: Repo, token: str) -> Iterator[None]:
    """Another token in the repository's own secret, which counts before the owner's."""
    repo.secret("REGISTRY_TOKEN", token)
    yield
    repo.server.api("DELETE", f"repos/{repo.path}/actions/secrets/REGISTRY_TOKEN")


def wrong_token(repo: Repo) -> AbstractContextManager[None]:
    """A token that Gitea does not know."""
    return other_token(repo, "0" * 40)


def token_without_the_scope(repo: Repo) -> AbstractContextManager[None]:
    """A token of the bot that may only read packages."""
    return other_token(repo, repo.server.token_of(repo.owner.bot, "read:package"))


def bot_without_the_team_right(repo: Repo) -> AbstractContextManager[None]:
    """A token with the scope, of an account that is in no team."""
    stranger = repo.server.user(f"stranger-{repo.owner.name}")
    return other_token(repo, repo.server.token_of(stranger, "write:package"))


@contextlib.contextmanager
def no_secret(repo: Repo) -> Iterator[None]:
    """The secret is not there at all."""
    path = f"orgs/{repo.owner.name}/actions/secrets/REGISTRY_TOKEN"
    repo.server.api("DELETE", path)
    yield
    repo.owner.secret("REGISTRY_TOKEN", repo.server.token_of(repo.owner.bot, "write:package"))


def packages_switched_off(repo: Repo) -> AbstractContextManager[None]:
    """The whole server has no packages."""
    return repo.server.without_packages()


@contextlib.contextmanager
def protected_tags(repo: Repo) -> Iterator[None]:
    """Only the administrator may push a tag that begins with v."""
    new = {"name_pattern": "v*", "whitelist_usernames": [ADMIN]}
    rule = repo.server.api("POST", f"repos/{repo.path}/tag_protections", new)
    yield
    repo.server.api("DELETE", f"repos/{repo.path}/tag_protections/{rule['id']}")


OBSTACLES: dict[Obstacle, tuple[str, ...]] = {
    wrong_token: ("REGISTRY_USER", "REGISTRY_TOKEN", "does not know"),
    token_without_the_scope: ("REGISTRY_TOKEN", "write:package"),
    bot_without_the_team_right: ("REGISTRY_TOKEN", "team", "Packages: write"),
    no_secret: ("REGISTRY_TOKEN", "not set"),
    packages_switched_off: ("packages", "switched off"),
    protected_tags: ("v0.1.0", "protect", "Settings"),
}


# One before and one at the push of the tag; the others end the job at the same place as the first.
HEALED = (wrong_token, protected_tags)


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda obstacle: obstacle.__name__)
def test_the_log_says_what_is_in_the_way_and_a_rerun_heals(make: Make, owner: Owner, obstacle: Obstacle) -> None:
    """No tag, no file, a loud message; once the obstacle is gone, the same job makes the release."""
    repo = make(owner)
    with obstacle(repo):
        red = repo.release("feat: first version")
        assert red.jobs == {"lint": "success", "test": "success", "publish": "failure", "notify": "success"}
        last = tail(repo, red)
        assert [word for word in OBSTACLES[obstacle] if word not in last] == [], last
        assert repo.tags() == {}
        message = told(repo, red)
        assert message["priority"] > 3
        assert "0.1.0" not in text(message)
    assert owner.files(repo.name) == {}
    if obstacle not in HEALED:
        return
    healed = repo.again(red, "publish")
    assert healed.jobs["publish"] == healed.jobs["notify"] == "success", tail(repo, healed)
    assert repo.tags() == {"v0.1.0": red.head}
    complete(repo, "0.1.0")


def test_a_red_run_of_an_older_commit_is_run_again(make: Make, owner: Owner) -> None:
    """A newer release holds its commit: old code never becomes the newest version, and the run ends green."""
    repo = make(owner)
    with wrong_token(repo):
        red = repo.release("feat: a wish")
    assert red.jobs["publish"] == "failure"
    done = repo.release("fix: meanwhile")
    released(repo, done, "0.1.0")
    tags, files = repo.tags(), owner.files(repo.name)
    again = repo.again(red)
    assert set(again.jobs.values()) == {"success"}
    assert "a newer version on main holds this commit" in repo.log(again, "publish")
    unreleased(repo, again, tags, files)
