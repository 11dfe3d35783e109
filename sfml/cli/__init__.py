"""The command line: ``sfml train``, ``sfml predict`` and so on."""

from sfml.cli.main import main

__all__ = ["main"]
