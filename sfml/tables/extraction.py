"""One place where every kind of table becomes plain float arrays.

pandas, polars and pyarrow come in through narwhals. astropy Tables and FITS records carry units,
masks and big-endian numbers, which a plain `np.asarray` would drop or misread, so they are read
column by column here. astropy itself is imported only when the object given is one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from sfml.tables.readers import Column, Table, wrap

__all__ = ["absent_message", "column_names", "extract", "n_rows", "row_index", "take_rows"]

# Filling the output a block of rows at a time keeps that block in the processor's cache while
# the columns are interleaved; column by column would sweep the whole array once a column.
_BLOCK_BYTES = 1 << 20

_NUMBERS_AS_OBJECTS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def column_names(X: Any) -> list[str] | None:
    """Column names of a named table, or None for a bare array.

    Parameters
    ----------
    X : table or array-like of shape (n_rows, n_columns)
        pandas, polars, pyarrow or astropy table, structured array or FITS_rec, array or list.

    Returns
    -------
    list of str or None
        None for arrays, lists, and DataFrames none of whose labels is a string.
    """
    return wrap(X).names


def n_rows(X: Any) -> int:
    """Count the rows of a table or array."""
    return len(wrap(X).native)


def row_index(X: Any) -> pd.Index | None:
    """Row labels of a pandas DataFrame, or None for any other table."""
    return X.index if isinstance(X, pd.DataFrame) else None


def take_rows(X: Any, mask: np.ndarray) -> Any:
    """Keep the rows where `mask` is True, by position, in the same kind of container.

    Parameters
    ----------
    X : table, array-like or one column
        Anything `extract` accepts, or a one-dimensional column such as y.
    mask : ndarray of bool, shape (n_rows,)
        Rows to keep, by position: the labels of a pandas index play no part.

    Returns
    -------
    same kind as X
        A list becomes an array. A pandas index is kept.
    """
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != (len(X),):
        raise ValueError(
            f"mask must be a boolean array of shape ({len(X)},), one entry a row; "
            f"got dtype {mask.dtype} and shape {mask.shape}."
        )
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[mask]
    frame = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.DataFrame | nw.Series):
        keep = nw.new_series("keep", mask, nw.Boolean, backend=frame.implementation)
        return frame.filter(keep).to_native()
    return X[mask] if hasattr(X, "dtype") else np.asarray(X)[mask]


def extract(
    X: Any,
    columns: Sequence[str],
    *,
    unit: str | Sequence[str | None] | None = None,
    missing_codes: Sequence[float] = (),
    dtype: Any = np.float64,
) -> np.ndarray:
    """Read columns of any table as one plain float array.

    Parameters
    ----------
    X : table or array-like of shape (n_rows, n_columns)
        A table with column names, or a bare array with exactly `columns`, in that order.
    columns : sequence of str
        Columns to read. Others are neither looked at nor copied.
    unit : str, None or sequence of one entry a column, default=None
        Unit in which the values are wanted. A column which carries another unit (astropy, FITS)
        is converted; one without a unit is taken to be in this one. None: values as they stand.
    missing_codes : sequence of float, default=()
        Values which stand for "not measured" and so have no unit: -999 in a column of mJy stays
        -999 when the column is converted to Jy.
    dtype : dtype, default=float64
        Floating-point type of the result.

    Returns
    -------
    ndarray of shape (n_rows, len(columns))
        A new C-contiguous array in native byte order. Masked and null entries are NaN.

    Raises
    ------
    ValueError
        If columns are absent, repeated or not numeric, if a unit cannot be converted, or if X
        has not two dimensions.
    TypeError
        If X is not a table, or has string labels for some of its columns only.
    """
    columns = list(columns)
    units = [unit] * len(columns) if unit is None or isinstance(unit, str) else list(unit)
    if len(units) != len(columns):
        raise ValueError(f"unit has {len(units)} entries for {len(columns)} columns.")
    table = wrap(X)
    read = [table.column(position) for position in _locate(table, columns)]
    _check_numeric(columns, read)
    _check_convertible(columns, read, units)
    values = [
        _to_float(column, expected, missing_codes)
        for column, expected in zip(read, units, strict=True)
    ]
    return _interleave(values, len(table.native), np.dtype(dtype))


def absent_message(columns: Sequence[str], names: Sequence[str], table: str = "X") -> str | None:
    """Say which columns a table lacks, with suggestions, or None if it has them all.

    Parameters
    ----------
    columns : sequence of str
        Columns that are needed.
    names : sequence of str
        Columns that the table has.
    table : str, default="X"
        What to call the table.

    Returns
    -------
    str or None
        One or two sentences.
    """
    absent = [name for name in columns if name not in names]
    if not absent:
        return None
    # Another band's flux is no spelling of the absent one: names asked for are not suggested.
    spare = {name.casefold(): name for name in names if name not in columns}
    suggestions = []
    for name in absent:
        close = get_close_matches(name.casefold(), spare, n=1, cutoff=0.75)
        hint = f" (did you mean {spare[close[0]]!r}?)" if close else ""
        suggestions.append(f"{name!r}{hint}")
    return (
        f"{table} lacks {len(absent)} of the {len(columns)} columns needed: "
        f"{', '.join(suggestions)}. {table} has {len(names)} columns: {_abbreviate(names)}."
    )


def _locate(table: Table, columns: list[str]) -> list[int]:
    """Positions of the columns asked for."""
    if table.names is None:
        if table.n_columns != len(columns):
            raise ValueError(
                f"X has {table.n_columns} columns without names, but exactly {len(columns)} are "
                f"needed, in this order: {_abbreviate(columns)}. Pass these, or a table with "
                "column names."
            )
        return list(range(len(columns)))
    if message := absent_message(columns, table.names):
        raise ValueError(message)
    position = {name: i for i, name in enumerate(table.names)}
    if len(position) < len(table.names):
        repeated = [name for name in columns if table.names.count(name) > 1]
        if repeated:
            raise ValueError(
                f"X has more than one column named {_abbreviate(repeated)}. Rename or drop the "
                "extra ones."
            )
    return [position[name] for name in columns]


def _abbreviate(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown}, ... and {len(names) - limit} more" if len(names) > limit else shown


def _check_numeric(columns: list[str], read: list[Column]) -> None:
    problems = [
        f"{name!r} {problem}"
        for name, column in zip(columns, read, strict=True)
        if (problem := _not_numeric(column.data))
    ]
    if problems:
        raise ValueError(
            f"Every column must hold one real number a row; {'; '.join(problems)}. "
            "Convert or correct these columns first."
        )


def _not_numeric(values: np.ndarray) -> str | None:
    """Say what a column holds, if not real numbers."""
    if values.ndim != 1:
        return f"holds an array of shape {values.shape[1:]} in each row"
    if values.dtype.kind in "iuf":
        return None
    if values.dtype.kind != "O":
        kind = {"U": "text", "S": "text", "b": "booleans", "M": "dates"}.get(values.dtype.kind)
        example = f", for example {values[0].item()!r}" if len(values) else ""
        return f"holds {kind or values.dtype}{example}"
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in _NUMBERS_AS_OBJECTS:
        return None
    present = values[~pd.isna(values)]
    texts = (value for value in present if isinstance(value, str))
    example = next(texts, present[0])
    return f"holds {'text' if isinstance(example, str) else kind}, for example {example!r}"


def _check_convertible(columns: list[str], read: list[Column], units: Sequence[str | None]) -> None:
    problems = [
        f"{name!r} is in {str(column.unit)!r}, expected {expected!r}"
        for name, column, expected in zip(columns, read, units, strict=True)
        if _conversion_factor(column.unit, expected) is None
    ]
    if problems:
        raise ValueError(
            f"Units cannot be converted: {'; '.join(problems)}. Convert these columns first, or "
            "correct their unit."
        )


def _has_unit(unit: Any) -> bool:
    # "-" is how some FITS tables write that a column has no unit. An astropy unit without a name
    # is a statement: dimensionless.
    blank = isinstance(unit, str) and not unit.strip()
    return unit is not None and not blank and str(unit).strip() != "-"


def _conversion_factor(unit: Any, expected: str | None) -> float | None:
    """Factor from a column's unit to the one expected, or None where there is none."""
    if expected is None or not _has_unit(unit):
        return 1.0
    from astropy import units as u

    carried = u.Unit(unit, parse_strict="silent")
    # A logarithmic unit (mag, dex) is no factor away from a linear one.
    if not isinstance(carried, u.UnitBase) or not carried.is_equivalent(u.Unit(expected)):
        return None
    return float(carried.to(u.Unit(expected)))


def _to_float(column: Column, expected: str | None, missing_codes: Sequence[float]) -> np.ndarray:
    """Apply mask and unit; columns with neither are passed on without a copy."""
    values, mask, unit = column
    if values.dtype.kind == "O":
        values = np.where(pd.isna(values), np.nan, values).astype(np.float64)
    factor = _conversion_factor(unit, expected)
    if factor not in (None, 1.0):
        code_dtype = values.dtype if values.dtype.kind == "f" else np.float64
        is_code = np.isin(values, np.asarray(missing_codes, dtype=code_dtype))
        values = np.where(is_code, values, values.astype(np.float64) * factor)
    if mask is not None and np.any(mask):
        values = np.where(mask, np.nan, values)
    return values


def _interleave(columns: list[np.ndarray], n_rows: int, dtype: np.dtype) -> np.ndarray:
    out = np.empty((n_rows, len(columns)), dtype=dtype)
    step = max(1, _BLOCK_BYTES // max(1, out.itemsize * len(columns)))
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        for j, values in enumerate(columns):
            out[block, j] = values[block]
    return out
