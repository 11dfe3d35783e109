"""Tables of every kind, read by column name; files of them, written in full or not at all."""

from sfml.tables.extraction import (
    absent_message,
    column_names,
    extract,
    n_rows,
    row_index,
    take_rows,
)

__all__ = ["absent_message", "column_names", "extract", "n_rows", "row_index", "take_rows"]
