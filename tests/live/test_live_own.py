"""The template's own workflows: what a pull request of it shows, and the page about the owner's packages."""

import io
import re
import zipfile
from pathlib import Path

import pytest

from .daemon import wait_for
from .gitea import Owner, Repo, Run
from .scenarios import released, tail, told
from .town import Town, founded

PACKAGE = "sample"


@pytest.fixture
def town(owner: Owner, tmp_path: Path) -> Town:
    """A template with its own workflows, and a package of it."""
    return founded(owner, tmp_path, {PACKAGE: {}}, own=True)


def artifact(repo: Repo, done: Run, name: str) -> dict[str, str]:
    """Returns the files of a run's artifact with their texts, as a person who is signed in downloads them."""
    runs = f"/{repo.path}/actions/runs"
    number = done.id if repo.server.since((1, 26)) else done.number
    with repo.server.browser() as browser:
        answer = browser.get(f"{runs}/{number}/artifacts/{name}", follow_redirects=True)
    assert answer.is_success, f"{name}: {answer.status_code}"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        return {file: packed.read(file).decode() for file in packed.namelist()}


def test_a_pull_request_of_the_template_is_previewed(town: Town) -> None:
    """The log and the artifact have the difference in a rendered package; nothing is tagged, nobody is asked."""
    template = town.template
    for file in (template.folder / "packages").glob("*.yaml"):
        if file.stem != "mlflow-utils":
            file.unlink()
    template.commit("test: one known package is enough [skip ci]")
    template.git("push", "-q", "origin", "HEAD:refs/heads/main")
    template.git("checkout", "-q", "-b", "more")
    file = template.folder / "template/.gitea/workflows/ci.yaml.jinja"
    file.write_text(
        file.read_text().replace("\n  test:\n", "\n      - name: One more\n        run: true\n\n  test:\n", 1)
    )
    template.commit("feat: one more step")
    head = template.push("HEAD:refs/heads/more")
    pull = {"head": "more", "base": "main", "title": "feat: one more step"}
    town.owner.server.api("POST", f"repos/{template.path}/pulls", pull)
    done = template.wait_run(head, event="pull_request", seconds=600)
    green = dict.fromkeys(("lint", "test", "preview", "notify"), "success")
    assert done.jobs == green | {"publish": "skipped", "rollout": "skipped"}, tail(template, done, "preview")
    said = template.log(done, "preview")
    assert re.search(r"(?m)^\| \+      - name: One more$", said), said[-3000:]
    files = artifact(template, done, "preview")
    assert any("+      - name: One more\n" in content for content in files.values()), files.keys()
    assert template.tags().keys() == {"v1.0.0"}
    assert told(template, done)


def test_the_overview_is_a_page_of_the_run(town: Town) -> None:
    """With a token that lacks a scope the run says so. With a good one, the page names package and versions."""
    template, server, package = town.template, town.owner.server, town.packages[PACKAGE]
    released(package, package.release("feat: first version"), "0.1.0")

    def overview(count: int) -> Run:
        path = f"repos/{template.path}/actions/workflows/overview.yaml/dispatches"
        server.api("POST", path, {"ref": "main"})

        def there() -> int | None:
            ids = [found["id"] for found in template.runs() if found["event"] == "workflow_dispatch"]
            return max(ids) if len(ids) >= count else None

        return template.wait_end(wait_for(f"overview {count}", there, 60), 300)

    template.secret("OVERVIEW_TOKEN", server.token_of(town.owner.bot, "read:package"))
    narrow = overview(1)
    assert narrow.conclusion == "failure"
    said = template.log(narrow, "overview")
    assert re.search(r"(?m)^The repositories of .* cannot be listed: 403 .*read:user", said), said[-3000:]
    template.secret("OVERVIEW_TOKEN", town.keeper)
    done = overview(2)
    assert done.conclusion == "success", tail(template, done, "overview")
    (page,) = artifact(template, done, "overview").values()
    shown = re.sub(r"<[^>]+>", " ", page)
    assert re.search(rf"{PACKAGE}\s+v1\.0\.0\s+0\.1\.0\s", shown), shown
    assert town.keeper not in page
