"""Catalogues of any format, read by name, in a band set's columns and unit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pandas as pd

from sfml.bands import BandSet
from sfml.io.formats import is_path, open_source
from sfml.io.layout import ColumnOption, Layout, Reading, plan, stated_columns, wanted_columns
from sfml.io.report import report_of
from sfml.io.source import FrameSource, Source, named_in_errors
from sfml.tables.extraction import ALL_NUMBERS, is_code, not_numeric

_BATCH = 100_000


def open_catalogue(
    source: Any, bands: BandSet | None = None, columns: ColumnOption | None = None
) -> CatalogueReader:
    """Open a catalogue, of any format and any size, to be read whole or in batches.

    Parameters
    ----------
    source : path or table
        A file: FITS, VOTable, ECSV, CSV and other text, Parquet, HDF5 (h5py, RAIL, astropy, vaex,
        pandas) or Feather; a folder of Parquet files; or a table in memory: pandas, polars (also
        lazy), pyarrow (also a dataset), astropy, a dict of arrays. Of several tables in a file, it
        is the one that has the most of the columns wanted, or else the first.
    bands : BandSet or None, default=None
        If given, the columns of this band set are found, and converted to its unit.
    columns : mapping of str to str, (str, str) or None, default=None
        Names that the band set's columns have in the file, as in ``{"r_flux": "FLUX_R", "Z":
        "zspec"}``, with the unit where the file states none or a wrong one: ``{"r_flux":
        ("MAG_R", "AB mag")}``. None says that the catalogue has no such column. One entry
        serves all bands: ``{"{band}_flux": "FLUX_{BAND}"}``, where ``{BAND}`` is the name of
        the band in capitals. Without `bands`, columns are renamed.

    Returns
    -------
    CatalogueReader

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `columns` is no mapping.
    ValueError
        If the file cannot be read, its columns repeat, or those of the band set are absent or in a
        unit that cannot be converted. For absent columns, those that may be meant are shown.

    Warns
    -----
    UserWarning
        If the catalogue has neither flux nor error of some bands.

    Notes
    -----
    What a column is, its unit says, in the file or in `columns`: fluxes in Jy, mJy, uJy, nJy,
    "nanomaggy" and others that astropy knows; "AB mag"; "asinh mag(b=1.2e-10)" with its softening,
    or "SDSS mag" for SDSS's; errors of fluxes, "mag" for errors of magnitudes, or "ivar", or a
    unit such as "nanomaggy^-2", for inverse variances. A column without a unit is taken to be in
    that of the band set, which `CatalogueReader.report` says.

    Examples
    --------
    >>> from sfml import BandSet
    >>> from sfml.io import open_catalogue
    >>> bands = BandSet(["g", "r"], [0.48, 0.62], unit="uJy")
    >>> table = {"ID": [7, 8], "MAG_G": [22.5, 99.0], "MAG_R": [21.0, 20.0], "zspec": [0.1, 0.2]}
    >>> columns = {"{band}_flux": ("MAG_{BAND}", "AB mag"), "{band}_fluxerr": None, "Z": "zspec"}
    >>> reader = open_catalogue(table, bands, columns)
    >>> reader.read().round(2)
       ID  g_flux  r_flux    Z
    0   7    3.63   14.46  0.1
    1   8     NaN   36.31  0.2
    >>> print(reader.report)
    The table (a table in memory): 2 rows, 4 columns
    g_flux, r_flux: from MAG_G, MAG_R; AB magnitudes -> uJy; 1 became NaN
    Z: from zspec
    """
    reader = _open(source, bands, columns)
    _warn_of_absent_bands(reader)
    return reader


def read_catalogue(
    source: Any, bands: BandSet | None = None, columns: ColumnOption | None = None
) -> pd.DataFrame:
    """Read a catalogue of any format, in a band set's columns and unit.

    Parameters
    ----------
    source : path or table
        As for `open_catalogue`.
    bands : BandSet or None, default=None
        As for `open_catalogue`.
    columns : mapping of str to str, (str, str) or None, default=None
        As for `open_catalogue`.

    Returns
    -------
    DataFrame of shape (n_galaxies, n_columns)
        All columns of the catalogue, in its order. Those of the band set have its names and its
        unit, others are unchanged. Integers stay exact; where some are null they are of one of
        pandas's nullable types.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or as for `open_catalogue`.

    See Also
    --------
    open_catalogue : Also reads in batches, and reports what was converted.

    Examples
    --------
    >>> from sfml import BandSet
    >>> from sfml.io import read_catalogue
    >>> table = {"FLUX_R": [2.0, -999.0], "IVAR_R": [4.0, 0.0], "z": [0.1, 0.2]}
    >>> read_catalogue(
    ...     table,
    ...     BandSet(["r"], [0.62], unit="uJy"),
    ...     {"r_flux": ("FLUX_R", "nanomaggy"), "r_fluxerr": ("IVAR_R", "ivar"), "Z": "z"},
    ... )
        r_flux  r_fluxerr    Z
    0    7.262     1.8155  0.1
    1 -999.000        NaN  0.2
    """
    reader = _open(source, bands, columns)
    _warn_of_absent_bands(reader)
    return reader.read()


def _open(source: Any, bands: BandSet | None, columns: ColumnOption | None) -> CatalogueReader:
    stated = stated_columns(columns, bands)
    opened = open_source(source, wanted_columns(stated, bands))
    what = f"The catalogue {str(source)!r}" if is_path(source) else "The table"
    layout = plan(opened.names, opened.units, stated, bands, what)
    return CatalogueReader(opened, layout, bands, what)


def _warn_of_absent_bands(reader: CatalogueReader) -> None:
    if absent := reader.report.absent_bands:
        warnings.warn(
            f"{reader.report.catalogue} has no columns of {len(absent)} bands, which count as "
            f"missing: {', '.join(absent)}.",
            UserWarning,
            stacklevel=3,
        )


class CatalogueReader:
    """A catalogue that is open: what it holds, and its rows, all or in batches.

    `open_catalogue` makes it.

    Parameters
    ----------
    source : Source
        The table that is read.
    layout : Layout
        Which of its columns is which, and what has to be done to it.
    bands : BandSet or None
        The band set whose columns and unit the result has.
    what : str
        What messages call the catalogue.

    Attributes
    ----------
    names : list of str
        Columns of the result.
    units : dict of str to str
        Units of those columns that have one.
    n_rows : int or None
        Number of rows; None where it takes reading the file to know.
    report : CatalogueReport
        What was found, converted and taken for granted; ``print(reader.report)``. How many values
        became NaN is counted as they are read.

    Examples
    --------
    >>> from sfml.io import open_catalogue
    >>> reader = open_catalogue({"ID": [1, 2, 3], "Z": [0.1, 0.2, 0.3]})
    >>> reader.names, reader.n_rows
    (['ID', 'Z'], 3)
    >>> [batch["ID"].tolist() for batch in reader.batches(2)]
    [[1, 2], [3]]
    """

    def __init__(self, source: Source, layout: Layout, bands: BandSet | None, what: str) -> None:
        self._source, self._layout, self._bands = source, layout, bands
        self._what = what
        self._file_names = list(source.names)
        self.n_rows = source.n_rows
        self.units = self._units()
        self.report = report_of(source, layout, bands, what)

    @property
    def names(self) -> list[str]:
        """Columns of the result."""
        return [self._layout.names[name] for name in self._file_names]

    def _units(self) -> dict[str, str]:
        units = {self._layout.names[name]: unit for name, unit in self._source.units.items()}
        if self._bands is not None:
            fluxes = {*self._bands.flux_columns, *self._bands.error_columns}
            read = (reading.name for reading in self._layout.readings)
            units |= {name: self._bands.unit for name in read if name in fluxes}
        return units

    def only(self, *names: str) -> CatalogueReader:
        """Read these columns alone.

        Parameters
        ----------
        *names : str
            Columns of the result, in the order wanted.

        Returns
        -------
        CatalogueReader
            Another reader of the same catalogue.

        Raises
        ------
        ValueError
            If a name is none of the result's columns.
        """
        file_names = {new: name for name, new in self._layout.names.items()}
        if absent := [name for name in names if name not in file_names]:
            raise ValueError(f"{self._what} has no column {absent[0]!r}. It has {self.names}.")
        fluxes = {reading.flux for reading in self._layout.readings if reading.name in names}
        readings = [each for each in self._layout.readings if each.name in {*names, *fluxes}]
        layout = self._layout._replace(readings=readings)
        reader = CatalogueReader(self._source, layout, self._bands, self._what)
        reader._file_names = [file_names[name] for name in names]
        return reader

    def read(self) -> pd.DataFrame:
        """Read all rows.

        Returns
        -------
        DataFrame of shape (n_galaxies, n_columns)

        Raises
        ------
        ValueError
            If the file is damaged, or if a column of the band set is not numeric.
        """
        with self._named_in_errors():
            frame = self._source.read(self._needed())
            return self._converted(frame, 0)

    def batches(self, n_rows: int, start: int = 0) -> Iterator[pd.DataFrame]:
        """Read some rows at a time, in the order of the file.

        Memory stays constant for Parquet, CSV, Feather, FITS and HDF5; others are read whole when
        they are opened. One after the other, the batches are what `read` gives.

        Parameters
        ----------
        n_rows : int
            Rows of each batch; the last may have fewer.
        start : int, default=0
            Rows to leave out at the beginning.

        Returns
        -------
        iterator of DataFrame, each of shape (n_rows, n_columns)
            At least one, which is empty if there are no rows.

        Raises
        ------
        ValueError
            If the file is damaged, or if a column of the band set is not numeric.
        """
        if n_rows < 1 or start < 0:
            raise ValueError(
                f"n_rows must be at least 1 and start at least 0; got {n_rows} and {start}."
            )
        return self._batches(n_rows, start)

    def _batches(self, n_rows: int, start: int) -> Iterator[pd.DataFrame]:
        with self._named_in_errors():
            for batch in self._source.batches(self._needed(), n_rows, start):
                if not isinstance(self._source, FrameSource):  # whose index is its own
                    batch.index = pd.RangeIndex(start, start + len(batch))
                yield self._converted(batch, start)
                start += len(batch)

    def _named_in_errors(self) -> AbstractContextManager[None]:
        name = self._what.removeprefix("The catalogue ")
        return named_in_errors(name) if name != self._what else nullcontext()

    def _needed(self) -> list[str]:
        """Columns of the file that are read: an error may need its flux."""
        used = [reading.column for reading in self._layout.readings]
        return list(dict.fromkeys([*self._file_names, *used]))

    def _converted(self, frame: pd.DataFrame, first_row: int) -> pd.DataFrame:
        """Convert the columns of the band set, and give all columns their names."""
        fluxes: dict[str, np.ndarray] = {}
        new: dict[str, np.ndarray] = {}
        for reading in self._layout.readings:
            series = frame[reading.column]
            if getattr(series.dtype, "kind", "O") not in "iuf":
                self._check_numeric(series, first_row)
            values = _floats(series)
            if reading.conversion is not None:
                flux = fluxes.get(str(reading.flux))
                values = new[reading.column] = self._convert(values, reading, flux)
            if reading.flux is None:
                fluxes[reading.name] = values
        if not new and list(frame.columns) == self.names:
            return frame
        columns = {
            self._layout.names[name]: new[name] if name in new else frame[name]
            for name in self._file_names
        }
        return pd.DataFrame(columns, index=frame.index)

    def _check_numeric(self, series: pd.Series, first_row: int) -> None:
        """Raise if a column is not of numbers, with the first cell that is none, wherever it is."""
        problem = not_numeric(series.to_numpy(), first_row)
        if problem is None:
            return
        row = 0
        for batch in self._source.batches([str(series.name)], _BATCH):
            found = not_numeric(batch.iloc[:, 0].to_numpy(), row)
            if found and not found.endswith(ALL_NUMBERS):
                problem = found
                break
            row += len(batch)
        raise ValueError(
            f"the column {series.name!r} must hold one real number per row, but {problem}. "
            "Rows are counted from 0."
        )

    def _convert(self, values: np.ndarray, reading: Reading, flux: np.ndarray | None) -> np.ndarray:
        assert self._bands is not None
        assert reading.conversion is not None
        codes = self._bands.missing_codes
        if flux is not None:
            flux = np.where(is_code(flux, codes), np.nan, flux)
        with np.errstate(over="ignore", invalid="ignore"):
            converted = reading.conversion.apply(values, codes, flux)
        lost = int(np.sum(np.isnan(converted) & ~np.isnan(values)))
        if lost:
            n_lost = self.report.n_lost
            n_lost[reading.name] = n_lost.get(reading.name, 0) + lost
        return converted


def _floats(series: pd.Series) -> np.ndarray:
    """Give the numbers of a column as floats, those that are floats in their own precision."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "f":
        return series.to_numpy()
    return series.to_numpy(dtype=np.float64, na_value=np.nan)
