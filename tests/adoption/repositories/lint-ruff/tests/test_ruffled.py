"""Tests of ruffled."""

from ruffled import greeting


def test_greeting():
    assert greeting('Ada') == 'Hello, Ada'
