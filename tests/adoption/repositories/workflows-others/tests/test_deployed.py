"""Tests of deployed."""

from deployed import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
