"""Tests of flitted."""

from flitted import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
