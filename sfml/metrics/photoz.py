"""Metrics of photometric redshifts, as the field defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sfml import tables, weights
from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import read_values


@describe_shared
def photoz_bias(z_true: Any, z_pred: Any, *, sample_weight: Any = None) -> float:
    """Median of dz / (1 + z), where dz is predicted minus true redshift.

    Some papers take the mean, often after leaving outliers out [1]_; the median needs no cut.

    Parameters
    ----------
    z_true, z_pred, sample_weight

    Returns
    -------
    float
        Positive where redshifts are predicted too high.

    References
    ----------
    .. [1] Hildebrandt et al. 2010, A&A 523, A31 (PHAT).

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.photoz_bias([1.0, 1.0, 1.0], [1.02, 1.04, 3.0]), 6)
    0.02
    """
    return weights.median(*_scaled_error(z_true, z_pred, sample_weight))


@describe_shared
def photoz_nmad(z_true: Any, z_pred: Any, *, sample_weight: Any = None) -> float:
    """Scatter sigma_NMAD: 1.4826 x the median of abs(d - median(d)), with d = dz / (1 + z).

    For normally distributed errors it equals their standard deviation, and outliers barely move
    it. The bias is taken off, as by Brammer et al. [1]_; Ilbert et al. [2]_ do not, which gives
    more wherever there is a bias.

    Parameters
    ----------
    z_true, z_pred, sample_weight

    Returns
    -------
    float
        Not negative.

    References
    ----------
    .. [1] Brammer, van Dokkum & Coppi 2008, ApJ 686, 1503, Eq. 5 (EAZY).
    .. [2] Ilbert et al. 2009, ApJ 690, 1236 (COSMOS).

    Examples
    --------
    >>> from sfml import metrics
    >>> round(metrics.photoz_nmad([1.0, 1.0, 1.0], [1.02, 1.04, 3.0]), 6)
    0.014826
    """
    return weights.nmad(*_scaled_error(z_true, z_pred, sample_weight))


@describe_shared
def photoz_outlier_fraction(
    z_true: Any, z_pred: Any, threshold: float = 0.15, *, sample_weight: Any = None
) -> float:
    """Fraction of catastrophic outliers, galaxies with abs(dz) / (1 + z) above a threshold.

    A code for a redshift that could not be predicted, such as -99, counts as an outlier.

    Parameters
    ----------
    z_true, z_pred
    threshold : float, default=0.15
        The largest error that is no outlier; the default is that of [1]_ and [2]_.
    sample_weight

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the threshold is not positive.

    References
    ----------
    .. [1] Ilbert et al. 2009, ApJ 690, 1236 (COSMOS).
    .. [2] Hildebrandt et al. 2010, A&A 523, A31 (PHAT).

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.photoz_outlier_fraction([1.0, 1.0, 1.0, 1.0], [1.02, 1.04, 1.1, 3.0])
    0.25
    """
    return _outlier_fraction(*_scaled_error(z_true, z_pred, sample_weight), threshold)


@describe_shared
def photoz_table(
    z_true: Any, z_pred: Any, *, threshold: float = 0.15, sample_weight: Any = None
) -> pd.DataFrame:
    """All metrics of one or several sets of photometric redshifts.

    Parameters
    ----------
    z_true
    z_pred : array-like of shape (n_galaxies,) or (n_galaxies, n_sets)
        Predicted redshifts, one column per set. NaN is left out, for each set by itself.
    threshold : float, default=0.15
        The largest error, in units of 1 + z, that is no outlier.
    sample_weight

    Returns
    -------
    DataFrame of shape (4, n_sets)
        Rows: bias, sigma NMAD, outlier fraction, number of galaxies. The columns bear the names of
        those of `z_pred`; without names they are `z_pred` or `z_pred_0`, `z_pred_1`, ...

    Examples
    --------
    >>> from sfml import metrics
    >>> table = metrics.photoz_table([1.0, 1.0, 1.0, 1.0], [1.02, 1.04, 1.1, 3.0])
    >>> float(table.loc["outlier fraction (> 0.15)", "z_pred"])
    0.25
    """
    tables.check_same_rows(z_true, z_pred, "z_true and z_pred")
    values, names = read_values(z_pred, "z_pred")
    if names is None:
        n_sets = values.shape[1]
        names = ["z_pred"] if n_sets == 1 else [f"z_pred_{k}" for k in range(n_sets)]
    columns = {}
    for name, column in zip(names, values.T, strict=True):
        error, weight = _scaled_error(z_true, column, sample_weight)
        columns[name] = {
            "bias": weights.median(error, weight),
            "sigma NMAD": weights.nmad(error, weight),
            f"outlier fraction (> {threshold:g})": _outlier_fraction(error, weight, threshold),
            "number of galaxies": len(error) if weight is None else float(weight.sum()),
        }
    return pd.DataFrame(columns)


def _scaled_error(
    z_true: Any, z_pred: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Errors dz / (1 + z) and weights of the galaxies that have both redshifts."""
    tables.check_same_rows(z_true, z_pred, "z_true and z_pred")
    tables.check_same_rows(z_true, sample_weight, "z_true and sample_weight")
    true, _ = read_values(z_true, "z_true")
    pred, _ = read_values(z_pred, "z_pred")
    if true.shape != pred.shape or true.shape[1] != 1:
        raise ValueError(
            "z_true and z_pred must have one redshift per galaxy; got shapes "
            f"{np.shape(z_true)} and {np.shape(z_pred)}."
        )
    weight = weights.read_weights(sample_weight, true)
    true, pred = true[:, 0], pred[:, 0]
    impossible = true[true <= -1]
    if len(impossible):
        raise ValueError(
            f"z_true must be above -1; got {impossible[0]:g} in {len(impossible)} of {len(true)} "
            "rows. A code for a missing redshift, such as -9, must become NaN."
        )
    kept = ~(np.isnan(true) | np.isnan(pred))
    if weight is not None:
        kept &= weight > 0
    if not kept.any():
        raise ValueError(
            f"No galaxy has both redshifts: of {len(true)} rows, {int(np.isnan(true).sum())} have "
            f"NaN in z_true and {int(np.isnan(pred).sum())} in z_pred."
        )
    error = (pred[kept] - true[kept]) / (1 + true[kept])
    return error, None if weight is None else weight[kept]


def _outlier_fraction(error: np.ndarray, weight: np.ndarray | None, threshold: float) -> float:
    if not threshold > 0:
        raise ValueError(f"threshold must be positive; got {threshold!r}.")
    return float(np.average(np.abs(error) > threshold, weights=weight))
