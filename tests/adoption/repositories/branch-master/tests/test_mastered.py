"""Tests of mastered."""

from mastered import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
