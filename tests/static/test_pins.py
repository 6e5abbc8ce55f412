"""What runs beside a token, and what builds a new package, is pinned by the hash of every file."""

from pathlib import Path

import pytest
import yaml
from pins import PINS, ROOT, pins


@pytest.mark.slow  # it asks the index
@pytest.mark.parametrize("name", PINS)
def test_pins_are_what_uv_resolves(name: str, tmp_path: Path) -> None:
    """The files are uv's own, and as new as this repository's tools."""
    assert (ROOT / name).read_text() == pins(*PINS[name], tmp_path), "Fix: uv run python tests/static/pins.py"


def test_pins_name_no_index() -> None:
    """Whoever has an index of their own takes the files from there."""
    for name in PINS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index" not in text


def test_the_new_package_has_the_pinned_backend() -> None:
    """The first line of the pins is what pyproject.toml names."""
    backend = (ROOT / "template/.gitea/build.txt").read_text().split()[0]
    assert f'requires = ["{backend}"]\n' in (ROOT / "template/pyproject.toml.jinja").read_text()


@pytest.mark.parametrize("name", ["ci", "overview"])
def test_the_rollout_is_installed_by_its_pins(name: str) -> None:
    """Before the step that has the token, which is in no other."""
    jobs = yaml.safe_load((ROOT / f".gitea/workflows/{name}.yaml").read_text())["jobs"]
    steps = jobs["overview" if name == "overview" else "rollout"]["steps"]
    install, asking = [step for step in steps if "rollout" in step.get("run", "")]
    assert "--require-hashes" in install["run"]
    assert [step for step in steps if "secrets." in str(step)] == [asking]
    assert "uv run" not in asking["run"]


def test_workflows_of_the_template_use_one_uv() -> None:
    """The same version, installed by the same hash, and the same checkout."""
    first, second = (
        yaml.safe_load((ROOT / f".gitea/workflows/{name}.yaml").read_text()) for name in ("ci", "overview")
    )
    assert {key: first["env"][key] for key in second["env"]} == second["env"]
    assert second["jobs"]["overview"]["steps"][:2] == first["jobs"]["rollout"]["steps"][:2]
