"""Identifiers of galaxies as text: SPS codes name files by them, and give them back as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sfml import tables

__all__ = ["as_text", "check_names", "check_unique", "examples", "identifiers"]


def identifiers(X: Any, ids: Iterable[Any] | None) -> list[str]:
    """One identifier a row, checked to be unique.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, n_columns)
        The galaxies.
    ids : iterable of length n_galaxies, or None
        Their identifiers. None: the index of a DataFrame, and positions for any other table.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is not one a row, or if one is missing or repeats.
    """
    n_rows = tables.n_rows(X)
    if ids is None:
        index = tables.row_index(X)
        ids = range(n_rows) if index is None else index
    texts = as_text(ids)
    if len(texts) != n_rows:
        raise ValueError(f"ids must have one entry a row of X: got {len(texts)} for {n_rows} rows.")
    check_unique(texts, "ids")
    return texts


def as_text(ids: Iterable[Any]) -> list[str]:
    """Write identifiers as text: 6802, 6802.0, b"6802" and "6802" are the same galaxy."""
    return [_text(value) for value in ids]


def check_unique(texts: Sequence[str], what: str) -> None:
    """Raise where an identifier repeats."""
    repeated = [text for text, count in Counter(texts).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{what} must be unique; {len(repeated)} repeat, for example {examples(repeated)}. "
            "Keep one row a galaxy."
        )


def check_names(texts: Sequence[str], pattern: str, advice: str) -> None:
    """Raise where an identifier would be misread, and say which and why."""
    wrong = [text for text in texts if not re.fullmatch(pattern, text)]
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {len(texts)} ids cannot be written, for example {examples(wrong)}: "
            f"{advice}"
        )


def examples(values: Sequence[Any], limit: int = 5) -> str:
    """Name the first few values of many."""
    return ", ".join(repr(value) for value in values[:limit]) + (", ..." * (len(values) > limit))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode().strip()
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise ValueError(f"An id is missing: got {value!r}. Give every row an identifier.")
        return str(int(value)) if value == int(value) else repr(float(value))
    return str(value).strip()
