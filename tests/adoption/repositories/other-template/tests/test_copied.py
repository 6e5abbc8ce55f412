"""Tests of copied."""

from copied import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
