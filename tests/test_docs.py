"""What the pages for users show can be taken as it stands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Any]:
    """Returns what the YAML blocks of a page say."""
    found = re.findall(r"(?ms)^( *)```yaml\n(.*?)^ *```$", page.read_text())
    return [yaml.safe_load(re.sub(f"(?m)^{indent}", "", text)) for indent, text in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_and_links(page: Path) -> None:
    """Each block is YAML, and each link to a file of this repository leads to one."""
    assert all(blocks(page))
    for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / link).exists(), link


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
    (pod,) = (block for block in blocks(ROOT / "docs/gitea.md") if block.get("kind") == "StatefulSet")
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
    assert f"pip install uv=={pinned}" in (ROOT / "docs/gitea.md").read_text()
