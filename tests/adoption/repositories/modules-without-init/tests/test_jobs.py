"""Tests of jobs.nightly."""

from jobs.nightly import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
