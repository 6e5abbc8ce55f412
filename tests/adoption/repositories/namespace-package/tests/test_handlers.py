"""Tests of acme.handlers."""

from acme.handlers import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
