"""Tests of stated."""

from stated import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
