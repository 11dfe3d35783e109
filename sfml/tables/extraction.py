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

__all__ = [
    "absent",
    "absent_message",
    "check_same_rows",
    "column_names",
    "extract",
    "is_code",
    "n_rows",
    "row_index",
    "take_rows",
]

# A block of rows at a time stays in the processor's cache while its columns are interleaved;
# column by column would sweep the whole array once per column.
_BLOCK_BYTES = 1 << 20

_NUMBERS_AS_OBJECTS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def column_names(X: Any) -> list[str] | None:
    """Column names of a named table, or None for a bare array.

    Parameters
    ----------
    X : table or array-like of shape (n_rows, n_columns)
        Any table that `extract` accepts.

    Returns
    -------
    list of str or None
        None for arrays, lists, and DataFrames none of whose labels is a string.
    """
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

    Parameters
    ----------
    X, y : table or array-like
        Nothing is checked unless both are a DataFrame or a Series. Indexes with other labels
        say nothing about the order.
    what : str, default="X and y"
        What the error calls them.

    Raises
    ------
    ValueError
        If the labels are the same, but not their order.
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
    """Read columns of any table as one plain float array.

    Parameters
    ----------
    X : table or array-like of shape (n_rows, n_columns)
        A table with column names (pandas, polars, pyarrow, astropy, structured array, FITS_rec,
        dict or HDF5 group of columns), or a bare array with exactly `columns`, in that order.
    columns : sequence of str
        Columns to read. Others are neither looked at nor copied.
    unit : str, None or sequence with one entry per column, default=None
        Unit in which the values are wanted. A column which carries another unit (astropy, FITS)
        is converted; one without a unit is taken to be in this one. None: values as they stand.
    missing_codes : iterable of float, default=()
        Values which stand for "not measured", compared in the precision of the column, before
        its unit is converted: see `is_code`.
    codes : {"nan", "keep"}, default="nan"
        What becomes of missing codes: NaN, or the code itself, which has no unit (-999 in a
        column of mJy stays -999 in Jy).
    optional : collection of str, default=()
        Those of `columns` which a table with names may lack: they are read as NaN. `absent` says
        which ones it lacks.
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
        If X is not a table, has string labels for some of its columns only, or names its columns
        in a way that cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml.tables import extract
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

    Parameters
    ----------
    values : ndarray of numbers
        As they stand in the catalogue.
    missing_codes : iterable of float
        In a column of float32, the code 99.9 is the float32 next to it. So it is in float64,
        where 99.9000015 can only be such a value, cast.

    Returns
    -------
    ndarray of bool
        Of the same shape. NaN is no code.

    Examples
    --------
    >>> import numpy as np
    >>> is_code(np.array([99.9, -1.0], dtype=np.float32), [99.9])
    array([ True, False])
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
    """Name the columns that a table lacks.

    Parameters
    ----------
    X : table or array-like of shape (n_rows, n_columns)
        Any table that `extract` accepts.
    columns : iterable of str
        Columns to look for.

    Returns
    -------
    list of str
        Empty for an array without names, which has what `extract` asks for, or is refused.
    """
    names = wrap(X).names
    return [] if names is None else [name for name in columns if name not in set(names)]


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


def _locate(
    table: Table, columns: list[str], optional: Collection[str]
) -> tuple[list[int], list[int]]:
    """Which of the columns asked for the table has, and their positions in it."""
    if table.names is None:
        if table.n_columns != len(columns):
            raise ValueError(
                f"X has {table.n_columns} columns without names, but exactly {len(columns)} are "
                f"needed, in this order: {_abbreviate(columns)}. Pass these, or a table with "
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
                f"X has more than one column named {_abbreviate(repeated)}. Rename or drop the "
                "extra ones."
            )
    return where, [position[columns[j]] for j in where]


def _abbreviate(names: Sequence[str], limit: int = 12) -> str:
    return _listed([repr(name) for name in names], ", ", limit)


def _listed(items: Sequence[str], separator: str = "; ", limit: int = 4) -> str:
    shown = separator.join(items[:limit])
    return f"{shown}{separator}... and {len(items) - limit} more" if len(items) > limit else shown


def _check_numeric(columns: list[str], read: list[Column]) -> None:
    problems = [
        f"{name!r} {problem}"
        for name, column in zip(columns, read, strict=True)
        if (problem := _not_numeric(column.data))
    ]
    if problems:
        raise ValueError(
            f"Every column must hold one real number per row; {_listed(problems)}. "
            "Convert or correct these columns first. Rows are counted from 0."
        )


def _not_numeric(values: np.ndarray) -> str | None:
    """Say what a column holds, if not real numbers, and the first cell that is none."""
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
    remark = "" if row is not None else ", though all of it reads as numbers"
    row = rows[0] if row is None else row
    cell = values[row].item() if kind in "USb" else values[row]
    return f"holds {holds}: {cell!r} in row {row}{remark}"


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
