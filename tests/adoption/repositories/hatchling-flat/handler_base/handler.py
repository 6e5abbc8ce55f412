"""The class that handlers derive from."""

import json
from importlib.resources import files


class Handler:
    """Answers one kind of request."""

    def __init__(self) -> None:
        """Read the settings."""
        self.settings = json.loads(files(__package__).joinpath("defaults.json").read_text())

    def handle(self, request: dict) -> dict:
        """Answer a request."""
        return {"timeout": self.settings["timeout"], **request}
