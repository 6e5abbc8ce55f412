"""Tests of serving."""

from serving import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
