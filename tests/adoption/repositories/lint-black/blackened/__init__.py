"""Greetings."""


def greeting(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}"


LONG = [greeting("somebody with a name"), greeting("somebody else with a longer name"), 1]
