"""Tests of scm_setup."""

from scm_setup import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
