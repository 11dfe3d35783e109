"""One page on a model and a catalogue: what it saw, how well it did, and where to doubt it."""

from sfml.report.report import Report

__all__ = ["Report"]
