"""Identifiers of galaxies as text: SPS codes name files by them, and return them as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sfml import tables


def identifiers(X: Any, ids: Iterable[Any] | None) -> list[str]:
    """Identify each row of X, by the index of a DataFrame or else its position if ids is None.

    Raises where an identifier is missing, repeats or has lost digits, where there is not one per
    row, and where they are the labels of X in another order.
    """
    n_rows, index = tables.n_rows(X), tables.row_index(X)
    if ids is None:
        return _checked(range(n_rows) if index is None else index, n_rows)
    ids = ids if isinstance(ids, pd.Series) else list(ids)
    texts = _checked(ids, n_rows)
    tables.check_same_rows(X, ids, "X and ids")
    check_labels(X, texts, "X and ids")
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
            "Keep one row per galaxy."
        )


def check_names(texts: Sequence[str], pattern: str, advice: str) -> None:
    """Raise where an identifier would be misread, and say which and why."""
    wrong = [text for text in texts if not re.fullmatch(pattern, text)]
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {len(texts)} ids cannot be written, for example {examples(wrong)}: "
            f"{advice}"
        )


def check_labels(table: Any, ids: Sequence[str], what: str) -> None:
    """Raise where the index of a table holds the identifiers in another order."""
    index = tables.row_index(table)
    # A default index only counts rows: identifiers that are numbers may hold the same ones.
    if index is not None and not index.equals(pd.RangeIndex(len(ids))):
        labels = pd.DataFrame(index=[_label(label) for label in index])
        tables.check_same_rows(labels, pd.DataFrame(index=list(ids)), what)


def examples(values: Sequence[Any], limit: int = 5) -> str:
    """Name the first few values of many."""
    return ", ".join(repr(value) for value in values[:limit]) + (", ..." * (len(values) > limit))


def _checked(ids: Any, n_rows: int) -> list[str]:
    texts = as_text(ids)
    if len(texts) != n_rows:
        raise ValueError(
            f"ids must have one entry per row of X: got {len(texts)} for {n_rows} rows."
        )
    check_unique(texts, "ids")
    return texts


def _label(value: Any) -> str:
    try:
        return _text(value)
    except ValueError:  # no identifier, but a label all the same
        return str(value)


def _text(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    is_missing = value is np.ma.masked or (pd.api.types.is_scalar(value) and pd.isna(value))
    if is_missing or not text.strip() or text.strip("+-") == "inf":
        raise ValueError(f"An id is missing: got {value!r}. Give every row an identifier.")
    if not isinstance(value, float | np.floating):
        return text.strip()
    precision: Any = np.finfo(type(value))
    if abs(value) >= 2.0 ** (precision.nmant + 1):
        raise ValueError(
            f"The id {value!r} is a float, which holds {precision.precision} digits: the last ones "
            "are lost. Read the column of ids as integers or as text."
        )
    return str(int(value)) if value == int(value) else repr(float(value))
