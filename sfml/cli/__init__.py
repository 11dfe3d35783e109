"""The command line: ``sfml demo``."""

from sfml.cli.main import main

__all__ = ["main"]
