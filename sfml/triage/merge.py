"""Fill the results of an SPS code into the labels, with a record of where each came from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date as calendar_date
from typing import Any

import numpy as np
import pandas as pd

from sfml import tables
from sfml.datasets.labels import gama_columns
from sfml.targets import implausible
from sfml.triage.identifiers import as_text, check_labels, check_unique, examples, identifiers

_ENDS = ("_p16", "_p84")
_GAMA_NAMES = {column: name for name, column in gama_columns(percentiles=True).items()}
_CHI2 = ("chi2", "chi2_reduced")
# The redshift in results is the one that the code was given.
_NO_LABELS = (*_CHI2, "redshift")


def merge(
    X: Any,
    y: pd.DataFrame,
    results: pd.DataFrame,
    *,
    ids: Iterable[Any] | None = None,
    code: str,
    code_version: str,
    requested: Iterable[int] | None = None,
    max_chi2: float | None = None,
    overwrite: bool = False,
    date: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fill the results of an SPS code into the labels.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, n_columns)
        The catalogue; its rows are those of `y`, in the same order.
    y : DataFrame of shape (n_galaxies, n_columns)
        The labels in dex, NaN where a galaxy has none: columns with the targets' names or GAMA's,
        and, if it has them, ``<target>_p16`` and ``<target>_p84``. It stays as it is.
    results : DataFrame of shape (n_results, n_columns)
        What `read_magphys` or `read_cigale` returned, indexed by id. Each result fills the row
        with its id, in whatever order they are.
    ids : iterable of length n_galaxies, default=None
        Identifiers of the rows of X, as they were written. By default the index of a DataFrame,
        else 0, 1, 2, ... They are compared as text.
    code : str
        Name of the SPS code, such as "MAGPHYS".
    code_version : str
        Its version, and that of its models.
    requested : iterable of int, default=None
        Positions that had been handed over, as `choose` returned them: those without a result
        are then recorded as missing.
    max_chi2 : float, default=None
        Results with a larger ``chi2`` (or ``chi2_reduced``) are rejected.
    overwrite : bool, default=False
        Whether a result replaces a label that is there.
    date : str, default=None
        Date to record. By default today's.

    Returns
    -------
    y : DataFrame of shape (n_galaxies, n_columns)
        A copy with the accepted results filled in. A target's percentiles are those of the same
        result, NaN if it has none.
    provenance : DataFrame of shape (n_galaxies, 7)
        One row per row of y. ``id``; ``source``: the code, "catalogue" for labels that were there,
        or "none"; ``version``, ``date`` and ``chi2`` of the result; ``status``: "accepted",
        "rejected", "missing" (requested, but without a result), or empty where nothing was
        asked; and ``reason``, why it was rejected or what it filled.

    Raises
    ------
    TypeError
        If y or results is not a DataFrame.
    ValueError
        If ids are unknown or repeat, numbers of rows differ, X, y and ids hold the same labels in
        another order, results has none of y's targets or a column of ids, y has a target twice, or
        `max_chi2` is given and results has no chi^2.

    Notes
    -----
    A result is rejected as a whole if the value of one of y's targets is not finite or not
    plausible (see `sfml.targets`), if its percentiles are not in order (an end that is NaN, as
    CIGALE's may be, is not compared), or if its chi^2 is unknown or larger than `max_chi2`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml import triage
    >>> X = pd.DataFrame({"Z": [0.1, 0.2, 0.3]}, index=[11, 12, 13])
    >>> y = pd.DataFrame({"sfr": [0.5, None, None]}, index=X.index, dtype=float)
    >>> results = pd.DataFrame({"sfr": [-1.25, 0.0], "chi2": [0.9, 55.0]}, index=["12", "13"])
    >>> y, provenance = triage.merge(
    ...     X, y, results, code="MAGPHYS", code_version="2010", max_chi2=10, date="2020-05-01"
    ... )
    >>> y["sfr"].tolist()
    [0.5, -1.25, nan]
    >>> provenance[["source", "status", "reason"]]
           source    status                 reason
    11  catalogue
    12    MAGPHYS  accepted             filled sfr
    13       none  rejected  chi2 is 55, above 10
    """
    _check_tables(X, y, results)
    texts = identifiers(X, ids)
    tables.check_same_rows(X, y)
    check_labels(y, texts, "X and y" if ids is None else "y and ids")
    rows = _rows_of(results, texts)
    columns = _columns_by_target(y, results)
    chi2 = _chi2_of(results, max_chi2)
    reasons = _reasons_against(results, list(columns), chi2, max_chi2)
    merged = y.copy()
    filled = _fill(merged, results, rows, columns, reasons, overwrite=overwrite)
    record = _empty_record(y, texts, [names[0] for names in columns.values()])
    _note_results(record, rows, reasons, filled)
    record["chi2"][rows] = chi2
    record["version"][rows] = code_version
    record["date"][rows] = date or calendar_date.today().isoformat()
    record["source"][[row for row, names in zip(rows, filled, strict=True) if names]] = code
    _note_missing(record, rows, requested, code)
    return merged, pd.DataFrame(record, index=y.index)


def _check_tables(X: Any, y: Any, results: Any) -> None:
    for name, table in (("y", y), ("results", results)):
        if not isinstance(table, pd.DataFrame):
            raise TypeError(
                f"{name} must be a DataFrame whose columns are named by target; got "
                f"{type(table).__name__}."
            )
        if not table.columns.is_unique:
            raise ValueError(f"{name} has columns of the same name: {list(table.columns)}.")
    if "id" in results.columns:
        raise ValueError("results has a column 'id': make it the index with set_index('id').")
    if len(y) != tables.n_rows(X):
        raise ValueError(f"X and y must have the same rows: got {tables.n_rows(X)} and {len(y)}.")


def _rows_of(results: pd.DataFrame, texts: list[str]) -> np.ndarray:
    """Find each result's position in the catalogue."""
    names = as_text(results.index)
    check_unique(names, "The ids of results")
    rows = pd.Index(texts, dtype=object).get_indexer(pd.Index(names, dtype=object))
    unknown = [names[i] for i in np.flatnonzero(rows < 0)]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(names)} results have ids that are not those of a row of X, "
            f"for example {examples(unknown)}; X has {examples(texts, 3)}. Pass the ids that were "
            "written."
        )
    return rows


def _columns_by_target(y: pd.DataFrame, results: pd.DataFrame) -> dict[str, list[str]]:
    """Find the columns of y that each target fills: its value, then its percentiles."""
    plain = [_GAMA_NAMES.get(column, str(column)) for column in y.columns]
    column_of = dict(zip(plain, y.columns, strict=True))
    if repeated := sorted({name for name in plain if plain.count(name) > 1}):
        raise ValueError(
            f"y has {', '.join(repeated)} twice, under its own name and GAMA's: {list(y.columns)}."
        )
    columns = {
        target: [column_of[name] for name in _with_ends(target) if name in column_of]
        for target in column_of
        if target in results and target not in _NO_LABELS and not target.endswith(_ENDS)
    }
    if not columns:
        raise ValueError(
            f"results has none of y's targets: its columns are "
            f"{', '.join(map(str, results.columns))}, those of y {', '.join(map(str, y.columns))}."
        )
    return columns


def _with_ends(target: str) -> list[str]:
    return [target, *(target + end for end in _ENDS)]


def _chi2_of(results: pd.DataFrame, max_chi2: float | None) -> np.ndarray:
    for name in _CHI2:
        if name in results:
            return results[name].to_numpy(dtype=float)
    if max_chi2 is not None:
        raise ValueError(
            f"max_chi2={max_chi2:g} needs a column 'chi2' or 'chi2_reduced' in results, which has "
            f"{', '.join(map(str, results.columns))}."
        )
    return np.full(len(results), np.nan)


def _reasons_against(
    results: pd.DataFrame, targets: list[str], chi2: np.ndarray, max_chi2: float | None
) -> list[list[str]]:
    """List the reasons to reject each result."""
    reasons: list[list[str]] = [[] for _ in range(len(results))]
    for target in targets:
        value = results[target].to_numpy(dtype=float)
        low, high = (
            results[name].to_numpy(dtype=float) if name in results else np.full(len(value), np.nan)
            for name in _with_ends(target)[1:]
        )
        for i in np.flatnonzero(~np.isfinite(value)):
            reasons[i].append(f"{target} is not finite")
        for i in np.flatnonzero(np.isfinite(value) & implausible(value, target)):
            reasons[i].append(f"{target} is {value[i]:g}: not plausible")
        for i in np.flatnonzero((low > value) | (high < value) | (low > high)):
            reasons[i].append(f"percentiles of {target} are not in order")
    if max_chi2 is not None:
        for i in np.flatnonzero(~(chi2 <= max_chi2)):
            is_known = np.isfinite(chi2[i])
            above = f"chi2 is {chi2[i]:g}, above {max_chi2:g}"
            reasons[i].append(above if is_known else "chi2 is unknown")
    return reasons


def _fill(
    merged: pd.DataFrame,
    results: pd.DataFrame,
    rows: np.ndarray,
    columns: dict[str, list[str]],
    reasons: list[list[str]],
    *,
    overwrite: bool,
) -> list[list[str]]:
    """Write the accepted results into `merged`; return the targets that each has filled."""
    accepted = np.array([not reason for reason in reasons], dtype=bool)
    filled: list[list[str]] = [[] for _ in reasons]
    for target, names in columns.items():
        is_free = np.isnan(merged[names[0]].to_numpy(dtype=float)[rows]) | overwrite
        chosen = np.flatnonzero(accepted & is_free)
        for name in names:
            plain = _GAMA_NAMES.get(name, str(name))
            values = merged[name].to_numpy(dtype=float, copy=True)
            # Percentiles that belong to another value than the new one are worse than none.
            values[rows[chosen]] = (
                results[plain].to_numpy(dtype=float)[chosen] if plain in results else np.nan
            )
            merged[name] = values
        for i in chosen:
            filled[i].append(target)
    return filled


def _empty_record(y: pd.DataFrame, texts: list[str], labels: list[str]) -> dict[str, np.ndarray]:
    """Make the record of labels that are all from the catalogue."""
    has_label = y[labels].notna().any(axis=1).to_numpy()
    record: dict[str, np.ndarray] = {
        "id": np.array(texts, dtype=object),
        "source": np.where(has_label, "catalogue", "none").astype(object),
    }
    for name in ("version", "date", "chi2", "status", "reason"):
        record[name] = np.full(len(y), "", dtype=object)
    record["chi2"] = np.full(len(y), np.nan)
    return record


def _note_results(
    record: dict[str, np.ndarray],
    rows: np.ndarray,
    reasons: list[list[str]],
    filled: list[list[str]],
) -> None:
    for row, against, targets in zip(rows, reasons, filled, strict=True):
        record["status"][row] = "accepted" if targets else "rejected"
        if targets:
            record["reason"][row] = f"filled {', '.join(targets)}"
        else:
            record["reason"][row] = "; ".join(against) or "has labels already"


def _note_missing(
    record: dict[str, np.ndarray], rows: np.ndarray, requested: Iterable[int] | None, code: str
) -> None:
    if requested is None:
        return
    asked, n = np.asarray(list(requested)), len(record["id"])
    if len(asked) and (asked.dtype.kind not in "iu" or asked.min() < 0 or asked.max() >= n):
        raise ValueError(f"requested must be positions from 0 to {n - 1}; got {asked.tolist()}.")
    missing = np.setdiff1d(asked.astype(int), rows)
    record["status"][missing] = "missing"
    record["reason"][missing] = f"{code} gave no result"
