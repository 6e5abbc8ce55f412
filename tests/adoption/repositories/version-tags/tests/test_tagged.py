"""Tests of tagged."""

from tagged import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
