"""Tests of cfg_only."""

from cfg_only import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
