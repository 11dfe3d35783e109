"""Statistics of weighted galaxies: a weight of 2 counts as two equal galaxies."""

from __future__ import annotations

from typing import Any

import numpy as np

from sfml.compat import check_sample_weight


def read_weights(sample_weight: Any, values: np.ndarray) -> np.ndarray | None:
    """Read one weight per row of `values`, not negative; None if there are none."""
    if sample_weight is None:
        return None
    return check_sample_weight(sample_weight, values, dtype=np.float64, ensure_non_negative=True)


def quantile(values: np.ndarray, levels: Any, weight: np.ndarray | None = None) -> np.ndarray:
    """Quantiles of weighted values: where their cumulative weight reaches the level.

    Where the level falls between two values it is midway, as the median is. NumPy calls this
    method "averaged_inverted_cdf"; unlike its default, it does not depend on the weights' scale.
    """
    order = np.argsort(values, kind="stable")
    total = np.arange(1.0, len(values) + 1) if weight is None else np.cumsum(weight[order])
    wanted = np.asarray(levels) * total[-1]
    # Rounding must not decide whether a level falls between two values.
    slack = 1e-10 * total[-1]
    low = np.searchsorted(total, wanted - slack)
    high = np.searchsorted(total, wanted + slack, side="right")
    ends = values[order[np.minimum([low, high], len(values) - 1)]]
    return np.asarray(ends.mean(axis=0))


def median(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Median of weighted values."""
    return float(quantile(values, 0.5, weight))


def nmad(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Normalised median absolute deviation about the median, of weighted values."""
    # The ratio of standard deviation to median absolute deviation of a normal distribution.
    return 1.4826 * median(np.abs(values - median(values, weight)), weight)
