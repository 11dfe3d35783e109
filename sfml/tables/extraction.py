"""One place where every kind of table becomes plain float arrays.

astropy Tables and FITS records carry units, masks and big-endian numbers, which a plain
`np.asarray` would drop or misread; a missing code counts in the precision in which it is stored.
All of this is settled column by column, before anything is cast.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd

from sfml.tables.readers import Column, Table, wrap
from sfml.tables.units import conversion_factor, has_unit

# A block of rows at a time stays in the processor's cache while its columns are interleaved;
# column by column would sweep the whole array once per column.
_BLOCK_BYTES = 1 << 20

ALL_NUMBERS = ", though all of it reads as numbers"
_NUMBERS_AS_OBJECTS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def column_names(X: Any) -> list[str] | None:
    """Column names of a table; None for arrays, lists and DataFrames without string labels."""
    return wrap(X).names


def n_rows(X: Any) -> int:
    """Count the rows of a table or array."""
    return wrap(X).n_rows


def row_index(X: Any) -> pd.Index | None:
    """Row labels of a pandas DataFrame, or None for any other table."""
    return X.index if isinstance(X, pd.DataFrame) else None


def check_same_rows(X: Any, y: Any, what: str = "X and y") -> None:
    """Refuse two pandas objects whose indexes hold the same labels in another order.

    Rows are paired by position, and here that would give each galaxy the values of another one.
    Anything but a DataFrame or Series, and indexes with other labels, say nothing about the order.
    """
    if not all(isinstance(each, pd.DataFrame | pd.Series) for each in (X, y)):
        return
    left, right = X.index, y.index
    if len(left) != len(right) or left.equals(right):
        return
    counts, others = left.value_counts(), right.value_counts()
    if len(counts) == len(others) and (counts.reindex(others.index) == others).all():
        row = int(np.argmax(left != right))
        names = what.split(" and ")
        mend = (
            f"give them one order first, as in {names[-1]}.loc[{names[0]}.index]"
            if left.is_unique
            else "sort both by a column with unique labels first"
        )
        raise ValueError(
            f"{what} have the same index labels in another order (row {row}, counted from 0, is "
            f"{left[row]} in one and {right[row]} in the other), but rows are paired by position: "
            f"{mend}; or, if the positions are right, drop the index of one with "
            "reset_index(drop=True)."
        )


def take_rows(X: Any, mask: np.ndarray) -> Any:
    """Keep the rows where `mask`, of shape (n_rows,), is True, by position.

    X is a table that `extract` accepts or a single column such as y; the result is of the same
    kind, but a list becomes an array. A pandas index is kept.
    """
    mask = np.asarray(mask)
    length = n_rows(X) if isinstance(X, Mapping) else len(X)
    if mask.dtype != bool or mask.shape != (length,):
        raise ValueError(
            f"mask must be a boolean array of shape ({length},), one entry per row; "
            f"got dtype {mask.dtype} and shape {mask.shape}."
        )
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[mask]
    if isinstance(X, Mapping):
        return {name: take_rows(values, mask) for name, values in X.items()}
    frame = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.DataFrame | nw.Series):
        keep = nw.new_series("keep", mask, nw.Boolean, backend=frame.implementation)
        return frame.filter(keep).to_native()
    if hasattr(X, "filter"):  # pyarrow's RecordBatch
        return X.filter(mask)
    return X[mask] if hasattr(X, "dtype") or hasattr(X, "colnames") else np.asarray(X)[mask]


def extract(
    X: Any,
    columns: Sequence[str],
    *,
    unit: str | Sequence[str | None] | None = None,
    missing_codes: Iterable[float] = (),
    codes: Literal["nan", "keep"] = "nan",
    optional: Collection[str] = (),
    dtype: Any = np.float64,
) -> np.ndarray:
    """Read columns of any table as one new C-contiguous float array (n_rows, len(columns)).

    X is a table with column names (pandas, polars, pyarrow, astropy, structured array, FITS_rec,
    dict or HDF5 group of columns), or a bare array with exactly `columns`, in that order. Masked
    and null entries become NaN.

    `unit` is the one wanted, for all columns or for each: a column that carries another unit is
    converted, and one without a unit is taken to be in this one. `missing_codes` (see `is_code`)
    become NaN or, with ``codes="keep"``, stay as they are, whatever the unit. Those of `columns`
    that are `optional` may be absent from a table with names; they are read as NaN.

    Raises ValueError for columns that are absent, repeated, not numeric or in a unit that cannot be
    converted, and TypeError for what is no table, or has names that cannot be read.

    >>> import pandas as pd
    >>> X = pd.DataFrame({"Z": [0.1, 0.2], "r_flux": [2e-5, -999.0]})
    >>> extract(X, ["r_flux", "u_flux", "Z"], missing_codes=[-999], optional=["u_flux"])
    array([[2.e-05,    nan, 1.e-01],
           [   nan,    nan, 2.e-01]])
    """
    columns = list(columns)
    units = [unit] * len(columns) if unit is None or isinstance(unit, str) else list(unit)
    if len(units) != len(columns):
        raise ValueError(f"unit has {len(units)} entries for {len(columns)} columns.")
    table = wrap(X)
    where, positions = _locate(table, columns, optional)
    out = np.empty((table.n_rows, len(columns)), dtype=dtype)
    whole = len(where) == len(columns)
    if not whole:
        out[:] = np.nan
    missing_codes = tuple(missing_codes)
    # A block of a wide frame costs a copy, which is quicker than its columns if it is small.
    is_small = out.size * 8 <= _BLOCK_BYTES or table.names is None
    block = table.block(positions) if is_small and _survive_casts(missing_codes) else None
    if block is not None:
        parts: list[_Part] = [(slice(None) if whole else where, Column(block), 1.0)]
    else:
        names, wanted = [columns[j] for j in where], [units[j] for j in where]
        read = [table.column(position) for position in positions]
        _check_numeric(names, read)
        parts = list(zip(where, read, _factors(names, read, wanted), strict=True))
    _fill(out, parts, missing_codes, keep=codes == "keep")
    return out


def is_code(values: np.ndarray, missing_codes: Iterable[float]) -> np.ndarray:
    """Where values are one of the missing codes, in the precision in which they are stored.

    In a column of float32, the code 99.9 is the float32 next to it. So it is in float64, where
    99.9000015 can only be such a value, cast. NaN is no code.
    """
    found = np.zeros(values.shape, dtype=bool)
    for stored in _as_stored(tuple(missing_codes), values.dtype):
        found |= values == stored
    return found


@lru_cache(maxsize=256)
def _as_stored(missing_codes: tuple[float, ...], dtype: np.dtype) -> tuple[Any, ...]:
    """Give the values that stand for the codes in a column of this type."""
    with np.errstate(over="ignore"):
        if dtype.kind == "f" and dtype.itemsize < 8:
            return tuple(dtype.type(code) for code in missing_codes)
        exact = {float(code) for code in missing_codes}
        cast = {float(np.float32(code)) for code in exact}
    return tuple(exact | {value for value in cast if value and np.isfinite(value)})


def _survive_casts(missing_codes: tuple[float, ...]) -> bool:
    """Whether all codes can be told once float32 is cast to float64: 1e99 is infinity there."""
    return all(abs(code) < float(np.finfo(np.float32).max) for code in missing_codes)


def absent(X: Any, columns: Iterable[str]) -> list[str]:
    """Name the columns that a table lacks; an array without names lacks none."""
    names = wrap(X).names
    return [] if names is None else [name for name in columns if name not in set(names)]


def absent_message(columns: Sequence[str], names: Sequence[str], table: str = "X") -> str | None:
    """Say which columns are not among `names`, with suggestions; None if all are."""
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
        f"{', '.join(suggestions)}. {table} has {len(names)} columns: {abbreviate(names)}."
    )


def _locate(
    table: Table, columns: list[str], optional: Collection[str]
) -> tuple[list[int], list[int]]:
    """Which of the columns asked for the table has, and their positions in it."""
    if table.names is None:
        if table.n_columns != len(columns):
            raise ValueError(
                f"X has {table.n_columns} columns without names, but exactly {len(columns)} are "
                f"needed, in this order: {abbreviate(columns)}. Pass these, or a table with "
                "column names."
            )
        return list(range(len(columns))), list(range(len(columns)))
    position = {name: i for i, name in enumerate(table.names)}
    where = [j for j, name in enumerate(columns) if name in position]
    if len(where) < len(columns):
        needed = [name for name in columns if name in position or name not in optional]
        if message := absent_message(needed, table.names):
            raise ValueError(message)
    if len(position) < len(table.names):
        repeated = [name for name in columns if table.names.count(name) > 1]
        if repeated:
            raise ValueError(
                f"X has more than one column named {abbreviate(repeated)}. Rename or drop the "
                "extra ones."
            )
    return where, [position[columns[j]] for j in where]


def abbreviate(names: Sequence[str], limit: int = 12) -> str:
    """List names for a message, the first of them if they are many."""
    return _listed([repr(name) for name in names], ", ", limit)


def _listed(items: Sequence[str], separator: str = "; ", limit: int = 4) -> str:
    shown = separator.join(items[:limit])
    return f"{shown}{separator}... and {len(items) - limit} more" if len(items) > limit else shown


def _check_numeric(columns: list[str], read: list[Column]) -> None:
    problems = [
        f"{name!r} {problem}"
        for name, column in zip(columns, read, strict=True)
        if (problem := not_numeric(column.data))
    ]
    if problems:
        raise ValueError(
            f"Every column must hold one real number per row; {_listed(problems)}. "
            "Convert or correct these columns first. Rows are counted from 0."
        )


def not_numeric(values: np.ndarray, first_row: int = 0) -> str | None:
    """Say what a column holds, if not real numbers, and the first cell that is none.

    `first_row` is the number of the first value's row in the whole table.
    """
    if values.ndim == 0:
        return f"holds one value for all rows, {values.item()!r}"
    if values.ndim != 1:
        return f"holds an array of shape {values.shape[1:]} in each row"
    kind = values.dtype.kind
    if kind in "iuf":
        return None
    holds = {"U": "text", "S": "text", "b": "booleans", "M": "dates"}.get(kind, str(values.dtype))
    rows = np.arange(len(values))
    if kind == "O":
        holds = pd.api.types.infer_dtype(values, skipna=True)
        if holds in _NUMBERS_AS_OBJECTS:
            return None
        rows = rows[~pd.isna(values)]
        if any(isinstance(values[row], str | bytes) for row in rows):
            holds = "text"
    if not len(rows):
        return f"holds {holds}"
    row = next((row for row in rows if not _is_number(values[row])), None)
    remark = "" if row is not None else ALL_NUMBERS
    row = rows[0] if row is None else row
    cell = values[row].item() if kind in "USb" else values[row]
    return f"holds {holds}: {cell!r} in row {first_row + row}{remark}"


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool | np.bool_ | np.datetime64 | np.complexfloating):
        return False
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _factors(columns: list[str], read: list[Column], units: list[str | None]) -> list[float]:
    """Factor from each column's unit to the one wanted."""
    factors = [
        conversion_factor(column.unit, wanted) if wanted and has_unit(column.unit) else 1.0
        for column, wanted in zip(read, units, strict=True)
    ]
    problems = [
        f"{name!r} is in {str(column.unit)!r}, expected {wanted!r}"
        for name, column, wanted, factor in zip(columns, read, units, factors, strict=True)
        if factor is None
    ]
    if problems:
        raise ValueError(
            f"Units cannot be converted: {_listed(problems)}. Convert these columns first, or "
            "correct their unit."
        )
    return [factor for factor in factors if factor is not None]


_Part = tuple[slice | list[int] | int, Column, float]


def _fill(
    out: np.ndarray, parts: list[_Part], missing_codes: tuple[float, ...], *, keep: bool
) -> None:
    """Write columns into `out`, a block of rows at a time."""
    becomes: list[tuple[tuple[float, ...], Any]] = [(missing_codes, np.nan)]
    if keep:
        becomes = [((code,), np.float64(code)) for code in missing_codes]
    # Where nothing is converted or rounded, codes are found just as well in the whole block.
    exact = out.dtype == np.float64 and _survive_casts(missing_codes)
    exact &= all(factor == 1.0 and column.data.dtype != np.float16 for _, column, factor in parts)
    step = max(1, _BLOCK_BYTES // max(1, out.itemsize * out.shape[1]))
    for start in range(0, len(out), step):
        rows = slice(start, start + step)
        for where, column, factor in parts:
            values = column.data[rows]
            if values.dtype.kind == "O" or values.dtype.itemsize > 8:  # decimals, long doubles
                values = np.where(pd.isna(values), np.nan, values).astype(np.float64)
            if not exact:
                scaled = values if factor == 1.0 else values.astype(np.float64) * factor
                values = _replaced(scaled, values, becomes)
            if column.mask is not None:
                values = np.where(column.mask[rows], np.nan, values)
            out[rows, where] = values
        if exact:
            out[rows] = _replaced(out[rows], out[rows], becomes)


def _replaced(
    values: np.ndarray, stored: np.ndarray, becomes: list[tuple[tuple[float, ...], Any]]
) -> np.ndarray:
    """Replace missing codes, found in values as they are stored, by what they become."""
    for codes, replacement in becomes:
        coded = is_code(stored, codes)
        if coded.any():
            values = np.where(coded, replacement, values)
    return values
