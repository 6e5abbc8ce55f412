"""Tests of elsewhere, inside it."""

import pytest

from elsewhere import greeting


@pytest.mark.slow
def test_greeting():
    assert greeting("Ada") == "Hello, Ada"
