"""Plain-text tables, and files that are there in full or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Rows", "check_free", "existing_file", "numbers", "put", "read_rows", "render_rows"]


class Rows(NamedTuple):
    """A table of words."""

    header: list[str]
    rows: list[list[str]]


def check_free(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Raise where a file would be replaced that may not be."""
    taken = [str(path) for path in paths if path.exists()]
    if taken and not overwrite:
        raise FileExistsError(
            f"{', '.join(taken)} is there already. Choose another place, or replace it with "
            "overwrite=True."
        )


def put(path: Path, writer: Callable[[Path], object]) -> Path:
    """Let `writer` write to a temporary file, then give it its name; make the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        writer(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def existing_file(path: Path, advice: str) -> Path:
    """Check that a path is a file."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}. {advice}")
    return path


def render_rows(header: str, names: Iterable[str], values: np.ndarray) -> str:
    """Write a name and numbers a line; every digit of the numbers is kept."""
    lines = [header]
    for name, row in zip(names, values.tolist(), strict=True):
        lines.append(" ".join((name, *map(repr, row))))
    return "\n".join(lines) + "\n"


def read_rows(path: Path) -> Rows:
    """Read a header line, with or without a leading #, and rows of as many words.

    Parameters
    ----------
    path : Path
        A text file.

    Returns
    -------
    Rows

    Raises
    ------
    ValueError
        If the file is empty or a row has another number of words than the header.
    """
    lines = path.read_text().splitlines()
    if not lines:
        raise ValueError(f"{str(path)!r} is empty; its first line must name the columns.")
    header = lines[0].lstrip("# \t").split()
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words:
            continue
        if len(words) != len(header):
            raise ValueError(
                f"{str(path)!r}, line {number}: expected {len(header)} columns, as in its first "
                f"line, got {len(words)}. The file is cut short, or a name has a space in it."
            )
        rows.append(words)
    return Rows(header, rows)


def numbers(path: Path, columns: list[str], words: list[list[str]]) -> np.ndarray:
    """Turn words into numbers, column by column, or say which is none."""
    try:
        return np.array(words, dtype=float).reshape(len(words), len(columns))
    except ValueError:
        for row in words:
            for column, word in zip(columns, row, strict=True):
                if not _is_number(word):
                    raise ValueError(
                        f"{str(path)!r}: column {column!r} must hold numbers; got {word!r}."
                    ) from None
        raise


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
