"""Tables of intervals: all metrics at several coverages, and coverage in bins of a quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sfml.metrics.intervals import (
    coverage_of,
    inside,
    normalised_width_of,
    score_of,
    width_of,
)
from sfml.metrics.pairing import read_values
from sfml.metrics.predictive import (
    IntervalPair,
    check_coverage,
    check_levels,
    pair_intervals,
    pair_quantiles,
)
from sfml.metrics.quantiles import binomial_error, check_coverages
from sfml.uncertainty.distribution import crps_of, quantiles_at


def interval_table(
    y_true: Any,
    y_quantiles: Any = None,
    levels: Sequence[float] | None = None,
    coverages: Sequence[float] = (0.68, 0.9),
    *,
    intervals: Mapping[float, Any] | None = None,
    targets: Sequence[str] | None = None,
) -> pd.DataFrame:
    """All metrics of the intervals of all targets, one row a target and coverage.

    The intervals are the central ones between predicted quantiles or, if `intervals` is given,
    those. With both, the quantiles serve the CRPS alone.

    Parameters
    ----------
    y_true : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels, in dex. NaN is left out.
    y_quantiles : array-like of shape (n_galaxies, ..., n_levels), default=None
        Predicted quantiles, in dex, of one target or, with an axis for them, of several. A galaxy
        with NaN is left out.
    levels : sequence of float of length n_levels, default=None
        Levels of the quantiles, growing, between 0 and 1, at least two.
    coverages : sequence of float, default=(0.68, 0.9)
        Nominal coverages of the central intervals, interpolated as in `pit` where their ends are
        not among `levels`.
    intervals : dict of float to ndarray, default=None
        For each nominal coverage, the intervals as ``predict_interval`` gives them, of shape
        (n_galaxies, 2) or (n_galaxies, n_targets, 2), in dex.
    targets : sequence of str, default=None
        Names of the targets. By default those of the columns of `y_true`; three columns without
        names are `sfml.TARGETS`.

    Returns
    -------
    DataFrame of shape (n_targets * n_coverages, n_columns)
        Columns `target`, `nominal`, `coverage` and its `standard_error`, `ace`, `mean_width`,
        `pinaw`, `interval_score`, then `crps` if there are quantiles, and `n`, the number of
        galaxies. The CRPS belongs to the target, whatever the coverage.

    Raises
    ------
    ValueError
        If there is neither a pair of quantiles and levels nor any interval.

    Examples
    --------
    >>> from sfml import metrics
    >>> y_quantiles = [[8.9, 9.0, 9.1], [10.0, 10.2, 10.4], [11.1, 11.2, 11.3]]
    >>> table = metrics.interval_table([9.0, 10.3, 11.0], y_quantiles, [0.16, 0.5, 0.84], [0.68])
    >>> table.loc[0, ["coverage", "mean_width"]].astype(float).round(3).tolist()
    [0.667, 0.267]
    """
    has_quantiles = y_quantiles is not None and levels is not None
    if not has_quantiles and not intervals:
        raise ValueError(
            "Give y_quantiles and levels, as in interval_table(y, pipe.predict_quantiles(X, "
            "levels), levels), or intervals={0.68: pipe.predict_interval(X, 0.68)}."
        )
    scores: dict[str, float] = {}
    central: list[tuple[float, IntervalPair]] = []
    if has_quantiles:
        at = check_levels(levels)
        for pair in pair_quantiles(y_true, y_quantiles, at, targets=targets):
            scores[pair.name] = float(crps_of(pair.quantiles, at, pair.y_true).mean())
            for nominal in check_coverages(coverages):
                ends = ndtri([(1 - nominal) / 2, (1 + nominal) / 2])
                lower, upper = quantiles_at(pair.quantiles, at, ends).T
                central.append(
                    (nominal, IntervalPair(pair.name, pair.y_true, lower, upper, pair.kept))
                )
    rows = list(_given(y_true, intervals, targets)) if intervals else central
    return pd.DataFrame([_row(pair, nominal, scores.get(pair.name)) for nominal, pair in rows])


def _given(
    y_true: Any, intervals: Mapping[float, Any], targets: Sequence[str] | None
) -> Iterator[tuple[float, IntervalPair]]:
    pairs: dict[str, list[tuple[float, IntervalPair]]] = {}
    for nominal, ends in intervals.items():
        check_coverage(nominal)
        array = np.asarray(ends, dtype=float)
        if array.ndim not in (2, 3) or array.shape[-1] != 2:
            raise ValueError(
                f"intervals[{nominal:g}] must have shape (n_galaxies, 2) or (n_galaxies, "
                f"n_targets, 2), as predict_interval gives it; got {array.shape}."
            )
        for pair in pair_intervals(y_true, array[..., 0], array[..., 1], targets=targets):
            pairs.setdefault(pair.name, []).append((float(nominal), pair))
    for of_target in pairs.values():
        yield from of_target


def _row(pair: IntervalPair, nominal: float, score: float | None) -> dict[str, Any]:
    empirical = coverage_of(pair)
    row = {
        "target": pair.name,
        "nominal": nominal,
        "coverage": empirical,
        "standard_error": float(binomial_error(empirical, len(pair.y_true))),
        "ace": empirical - nominal,
        "mean_width": width_of(pair),
        "pinaw": normalised_width_of(pair),
        "interval_score": score_of(pair, nominal),
    }
    return row | ({} if score is None else {"crps": score}) | {"n": len(pair.y_true)}


def binned_coverage(
    y_true: Any,
    lower: Any,
    upper: Any,
    by: Any,
    n_bins: int = 5,
    *,
    targets: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Coverage of intervals in bins of any quantity, such as the redshift.

    Intervals may be right on the whole and yet too narrow for faint galaxies: this shows it. The
    bins hold equal numbers of galaxies, as far as equal values of the quantity allow.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, which are inside, in dex. NaN is left out.
    by : array-like of shape (n_galaxies,)
        The quantity, one value a galaxy. A galaxy without one (NaN) is left out.
    n_bins : int, default=5
        Number of bins.
    targets : sequence of str, default=None
        Names of the targets. By default those of the columns of `y_true`; three columns without
        names are `sfml.TARGETS`.

    Returns
    -------
    DataFrame of shape (n_targets * n_bins, 9)
        Columns `target`, `by_low` and `by_high`, the edges of the bin (the upper one is outside,
        save that of the last bin), `by_median`, `n`, `coverage` and its binomial
        `standard_error`, `mean_residual`, that of the middle of the interval minus the label, and
        `mean_width`, both in dex. A bin without a galaxy of the target has NaN.

    References
    ----------
    .. [1] Cameron 2011, PASA 28, 128, for the standard error.

    Examples
    --------
    >>> from sfml import metrics
    >>> table = metrics.binned_coverage([9.0, 10.0, 11.0, 12.0], [8.9, 9.9, 10.9, 12.1],
    ...                                 [9.1, 10.1, 11.1, 12.3], by=[0.1, 0.2, 0.3, 0.4], n_bins=2)
    >>> table.coverage.tolist()
    [1.0, 0.5]
    """
    pairs = pair_intervals(y_true, lower, upper, targets=targets)
    value = read_by(by, len(pairs[0].kept))
    edges = bin_edges(value[np.any([pair.kept for pair in pairs], axis=0)], n_bins)
    rows = [
        _binned_row(pair, value[pair.kept], edges, k)
        for pair in pairs
        for k in range(len(edges) - 1)
    ]
    return pd.DataFrame(rows)


def read_by(by: Any, n_galaxies: int) -> np.ndarray:
    """Read the quantity of which bins are made, one value a galaxy."""
    values, _ = read_values(by, "by")
    if values.shape != (n_galaxies, 1):
        raise ValueError(
            f"by must hold one value for each of the {n_galaxies} galaxies; got shape "
            f"{np.shape(by)}."
        )
    return values[:, 0]


def bin_edges(by: np.ndarray, n_bins: int) -> np.ndarray:
    """Edges of bins with equal numbers of galaxies; fewer bins where many values are equal."""
    if not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ValueError(f"n_bins must be a positive integer; got {n_bins!r}.")
    present = by[~np.isnan(by)]
    if not len(present):
        raise ValueError(
            f"by is NaN for all {len(by)} galaxies which have a label and a prediction."
        )
    edges = np.unique(np.quantile(present, np.linspace(0, 1, n_bins + 1)))
    return np.repeat(edges, 2) if len(edges) == 1 else edges


def bin_of(by: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each galaxy: its upper edge is outside, save that of the last. NaN has none, -1."""
    index = np.clip(np.searchsorted(edges, by, side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isnan(by), -1, index)


def _binned_row(pair: IntervalPair, by: np.ndarray, edges: np.ndarray, k: int) -> dict[str, Any]:
    here = bin_of(by, edges) == k
    n = int(here.sum())
    row = {"target": pair.name, "by_low": edges[k], "by_high": edges[k + 1]}
    if not n:
        return row | {"n": 0}
    covered = float(inside(pair)[here].mean())
    with np.errstate(invalid="ignore"):  # the middle of an interval open at both ends
        middle = (pair.lower[here] + pair.upper[here]) / 2
    return row | {
        "by_median": float(np.median(by[here])),
        "n": n,
        "coverage": covered,
        "standard_error": float(binomial_error(covered, n)),
        "mean_residual": float(np.mean(middle - pair.y_true[here])),
        "mean_width": float(np.mean(pair.upper[here] - pair.lower[here])),
    }
