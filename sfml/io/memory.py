"""Tables that are in memory, of any library."""

from __future__ import annotations

import sys
from typing import Any

import narwhals as nw
import pandas as pd

from sfml.io.source import FrameSource, Source, check_unique
from sfml.tables.readers import wrap


def open_table(table: Any) -> Source:
    """Make a source of a table in memory: pandas, polars, pyarrow, astropy, a dict of columns."""
    if isinstance(table, pd.DataFrame):
        return _from_pandas(table)
    if _is(table, "astropy.table", "Table"):
        from sfml.io.astropy_tables import from_astropy

        return from_astropy(table, "an astropy table")
    if _is(table, "polars", "LazyFrame"):
        table = table.collect()
    if _is(table, "pyarrow", "RecordBatch"):
        table = sys.modules["pyarrow"].Table.from_batches([table])
    if _is(table, "pyarrow.dataset", "Dataset"):
        from sfml.io.arrow import DatasetSource

        return DatasetSource(table)
    if hasattr(table, "header") and hasattr(table, "columns"):
        table = table.data  # an HDU of a FITS file
    if _is(table, "astropy.io.fits", "FITS_rec"):
        from sfml.io.fits import from_records

        return from_records(table)
    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        from sfml.io.arrow import TableSource

        return TableSource(frame.to_arrow(), f"a table of {frame.implementation.value}")
    return _from_columns(table)


def _is(table: Any, module: str, name: str) -> bool:
    """Whether a table is of another library's class, without importing that library."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(table, getattr(loaded, name))


def _from_pandas(frame: pd.DataFrame) -> Source:
    """Take a DataFrame as it is; an index with a name is a column, and stays the index."""
    names = wrap(frame).names
    if names is None:
        raise ValueError("The columns have no names. Name them: frame.columns = [...].")
    check_unique(names)
    return FrameSource(frame, {}, "a DataFrame")


def _from_columns(table: Any) -> Source:
    """Read structured arrays, FITS_rec, dicts and HDF5 groups of arrays, column by column."""
    from sfml.io.series import element, elements

    wrapped = wrap(table)
    if wrapped.names is None:
        raise ValueError(
            "The columns of an array have no names. Pass a table, or "
            "pandas.DataFrame(array, columns=[...])."
        )
    check_unique(wrapped.names)
    columns: dict[str, pd.Series] = {}
    units: dict[str, str] = {}
    for position, name in enumerate(wrapped.names):
        given = table[name] if isinstance(table, dict) else None
        if isinstance(given, pd.Series | pd.api.extensions.ExtensionArray):
            columns[name] = pd.Series(given).reset_index(drop=True)
            continue
        column = wrapped.column(position)
        unit = "" if column.unit is None else str(column.unit).strip()
        for new, place in elements(name, column.data.shape[1:]).items():
            columns[new] = element(column.data, column.mask, place)
            units |= {new: unit} if unit else {}
    check_unique(list(columns))
    return FrameSource(pd.DataFrame(columns), units, "a table in memory")
