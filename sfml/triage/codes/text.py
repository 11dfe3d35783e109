"""Plain-text tables of the SPS codes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

# The D or Q of an exponent, or where Fortran leaves its letter out: 1.0D-5, 1.000-120.
_EXPONENT = re.compile(r"(?<=[\d.])(?:[dq](?=[+-]?\d)|(?=[+-]\d))", re.IGNORECASE)


class Rows(NamedTuple):
    """Words of a table, line by line."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    """Number of each row's line in the file."""


def existing_file(path: Path, advice: str) -> Path:
    """Check that a path is a file."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}. {advice}")
    return path


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file in UTF-8 or, as some codes write, in Latin-1."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return re.split(r"\r\n|\r|\n", text)


def render_rows(header: str, names: Iterable[str], values: np.ndarray) -> str:
    """Write one line per name, followed by its numbers with every digit."""
    lines = [header]
    for name, row in zip(names, values.tolist(), strict=True):
        lines.append(" ".join((name, *map(repr, row))))
    return "\n".join(lines) + "\n"


def read_fortran_rows(path: Path) -> Rows:
    """Read a table as Fortran's list-directed input does; its first line is no data, # comments."""
    first, *others = [line.replace(",", " ") for line in read_lines(path)]
    kept = [re.split(r"(?:^|\s)#", line)[0].split() for line in others]
    rows = {i: words for i, words in enumerate(kept, start=2) if words}
    unquoted = [[word.strip("'\"") for word in words] for words in rows.values()]
    return Rows(first.lstrip("# \t").split(), unquoted, list(rows))


def read_named_rows(path: Path) -> Rows:
    """Read a table whose header has a column ``id``: with spaces, tabs or commas between words.

    The header is the first line that is no comment or, if that has no ``id``, a comment above it.
    Raises where the file is empty, a name repeats, or a row has more or fewer words.
    """
    lines = [(i, line) for i, line in enumerate(read_lines(path), start=1) if line.strip()]
    if not lines:
        raise ValueError(f"{str(path)!r} is empty; its first line must name the columns.")
    data = [(i, line) for i, line in lines if not line.lstrip().startswith("#")]
    header, delimiter = _header(lines[0][1])
    if data and "id" in _header(data[0][1])[0]:
        header, delimiter = _header(data.pop(0)[1])
    else:
        end, width = data[0] if data else lines[-1]
        above = [_header(line) for i, line in lines if i <= end and line.lstrip().startswith("#")]
        named = [found for found in above if "id" in found[0]]
        # Of comments with the word "id", the header has as many words as the first row.
        named.sort(key=lambda found: len(found[0]) == len(_words(width, found[1])))
        header, delimiter = named[-1] if named else (header, delimiter)
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{str(path)!r} has more than one column named {', '.join(repeated)}.")
    rows = []
    for i, line in data:
        words = _words(line, delimiter)
        if delimiter == "\t" and len(words) != len(header):
            words = _words(line, None)
        if len(words) != len(header):
            raise ValueError(
                f"{str(path)!r}, line {i}: expected {len(header)} columns, as in its header, got "
                f"{len(words)}. The file is cut short, or a name has a space in it."
            )
        rows.append(words)
    return Rows(header, rows, [i for i, _ in data])


def _header(line: str) -> tuple[list[str], str | None]:
    """Read the names in a header, and the delimiter between them; None for spaces."""
    line = line.lstrip("# \t")
    for delimiter in (",", "\t"):
        names = _words(line, delimiter)
        if "id" in names and not any(re.search(r"\s", name) for name in names):
            return names, delimiter
    return _words(line, None), None


def _words(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        line, delimiter = " ".join(line.split()), " "
    words = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return [word.strip() for word in words]


def numbers(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """Convert words to an array of shape (n_rows, n_columns), or say which is no number."""
    values = np.empty((len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, word in enumerate(row):
            try:
                values[i, j] = number(word)
            except ValueError:
                raise ValueError(
                    f"{str(path)!r}: column {columns[j]!r} must hold numbers; got {word!r}."
                ) from None
    return values


def number(word: str) -> float:
    """Convert a number as Fortran or Python writes it; NaN if it is empty or did not fit (***)."""
    if not word.strip("*"):
        return np.nan
    if "_" in word:  # which Python allows between digits
        raise ValueError(f"has {word!r} in place of a number")
    try:
        return float(_EXPONENT.sub("e", word, count=1))
    except ValueError:
        raise ValueError(f"has {word!r} in place of a number") from None
