"""Reading tables from FITS, CSV, ECSV and Parquet files."""

from __future__ import annotations

import csv
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

_SUFFIXES = (".fits", ".fits.gz", ".fit", ".csv", ".csv.gz", ".ecsv", ".parquet")
_SAMPLE_LINES = 100
_WITH_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_WITH_POINT = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")


def is_path(source: Any) -> bool:
    """Whether an argument is a path rather than a table."""
    return isinstance(source, str | os.PathLike)


def existing(source: str | os.PathLike[str]) -> Path:
    """Check that a path is a file of a format that can be read, or a folder of Parquet files."""
    path = Path(source).expanduser()
    if path.is_dir():
        if not _parts(path):
            raise ValueError(f"The folder {str(path)!r} has no file whose name ends in .parquet.")
        return path
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"Cannot tell the format of {str(path)!r}: its name must end in one of "
            f"{', '.join(_SUFFIXES)}."
        )
    return path


def column_names(path: Path) -> list[str]:
    """Column names of a file, without its data."""
    with _named_in_errors(path):
        kind = _format(path)
        if kind == "parquet":
            import pyarrow.parquet as pq

            return list(pq.read_schema(_parts(path)[0]).names)
        if kind == "fits":
            from astropy.io import fits

            with fits.open(path) as hdus:
                return list(_first_table(hdus).columns.names)
        if kind == "ecsv":
            return list(_read_ecsv(path).colnames)
        return _csv_dialect(path)[0]


def read(path: Path, columns: list[str] | None = None) -> Any:
    """Read a table from a file: all of it, or at least those of `columns` that it has."""
    with _named_in_errors(path):
        kind = _format(path)
        if kind == "parquet":
            return _read_parquet(path, columns)
        if kind == "fits":
            return _read_fits(path)
        return _read_ecsv(path) if kind == "ecsv" else _read_csv(path, columns)


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, NotImplementedError, zlib.error, csv.Error) as error:
        raise ValueError(f"Cannot read {str(path)!r}: {error}") from error


def _format(path: Path) -> str:
    if path.is_dir():
        return "parquet"
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix in ("csv", "ecsv"):
        return "ecsv" if _unzipped(path).startswith(b"# %ECSV") else "csv"
    return "fits" if suffix == "fit" else suffix


def _unzipped(path: Path, n_bytes: int = 64) -> bytes:
    """Read the first bytes of a file; browsers unzip, and servers zip, without a new name."""
    with _open(path, "rb") as file:
        start: bytes = file.read(n_bytes)
    return start


def _open(path: Path, mode: str, **options: Any) -> Any:
    return (gzip.open if _is_zipped(path) else open)(path, mode, **options)


def _is_zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _parts(path: Path) -> list[Path]:
    """List the files of a Parquet table, as pyarrow does."""
    if not path.is_dir():
        return [path]
    return sorted(part for part in path.rglob("*.parquet") if part.name[0] not in "._")


def _read_parquet(path: Path, columns: list[str] | None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = {part: pq.read_schema(part) for part in _parts(path)}
    names = next(iter(schemas.values())).names
    wanted = names if columns is None else [name for name in names if name in columns]
    for part, schema in schemas.items():
        if lacking := [name for name in wanted if name not in schema.names]:
            raise ValueError(f"{part.name!r} lacks the columns {lacking}, which other parts have.")
    if any(b"table_meta_yaml" in (schema.metadata or {}) for schema in schemas.values()):
        from astropy.table import Table, vstack

        # astropy wrote this, and with it the units.
        return vstack([Table.read(p, format="parquet", include_names=wanted) for p in schemas])
    parts = [pq.read_table(part, columns=wanted, partitioning=None) for part in schemas]
    return pa.concat_tables(parts, promote_options="permissive")


def _read_fits(path: Path) -> Any:
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(path) as hdus:
        hdu = _first_table(hdus)
        return Table.read(hdu, unit_parse_strict="silent", mask_invalid=False)


def _first_table(hdus: Any) -> Any:
    for hdu in hdus:
        if hasattr(hdu, "columns"):
            return hdu
    raise ValueError(f"there is no table among its {len(hdus)} HDUs.")


def _read_ecsv(path: Path) -> Any:
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv")


def _read_csv(path: Path, columns: list[str] | None) -> pd.DataFrame:
    names, options = _csv_dialect(path)
    wanted = [i for i, name in enumerate(names) if columns is None or name in columns]
    if not wanted:
        return pd.DataFrame()
    kept = [names[i] or f"Unnamed: {i}" for i in wanted]
    if repeated := sorted({name for name in kept if kept.count(name) > 1}):
        raise ValueError(f"it has more than one column named {', '.join(map(repr, repeated))}.")
    try:
        _check_rows(path, len(names), options)
    except UnicodeDecodeError:
        options["encoding"] = "latin-1"
        _check_rows(path, len(names), options)
    return pd.read_csv(
        path,
        header=None,
        names=kept,
        usecols=wanted,
        index_col=False,
        skipinitialspace=True,
        low_memory=False,
        compression="gzip" if _is_zipped(path) else None,
        **options,
    )


def _check_rows(path: Path, n_columns: int, options: dict[str, Any]) -> None:
    """Refuse rows with too few cells or too many: pandas would have them in wrong columns."""
    separator, n_skipped = options["sep"], options["skiprows"]
    by_space = separator == r"\s+"
    with _open(path, "rt", encoding=options["encoding"]) as file:
        for number, line in enumerate(file, start=1):
            n_cells = len(line.split()) if by_space else line.count(separator) + 1
            if n_cells == n_columns or number <= n_skipped or '"' in line or not line.strip():
                continue
            cells = _cells(line, separator)
            if len(cells) < n_columns or any(cells[n_columns:]):
                raise ValueError(
                    f"line {number} has {len(cells)} cells, but there are {n_columns} columns: "
                    f"{line.strip()[:60]!r}."
                )


def _csv_dialect(path: Path, encoding: str = "utf-8-sig") -> tuple[list[str], dict[str, Any]]:
    """Find the names of the columns of a CSV file, and what pandas must be told to read it."""
    start = _unzipped(path)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in start[:2]:
        encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
    try:
        lines, content = _first_lines(path, encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise
        return _csv_dialect(path, "latin-1")
    if not content:
        raise ValueError("it has no line with the names of columns.")
    number, header = content[0]
    separator = max(",;\t|", key=header.count)
    if separator not in header:
        separator = r"\s+" if len(header.split()) > 1 else ","
    names = _cells(header, separator)
    if any(map(_is_number, names)):
        # numpy.savetxt writes the names as a comment.
        comments = [line.lstrip("# ") for line in lines[:number] if line.startswith("#")]
        heading = _cells(comments[-1], separator) if comments else []
        if len(heading) == len(names) and not any(map(_is_number, heading)):
            names, number = heading, number - 1
        elif all(map(_is_number, names)):
            raise ValueError("it has no line with the names of columns.")
    cells = [cell for _, line in content[1:] for cell in _cells(line, separator)]
    decimal_comma = separator != "," and any(map(_WITH_COMMA.fullmatch, cells))
    decimal = "," if decimal_comma and not any(map(_WITH_POINT.fullmatch, cells)) else "."
    options = {"sep": separator, "decimal": decimal, "skiprows": number + 1, "encoding": encoding}
    return names, options


def _first_lines(path: Path, encoding: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Read lines up to a sample of those, with their numbers, that are no comment or blank."""
    lines, content = [], []
    with _open(path, "rt", encoding=encoding) as file:
        for number, line in enumerate(file):
            lines.append(line)
            if line.strip() and not line.startswith("#"):
                content.append((number, line))
            if len(content) > _SAMPLE_LINES:
                break
    return lines, content


def _cells(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return line.split()
    (row,) = csv.reader([line.rstrip("\n")], delimiter=separator, skipinitialspace=True)
    return [cell.strip() for cell in row]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return bool(cell)
