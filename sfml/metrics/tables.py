"""The paper's Table 3 for any set of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sfml.metrics import regression
from sfml.metrics.pairing import TargetPair, pair_targets


def score_table(
    y_true: Any,
    y_pred: Any,
    *,
    targets: Sequence[str] | None = None,
    n_features: int = 22,
    fit_time: float | Sequence[float] | None = None,
) -> pd.DataFrame:
    """All metrics of all targets, in the shape of the paper's Table 3.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and predictions, in dex. NaN is left out, for each target by itself.
    targets : sequence of str, default=None
        Names of the targets. By default those of the columns of `y_true`, else of `y_pred`; three
        columns without names are `sfml.TARGETS`.
    n_features : int, default=22
        Number of inputs of the model, for the adjusted r2. The paper has 21 bands and the redshift.
    fit_time : float or sequence of float, default=None
        Time taken to train each target's model, in seconds. A single number stands for one model
        of all targets, and is repeated.

    Returns
    -------
    DataFrame of shape (n_rows, n_targets)
        The rows of Table 3, then bias, NMAD, two outlier fractions and the number of galaxies.
        The time is there only if it was given.

    References
    ----------
    .. [1] Surana et al. 2020, MNRAS 493, 4808, Table 3.

    Examples
    --------
    >>> from sfml import metrics
    >>> table = metrics.score_table([9.0, 10.0, 11.0, 10.0], [9.1, 9.9, 11.1, 9.9],
    ...                             targets=["stellar_mass"], n_features=1)
    >>> float(table.loc["error", "stellar_mass"].round(6))
    0.1
    """
    pairs = pair_targets(y_true, y_pred, targets=targets)
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"Target names must be unique; got {', '.join(names)}.")
    columns = {
        pair.name: _scores(pair, n_features, seconds)
        for pair, seconds in zip(pairs, _times(fit_time, len(pairs)), strict=True)
    }
    return pd.DataFrame(columns)


def _scores(pair: TargetPair, n_features: int, seconds: float | None) -> dict[str, Any]:
    true, pred = pair.y_true, pair.y_pred
    paper = {
        "error": regression.error(true, pred),
        "root mean square error": regression.rmse(true, pred),
        "mean absolute deviation": regression.mad(true, pred),
        "r2 adjusted": regression.adjusted_r2(true, pred, n_features),
    }
    time = {} if seconds is None else {"time taken to train (seconds)": seconds}
    return {
        **paper,
        **time,
        "bias": regression.bias(true, pred),
        "NMAD": regression.nmad(true, pred),
        "outlier fraction (> 0.3 dex)": regression.outlier_fraction(true, pred),
        "outlier fraction (> 3 sigma)": regression.outlier_fraction(true, pred, 3, unit="sigma"),
        "number of galaxies": len(true),
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
