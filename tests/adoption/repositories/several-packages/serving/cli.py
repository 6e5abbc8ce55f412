def main() -> None:
    """Say so."""
    print("served")
