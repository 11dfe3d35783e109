"""The command line: ``sfml demo``."""

from sfml.cli._main import main

__all__ = ["main"]
