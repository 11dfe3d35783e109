"""Every kind of table, as its names and one column at a time: values, mask and unit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

# Attributes with which tables name their columns, and what gives a table that can be read, of
# dask, DuckDB, Ibis, pyarrow, pyspark, Vaex, xarray, PyTables, FITS HDUs and whatever is alike.
_NAMES = ("collect_schema", "columns", "column_names", "colnames", "schema", "keys", "coords")
_READABLE = {
    **{"to_pandas": "()", "toPandas": "()", "to_pandas_df": "()", "df": "()", "compute": "()"},
    **{"collect": "()", "to_table": "()", "read_all": "()", "execute": "()", "read": "()"},
    "data": "",
}


class Column(NamedTuple):
    """One column as it was read: data of any dtype, where they are masked, their unit."""

    data: np.ndarray
    mask: np.ndarray | None = None
    unit: Any = None


class Table(NamedTuple):
    """What is needed of a table, whatever its kind."""

    names: list[str] | None
    """None if the columns have no names."""
    n_rows: int
    n_columns: int
    column: Callable[[int], Column]
    """Gives the column at a position."""
    block: Callable[[list[int]], np.ndarray | None] = lambda positions: None
    """Gives several columns as one array of plain floats, where that is quicker, or None."""


def wrap(X: Any) -> Table:
    """Find the names, the size and the columns of a table of any kind, without copying.

    Raises TypeError if X is no table, or has names that cannot be read here: columns with names are
    never taken by position. Raises ValueError if X has not two dimensions, or ragged columns.
    """
    if isinstance(X, Table):
        return X
    if isinstance(X, pd.DataFrame):
        return _wrap_pandas(X)
    if _is_loaded(X, "astropy.table", "Table"):
        names = list(X.colnames)
        return Table(names, len(X), len(names), lambda i: _from_numpy(X.columns[i]))
    if _is_loaded(X, "pyarrow", "RecordBatch"):
        X = sys.modules["pyarrow"].Table.from_batches([X])
    if _is_loaded(X, "pyarrow", "Table"):
        names = X.column_names
        return Table(names, len(X), len(names), lambda i: Column(X.column(i).to_numpy()))
    if isinstance(X, list | tuple):
        X = _array_of_list(X)
    # h5py's datasets have `fields`; PyTables' tables, with the same dtype, do not read by name.
    fields = isinstance(X, np.ndarray) or (hasattr(X, "fields") and hasattr(X, "dtype"))
    if fields and X.dtype.names and len(X.shape) == 1:
        read = _fits_column if _is_loaded(X, "astropy.io.fits", "FITS_rec") else _field
        names = list(X.dtype.names)
        return Table(names, len(X), len(names), lambda i: read(X, i))
    if isinstance(X, Mapping):
        return _wrap_mapping(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        names = frame.columns
        return Table(names, *frame.shape, lambda i: Column(frame.get_column(names[i]).to_numpy()))
    return _wrap_array(_as_array(X))


def as_table(y: Any) -> Any:
    """Give one-dimensional data of any kind one column; leave a table as it is.

    A Series keeps its name. Masked entries of an array become NaN.
    """
    if isinstance(y, np.ma.MaskedArray) and y.dtype.names is None:  # astropy's columns too
        y = np.ma.filled(y.astype(np.float64), np.nan)
    frame = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(frame, nw.Series):
        return frame.to_frame().to_native() if frame.name else frame.to_numpy().reshape(-1, 1)
    if isinstance(y, list | tuple):
        y = _array_of_list(y)
    if _has_names(y):
        return y
    values = np.asarray(y)
    return values.reshape(-1, 1) if values.ndim == 1 else values


def _is_loaded(X: Any, module: str, name: str) -> bool:
    """Whether X is an instance of another library's class, without importing that library."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(X, getattr(loaded, name))


def _is_table(X: Any, names: tuple[str, ...] = _NAMES[:4]) -> bool:
    """Whether X has named columns, of a kind that can be read here or not."""
    fields = getattr(getattr(X, "dtype", None), "names", None)
    return bool(fields) or isinstance(X, Mapping) or any(hasattr(X, name) for name in names)


def _has_names(X: Any) -> bool:
    return not isinstance(X, pd.Series) and _is_table(X, _NAMES)


def _wrap_pandas(X: pd.DataFrame) -> Table:
    def block(positions: list[int]) -> np.ndarray | None:
        part = X.take(positions, axis=1)
        return part.to_numpy() if set(part.dtypes) <= _PLAIN else None

    names = _names(X.columns)
    return Table(names, *X.shape, lambda i: _from_series(X.iloc[:, i]), block)


_PLAIN = {np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int64)}


def _names(labels: pd.Index) -> list[str] | None:
    """Names of the columns, or None where they are only numbered."""
    if labels.inferred_type == "string":
        return labels.tolist()
    other = next((label for label in labels if not isinstance(label, str)), None)
    if other is None or all(isinstance(label, Integral) for label in labels):
        return [] if other is None else None
    raise TypeError(
        "The columns of X must all be named by strings, or all be numbered; X has the label "
        f"{other!r} ({type(other).__name__}). Rename it, or use X.columns = X.columns.astype(str)."
    )


def _wrap_mapping(X: Mapping[Any, Any]) -> Table:
    """Take the entries of a dict or an HDF5 group as columns."""
    lengths = {name: _length(values) for name, values in X.items()}
    columns = {name: length for name, length in lengths.items() if length is not None}
    if not columns:
        inner = [name for name, values in X.items() if _is_table(values)]
        raise TypeError(
            f"X is of type {_kind(X)}, but none of its entries is a column: "
            f"{', '.join(map(repr, lengths)) or 'it is empty'}. Pass "
            + (f"X[{inner[0]!r}]." if inner else "pandas.DataFrame([X]) if X is one galaxy.")
        )
    first, n_rows = next(iter(columns.items()))
    for name, length in columns.items():
        if length != n_rows:
            raise ValueError(
                f"The columns of X must be of equal length; {first!r} has {n_rows} rows and "
                f"{name!r} has {length}."
            )
    labels = [values.index for values in X.values() if isinstance(values, pd.Series)]
    if not all(index.equals(labels[0]) for index in labels):
        raise ValueError(
            "The Series in X have different indexes. Pass pandas.DataFrame(X), which aligns them."
        )
    keys = list(lengths)
    return Table(_names(pd.Index(keys)), n_rows, len(keys), lambda i: _from_any(X[keys[i]]))


def _length(values: Any) -> int | None:
    """Count the rows of a column; None for a table, a matrix or a single value."""
    if isinstance(values, str | bytes) or _is_table(values):
        return None
    shape = getattr(values, "shape", None)
    if shape is None:
        return len(values) if hasattr(values, "__len__") else None
    return shape[0] if len(shape) == 1 else None


def _kind(X: Any) -> str:
    return f"{type(X).__module__}.{type(X).__qualname__}".removeprefix("builtins.")


def _field(X: Any, position: int) -> Column:
    return _from_numpy(X[X.dtype.names[position]])


def _fits_column(X: Any, position: int) -> Column:
    definition = X.columns[position]
    mask = None
    if definition.null is not None:
        # TNULL is a value as stored: before TSCAL and TZERO are applied.
        mask = X.view(np.ndarray)[definition.name] == definition.null
    return Column(_field(X, position).data, mask, definition.unit)


def _from_any(values: Any) -> Column:
    series = nw.from_native(values, series_only=True, pass_through=True)
    return _from_series(values) if isinstance(series, nw.Series) else _from_numpy(values)


def _from_series(series: Any) -> Column:
    plain = isinstance(series.dtype, np.dtype)
    return Column((series if plain else nw.from_native(series, series_only=True)).to_numpy())


def _from_numpy(column: Any) -> Column:
    """Take apart arrays which carry a mask (numpy, astropy) or a unit (astropy, HDF5, xarray)."""
    attributes = getattr(column, "attrs", {})
    unit = getattr(column, "unit", attributes.get("unit", attributes.get("units")))
    mask = getattr(column, "mask", None)
    mask = mask if np.any(mask) else None
    # astropy's masked quantities keep their bare values in `unmasked`; np.asarray takes those of
    # numpy's masked arrays.
    return Column(np.asarray(getattr(column, "unmasked", column)), mask, unit)


def _wrap_array(X: np.ndarray) -> Table:
    plain = X.dtype.kind == "f" and not hasattr(X, "mask") and not hasattr(X, "unit")
    return Table(
        None,
        len(X),
        X.shape[1],
        lambda i: _from_numpy(X[:, i]),
        lambda positions: np.asarray(X) if plain else None,
    )


def _array_of_list(X: Any) -> np.ndarray:
    """Make an array of a list of rows, unless the rows name their columns."""
    if type(X).__name__ == "HDUList":
        tables = [i for i, hdu in enumerate(X) if hasattr(hdu, "columns")]
        what = f"hdus[{tables[0]}].data" if tables else "a file that has a table"
        raise TypeError(
            f"X is of type {_kind(X)}, a whole FITS file. Pass one table of it: {what}."
        )
    first = next(iter(X), None)
    if isinstance(first, Mapping | pd.Series) or hasattr(first, "_fields") or hasattr(X, "_fields"):
        advice = "X._asdict()" if hasattr(X, "_fields") else "pandas.DataFrame(X)"
        raise TypeError(
            f"X is of type {_kind(X)}, and the names of its values would be lost. Pass {advice}."
        )
    return np.asarray(X)


def _as_array(X: Any) -> np.ndarray:
    row = isinstance(X, np.void) or _is_loaded(X, "astropy.table", "Row")
    if _has_names(X) and not row and not isinstance(X, np.ndarray):
        calls = [f"X.{name}{call}" for name, call in _READABLE.items() if hasattr(X, name)]
        advice = calls[0] if calls else "a pandas.DataFrame of it"
        if hasattr(X, "map_partitions"):
            advice += ", or one partition at a time, with X.map_partitions"
        raise TypeError(
            f"X is of type {_kind(X)}, whose columns have names that cannot be read here, and "
            f"they are never taken by position instead. Pass {advice}."
        )
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    # Rows of tables (numpy, astropy, FITS) and one-dimensional data of any library.
    if array.ndim == 1 or array.dtype.names is not None:
        raise ValueError(
            "Expected a table of shape (n_galaxies, n_columns); got a one-dimensional "
            f"{_kind(X)}. Reshape your data: one galaxy is a table of one row, "
            "X.iloc[[0]] of a DataFrame, X[[0]] of an array or any other table."
        )
    if not array.ndim:
        raise TypeError(
            f"Expected a table of shape (n_galaxies, n_columns); got {_kind(X)}, which is none "
            "that can be read: pass a pandas, polars (collected), pyarrow or astropy table, a "
            "FITS_rec (the HDU's .data), a structured array, a dict of columns or a "
            "two-dimensional array."
        )
    if array.ndim != 2:
        raise ValueError(
            "Expected a table of shape (n_galaxies, n_columns); got an array with "
            f"{array.ndim} dimensions, of shape {array.shape}."
        )
    return array
