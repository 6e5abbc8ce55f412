"""Greetings."""

__version__ = "1.2.0"


def greeting(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}"


def main() -> None:
    """Greet the world."""
    print(greeting("world"))
