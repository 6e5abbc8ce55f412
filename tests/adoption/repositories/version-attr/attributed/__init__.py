"""Greetings."""

__version__ = "2.5.0"


def greeting(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}"
