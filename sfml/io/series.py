"""Columns of pandas, made of arrays of any kind."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd


def to_series(values: Any, mask: Any = None) -> pd.Series:
    """Make a column of pandas of an array in any byte order, null where it is masked.

    Integers and booleans that are masked in places stay what they are, as pandas's nullable types.
    """
    values = np.asarray(values)
    # A copy: the array may be a view of a file.
    values = values.astype(values.dtype.newbyteorder("="), copy=True)
    kind = values.dtype.kind
    if kind == "S":
        values, kind = decode(values), "U"
    nothing = mask is None or not np.any(mask)
    if kind in "UO":
        text = values.astype(object)
        if not nothing:
            text[mask] = None
        return pd.Series(text)
    if nothing:
        return pd.Series(values)
    if kind in "iu":
        return pd.Series(pd.arrays.IntegerArray(values, np.array(mask)))
    if kind == "b":
        return pd.Series(pd.arrays.BooleanArray(values, np.array(mask)))
    values[mask] = np.datetime64("NaT") if kind == "M" else np.nan
    return pd.Series(values)


def split_nulls(series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Take a column of pandas apart: values as numpy has them, and where they are null.

    NaN is a value. Dates become text. Raises ValueError for lists and other objects.
    """
    missing = series.isna().to_numpy()
    kind = getattr(series.dtype, "kind", "O")
    if kind == "b":
        return series.fillna(False).to_numpy(dtype=bool), missing
    if kind in "iu":
        return series.fillna(0).to_numpy(dtype=str(series.dtype).lower()), missing
    if kind == "f":
        values = series.to_numpy(dtype=str(series.dtype).lower(), na_value=np.nan)
        return values, np.zeros(len(series), dtype=bool)
    cells = ["" if null else cell for cell, null in zip(series, missing, strict=True)]
    for row, cell in enumerate(cells):
        if not isinstance(cell, str | date):
            raise ValueError(
                f"the column {series.name!r} has a {type(cell).__name__} in row {row}, which only "
                "Parquet and Feather can hold beside text."
            )
    return np.array(list(map(str, cells)), dtype=str), missing


def decode(raw: np.ndarray) -> np.ndarray:
    """Decode text, in UTF-8 or else in Latin-1."""
    try:
        return np.char.decode(raw, "utf-8")
    except UnicodeDecodeError:
        return np.char.decode(raw, "latin-1")


def elements(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Name the columns that a column becomes, with the place of each in a row's vector.

    >>> elements("NMGY", (2,))
    {'NMGY[0]': (0,), 'NMGY[1]': (1,)}
    >>> elements("Z", ())
    {'Z': ()}
    """
    if not shape:
        return {name: ()}
    return {f"{name}[{','.join(map(str, place))}]": place for place in np.ndindex(*shape)}


def element(values: np.ndarray, mask: np.ndarray | None, place: tuple[int, ...]) -> pd.Series:
    """Make a column of one element of the vectors in an array's rows."""
    at: Any = (slice(None), *place)
    return to_series(values[at], None if mask is None else mask[at])


def named_columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the columns of a DataFrame by name."""
    return {str(name): series for name, series in frame.items()}


def base(name: str) -> str:
    """Name the vector that a column may be an element of."""
    return name.rpartition("[")[0] or name
