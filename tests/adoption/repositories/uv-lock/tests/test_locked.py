"""Tests of locked."""

from locked import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
