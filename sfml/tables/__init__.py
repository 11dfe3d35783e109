"""Tables of every kind, read by column name; files of them, written in full or not at all."""

from sfml.tables.extraction import (
    absent,
    absent_message,
    check_same_rows,
    column_names,
    extract,
    is_code,
    n_rows,
    row_index,
    take_rows,
)
from sfml.tables.readers import as_table

__all__ = [
    "absent",
    "absent_message",
    "as_table",
    "check_same_rows",
    "column_names",
    "extract",
    "is_code",
    "n_rows",
    "row_index",
    "take_rows",
]
