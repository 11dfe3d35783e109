"""A column at a time from every kind of table: its values, its mask and its unit."""

from __future__ import annotations

import sys
from numbers import Integral
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd


class Column(NamedTuple):
    """One column as it was read: data of any dtype, where they are masked, their unit."""

    data: np.ndarray
    mask: np.ndarray | None = None
    unit: Any = None


class Table:
    """What `extract` needs of a table: its names, and a column by its position."""

    def __init__(self, native: Any, names: list[str] | None) -> None:
        self.native = native
        self.names = names

    @property
    def n_columns(self) -> int:
        return len(self.names) if self.names is not None else self.native.shape[1]

    def column(self, position: int) -> Column:
        raise NotImplementedError


class _PandasTable(Table):
    def column(self, position: int) -> Column:
        series = self.native.iloc[:, position]
        if isinstance(series.dtype, np.dtype):
            return Column(series.to_numpy())
        return Column(nw.from_native(series, series_only=True).to_numpy())


class _NarwhalsTable(Table):
    def column(self, position: int) -> Column:
        return Column(self.native[:, position].to_numpy())


class _AstropyTable(Table):
    def column(self, position: int) -> Column:
        return _from_numpy(self.native.columns[position])


class _StructuredTable(Table):
    def column(self, position: int) -> Column:
        return _from_numpy(self.native[self.names[position]])  # type: ignore[index]


class _FitsTable(_StructuredTable):
    def column(self, position: int) -> Column:
        data = super().column(position).data
        definition = self.native.columns[position]
        mask = None
        if definition.null is not None:
            # TNULL is a value as stored: before TSCAL and TZERO are applied.
            mask = self.native.view(np.ndarray)[definition.name] == definition.null
        return Column(data, mask, definition.unit)


class _ArrayTable(Table):
    def column(self, position: int) -> Column:
        return _from_numpy(self.native[:, position])


def _from_numpy(column: Any) -> Column:
    """Take apart arrays which carry a mask (numpy, astropy) or a unit (astropy)."""
    unit = getattr(column, "unit", None)
    mask = getattr(column, "mask", None)
    # astropy's masked quantities keep their bare values in `unmasked`; np.asarray takes those of
    # numpy's masked arrays.
    return Column(np.asarray(getattr(column, "unmasked", column)), mask, unit)


def wrap(X: Any) -> Table:
    if isinstance(X, pd.DataFrame):
        return _PandasTable(X, _pandas_names(X))
    if _is_astropy(X, "astropy.table", "Table"):
        return _AstropyTable(X, list(X.colnames))
    if isinstance(X, np.ndarray) and X.dtype.names is not None and X.ndim == 1:
        fits = _is_astropy(X, "astropy.io.fits", "FITS_rec")
        return (_FitsTable if fits else _StructuredTable)(X, list(X.dtype.names))
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return _NarwhalsTable(frame, frame.columns)
    return _ArrayTable(_as_array(X), None)


def _is_astropy(X: Any, module: str, name: str) -> bool:
    """Whether X is an instance of an astropy class, without importing astropy."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(X, getattr(loaded, name))


def _pandas_names(X: pd.DataFrame) -> list[str] | None:
    """Names of the columns, or None where they are only numbered."""
    if all(isinstance(label, str) for label in X.columns):
        return list(X.columns)
    if all(isinstance(label, Integral) for label in X.columns):
        return None
    other = next(label for label in X.columns if not isinstance(label, str))
    raise TypeError(
        "The columns of X must all be named by strings, or all be numbered; X has the label "
        f"{other!r} ({type(other).__name__}). Rename it, or use X.columns = X.columns.astype(str)."
    )


def _as_array(X: Any) -> np.ndarray:
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    received = f"{type(X).__module__}.{type(X).__qualname__}"
    # Rows of tables (numpy, astropy, FITS) and one-dimensional data of any library.
    if array.ndim == 1 or array.dtype.names is not None:
        raise ValueError(
            "Expected a table of shape (n_galaxies, n_columns); got a one-dimensional "
            f"{received}. Reshape your data: one galaxy is a table of one row, "
            "X.iloc[[0]] of a DataFrame, X[[0]] of an array or any other table."
        )
    if not array.ndim:
        raise TypeError(
            f"Expected a table of shape (n_galaxies, n_columns); got {received}, which is none "
            "that can be read: pass a pandas, polars (collected), pyarrow or astropy table, a "
            "FITS_rec (the HDU's .data), a structured array or a two-dimensional array."
        )
    if array.ndim != 2:
        raise ValueError(
            "Expected a table of shape (n_galaxies, n_columns); got an array with "
            f"{array.ndim} dimensions, of shape {array.shape}."
        )
    return array
