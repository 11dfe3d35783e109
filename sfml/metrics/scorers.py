"""Scorers for GridSearchCV and cross_validate, which leave NaN out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.metrics import make_scorer

from sfml.metrics import regression
from sfml.metrics.pairing import pair_targets

_METRICS: dict[str, Callable[..., Any]] = {
    "r2": regression.r2,
    "neg_error": regression.error,
    "neg_rmse": regression.rmse,
    "neg_mad": regression.mad,
    "neg_nmad": regression.nmad,
    "neg_outlier_fraction": regression.outlier_fraction,
}


def get_scorer(scoring: str, target: str | int | None = None) -> Callable[..., float]:
    """Scorer to give as ``scoring=`` to GridSearchCV, cross_validate and their like.

    Parameters
    ----------
    scoring : {"r2", "neg_error", "neg_rmse", "neg_mad", "neg_nmad", "neg_outlier_fraction"}
        The metric. As everywhere in scikit-learn, larger scores are better, so that a metric which
        measures a deviation is negated and carries ``neg_`` in its name.
    target : str or int, default=None
        Score this target alone: the name of a column of y (or the target's name where the column
        has GAMA's name), or its position. By default, the mean over the targets.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)`` gives a float. Galaxies with a NaN label or prediction are left
        out. A limit on a target, which belongs to an estimator, is unknown to the scorer.

    Raises
    ------
    ValueError
        If there is no such metric. If there is no such target, when the scorer is called.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from sfml import metrics
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [8.0, 9.0, 10.0, 11.0]
    >>> scoring = {"error": metrics.get_scorer("neg_error"), "r2": metrics.get_scorer("r2")}
    >>> results = cross_validate(LinearRegression(), X, y, cv=2, scoring=scoring)
    >>> results["test_r2"]
    array([1., 1.])
    """
    if scoring not in _METRICS:
        raise ValueError(f"scoring must be one of {', '.join(_METRICS)}; got {scoring!r}.")
    greater_is_better = not scoring.startswith("neg_")
    return make_scorer(
        _metric_of_target, greater_is_better=greater_is_better, scoring=scoring, target=target
    )


def _metric_of_target(y_true: Any, y_pred: Any, *, scoring: str, target: str | int | None) -> float:
    # A module-level function, so that the scorer can be pickled and sent to another process.
    metric = _METRICS[scoring]
    if target is None:
        return metric(y_true, y_pred)
    (pair,) = pair_targets(y_true, y_pred, only=target)
    return metric(pair.y_true, pair.y_pred)


SCORERS = {scoring: get_scorer(scoring) for scoring in _METRICS}
"""All scorers by name, each the mean over the targets: ``cross_validate(..., scoring=SCORERS)``."""
