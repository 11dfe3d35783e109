"""Tables of metrics: the paper's Table 3, several coverages, and bins of a quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sfml import tables, weights
from sfml.metrics import intervals as of_intervals
from sfml.metrics import regression
from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import Pair, pair_intervals, pair_quantiles, pair_targets, read_values
from sfml.metrics.quantiles import binomial_error, check_coverages, crps
from sfml.uncertainty.distribution import check_coverage, quantiles_at


@describe_shared
def score_table(
    y_true: Any,
    y_pred: Any,
    *,
    targets: Sequence[str] | None = None,
    n_features: int | None = None,
    fit_time: float | Sequence[float] | None = None,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """All metrics of all targets, in the shape of the paper's Table 3.

    Parameters
    ----------
    y_true, y_pred, targets
    n_features : int, default=None
        Number of inputs of the model, such as ``pipe[-1].n_features_in_``, for the adjusted r2,
        which is left out otherwise. The paper's model has 22: 21 bands and the redshift.
    fit_time : float or sequence of float, default=None
        Time taken to train each target's model, in seconds. A single number stands for one model
        of all targets, and is repeated.
    sample_weight

    Returns
    -------
    DataFrame of shape (n_rows, n_targets)
        The rows of Table 3, then bias, NMAD, two outlier fractions and the number of galaxies.
        The adjusted r2 and the time are there only if `n_features` and `fit_time` were given.

    References
    ----------
    .. [1] Surana et al. 2020, MNRAS 493, 4808, Table 3.

    Examples
    --------
    >>> from sfml import metrics
    >>> table = metrics.score_table([9.0, 10.0, 11.0, 10.0], [9.1, 9.9, 11.1, 9.9],
    ...                             targets=["stellar_mass"])
    >>> float(table.loc["error", "stellar_mass"].round(6))
    0.1
    """
    pairs = pair_targets(y_true, y_pred, targets=targets, sample_weight=sample_weight)
    times = _times(fit_time, len(pairs))
    return pd.DataFrame(
        {
            pair.name: _scores(pair, n_features, seconds)
            for pair, seconds in zip(pairs, times, strict=True)
        }
    )


def _scores(pair: Pair, n_features: int | None, seconds: float | None) -> dict[str, Any]:
    scores = {
        "error": regression.error.of_pair(pair),
        "root mean square error": regression.rmse.of_pair(pair),
        "mean absolute deviation": regression.mad.of_pair(pair),
    }
    if n_features is not None:
        scores["r2 adjusted"] = regression.adjusted_r2.of_pair(pair, n_features)
    if seconds is not None:
        scores["time taken to train (seconds)"] = seconds
    return scores | {
        "bias": regression.bias.of_pair(pair),
        "NMAD": regression.nmad.of_pair(pair),
        "outlier fraction (> 0.3 dex)": regression.outlier_fraction.of_pair(pair),
        "outlier fraction (> 3 sigma)": regression.outlier_fraction.of_pair(pair, 3, unit="sigma"),
        "number of galaxies": pair.n,
    }


def _times(fit_time: float | Sequence[float] | None, n_targets: int) -> Sequence[float | None]:
    if fit_time is None:
        return [None] * n_targets
    times = np.asarray(fit_time, dtype=float)
    if times.shape not in ((), (n_targets,)):
        raise ValueError(
            f"fit_time must be one number, or one for each of the {n_targets} targets, in seconds; "
            f"got {fit_time!r}."
        )
    return np.broadcast_to(times, (n_targets,)).tolist()


@describe_shared
def interval_table(
    y_true: Any,
    y_quantiles: Any = None,
    levels: Sequence[float] | None = None,
    coverages: Sequence[float] = (0.68, 0.9),
    *,
    intervals: Mapping[float, Any] | None = None,
    targets: Sequence[str] | None = None,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """All metrics of the intervals of all targets, one row per target and coverage.

    The intervals are the central ones between predicted quantiles or, if `intervals` is given,
    those. With both, the quantiles serve the CRPS alone.

    Parameters
    ----------
    y_true, y_quantiles, levels
    coverages : sequence of float, default=(0.68, 0.9)
        Nominal coverages of the central intervals, interpolated as in `pit` where their ends are
        not among `levels`.
    intervals : dict of float to ndarray, default=None
        For each nominal coverage, the intervals as ``predict_interval`` returns them, of shape
        (n_galaxies, 2) or (n_galaxies, n_targets, 2), in dex.
    targets, sample_weight

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
    options = {"targets": targets, "sample_weight": sample_weight}
    scores: dict[str, float] = {}
    central: list[tuple[float, Pair]] = []
    if has_quantiles:
        for pair in pair_quantiles(y_true, y_quantiles, levels, **options):
            scores[pair.name] = crps.of_pair(pair)
            for nominal in check_coverages(coverages):
                ends = quantiles_at(pair.predicted, pair.levels, ndtri(check_coverage(nominal)))
                central.append((nominal, pair._replace(predicted=ends)))
    rows = list(_given(y_true, intervals, options)) if intervals else central
    return pd.DataFrame([_row(pair, nominal, scores.get(pair.name)) for nominal, pair in rows])


def _given(
    y_true: Any, intervals: Mapping[float, Any], options: Mapping[str, Any]
) -> Iterator[tuple[float, Pair]]:
    pairs: dict[str, list[tuple[float, Pair]]] = {}
    for nominal, ends in intervals.items():
        check_coverage(nominal)
        array = np.asarray(ends, dtype=float)
        if array.ndim not in (2, 3) or array.shape[-1] != 2:
            raise ValueError(
                f"intervals[{nominal:g}] must have shape (n_galaxies, 2) or (n_galaxies, "
                f"n_targets, 2), as predict_interval returns it; got {array.shape}."
            )
        for pair in pair_intervals(y_true, array[..., 0], array[..., 1], **options):
            pairs.setdefault(pair.name, []).append((float(nominal), pair))
    for of_target in pairs.values():
        yield from of_target


def _row(pair: Pair, nominal: float, score: float | None) -> dict[str, Any]:
    empirical = of_intervals.coverage.of_pair(pair)
    row = {
        "target": pair.name,
        "nominal": nominal,
        "coverage": empirical,
        "standard_error": float(binomial_error(empirical, pair.n)),
        "ace": empirical - nominal,
        "mean_width": of_intervals.mean_width.of_pair(pair),
        "pinaw": of_intervals.pinaw.of_pair(pair),
        "interval_score": of_intervals.interval_score.of_pair(pair, nominal),
    }
    return row | ({} if score is None else {"crps": score}) | {"n": pair.n}


@describe_shared
def binned_coverage(
    y_true: Any,
    lower: Any,
    upper: Any,
    by: Any,
    n_bins: int = 5,
    *,
    targets: Sequence[str] | None = None,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """Coverage of intervals in bins of any quantity, such as the redshift.

    Intervals may be right on the whole and yet too narrow for faint galaxies: this shows it. The
    bins hold equal numbers of galaxies, as far as equal values of the quantity allow.

    Parameters
    ----------
    y_true, lower, upper, by
    n_bins : int, default=5
        Number of bins.
    targets, sample_weight

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
    pairs = pair_intervals(y_true, lower, upper, targets=targets, sample_weight=sample_weight)
    tables.check_same_rows(y_true, by, "y_true and by")
    value = read_by(by, len(pairs[0].kept))
    paired = np.any([pair.kept for pair in pairs], axis=0)
    weight = weights.read_weights(sample_weight, value)
    edges = bin_edges(value[paired], n_bins, None if weight is None else weight[paired])
    rows = [
        _binned_row(pair, value[pair.kept], edges, k)
        for pair in pairs
        for k in range(len(edges) - 1)
    ]
    return pd.DataFrame(rows)


def read_by(by: Any, n_galaxies: int) -> np.ndarray:
    """Read the quantity of which bins are made, one value per galaxy."""
    values, _ = read_values(by, "by")
    if values.shape != (n_galaxies, 1):
        raise ValueError(
            f"by must hold one value for each of the {n_galaxies} galaxies; got shape "
            f"{np.shape(by)}."
        )
    return values[:, 0]


def bin_edges(by: np.ndarray, n_bins: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Edges of bins with equal numbers of galaxies; fewer bins where many values are equal."""
    if not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ValueError(f"n_bins must be a positive integer; got {n_bins!r}.")
    present = ~np.isnan(by)
    if not present.any():
        raise ValueError(
            f"by is NaN for all {len(by)} galaxies that have a label and a prediction."
        )
    weight = None if weight is None else weight[present]
    edges = np.unique(weights.quantile(by[present], np.linspace(0, 1, n_bins + 1), weight))
    return np.repeat(edges, 2) if len(edges) == 1 else edges


def bin_of(by: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each galaxy: its upper edge is outside, save that of the last. NaN has none, -1."""
    index = np.clip(np.searchsorted(edges, by, side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isnan(by), -1, index)


def _binned_row(pair: Pair, by: np.ndarray, edges: np.ndarray, k: int) -> dict[str, Any]:
    here = bin_of(by, edges) == k
    row = {"target": pair.name, "by_low": edges[k], "by_high": edges[k + 1]}
    if not here.any():
        return row | {"n": 0}
    weight = None if pair.weight is None else pair.weight[here]
    inner = pair._replace(y_true=pair.y_true[here], predicted=pair.predicted[here], weight=weight)
    covered = of_intervals.coverage.of_pair(inner)
    with np.errstate(invalid="ignore"):  # the middle of an interval open at both ends
        middle = inner.predicted.sum(axis=1) / 2
    return row | {
        "by_median": weights.median(by[here], weight),
        "n": inner.n,
        "coverage": covered,
        "standard_error": float(binomial_error(covered, inner.n)),
        "mean_residual": float(inner.mean(middle - inner.y_true)),
        "mean_width": of_intervals.mean_width.of_pair(inner),
    }
