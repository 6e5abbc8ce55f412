"""Shim."""

from toml_lines import dotted, write

__all__ = ["dotted", "write"]
