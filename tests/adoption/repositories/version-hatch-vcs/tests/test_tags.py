"""Tests of from_tags."""

from from_tags import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
