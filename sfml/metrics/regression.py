"""Metrics of one or several targets, in dex, which leave NaN out."""

from __future__ import annotations

from numbers import Integral
from typing import Literal

import numpy as np
from sklearn.metrics import r2_score

from sfml import weights
from sfml.metrics.pairing import Pair, pair_targets
from sfml.metrics.per_target import per_target


@per_target(pair_targets)
def error(pair: Pair) -> float:
    """Scatter of the residuals: the paper's error, sigma(actual - predicted).

    This is the standard deviation of all residuals, outliers included (`nmad` is robust). A
    constant offset leaves it unchanged; `bias` measures that.

    In dex.

    References
    ----------
    .. [1] Surana et al. 2020, MNRAS 493, 4808, Table 3.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.error([9.0, 10.0, 11.0, 10.5], [9.1, 10.1, 11.1, float("nan")]) < 1e-9
    True
    """
    return float(np.sqrt(pair.mean((_residual(pair) - bias.of_pair(pair)) ** 2)))


@per_target(pair_targets)
def rmse(pair: Pair) -> float:
    """Root mean square of the residuals, which counts a constant offset as well as the scatter.

    In dex; for each target, ``rmse**2 == error**2 + bias**2``.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.rmse([9.0, 10.0, 11.0], [9.1, 10.1, 11.1]), 6)
    0.1
    """
    return float(np.sqrt(pair.mean(_residual(pair) ** 2)))


@per_target(pair_targets)
def mad(pair: Pair) -> float:
    """Mean absolute residual, which the paper calls mean absolute deviation.

    This is what scikit-learn calls ``mean_absolute_error``. For the median, see `nmad`.

    In dex.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.mad([9.0, 10.0], [9.1, 9.7]), 6)
    0.2
    """
    return float(pair.mean(np.abs(_residual(pair))))


@per_target(pair_targets)
def nmad(pair: Pair) -> float:
    """Normalised median absolute deviation: 1.4826 x the median of abs(r - median(r)).

    For normally distributed residuals it equals their standard deviation, and outliers barely
    move it.

    In dex.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.nmad([9.0, 9.0, 9.0, 9.0, 9.0], [8.9, 8.95, 9.0, 9.1, 14.0]), 6)
    0.14826
    """
    return weights.nmad(_residual(pair), pair.weight)


@per_target(pair_targets)
def bias(pair: Pair) -> float:
    """Mean residual, predicted minus actual: positive where predictions are too high.

    In dex. Opposite biases of several targets cancel in their mean.

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.bias([9.0, 10.0], [9.1, 10.3]), 6)
    0.2
    """
    return float(pair.mean(_residual(pair)))


@per_target(pair_targets)
def outlier_fraction(
    pair: Pair, threshold: float = 0.3, *, unit: Literal["dex", "sigma"] = "dex"
) -> float:
    """Fraction of galaxies whose residual is larger than a threshold.

    Between 0 and 1.

    Parameters
    ----------
    threshold : float, default=0.3
        The largest residual that is no outlier. The default is a factor of two.
    unit : {"dex", "sigma"}, default="dex"
        "dex": outliers have ``|residual| > threshold``. "sigma": they have
        ``|residual - bias| > threshold * error``, with the `bias` and `error` of all galaxies,
        outliers included.

    Raises
    ------
    ValueError
        If the threshold is not positive, or the unit is unknown.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.outlier_fraction([9.0, 10.0, 11.0, 10.0], [9.1, 10.4, 11.0, 10.2])
    0.25
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be positive; got {threshold!r}.")
    if unit not in ("dex", "sigma"):
        raise ValueError(f"unit must be 'dex' or 'sigma'; got {unit!r}.")
    deviation, scale = _residual(pair), 1.0
    if unit == "sigma":
        deviation, scale = deviation - bias.of_pair(pair), error.of_pair(pair)
    return float(pair.mean(np.abs(deviation) > threshold * scale))


@per_target(pair_targets)
def r2(pair: Pair) -> float:
    """Coefficient of determination, scikit-learn's ``r2_score`` with NaN left out.

    1 for perfect predictions, 0 for the mean of the labels. As in scikit-learn, labels that
    are all equal give 1 if the predictions are perfect and 0 otherwise.

    Raises
    ------
    ValueError
        If a target has fewer than two galaxies with a label and a prediction.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.r2([9.0, 10.0, 11.0, float("nan")], [9.0, 10.0, 10.0, 9.0])
    0.5
    """
    if len(pair.y_true) < 2:
        raise ValueError("r2 needs at least 2 galaxies with a label and a prediction; got 1.")
    return r2_score(pair.y_true, pair.predicted, sample_weight=pair.weight)


@per_target(pair_targets)
def adjusted_r2(pair: Pair, n_features: int) -> float:
    """`r2` adjusted for the number of inputs p: 1 - (1 - r2) (n - 1) / (n - p - 1).

    At most `r2`.

    Parameters
    ----------
    n_features : int
        Number of inputs p of the model, such as ``pipe[-1].n_features_in_``; the paper's has 22,
        the fluxes of 21 bands and the redshift.

    Raises
    ------
    ValueError
        If `n_features` is not a positive integer, or a target has too few galaxies for it,
        ``n_features + 1`` or fewer.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.adjusted_r2([8.0, 9.0, 10.0, 11.0, 12.0], [8.0, 9.0, 9.0, 11.0, 12.0], 2)
    0.8
    """
    if not isinstance(n_features, Integral) or n_features < 1:
        raise ValueError(f"n_features must be a positive integer; got {n_features!r}.")
    if pair.n <= n_features + 1:
        raise ValueError(
            f"r2 adjusted for {n_features} features needs more than {n_features + 1} galaxies; "
            f"got {pair.n:g}."
        )
    return 1 - (1 - r2.of_pair(pair)) * (pair.n - 1) / (pair.n - n_features - 1)


def _residual(pair: Pair) -> np.ndarray:
    return pair.predicted - pair.y_true
