"""Which format a file is in: told by its name, and checked against its first bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sfml.io.source import Source, named_in_errors

FORMATS = {
    "fits": (".fits", ".fit", ".fts"),
    "votable": (".vot", ".votable", ".xml"),
    "ecsv": (".ecsv",),
    "text": (".csv", ".tsv", ".tab", ".txt", ".dat", ".asc", ".ascii", ".tbl", ".mrt"),
    "parquet": (".parquet", ".parq", ".pq"),
    "hdf5": (".hdf5", ".h5", ".hdf"),
    "feather": (".feather", ".arrow"),
}
"""Formats, and the ends of file names that stand for them; also with .gz, where that is usual."""

_ZIPPED = ("fits", "votable", "ecsv", "text")
_SIGNS = {
    b"SIMPLE  =": "fits",
    b"PAR1": "parquet",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"ARROW1": "feather",
    b"# %ECSV": "ecsv",
    b"<?xml": "votable",
    b"<VOTABLE": "votable",
    b"<!DOCTYPE html": "a web page",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"PK\x03\x04": "a zip archive, such as .xlsx or .npz",
    b"\x93NUMPY": "a file of numpy",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"FEA1": "Feather of version 1, which is outdated",
}
"""How files of a format begin."""
_TEXT_SIGNS = {b"\\": "ipac", b"|": "ipac", b"Title:": "mrt"}


def is_path(source: Any) -> bool:
    """Whether an argument is a path rather than a table."""
    return isinstance(source, str | os.PathLike)


def format_of(path: Path) -> str:
    """Tell the format by the end of a file's name."""
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    for format_, suffixes in FORMATS.items():
        if plain.endswith(suffixes) and (plain == name or format_ in _ZIPPED):
            return format_
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise ValueError(
        f"Cannot tell the format of {str(path)!r}: its name must end in one of {known}; .gz may "
        "follow for FITS, VOTable and text."
    )


def open_source(source: Any, wanted: Sequence[str] = ()) -> Source:
    """Open a file, a folder of Parquet files, or a table in memory.

    Of several tables in a file, it is the first that has the columns `wanted`.
    """
    if not is_path(source):
        from sfml.io.memory import open_table

        return open_table(source)
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    format_ = "parquet" if path.is_dir() else format_of(path)
    with named_in_errors(repr(str(path))):
        if not path.is_dir():
            format_ = _checked(path, format_)
        return _opener(format_)(path, wanted)


def _checked(path: Path, format_: str) -> str:
    """Check that a file begins as those of its format do; text says itself which kind it is."""
    from sfml.io.text import first_bytes

    if not path.stat().st_size:
        raise ValueError("the file is empty.")
    start = first_bytes(path)
    found = _first_sign(start, _SIGNS)
    if format_ in ("text", "ecsv") and found in (None, "ecsv"):
        return found or _first_sign(start, _TEXT_SIGNS) or "text"
    if found == format_:
        return format_
    name, mend = f"its name says {_NAMES[format_]}, but it ", "It is damaged, or in another format."
    if found is None:
        raise ValueError(f"{name}does not begin as such files do: {start[:16]!r}. {mend}")
    if found in FORMATS:
        mend = f"Rename it to end in {FORMATS[found][0]}."
    raise ValueError(f"{name}is {_NAMES.get(found, found)}. {mend}")


def _first_sign(start: bytes, signs: dict[bytes, str]) -> str | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n\t")
    return next((kind for sign, kind in signs.items() if text.startswith(sign)), None)


_NAMES = {
    **{"fits": "FITS", "votable": "VOTable", "ecsv": "ECSV", "text": "text"},
    **{"parquet": "Parquet", "hdf5": "HDF5", "feather": "Feather"},
}


def _opener(format_: str) -> Callable[[Path, Sequence[str]], Source]:
    """Find the function that opens files of a format; its library is imported only now."""
    if format_ == "fits":
        from sfml.io.fits import open_fits

        return open_fits
    if format_ == "hdf5":
        from sfml.io.hdf5 import open_hdf5

        return open_hdf5
    if format_ in ("parquet", "feather"):
        from sfml.io.arrow import FeatherSource, ParquetSource

        source = ParquetSource if format_ == "parquet" else FeatherSource
        return lambda path, wanted: source(path)
    if format_ == "text":
        from sfml.io.text import TextSource

        return lambda path, wanted: TextSource(path)
    from sfml.io.astropy_tables import open_ascii, open_votable

    if format_ == "votable":
        return open_votable
    return lambda path, wanted: open_ascii(path, format_)
