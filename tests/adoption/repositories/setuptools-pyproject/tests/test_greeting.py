"""Tests of greeter."""

from greeter import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
