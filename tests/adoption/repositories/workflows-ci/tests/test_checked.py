"""Tests of checked."""

from checked import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
