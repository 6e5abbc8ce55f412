"""Tests."""

from ruff_tomled import greeting


def test_greeting() -> None:
    """It greets."""
    assert greeting('Ada') == 'Hello, Ada'
