"""Shared base of the request handlers."""

from handler_base.handler import Handler

__all__ = ["Handler"]
