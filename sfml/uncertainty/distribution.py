"""A predictive distribution from a few of its quantiles.

Between two levels a quantile grows linearly with the normal score of its level, Phi^-1(level),
and beyond the outermost levels it goes on along the same line. Any normal distribution is thus
recovered exactly from two of its quantiles, its tails included.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

# In dex. Where the two outermost quantiles are equal, a slope of zero would put every value
# beyond them infinitely many scores away.
_LEAST_SLOPE = 1e-12


def check_levels(
    levels: Any, *, least: int = 1, growing: bool = False, name: str = "q"
) -> np.ndarray:
    """Check levels of quantiles.

    Parameters
    ----------
    levels : float or sequence of float
        What was given, each between 0 and 1.
    least : int, default=1
        How many are needed.
    growing : bool, default=False
        Whether each must be larger than the one before.
    name : str, default="q"
        What the argument is called in the ValueError.

    Returns
    -------
    ndarray of shape (n_levels,)

    Raises
    ------
    ValueError
        If a level is not between 0 and 1, or they are too few or do not grow.

    Examples
    --------
    >>> from sfml.uncertainty import check_levels
    >>> check_levels([0.16, 0.5, 0.84])
    array([0.16, 0.5 , 0.84])
    """
    try:
        read = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    except (TypeError, ValueError):
        read = np.array([np.nan])
    inside = read.ndim == 1 and len(read) >= max(least, 1) and np.all((read > 0) & (read < 1))
    if not inside or (growing and not np.all(np.diff(read) > 0)):
        number = f"at least {least} " if least > 1 else ""
        raise ValueError(
            f"{name} must hold {number}{'growing ' if growing else ''}levels between 0 and 1, "
            f"such as (0.16, 0.5, 0.84); got {levels!r}. Percentiles are divided by 100."
        )
    return read


def check_coverage(coverage: Any) -> tuple[float, float]:
    """Check a coverage; return the levels at both ends of its central interval.

    Parameters
    ----------
    coverage : float
        Between 0 and 1.

    Returns
    -------
    lower : float
    upper : float

    Raises
    ------
    ValueError
        If it is not between 0 and 1.

    Examples
    --------
    >>> from sfml.uncertainty import check_coverage
    >>> check_coverage(0.5)
    (0.25, 0.75)
    """
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(
            f"coverage must lie between 0 and 1, such as 0.68; got {coverage!r}. Per cent are "
            "divided by 100."
        )
    return (1 - float(coverage)) / 2, (1 + float(coverage)) / 2


def quantiles_at(quantiles: np.ndarray, levels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Evaluate the quantile function of each galaxy."""
    nodes = ndtri(levels)
    after = np.clip(np.searchsorted(nodes, scores), 1, len(nodes) - 1)
    if np.ndim(scores) == 1:  # the same levels for all galaxies: many times faster
        # No matrix product: its last bits would depend on the number of galaxies.
        share = (scores - nodes[after - 1]) / (nodes[after] - nodes[after - 1])
        # From the nearer end, so that the levels given, and equal quantiles, are kept exactly.
        nearer = np.where(share < 0.5, after - 1, after)
        share = np.where(share < 0.5, share, share - 1)
        return quantiles[:, nearer] + share * (quantiles[:, after] - quantiles[:, after - 1])
    start = np.take_along_axis(quantiles, after - 1, axis=1)
    stop = np.take_along_axis(quantiles, after, axis=1)
    slope = (stop - start) / (nodes[after] - nodes[after - 1])
    return start + slope * (scores - nodes[after - 1])


def scores_of(quantiles: np.ndarray, levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Find the normal score, Phi^-1(CDF), of one value in each galaxy's distribution."""
    nodes = ndtri(levels)
    below = (quantiles < values[:, None]).sum(axis=1)
    up_to = (quantiles <= values[:, None]).sum(axis=1)
    after = np.clip(below, 1, len(nodes) - 1)
    rows = np.arange(len(quantiles))
    rise = quantiles[rows, after] - quantiles[rows, after - 1]
    slope = np.maximum(rise / (nodes[after] - nodes[after - 1]), _LEAST_SLOPE)
    # Beyond the outermost levels the line starts from the outermost one: it matters where the
    # slope is the least one.
    start = np.where(below == len(nodes), len(nodes) - 1, after - 1)
    between = nodes[start] + (values - quantiles[rows, start]) / slope
    first, last = np.minimum(below, len(nodes) - 1), np.maximum(up_to - 1, 0)
    middle = ndtri((levels[first] + levels[last]) / 2)
    return np.where(up_to > below, middle, between)


def crps_of(quantiles: np.ndarray, levels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each galaxy, in closed form."""
    # The CRPS is the integral of CDF^2 below the label and of (1 - CDF)^2 above it. On each of
    # the segments a value is linear in the normal score, and the CDF is Phi of the score.
    nodes = ndtri(levels)
    slopes = np.diff(quantiles, axis=1) / np.diff(nodes)
    slopes = np.column_stack([slopes[:, 0], slopes, slopes[:, -1]])
    slopes[:, [0, -1]] = np.maximum(slopes[:, [0, -1]], _LEAST_SLOPE)
    score = scores_of(quantiles, levels, values)[:, None]
    low, high = np.append(-np.inf, nodes), np.append(nodes, np.inf)
    below = _phi2(np.minimum(high, score)) - _phi2(np.minimum(low, score))
    above = _phi2(-np.maximum(low, score)) - _phi2(-np.maximum(high, score))
    return np.sum(slopes * (below + above), axis=1)


def _phi2(z: np.ndarray) -> np.ndarray:
    """Integral of Phi^2, the squared normal CDF, from minus infinity to z."""
    z = np.maximum(z, -40.0)  # where it is 0 in floating point, and -inf would give NaN
    cdf, density = ndtr(z), np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z * cdf**2 + 2 * density * cdf - ndtr(np.sqrt(2) * z) / np.sqrt(np.pi)
