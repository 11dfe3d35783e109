"""Metrics of predicted quantiles: pinball loss, PIT, CRPS and the coverage curve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import Pair, pair_quantiles
from sfml.metrics.per_target import per_target
from sfml.uncertainty.distribution import crps_of, scores_of


@per_target(partial(pair_quantiles, least=1))
def pinball_loss(pair: Pair) -> float:
    """Pinball loss, averaged over the galaxies and the levels.

    It is what a quantile regression minimises: max(t (y - q), (t - 1) (y - q)) at level t, for a
    label y and a predicted quantile q. At level 0.5, which may stand alone, it is half of
    `mad`.

    In dex; the smaller, the better.

    References
    ----------
    .. [1] Koenker & Bassett 1978, Econometrica 46, 33.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.pinball_loss([10.0, 11.0], [[9.5], [11.5]], [0.5])
    0.25
    """
    excess = pair.y_true[:, None] - pair.predicted
    return float(pair.mean(np.maximum(pair.levels * excess, (pair.levels - 1) * excess)).mean())


@describe_shared
def pit(y_true: Any, y_quantiles: Any, levels: Sequence[float]) -> np.ndarray:
    """Probability integral transform: the predicted CDF at each label.

    Of calibrated predictions the PIT values are uniform between 0 and 1. A histogram with a hump
    means intervals that are too wide, one with raised ends intervals that are too narrow, a slope
    a bias.

    Between the levels a quantile is taken to grow linearly with the normal score of its level,
    and beyond the outermost ones to go on along the same line. For a label that several quantiles
    are equal to, it is the middle of their levels.

    Parameters
    ----------
    y_true, y_quantiles, levels

    Returns
    -------
    ndarray of shape (n_galaxies,) or (n_galaxies, n_targets)
        Between 0 and 1, row by row; NaN where the label or a quantile is NaN. It has one
        dimension if `y_quantiles` has two.

    References
    ----------
    .. [1] Dawid 1984, J. R. Stat. Soc. A 147, 278.
    .. [2] Polsterer, D'Isanto & Gieseke 2016, arXiv:1608.08016, for photometric redshifts.

    Examples
    --------
    >>> from sfml import metrics
    >>> y_quantiles = [[9.9, 10.0, 10.1], [9.9, 10.0, 10.1]]
    >>> metrics.pit([10.0, 10.1], y_quantiles, [0.16, 0.5, 0.84]).round(2)
    array([0.5 , 0.84])
    """
    pairs = pair_quantiles(y_true, y_quantiles, levels)
    values = np.full((len(pairs[0].kept), len(pairs)), np.nan)
    for k, pair in enumerate(pairs):
        values[pair.kept, k] = pit_of(pair)
    return values[:, 0] if np.ndim(y_quantiles) == 2 else values


def pit_of(pair: Pair) -> np.ndarray:
    """PIT values of one target, for the galaxies of the pair."""
    return ndtr(scores_of(pair.predicted, pair.levels, pair.y_true))


@per_target(pair_quantiles)
def crps(pair: Pair) -> float:
    """Mean continuous ranked probability score (CRPS) of the galaxies.

    It rewards calibration and sharpness at once, and is the mean absolute residual if every
    prediction is a single value. It is twice the integral of the pinball loss over all levels,
    here exact for the predicted CDF as `pit` interpolates it; a normal distribution needs only
    two levels.

    In dex; the smaller, the better.

    References
    ----------
    .. [1] Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, Sect. 4.2.

    Examples
    --------
    >>> from sfml import metrics
    >>> y_quantiles = [[9.9, 10.0, 10.1], [9.9, 10.0, 10.1]]
    >>> round(metrics.crps([10.0, 10.1], y_quantiles, [0.16, 0.5, 0.84]), 4)
    0.0418
    """
    return float(pair.mean(crps_of(pair.predicted, pair.levels, pair.y_true)))


@describe_shared
def coverage_curve(
    y_true: Any,
    y_quantiles: Any,
    levels: Sequence[float],
    coverages: Sequence[float] | None = None,
    *,
    targets: Sequence[str] | None = None,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """Nominal against empirical coverage of central intervals.

    The central interval of coverage c ends at the quantiles of levels (1 - c) / 2 and (1 + c) / 2,
    interpolated as in `pit` where they are not among `levels`.

    Parameters
    ----------
    y_true, y_quantiles, levels
    coverages : sequence of float, default=None
        Nominal coverages, between 0 and 1; by default 0.05, 0.1, ..., 0.95. One beyond what the
        outermost levels span rests on extrapolated tails.
    targets, sample_weight

    Returns
    -------
    DataFrame of shape (n_targets * n_coverages, 5)
        Columns `target`, `nominal`, `empirical`, its binomial `standard_error`, and `n`, the
        number of galaxies.

    References
    ----------
    .. [1] Cameron 2011, PASA 28, 128, for the standard error, which is that of the beta
       distribution and not zero where none or all are covered.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml import metrics
    >>> y_quantiles = np.tile([9.9, 10.0, 10.1], (4, 1))
    >>> curve = metrics.coverage_curve(
    ...     [9.95, 10.0, 10.05, 10.2], y_quantiles, [0.16, 0.5, 0.84], [0.68])
    >>> float(curve.empirical[0])
    0.75
    """
    nominal = check_coverages(np.linspace(0.05, 0.95, 19) if coverages is None else coverages)
    options = {"targets": targets, "sample_weight": sample_weight}
    tables = []
    for pair in pair_quantiles(y_true, y_quantiles, levels, **options):
        least_coverage = np.abs(2 * pit_of(pair) - 1)
        tables.append(curve_of(pair.name, least_coverage, nominal, pair.weight))
    return pd.concat(tables, ignore_index=True)


def curve_of(
    name: str, least_coverage: np.ndarray, nominal: np.ndarray, weight: np.ndarray | None = None
) -> pd.DataFrame:
    """Coverage curve of one target, given the least coverage that takes in each label."""
    # An interval holds its ends, and rounding must not move a label that is one of them outside.
    within = least_coverage[:, None] <= nominal + 1e-12
    empirical = np.average(within, axis=0, weights=weight)
    n = len(least_coverage) if weight is None else weight.sum()
    return pd.DataFrame(
        {
            "target": name,
            "nominal": nominal,
            "empirical": empirical,
            "standard_error": binomial_error(empirical, n),
            "n": n,
        }
    )


def check_coverages(coverages: Any) -> np.ndarray:
    """Check nominal coverages, numbers between 0 and 1."""
    nominal = np.atleast_1d(np.asarray(coverages, dtype=float))
    if nominal.ndim != 1 or not len(nominal) or not ((nominal > 0) & (nominal < 1)).all():
        raise ValueError(
            "coverages must be numbers between 0 and 1, both excluded, such as (0.68, 0.9); got "
            f"{coverages!r}."
        )
    return nominal


def binomial_error(fraction: Any, n: Any) -> Any:
    """Estimate the standard error of a fraction of n galaxies (Cameron 2011)."""
    covered = np.asarray(fraction) * n
    mean = (covered + 1) / (n + 2)
    return np.sqrt(mean * (1 - mean) / (n + 3))
