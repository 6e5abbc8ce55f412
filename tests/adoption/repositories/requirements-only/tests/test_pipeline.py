"""Tests of pipeline."""

from pipeline import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
