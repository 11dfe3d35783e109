"""Metrics of predicted intervals: coverage, width, and scores that weigh one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sfml.metrics import weights
from sfml.metrics.pairing import Average, Pair, over_targets, pair_intervals
from sfml.uncertainty.distribution import check_coverage


def coverage(
    y_true: Any,
    lower: Any,
    upper: Any,
    *,
    sample_weight: Any = None,
    multioutput: Average = "uniform_average",
) -> float | np.ndarray:
    """Fraction of the labels inside their intervals, also called PICP.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex.
    sample_weight : array-like of shape (n_galaxies,), default=None
        Weights of the galaxies.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets, or one value per target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
        Between 0 and 1; of calibrated intervals, close to their nominal coverage.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.coverage([9.0, 10.0, 11.0, 12.0], [8.9, 9.9, 10.9, 12.1], [9.1, 10.1, 11.1, 12.3])
    0.75
    """
    pairs = pair_intervals(y_true, lower, upper, sample_weight=sample_weight)
    return over_targets(coverage_of, pairs, multioutput)


def ace(
    y_true: Any,
    lower: Any,
    upper: Any,
    coverage: float,
    *,
    sample_weight: Any = None,
    multioutput: Average = "uniform_average",
) -> float | np.ndarray:
    """Average coverage error: empirical minus nominal coverage of the intervals.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex.
    coverage : float
        Nominal coverage of the intervals, between 0 and 1.
    sample_weight : array-like of shape (n_galaxies,), default=None
        Weights of the galaxies.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets (in which opposite errors cancel), or one value per target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
        Between -1 and 1: negative where the intervals are too narrow, positive where too wide.

    References
    ----------
    .. [1] Gilda, Lower & Narayanan 2021, ApJ 916, 43 (mirkwood).

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.ace([9.0, 12.0], [8.9, 12.1], [9.1, 12.3], coverage=0.9), 6)
    -0.4
    """
    check_coverage(coverage)
    pairs = pair_intervals(y_true, lower, upper, sample_weight=sample_weight)
    return over_targets(lambda pair: coverage_of(pair) - float(coverage), pairs, multioutput)


def mean_width(
    y_true: Any,
    lower: Any,
    upper: Any,
    *,
    sample_weight: Any = None,
    multioutput: Average = "uniform_average",
) -> float | np.ndarray:
    """Mean width of the intervals of those galaxies that have a label.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex.
    sample_weight : array-like of shape (n_galaxies,), default=None
        Weights of the galaxies.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets, or one value per target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
        In dex. To be read beside `coverage`: any width can be had by covering less.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.mean_width([9.0, 12.0], [8.9, 11.8], [9.1, 12.2]), 6)
    0.3
    """
    pairs = pair_intervals(y_true, lower, upper, sample_weight=sample_weight)
    return over_targets(width_of, pairs, multioutput)


def pinaw(
    y_true: Any,
    lower: Any,
    upper: Any,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    sample_weight: Any = None,
    multioutput: Average = "uniform_average",
) -> float | np.ndarray:
    """Prediction-interval normalised average width: `mean_width` over the range of the labels.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex.
    span : (float, float), default=(0.0, 1.0)
        Levels of the two quantiles of the labels between which their range is measured. The
        default is the full range, which is the usual definition [1]_, and depends on the two most
        extreme galaxies. The published code of mirkwood [2]_ takes (0.05, 0.95).
    sample_weight : array-like of shape (n_galaxies,), default=None
        Weights of the galaxies.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets, or one value per target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
        A width of 1 says no more than the labels' own range does.

    Raises
    ------
    ValueError
        If the span is no growing pair in [0, 1], or the labels have no range.

    References
    ----------
    .. [1] Khosravi et al. 2011, IEEE Trans. Neural Netw. 22, 1341.
    .. [2] Gilda, Lower & Narayanan 2021, ApJ 916, 43 (mirkwood).

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.pinaw([9.0, 12.0], [8.9, 11.8], [9.1, 12.2]), 6)
    0.1
    """
    pairs = pair_intervals(y_true, lower, upper, sample_weight=sample_weight)
    return over_targets(lambda pair: normalised_width_of(pair, span), pairs, multioutput)


def interval_score(
    y_true: Any,
    lower: Any,
    upper: Any,
    coverage: float,
    *,
    sample_weight: Any = None,
    multioutput: Average = "uniform_average",
) -> float | np.ndarray:
    """Interval score, averaged over the galaxies: the width, and a penalty per label outside.

    With a = 1 - coverage, a label outside costs 2 / a times its distance from the interval. The
    expected score is least for the true central interval, neither wider nor narrower.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex.
    coverage : float
        Nominal coverage of the intervals, between 0 and 1.
    sample_weight : array-like of shape (n_galaxies,), default=None
        Weights of the galaxies.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets, or one value per target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
        In dex; the smaller, the better.

    References
    ----------
    .. [1] Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, Eq. 43.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.interval_score([9.0, 12.0], [8.9, 12.1], [9.1, 12.3], coverage=0.8), 6)
    0.7
    """
    check_coverage(coverage)
    pairs = pair_intervals(y_true, lower, upper, sample_weight=sample_weight)
    return over_targets(lambda pair: score_of(pair, float(coverage)), pairs, multioutput)


def inside(pair: Pair) -> np.ndarray:
    """Whether each label lies inside its interval, ends included."""
    lower, upper = pair.predicted.T
    return (lower <= pair.y_true) & (pair.y_true <= upper)


def coverage_of(pair: Pair) -> float:
    """Empirical coverage of one target."""
    return float(pair.mean(inside(pair)))


def width_of(pair: Pair) -> float:
    """Mean width of one target's intervals."""
    return float(pair.mean(pair.predicted[:, 1] - pair.predicted[:, 0]))


def normalised_width_of(pair: Pair, span: Sequence[float] = (0.0, 1.0)) -> float:
    """Mean width of one target's intervals over the range of its labels."""
    if len(span) != 2 or not 0 <= span[0] < span[1] <= 1:
        raise ValueError(
            f"span must be a growing pair of levels from 0 to 1, such as (0, 1); got {span!r}."
        )
    low, high = weights.quantile(pair.y_true, span, pair.weight)
    if not low < high:
        raise ValueError(
            f"The labels of {pair.name!r} have no range to normalise a width by: of "
            f"{len(pair.y_true)} galaxies, quantiles {span[0]:g} and {span[1]:g} are both "
            f"{low:g}. Use mean_width."
        )
    return float(width_of(pair) / (high - low))


def score_of(pair: Pair, nominal: float) -> float:
    """Mean interval score of one target."""
    lower, upper = pair.predicted.T
    outside = np.maximum(lower - pair.y_true, 0) + np.maximum(pair.y_true - upper, 0)
    return float(pair.mean(upper - lower + 2 / (1 - nominal) * outside))
