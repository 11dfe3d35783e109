"""Metrics of predicted intervals: coverage, width, and scores that weigh one against the other."""

from __future__ import annotations

import numpy as np

from sfml import weights
from sfml.metrics.pairing import Pair, pair_intervals
from sfml.metrics.per_target import per_target
from sfml.uncertainty.distribution import check_coverage


def inside(pair: Pair) -> np.ndarray:
    """Whether each label lies inside its interval, ends included."""
    lower, upper = pair.predicted.T
    return (lower <= pair.y_true) & (pair.y_true <= upper)


@per_target(pair_intervals)
def coverage(pair: Pair) -> float:
    """Fraction of the labels inside their intervals, also called PICP.

    Between 0 and 1; of calibrated intervals, close to their nominal coverage.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.coverage([9.0, 10.0, 11.0, 12.0], [8.9, 9.9, 10.9, 12.1], [9.1, 10.1, 11.1, 12.3])
    0.75
    """
    return float(pair.mean(inside(pair)))


@per_target(pair_intervals)
def ace(pair: Pair, coverage: float) -> float:
    """Average coverage error: empirical minus nominal coverage of the intervals.

    Between -1 and 1: negative where the intervals are too narrow, positive where too wide.
    Opposite errors of several targets cancel in their mean.

    Parameters
    ----------
    coverage : float
        Nominal coverage of the intervals, between 0 and 1.

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
    return float(pair.mean(inside(pair))) - float(coverage)


@per_target(pair_intervals)
def mean_width(pair: Pair) -> float:
    """Mean width of the intervals of those galaxies that have a label.

    In dex. To be read beside `coverage`: any width can be had by covering less.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.mean_width([9.0, 12.0], [8.9, 11.8], [9.1, 12.2]), 6)
    0.3
    """
    return float(pair.mean(pair.predicted[:, 1] - pair.predicted[:, 0]))


@per_target(pair_intervals)
def pinaw(pair: Pair, *, span: tuple[float, float] = (0.0, 1.0)) -> float:
    """Prediction-interval normalised average width: `mean_width` over the range of the labels.

    A width of 1 says no more than the labels' own range does.

    Parameters
    ----------
    span : (float, float), default=(0.0, 1.0)
        Levels of the two quantiles of the labels between which their range is measured. The
        default is the full range, which is the usual definition [1]_, and depends on the two most
        extreme galaxies. The published code of mirkwood [2]_ takes (0.05, 0.95).

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
    return float(mean_width.of_pair(pair) / (high - low))


@per_target(pair_intervals)
def interval_score(pair: Pair, coverage: float) -> float:
    """Interval score, averaged over the galaxies: the width, and a penalty per label outside.

    With a = 1 - coverage, a label outside costs 2 / a times its distance from the interval. The
    expected score is least for the true central interval, neither wider nor narrower.

    In dex; the smaller, the better.

    Parameters
    ----------
    coverage : float
        Nominal coverage of the intervals, between 0 and 1.

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
    lower, upper = pair.predicted.T
    outside = np.maximum(lower - pair.y_true, 0) + np.maximum(pair.y_true - upper, 0)
    return float(pair.mean(upper - lower + 2 / (1 - float(coverage)) * outside))
