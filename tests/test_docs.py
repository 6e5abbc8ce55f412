"""What the pages for users show can be taken as it stands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import questions_page
import yaml
from blocks import PAGES, ROOT, RUNNABLE, Block, blocks

EVERY = [block for page in PAGES for block in blocks(page)]


def yaml_blocks(page: Path) -> list[Any]:
    """Returns what the YAML blocks of a page say."""
    return [yaml.safe_load(block.text) for block in blocks(page) if block.language == "yaml"]


@pytest.mark.parametrize(
    "block", [block for block in EVERY if block.language in RUNNABLE], ids=lambda block: f"{block.page}:{block.line}"
)
def test_each_command_is_run_by_a_test_or_says_why_not(block: Block) -> None:
    """`<!-- run: NAME -->` above it, and one test that asks for that name; or `<!-- not run: REASON -->`."""
    if block.reason:
        assert len(block.reason.split()) > 2, "say why no test runs it"
        return
    assert block.run, "no comment above it says which test runs it"
    assert [other.page for other in EVERY if other.run == block.run] == [block.page]
    asks = re.compile(rf'\b(block|here)\("{block.run}"')
    assert any(asks.search(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py")), "no test asks for it"


def test_every_fence_is_read() -> None:
    """No block is passed over because its fence has another form."""
    for page in PAGES:
        fences = re.findall(r"(?m)^[> ]*```", page.read_text())
        assert len(fences) == 2 * len(blocks(page)), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_and_links(page: Path) -> None:
    """Each block is YAML, and each link to a file of this repository leads to one."""
    assert all(yaml_blocks(page))
    for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / link).exists(), link


def anchors(page: Path) -> set[str]:
    """Returns what a link may name behind a #, as Gitea makes it of the headings."""
    titles = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text()))
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_a_section(page: Path) -> None:
    """Each section that a link names is there."""
    for link, section in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        assert section in anchors(page.parent / link if link else page), f"{link}#{section}"


def test_the_reference_of_the_questions_is_that_of_copier_yml() -> None:
    """Fix: uv run python tests/questions_page.py."""
    assert questions_page.PAGE.read_text("utf-8") == questions_page.page()


def test_renovate_leaves_what_the_template_owns() -> None:
    """The settings are JSON; what they leave alone is where, and of the version, that the template has it."""
    page = (ROOT / "docs/renovate.md").read_text()
    package, bot = (json.loads(block) for block in re.findall(r"(?s)```json\n(.*?)```", page))
    left = [rule for rule in package["packageRules"] if rule["enabled"] is False]
    pattern = (ROOT / "template/pyproject.toml.jinja").read_text()
    assert {name for rule in left for name in rule.get("matchPackageNames", [])} == set(
        re.findall(r'"([\w-]+)==', pattern)
    )
    assert [name for rule in left for name in rule.get("matchFileNames", [])] == [".gitea/**"]
    assert ":semanticCommitTypeAll(chore)" in package["extends"]
    assert not {"platform", "endpoint", "hostRules"} & set(package), "those are the bot's"
    assert set(bot["hostRules"][0]) == {"hostType", "matchHost", "username", "password"}


def test_the_runner_in_kubernetes_mounts_what_it_has() -> None:
    """Each volume is there under its name, and the sidecar's socket is the runner's."""
    (pod,) = (block for block in yaml_blocks(ROOT / "docs/runner.md") if block.get("kind") == "StatefulSet")
    spec = pod["spec"]["template"]["spec"]
    there = {volume["name"] for volume in spec["volumes"]}
    there |= {claim["metadata"]["name"] for claim in pod["spec"]["volumeClaimTemplates"]}
    mounts = [
        {m["name"]: m["mountPath"] for m in c["volumeMounts"]} for c in spec["initContainers"] + spec["containers"]
    ]
    assert set().union(*mounts) == there
    assert {mounted["run"] for mounted in mounts} == {"/var/run"}
    assert pod["spec"]["selector"]["matchLabels"] == pod["spec"]["template"]["metadata"]["labels"]


def test_the_image_has_the_workflow_s_uv() -> None:
    """Another version would be downloaded again by each job."""
    (pinned,) = re.findall(r'UV_VERSION: "(.+)"', (ROOT / "template/.gitea/workflows/ci.yaml.jinja").read_text())
    assert f"pip install uv=={pinned}" in (ROOT / "docs/runner.md").read_text()
