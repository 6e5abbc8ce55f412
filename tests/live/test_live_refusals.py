"""What stands in the way of a release is named in the last lines of the log; once it is gone, the job heals."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from .conftest import Make
from .gitea import ADMIN, Owner, Repo, Run
from .scenarios import released, tail, text, told, unreleased

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


def refused(repo: Repo, obstacle: Obstacle, release: Callable[[], Run]) -> Run:
    """No tag, no file, a loud message, and the reason in the last lines of the log. Returns the red run."""
    with obstacle(repo):
        red = release()
        assert red.jobs == {"lint": "success", "test": "success", "publish": "failure", "notify": "success"}
        last = tail(repo, red)
        assert [word for word in OBSTACLES[obstacle] if word not in last] == [], (obstacle, last)
        assert repo.tags() == {}
        message = told(repo, red)
        assert message["priority"] > 3
        assert "0.1.0" not in text(message)
    assert repo.owner.files(repo.name) == {}
    return red


def test_the_log_says_what_is_in_the_way_and_a_rerun_heals(make: Make, owner: Owner) -> None:
    """Once nothing is in the way, the same job makes the release. Then the older commit's run has nothing to do."""
    repo = make(owner)
    before_the_tag = [obstacle for obstacle in OBSTACLES if obstacle is not protected_tags]
    first = refused(repo, before_the_tag[0], lambda: repo.release("feat: a wish"))
    for obstacle in before_the_tag[1:]:
        refused(repo, obstacle, lambda: repo.again(first, "publish"))
    second = refused(repo, protected_tags, lambda: repo.release("fix: meanwhile"))

    released(repo, repo.again(second, "publish"), "0.1.0")

    tags, files = repo.tags(), owner.files(repo.name)
    again = repo.again(first)
    assert set(again.jobs.values()) == {"success"}
    assert "a newer version on main holds this commit" in repo.log(again, "publish")
    unreleased(repo, again, tags, files)
