"""Which galaxies to learn from, and which cut rejects the others."""

from sfml.selection.funnel import SelectionReport
from sfml.selection.selector import GamaSampleSelector

__all__ = ["GamaSampleSelector", "SelectionReport"]
