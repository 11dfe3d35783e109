"""Which galaxies are held back from training: decided by their values, not by their place."""

from sfml.tables.keys import draw_numbers, group_keys, row_keys

__all__ = ["FEWEST", "draw_numbers", "group_keys", "row_keys"]

# A fifth of fewer galaxies than this would say next to nothing about intervals.
FEWEST = 50
