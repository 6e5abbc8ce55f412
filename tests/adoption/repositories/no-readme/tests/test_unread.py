"""Tests of unread."""

from unread import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
