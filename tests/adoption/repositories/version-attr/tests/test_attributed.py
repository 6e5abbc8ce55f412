"""Tests of attributed."""

from attributed import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
