"""Reading tables from FITS, CSV and Parquet files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

_SUFFIXES = (".fits", ".fits.gz", ".csv", ".csv.gz", ".parquet")


def is_path(source: Any) -> bool:
    """Whether an argument is a path rather than a table."""
    return isinstance(source, str | os.PathLike)


def existing(source: str | os.PathLike[str]) -> Path:
    """Check that a path is a file of a format that can be read."""
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"Cannot tell the format of {str(path)!r}: its name must end in one of "
            f"{', '.join(_SUFFIXES)}."
        )
    return path


def _format(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[2]


def column_names(path: Path) -> list[str]:
    """Column names of a file, without its data."""
    if _format(path) == "parquet":
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names)
    if _format(path) == "fits":
        from astropy.io import fits

        with fits.open(path) as hdus:
            return list(_first_table(hdus, path).columns.names)
    return list(pd.read_csv(path, nrows=0).columns)


def read(path: Path, columns: list[str] | None = None) -> Any:
    """Read a table from a file: all of it, or at least those of `columns` that it has."""
    wanted = None if columns is None else [n for n in column_names(path) if n in columns]
    if _format(path) == "parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path, columns=wanted)
    if _format(path) == "fits":
        return _read_fits(path)
    return pd.read_csv(path, usecols=wanted)


def _read_fits(path: Path) -> Any:
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(path) as hdus:
        hdu = _first_table(hdus, path)
        return Table.read(hdu, unit_parse_strict="silent", mask_invalid=False)


def _first_table(hdus: Any, path: Path) -> Any:
    for hdu in hdus:
        if hasattr(hdu, "columns"):
            return hdu
    raise ValueError(f"{str(path)!r} has no table among its {len(hdus)} HDUs.")
