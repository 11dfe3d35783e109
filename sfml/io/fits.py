"""FITS tables: binary tables a slice of rows at a time, as they lie in the file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml.io.series import base, decode, element, elements, named_columns, split_nulls
from sfml.io.source import FrameSource, SlicedSource, Source, check_unique
from sfml.io.text import is_zipped, open_file

PROVENANCE_KEY = "SFMLPROV"
_MOST_COLUMNS = 999  # of a table, says the standard
_TRUE, _NULL = ord("T"), 0


def open_fits(path: Path, wanted: Sequence[str]) -> Source:
    """Open the first table of a FITS file that has the columns wanted, or most of them."""
    from astropy.io import fits

    with _opened(path) as hdus:
        tables = {
            i: set(map(base, hdu.columns.names))
            for i, hdu in enumerate(hdus)
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
        }
        if not tables:
            raise ValueError(f"there is no table among its {len(hdus)} HDUs.")
        bases = set(map(base, wanted))
        index = max(tables, key=lambda i: len(bases & tables[i]))  # of several, the first
        if isinstance(hdus[index], fits.TableHDU):  # numbers as text, which are small
            from astropy.table import Table

            from sfml.io.astropy_tables import from_astropy

            table = Table.read(hdus[index], unit_parse_strict="silent", mask_invalid=False)
            return from_astropy(table, f"FITS, HDU {index}")
        source = FitsSource(path, hdus, index)
    if len(tables) > 1:
        others = ", ".join(str(i) for i in tables if i != index)
        source.notes = [f"Of {len(tables)} tables, HDU {index} was read; the others are {others}."]
    if not is_zipped(path):
        return source
    # Any slice of it needs all before it.
    whole = FrameSource(source.read(source.names), source.units, source.kind)
    whole.notes = source.notes
    return whole


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a FITS file, without warnings of what the standard would have otherwise."""
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        # astropy leaves a file open that it cannot read.
        with open_file(path, "rb") as file, fits.open(file, memmap=False) as hdus:
            yield hdus


def from_records(records: Any) -> Source:
    """Make a source of a FITS_rec, the data of a table that astropy has read."""
    from astropy.utils.exceptions import AstropyUserWarning

    check_unique(records.columns.names)
    columns: dict[str, pd.Series] = {}
    units: dict[str, str] = {}
    for definition in records.columns:
        stored = _Stored.of(definition)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyUserWarning)  # of null booleans
            values = np.asarray(records.field(stored.name))
        mask = stored.nulls(records.view(np.ndarray)[stored.name])
        for name, place in elements(stored.name, values.shape[1:]).items():
            columns[name] = element(values, mask, place)
            units |= {name: stored.unit} if stored.unit else {}
    return FrameSource(pd.DataFrame(columns), units, "a FITS table in memory")


class _Stored(NamedTuple):
    """How a column is stored."""

    name: str
    code: str
    """Letter of its format."""
    n_bits: int
    null: int | None
    offset: float
    scale: float
    unit: str

    @classmethod
    def of(cls, definition: Any) -> _Stored:
        """Take over astropy's definition of a column."""
        letters = definition.format.lstrip("0123456789")
        repeat = definition.format.removesuffix(letters)
        offset, scale = definition.bzero or 0, definition.bscale
        scale = 1 if scale in (None, "") else scale
        unit = (definition.unit or "").strip()
        n_bits = int(repeat or 1)
        return cls(definition.name, letters[:1], n_bits, definition.null, offset, scale, unit)

    def shape(self, dtype: np.dtype) -> tuple[int, ...]:
        """Shape of the values in each row."""
        if self.code in "PQ":
            return ()  # vectors of any length, as objects
        return (self.n_bits,) if self.code == "X" else dtype[self.name].shape

    def values(self, raw: np.ndarray) -> np.ndarray:
        """Decode values as they are stored."""
        if self.code == "A":
            return decode(np.char.rstrip(raw))  # in FITS, blanks at the end say nothing
        if self.code == "L":
            return raw == _TRUE
        if self.code == "X":
            return np.unpackbits(raw, axis=-1)[..., : self.n_bits].astype(bool)
        values = raw.astype(raw.dtype.newbyteorder("="))
        if self.scale == 1 and self.offset == 0:
            return values
        opposite = _OPPOSITE.get((values.dtype.name, self.offset))
        if self.scale == 1 and opposite:  # exactly, where float64 would lose digits
            sign = np.array(1).astype(values.dtype) << (8 * values.itemsize - 1)
            return (values ^ sign).view(opposite)
        return values * np.float64(self.scale) + self.offset

    def nulls(self, raw: np.ndarray) -> np.ndarray | None:
        """Find nulls among the values as they are stored, before scale and offset."""
        if self.code == "A" and raw.dtype.itemsize:
            return raw == b""
        if self.code == "L":
            return raw == _NULL
        if self.null is None or raw.dtype.kind not in "iu":
            return None
        return raw == self.null


_OPPOSITE: dict[tuple[str, float], str] = {
    **{("uint8", -128): "int8", ("int16", 2**15): "uint16"},
    **{("int32", 2**31): "uint32", ("int64", 2**63): "uint64"},
}
"""Integers of the other kind, which FITS stores with an offset."""


class FitsSource(SlicedSource):
    """A binary table, of which as many bytes are read as there are in a slice."""

    def __init__(self, path: Path, hdus: Any, index: int) -> None:
        hdu = hdus[index]
        check_unique(hdu.columns.names)
        self._path, self._index = path, index
        self._location = hdu.fileinfo()["datLoc"]
        self._dtype = hdu.columns.dtype.newbyteorder(">")
        self.n_rows = hdu.header["NAXIS2"]
        self.kind = f"FITS, HDU {index}" + (f" {hdu.name!r}" if hdu.name else "")
        self._check_size(hdu.header)
        self._columns = {column.name: _Stored.of(column) for column in hdu.columns}
        self._places, self.units = {}, {}
        for name, stored in self._columns.items():
            for new, place in elements(name, stored.shape(self._dtype)).items():
                self._places[new] = (name, place)
                if stored.unit:
                    self.units[new] = stored.unit
        self.names = list(self._places)

    def _check_size(self, header: Any) -> None:
        """Refuse a file that was cut short, of which astropy only warns."""
        size = header["NAXIS1"]
        if size != self._dtype.itemsize:
            raise ValueError(
                f"its header is wrong: NAXIS1 is {size}, but the columns have "
                f"{self._dtype.itemsize} bytes."
            )
        if not is_zipped(self._path):
            needed = size * self.n_rows + header["PCOUNT"]
            there = max(self._path.stat().st_size - self._location, 0)
            if there < needed:
                raise ValueError(
                    f"it is cut short: its header says that the table has {self.n_rows} rows of "
                    f"{size} bytes, but of {needed} bytes {there} are there."
                )

    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Read the rows from `start` up to `stop`."""
        records = self._read(start, stop)
        columns: dict[str, pd.Series] = {}
        whole: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        for name in names:
            column, place = self._places[name]
            if column not in whole:
                stored, raw = self._columns[column], records[column]
                if stored.code in "PQ":
                    whole[column] = self._of_any_length(column, start, stop), None
                else:
                    whole[column] = stored.values(raw), stored.nulls(raw)
            columns[name] = element(*whole[column], place)
        return pd.DataFrame(columns)

    def _read(self, start: int, stop: int) -> np.ndarray:
        size = self._dtype.itemsize
        with open_file(self._path, "rb") as file:
            file.seek(self._location + start * size)
            data = file.read((stop - start) * size)
        if len(data) < (stop - start) * size:
            raise ValueError(f"it is cut short: of {self.n_rows} rows, the last are not there.")
        return np.frombuffer(data, self._dtype) if data else np.empty(0, self._dtype)

    def _of_any_length(self, column: str, start: int, stop: int) -> np.ndarray:
        """Read vectors whose length differs from row to row."""
        with _opened(self._path) as hdus:
            found = hdus[self._index].data[start:stop].field(column)
            values = np.empty(len(found), dtype=object)
            values[:] = [np.array(each) for each in found]
        return values


def write_fits(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a FITS file with one binary table."""
    from astropy.io import fits

    if len(frame.columns) > _MOST_COLUMNS:
        raise ValueError(
            f"FITS tables have at most {_MOST_COLUMNS} columns; got {len(frame.columns)}. Leave "
            "some out, or write Parquet."
        )
    named = named_columns(frame)
    columns = [_column(name, series, units.get(name)) for name, series in named.items()]
    hdu = fits.BinTableHDU.from_columns(columns, nrows=len(frame), name="CATALOGUE")
    raw = hdu.data.view(np.ndarray)
    for name, series in named.items():
        if series.dtype == "boolean":
            raw[name][series.isna().to_numpy()] = _NULL
    if provenance:
        hdu.header[PROVENANCE_KEY] = json.dumps(provenance)
    hdu.writeto(path)


def _column(name: str, series: pd.Series, unit: str | None) -> Any:
    from astropy.io import fits

    if not name.isascii():
        raise ValueError(f"FITS has names in ASCII only; got the column {name!r}. Rename it.")
    values, missing = split_nulls(series)
    if values.dtype.kind == "b":
        return fits.Column(name, "L", unit=unit, array=values)
    if values.dtype.kind in "iu":
        offset, code = _INTEGERS[values.dtype.name]
        null = None
        if missing.any():
            free = _unused(values[~missing], name)
            values[missing] = free
            null = free - offset
        return fits.Column(name, code, unit=unit, array=values, null=null, bzero=offset or None)
    if values.dtype.kind == "f":
        code = "D" if values.dtype.itemsize > 4 else "E"
        return fits.Column(name, code, unit=unit, array=values)
    raw = _encoded(name, values, missing)
    return fits.Column(name, f"{max(1, raw.dtype.itemsize)}A", unit=unit, array=raw)


_INTEGERS = {
    **{"int8": (-128, "B"), "uint8": (0, "B"), "int16": (0, "I"), "uint16": (2**15, "I")},
    **{"int32": (0, "J"), "uint32": (2**31, "J"), "int64": (0, "K"), "uint64": (2**63, "K")},
}
"""How integers are stored: what is taken off them, and the code of their format."""


def _unused(values: np.ndarray, name: str) -> int:
    """Find an integer that can stand for null, for no row has it."""
    limits, used = np.iinfo(values.dtype), set(values.tolist())
    for number in range(limits.max, limits.max - len(used) - 1, -1):
        if number not in used and number >= limits.min:
            return number
    raise ValueError(f"The column {name!r} has every value of {values.dtype}, and nulls too.")


def _encoded(name: str, values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Encode text; where there is none it begins with a null byte, and empty text is a blank."""
    cells = ["" if null else str(cell) or " " for cell, null in zip(values, missing, strict=True)]
    wrong = next((i for i, cell in enumerate(cells) if not cell.isascii() or "\0" in cell), None)
    if wrong is not None:
        raise ValueError(
            f"FITS holds text in ASCII only; got {cells[wrong]!r} in row {wrong} of column "
            f"{name!r}. Write .parquet, .ecsv or .vot."
        )
    return np.array(cells, dtype="S")
