"""Tests of untyped."""

from untyped import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
