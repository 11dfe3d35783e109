"""CSV and other plain text: usual separators, comments above the header, UTF-8, -16, Latin-1."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from sfml.io import cells
from sfml.io.arrow import from_pandas, in_batches, skip_rows, to_pandas
from sfml.io.source import Source, check_unique

_SAMPLE_LINES = 100
_BLOCK = 1 << 22
_BY_SPACE = r"\s+"
_WITH_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_WITH_POINT = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")


class Dialect(NamedTuple):
    """How a file of text is written."""

    names: list[str]
    separator: str
    decimal: str
    n_header: int
    """Lines up to the one with the names, and that one."""
    encoding: str


class TextSource(Source):
    """A file of plain text, whose columns become numbers where all of their cells are numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._dialect = find_dialect(path)
        names = self._dialect.names
        self.names = [name or f"Unnamed: {i}" for i, name in enumerate(names)]
        self.kind, self.units, self.n_rows = "text", {}, None
        self._types: dict[str, pa.DataType] = {}

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read all rows of some columns."""
        table = pa.concat_tables(self._text(names))
        self._types |= self._types_of(names, [table])
        return self._converted(table)

    def batches(self, names: Sequence[str], n_rows: int, start: int = 0) -> Iterator[pd.DataFrame]:
        """Read some rows at a time; the file is read twice, for its last row may decide a type."""
        unknown = [name for name in names if name not in self._types]
        if unknown:
            self._types |= self._types_of(unknown, self._text(unknown))
        for table in in_batches(skip_rows(self._text(names), start), n_rows):
            yield self._converted(table)

    def _types_of(self, names: Sequence[str], tables: Any) -> dict[str, pa.DataType]:
        found = dict.fromkeys(names, cells.Cells())
        for table in tables:
            for name in names:
                part = cells.inspect(table[name], self._dialect.decimal)
                found[name] = found[name].combined(part)
        return {name: each.type() for name, each in found.items()}

    def _converted(self, table: pa.Table) -> pd.DataFrame:
        columns = {
            name: cells.convert(table[name], self._types[name], self._dialect.decimal)
            for name in table.column_names
        }
        return to_pandas(pa.table(columns))

    def _text(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Read the cells of some columns as text, null where they are empty, piece by piece."""
        from pyarrow import csv as arrow_csv

        kept = [name for name in self.names if name in set(names)]
        check_unique(kept)
        yield pa.schema([(name, pa.string()) for name in names]).empty_table()
        if not names:
            return
        labels = [str(i) for i in range(len(self.names))]  # the names of others may repeat
        wanted = [labels[self.names.index(name)] for name in names]
        separator = "\t" if self._dialect.separator == _BY_SPACE else self._dialect.separator
        try:
            with self._lines() as lines:
                if not lines.peek(1):
                    return
                reader = arrow_csv.open_csv(
                    lines,
                    read_options=arrow_csv.ReadOptions(column_names=labels, block_size=_BLOCK),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=separator,
                        newlines_in_values=True,
                        ignore_empty_lines=len(labels) > 1,  # else they are null
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=wanted,
                        column_types=dict.fromkeys(labels, pa.string()),
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                )
                for batch in reader:
                    yield pa.Table.from_batches([batch]).rename_columns(list(names))
        except pa.ArrowInvalid:
            self._check_rows()
            raise

    def _lines(self) -> Any:
        """Open the file behind its header, as UTF-8 and with separators that are one character."""
        dialect = self._dialect
        if dialect.encoding == "utf-8-sig" and not _has_utf8(self._path):
            dialect = self._dialect = dialect._replace(encoding="latin-1")
        if dialect.encoding == "utf-8-sig" and dialect.separator != _BY_SPACE:
            file = open_file(self._path, "rb")
            for _ in range(dialect.n_header):
                file.readline()
            return file if hasattr(file, "peek") else io.BufferedReader(file)
        return io.BufferedReader(_Lines(_rewritten(self._path, dialect)))

    def _check_rows(self) -> None:
        """Name the first row that has too few cells or too many."""
        separator, n_columns = self._dialect.separator, len(self.names)
        with open_file(self._path, "rt", encoding=self._dialect.encoding) as file:
            for number, line in enumerate(file, start=1):
                if number <= self._dialect.n_header or '"' in line or not line.strip():
                    continue
                n_cells = len(split(line, separator))
                if n_cells != n_columns:
                    raise ValueError(
                        f"line {number} has {n_cells} cells, but there are {n_columns} columns: "
                        f"{line.strip()[:60]!r}."
                    )


class _Lines(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._pieces, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _rewritten(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Rewrite the rows of a file as UTF-8, with tabs between cells that blanks had parted."""
    with open_file(path, "rt", encoding=dialect.encoding) as file:
        for _ in range(dialect.n_header):
            file.readline()
        while lines := file.readlines(1 << 20):
            if dialect.separator == _BY_SPACE:
                buffer = io.StringIO()
                rows = (split(line, _BY_SPACE) for line in lines)
                csv.writer(buffer, delimiter="\t").writerows(row for row in rows if row)
                yield buffer.getvalue().encode()
            else:
                yield "".join(lines).encode()


def open_file(path: Path, mode: str, **options: Any) -> Any:
    """Open a file that may be zipped: browsers unzip, and servers zip, without a new name."""
    return (gzip.open if is_zipped(path) else open)(path, mode, **options)


def is_zipped(path: Path) -> bool:
    """Whether a file is compressed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def first_bytes(path: Path, n_bytes: int = 64) -> bytes:
    """Read the first bytes of a file, unzipped."""
    with open_file(path, "rb") as file:
        start: bytes = file.read(n_bytes)
    return start


def _has_utf8(path: Path) -> bool:
    """Whether all of a file is UTF-8."""
    with open_file(path, "rt", encoding="utf-8", newline="") as file:
        try:
            while file.read(1 << 20):
                pass
        except UnicodeDecodeError:
            return False
    return True


def find_dialect(path: Path) -> Dialect:
    """Find the names of the columns of a file of text, and how it is written."""
    start = first_bytes(path)
    encoding = "utf-8-sig"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in start[:2]:
        encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
    try:
        lines, content = _first_lines(path, encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise
        encoding = "latin-1"
        lines, content = _first_lines(path, encoding)
    if not content:
        raise ValueError("it has no line with the names of columns.")
    number, header = content[0]
    separator = max(",;\t|", key=header.count)
    if separator not in header:
        separator = _BY_SPACE if len(header.split()) > 1 else ","
    names = split(header, separator)
    if any(map(_is_number, names)):
        # numpy.savetxt writes the names as a comment.
        comments = [line.lstrip("# ") for line in lines[:number] if line.startswith("#")]
        heading = split(comments[-1], separator) if comments else []
        if len(heading) == len(names) and not any(map(_is_number, heading)):
            names, number = heading, number - 1
        elif all(map(_is_number, names)):
            raise ValueError("it has no line with the names of columns.")
    rows = [split(line, separator) for _, line in content[1:]]
    words = [word for row in rows for word in row]
    if rows and not any(any(row[len(names) :]) for row in rows):
        names += [""] * (min(map(len, rows)) - len(names))  # a separator at the end of each row
    decimal_comma = separator != "," and any(map(_WITH_COMMA.fullmatch, words))
    decimal = "," if decimal_comma and not any(map(_WITH_POINT.fullmatch, words)) else "."
    return Dialect(names, separator, decimal, number + 1, encoding)


def _first_lines(path: Path, encoding: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Read lines up to a sample of those, with their numbers, that are no comment or blank."""
    lines, content = [], []
    with open_file(path, "rt", encoding=encoding) as file:
        for number, line in enumerate(file):
            lines.append(line)
            if line.strip() and not line.startswith("#"):
                content.append((number, line))
            if len(content) > _SAMPLE_LINES:
                break
    return lines, content


def split(line: str, separator: str) -> list[str]:
    """Split a line into its cells."""
    if separator == _BY_SPACE and '"' not in line:
        return line.split()
    if separator == _BY_SPACE:
        line, separator = " ".join(line.split()), " "
    (row,) = csv.reader([line.rstrip("\r\n")], delimiter=separator, skipinitialspace=True)
    return [cell.strip() for cell in row]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return bool(cell)


def write_csv(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a CSV file: numbers with every digit, text in quotes, nothing where null.

    It has no place for units and provenance; the card beside it has.
    """
    from pyarrow import csv as arrow_csv

    with gzip.open(path, "wb") if path.name.endswith(".gz") else path.open("wb") as file:
        arrow_csv.write_csv(from_pandas(frame), file)
