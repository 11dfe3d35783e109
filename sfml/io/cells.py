"""From the text of a column's cells to numbers, exactly: what all of them are decides the type."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

# In a column of numbers, these stand for none; in a column of text they are text.
_NO_NUMBER = (
    *("NaN", "nan", "NAN", "-NaN", "-nan", "NULL", "null", "Null", "None", "NA", "N/A", "n/a"),
    *("<NA>", "#N/A", "#NA"),
)
_BOOLEANS = ("True", "False", "true", "false", "TRUE", "FALSE")
# Enough to tell that a column is of no such kind, before all of it is looked at.
_SAMPLE = 64


class Cells(NamedTuple):
    """What holds for all cells that are not empty, so that parts of a column can be combined."""

    boolean: bool = True
    digits: bool = True
    integer: bool = True
    """As 64 bits hold it."""
    unsigned: bool = True
    number: bool = True
    plain: bool = True
    """None begins with a zero that a number would lose, as the identifier 0017 does."""
    empty: bool = True

    def combined(self, other: Cells) -> Cells:
        """Give what holds for two parts of a column together."""
        return Cells(*(mine and others for mine, others in zip(self, other, strict=True)))

    def type(self) -> pa.DataType:
        """Choose the type that holds all cells exactly: text, if no number does."""
        if self.empty:
            return pa.float64()
        if self.boolean:
            return pa.bool_()
        if self.digits:
            if self.plain and (self.integer or self.unsigned):
                return pa.int64() if self.integer else pa.uint64()
            return pa.string()
        return pa.float64() if self.number else pa.string()


def inspect(cells: pa.ChunkedArray, decimal: str = ".") -> Cells:
    """Find out what the cells of a column, or of a part of it, are."""
    sample = _numerals(cells[:_SAMPLE], decimal).drop_null()
    is_decimal = len(sample) and not _all(sample, _are_digits) and not _all(sample, _are_booleans)
    if is_decimal and _casts(cells, pa.float64()):  # as most columns are
        return Cells(False, False, False, False, number=True, empty=False)
    known = _numerals(cells, decimal).drop_null()
    if not len(known):
        return Cells(number=True)
    boolean = _all(known, _are_booleans)
    digits = not boolean and _all(known, _are_digits)
    return Cells(
        boolean=boolean,
        digits=digits,
        integer=digits and _casts(known, pa.int64()),
        unsigned=digits and _casts(known, pa.uint64()),
        number=not boolean and _casts(known, pa.float64()),
        plain=not digits or not pc.any(pc.match_substring_regex(known, r"^-?0\d")).as_py(),
        empty=False,
    )


def convert(cells: pa.ChunkedArray, kind: pa.DataType, decimal: str = ".") -> pa.ChunkedArray:
    """Convert text to a type that `Cells.type` chose."""
    if kind == pa.string():
        return cells
    if kind == pa.float64():
        with suppress(pa.ArrowInvalid):  # most columns need no more
            return pc.cast(cells, kind)
    return pc.cast(_numerals(cells, decimal), kind)


def _are_digits(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.match_substring_regex(cells, r"^-?\d+$")


def _are_booleans(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(cells, pa.array(_BOOLEANS))


def _numerals(cells: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """Write numbers as Arrow reads them, and null for the words that stand for none."""
    trimmed = pc.utf8_trim_whitespace(cells)
    if decimal != ".":
        trimmed = pc.replace_substring(trimmed, decimal, ".")
    if pc.any(pc.starts_with(trimmed, "+")).as_py():
        trimmed = pc.replace_substring_regex(trimmed, r"^\+(\d|\.)", r"\1")
    none = pc.is_in(trimmed, pa.array(["", *_NO_NUMBER]))
    return pc.if_else(none, pa.scalar(None, pa.string()), trimmed)


def _all(cells: pa.ChunkedArray, holds: Callable[[Any], Any]) -> bool:
    return all(pc.all(holds(part)).as_py() for part in (cells[:_SAMPLE], cells))


def _casts(cells: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        pc.cast(cells, kind)
    except pa.ArrowInvalid:
        return False
    return True
