"""FITS tables: binary tables a slice of rows at a time, as they lie in the file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfml.io.series import base, decode, elements, split_nulls, to_series
from sfml.io.source import FrameSource, SlicedSource, Source, check_unique
from sfml.io.text import is_zipped

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
    """Open a FITS file; that it was cut short, astropy would only warn of."""
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        with fits.open(path, memmap=True) as hdus:
            yield hdus


class FitsSource(SlicedSource):
    """A binary table. The file is opened for each slice, so that memory holds no more than that."""

    def __init__(self, path: Path, hdus: Any, index: int) -> None:
        hdu = hdus[index]
        self._path, self._index = path, index
        self.n_rows = hdu.header["NAXIS2"]
        self.kind = f"FITS, HDU {index}" + (f" {hdu.name!r}" if hdu.name else "")
        self._check_size(hdu)
        check_unique(hdu.columns.names)
        names = {name: _elements_of(name, hdu) for name in hdu.columns.names}
        self._places = {
            element: (name, place)
            for name, elements in names.items()
            for element, place in elements.items()
        }
        self.names = [element for elements in names.values() for element in elements]
        check_unique(self.names)
        units = {column.name: (column.unit or "").strip() for column in hdu.columns}
        self.units = {name: units[of] for name, (of, _) in self._places.items() if units[of]}

    def _check_size(self, hdu: Any) -> None:
        header = hdu.header
        needed = header["NAXIS1"] * self.n_rows + header["PCOUNT"]
        if not is_zipped(self._path):
            there = self._path.stat().st_size - hdu.fileinfo()["datLoc"]
            if there < needed:
                raise ValueError(
                    f"it is cut short: its header says that the table has {self.n_rows} rows of "
                    f"{header['NAXIS1']} bytes, but of {needed} bytes {max(there, 0)} are there."
                )

    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Read the rows from `start` up to `stop`."""
        columns: dict[str, Any] = {}
        with _opened(self._path) as hdus:
            hdu = hdus[self._index]
            part = hdu.data[start:stop]
            whole: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
            for name in names:
                column, place = self._places[name]
                if column not in whole:
                    whole[column] = _read_column(part, hdu.columns[column])
                values, mask = whole[column]
                at = (slice(None), *place)
                columns[name] = to_series(values[at], None if mask is None else mask[at])
            del part, whole, hdu
        return pd.DataFrame(columns, index=pd.RangeIndex(start, stop))


def _elements_of(name: str, hdu: Any) -> dict[str, tuple[int, ...]]:
    """Name the columns that a column becomes, with their places in each row's vector."""
    definition = hdu.columns[name]
    shape = hdu.columns.dtype[name].shape
    code = definition.format.lstrip("0123456789")[:1]
    if code in "PQ":
        shape = ()  # vectors of any length, as objects
    elif code == "X":
        shape = hdu.data[:0].field(name).shape[1:]
    return elements(name, shape)


def _read_column(part: Any, definition: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the values of a column, and where they are null."""
    raw = part.view(np.ndarray)[definition.name]
    if raw.dtype.kind == "S":
        text = np.char.rstrip(raw)  # in FITS, blanks at the end say nothing
        return decode(text), (raw == b"") if raw.dtype.itemsize else None
    code = definition.format.lstrip("0123456789")[:1]
    if code == "L":
        return raw == _TRUE, raw == _NULL
    values = np.asarray(part.field(definition.name))
    if code == "B" and definition.bzero == -128 and definition.bscale in (None, "", 1):
        values = values.astype(np.int8)
    # TNULL is a value as stored: before TSCAL and TZERO are applied.
    null = None if definition.null is None or raw.dtype.kind not in "iu" else definition.null
    return values, None if null is None else raw == null


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
    columns = [_column(name, frame[name], units.get(name)) for name in frame]
    hdu = fits.BinTableHDU.from_columns(columns, nrows=len(frame), name="CATALOGUE")
    raw = hdu.data.view(np.ndarray)
    for name in frame:
        if frame[name].dtype == "boolean":
            raw[name][frame[name].isna().to_numpy()] = _NULL
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
    cells = ["" if null else cell or " " for cell, null in zip(values, missing, strict=True)]
    wrong = next((i for i, cell in enumerate(cells) if not cell.isascii() or "\0" in cell), None)
    if wrong is not None:
        raise ValueError(
            f"FITS holds text in ASCII only; got {cells[wrong]!r} in row {wrong} of column "
            f"{name!r}. Write .parquet, .ecsv or .vot."
        )
    return np.array(cells, dtype="S")
