"""Tests of greeter_tools."""

from greeter_tools import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
