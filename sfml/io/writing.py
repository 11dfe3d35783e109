"""Writing catalogues, in the format that the file's name says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sfml.io.card import Column, card_path, is_predicted, render_card, unit_of
from sfml.io.catalogue import open_catalogue
from sfml.io.formats import format_of
from sfml.io.series import named_columns
from sfml.tables.writing import write_files


def write_catalogue(
    table: Any,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    units: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a catalogue, and a card beside it that says what it is and how to open it.

    Both are written to temporary files first, which get their names when they are complete.

    Parameters
    ----------
    table : table
        pandas, polars, pyarrow, astropy, a dict of columns. An index of pandas that has a name, or
        that is not just 0, 1, 2, ..., becomes the first column.
    path : path
        Its end says the format: .fits, .vot, .ecsv, .csv, .parquet, .feather, .hdf5; FITS, VOTable,
        ECSV and CSV also with .gz. The card is ``<path>.README.md``.
    overwrite : bool, default=False
        Whether files that are there already are replaced.
    units : mapping of str to str or None, default=None
        Units of columns, beside those that the table has. Those that `predict_table` predicts have
        theirs.
    provenance : mapping or None, default=None
        What the catalogue comes from, as `make_provenance` says it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If the file, or its card, is there and `overwrite` is False.
    ValueError
        If the format is unknown, or cannot hold what the table has.

    Notes
    -----
    Numbers are written with every digit; integers, text and what is null come back as they were.
    Exceptions: CSV has neither types nor units; text loses blanks at its end in FITS, which is in
    ASCII only, and empty text becomes null in VOTable and ECSV; single precision becomes double in
    CSV. Dates are text in all but Parquet and Feather.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sfml.io import make_provenance, open_catalogue, write_catalogue
    >>> folder = Path(tempfile.mkdtemp())
    >>> table = {"ID": [1237668296598749280], "sfr": [0.31]}
    >>> path = write_catalogue(
    ...     table,
    ...     folder / "out.parquet",
    ...     units={"sfr": "dex(Msun/yr)"},
    ...     provenance=make_provenance(),
    ... )
    >>> sorted(file.name for file in folder.iterdir())
    ['out.parquet', 'out.parquet.README.md']
    >>> open_catalogue(path).units
    {'sfr': 'dex(Msun/yr)'}
    """
    path = Path(path).expanduser()
    format_ = format_of(path)
    if format_ == "text" and not path.name.lower().removesuffix(".gz").endswith(".csv"):
        raise ValueError(f"Text is written as .csv or .ecsv; got {path.name!r}.")
    reader = open_catalogue(table)
    frame = with_index(reader.read())
    named = named_columns(frame)
    known = {name: unit_of(name) for name in named} if is_predicted(list(named)) else {}
    known |= reader.units | dict(units or {})
    known = {name: str(unit) for name, unit in known.items() if unit}
    if unknown := [name for name in known if name not in named]:
        raise ValueError(f"units names columns that the table lacks: {unknown}.")
    columns = [Column(name, str(each.dtype), known.get(name, "")) for name, each in named.items()]
    card = render_card(path, format_, columns, len(frame), provenance)
    writer = _writer(format_)
    contents: dict[Any, Any] = {
        path: lambda temporary: writer(frame, known, provenance, temporary),
        card_path(path): card,
    }
    try:
        write_files(contents, overwrite=overwrite)
    except FileExistsError:
        raise
    except (ValueError, TypeError) as error:
        raise ValueError(f"Cannot write {str(path)!r}: {error}") from error
    return path


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Make a column of an index that says more than the number of the row."""
    if frame.index.equals(pd.RangeIndex(len(frame))) and frame.index.name is None:
        return frame
    return frame.reset_index()


def _writer(
    format_: str,
) -> Callable[[pd.DataFrame, Mapping[str, str], Mapping[str, Any] | None, Path], None]:
    """Find the function that writes files of a format; its library is imported only now."""
    if format_ == "fits":
        from sfml.io.fits import write_fits

        return write_fits
    if format_ == "hdf5":
        from sfml.io.hdf5 import write_hdf5

        return write_hdf5
    if format_ == "text":
        from sfml.io.text import write_csv

        return write_csv
    if format_ in ("parquet", "feather"):
        from sfml.io.arrow import write_feather, write_parquet

        return write_parquet if format_ == "parquet" else write_feather
    from sfml.io.astropy_tables import write_ecsv, write_votable

    return write_votable if format_ == "votable" else write_ecsv
