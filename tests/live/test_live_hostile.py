"""Text of others is text: in a commit message, a branch name, an author's name."""

import re
from pathlib import Path

from .conftest import Make
from .gitea import Live, Owner
from .scenarios import FOUR_GREEN, complete, page, text, told


def hostile(trap: Path) -> str:
    """Shell and runner text that would leave a file, set an output or hide a word where it is taken for a command."""
    shell = f"\"; touch {trap}; \" $(touch {trap}) `touch {trap}` '; touch {trap}; ' ${{{{ github.token }}}}"
    commands = "::set-output name=version::9.9.9\n::add-mask::success\n::error::forged\n::set-env name=PATH::/nowhere"
    return f"feat: {shell}\n\n{commands}\n##[add-mask]success\nEOF\nversion=9.9.9\n"


def test_a_hostile_commit_branch_and_author(make: Make, owner: Owner, live: Live) -> None:
    """Nothing of it runs, sets an output or hides a word of the message; the release is the one it would be."""
    trap = live.trap()
    repo = make(owner)
    repo.env["GIT_AUTHOR_NAME"] = f'"$(touch {trap})`touch {trap}`::add-mask::success'
    repo.env["GIT_AUTHOR_EMAIL"] = "a@b'\"$(c)"
    done = repo.release(hostile(trap))
    assert done.jobs == FOUR_GREEN
    assert list(repo.tags()) == ["v0.1.0"]
    complete(repo, "0.1.0")
    message = text(told(repo, done))
    assert "0.1.0" in message
    assert "9.9.9" not in message
    assert "***" not in message.replace(repo.path, "")

    # A pull request is linted and tested only.
    files = owner.files(repo.name)
    branch = f"x';$(touch${{IFS}}{trap});`touch${{IFS}}{trap}`\"&|#${{{{github.token}}}}"
    repo.commit(hostile(trap))
    head = repo.push(f"HEAD:refs/heads/{branch}")
    request = {"head": branch, "base": "main", "title": hostile(trap).partition("\n")[0]}
    repo.server.api("POST", f"repos/{repo.path}/pulls", request)
    done = repo.wait_run(head, event="pull_request")
    assert done.jobs == {**FOUR_GREEN, "publish": "skipped"}
    assert list(repo.tags()) == ["v0.1.0"]
    assert owner.files(repo.name) == files
    message = text(told(repo, done))
    assert "9.9.9" not in message
    assert "uv add" not in message
    assert not trap.exists()


def test_a_hostile_subject_is_text_on_the_release_page(make: Make, owner: Owner) -> None:
    """Gitea makes no link, picture, mention or markup of it; the page links to this repository alone."""
    repo = make(owner)
    subjects = [
        f"feat: @{owner.bot} and @{owner.name}/team, closes #1, closes {repo.path}#1, !1, $x^2$ :tada: \\(y\\)",
        "fix(<b>b</b>): <img src=x onerror=alert(1)> [click](https://evil.test) ![x](https://evil.test/y.png)",
        "fix: https://evil.test www.evil.test a@evil.test **bold** # heading ${{ secrets.NTFY_TOKEN }}",
    ]
    for subject in subjects:
        repo.commit(subject)
    done = repo.wait_run(repo.push())
    assert done.jobs == FOUR_GREEN
    html = page(repo, "0.1.0")
    (notes,) = re.findall(r'(?s)<div class="[^"]*markup[^"]*">(.*?)</div>\s*<div', html)
    plain = re.sub(r"(?s)<code>.*?</code>", "", notes)
    assert "New" not in plain
    assert {"Features", "Fixes", "Install", "sha256"} <= set(re.findall(r"\w+", plain))
    for word in (owner.bot, "evil", "bold", "<img", "<b>", "math"):
        assert word not in plain, plain
    links = set(re.findall(r'href="([^"]+)"', notes))
    here = f"{repo.server.url}/{repo.path}/"
    assert links
    assert not [link for link in links if not link.startswith((here, f"/{repo.path}/", "#"))], links
    assert "${{ secrets.NTFY_TOKEN }}" in text(told(repo, done))
