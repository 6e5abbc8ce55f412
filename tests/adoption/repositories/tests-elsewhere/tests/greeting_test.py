"""Tests of elsewhere, beside it."""

from helper import NAME

from elsewhere import greeting


def test_greeting():
    assert greeting(NAME) == "Hello, Ada"
