"""Tests of blackened."""

from blackened import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
