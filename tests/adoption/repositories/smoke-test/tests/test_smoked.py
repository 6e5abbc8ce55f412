"""Tests of smoked."""

from smoked import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
