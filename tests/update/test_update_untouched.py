"""An untouched package, updated, is what a fresh render gives."""

from collections.abc import Callable

import pytest
from versions import FIRST, NEWEST, VERSIONS, Package

ANSWERS = [{}, {"cli": "true", "optional_imports": "[kfp]", "description": 'Says "hello" & more.'}]


@pytest.mark.parametrize(
    "answers", [ANSWERS[0], pytest.param(ANSWERS[1], marks=pytest.mark.slow)], ids=["defaults", "answered"]
)
def test_update_of_an_untouched_package_is_a_fresh_render(
    package: Callable[..., Package], rendered: Callable[..., Package], answers: dict[str, str]
) -> None:
    """Byte for byte, the answers too."""
    updated = package(FIRST, **answers)
    updated.update(NEWEST)
    fresh, now = rendered(NEWEST, **answers).files(), updated.files()
    for files in (fresh, now):
        assert files.pop("uv.lock")
    assert now == fresh
    updated.sound()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS[1:-1])
def test_update_from_each_version(
    package: Callable[..., Package], rendered: Callable[..., Package], version: str
) -> None:
    """From each version of the year to the last one."""
    updated = package(version)
    updated.update(NEWEST)
    fresh, now = rendered(NEWEST).files(), updated.files()
    for files in (fresh, now):
        assert files.pop("uv.lock")
    assert now == fresh
