"""Tests of scm_data."""

from scm_data import greeting


def test_greeting():
    assert greeting("Ada") == "Hello, Ada"


def test_data():
    from importlib.resources import files

    assert files("scm_data").joinpath("tables/rates.csv").read_text().startswith("eur")
