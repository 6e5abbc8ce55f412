"""Tests of flaked."""

from flaked import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
