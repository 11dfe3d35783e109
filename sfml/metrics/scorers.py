"""Scorers for GridSearchCV and cross_validate, which leave NaN out and match targets by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.base import BaseEstimator, RegressorMixin

from sfml.compat import Scorer
from sfml.metrics import regression
from sfml.metrics.pairing import Pair, over_targets, pair_targets, read_labels

_METRICS: dict[str, Callable[[Pair], float]] = {
    "r2": regression.r2.of_pair,
    "neg_error": regression.error.of_pair,
    "neg_rmse": regression.rmse.of_pair,
    "neg_mad": regression.mad.of_pair,
    "neg_nmad": regression.nmad.of_pair,
    "neg_outlier_fraction": regression.outlier_fraction.of_pair,
}


class _Quiet(RegressorMixin, BaseEstimator):
    """An estimator that does not warn of galaxies without a prediction: scorers leave them out."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict(self, X: Any) -> Any:
        return self.estimator.predict_quietly(X)


class TargetScorer(Scorer):
    """Scorer that reads y by the targets of the estimator; made by `get_scorer`."""

    def __init__(self, scoring: str, target: str | int | None = None) -> None:
        sign = -1 if scoring.startswith("neg_") else 1
        super().__init__(_score, sign, {"scoring": scoring, "target": target}, "predict")

    def _score(
        self, method_caller: Callable[..., Any], estimator: Any, X: Any, y_true: Any, **kwargs: Any
    ) -> float:
        labels, targets = read_labels(estimator, X, y_true)
        if hasattr(estimator, "predict_quietly"):
            estimator = _Quiet(estimator)
        return super()._score(method_caller, estimator, X, labels, targets=targets, **kwargs)

    def __repr__(self) -> str:
        scoring, target = self._kwargs["scoring"], self._kwargs["target"]
        return f"get_scorer({scoring!r}{'' if target is None else f', target={target!r}'})"


def get_scorer(scoring: str, target: str | int | None = None) -> TargetScorer:
    """Scorer to give as ``scoring=`` to GridSearchCV, cross_validate and their like.

    Parameters
    ----------
    scoring : {"r2", "neg_error", "neg_rmse", "neg_mad", "neg_nmad", "neg_outlier_fraction"}
        The metric. As everywhere in scikit-learn, larger scores are better, so that a metric that
        measures a deviation is negated and carries ``neg_`` in its name.
    target : str or int, default=None
        Score this target alone, given by its name or its position among the estimator's. By
        default, the mean over the targets.

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None)`` returns a float. Columns of y are matched
        with the estimator's targets by name, in any order. Of an estimator without `targets_`, the
        predictions are taken to have the order of y. Galaxies with a NaN label or prediction are
        left out. A limit on a target, which belongs to an estimator, is unknown to the scorer.

    Raises
    ------
    ValueError
        If there is no such metric. If there is no such target, or y lacks a target of the
        estimator, when the scorer is called.

    Notes
    -----
    With scikit-learn's metadata routing, ``get_scorer("r2").set_score_request(sample_weight=True)``
    asks for the weights that ``cross_validate(..., params={"sample_weight": ...})`` is given. It
    changes the scorer, so make a new one rather than change one of `SCORERS`.

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
    return TargetScorer(scoring, target)


def _score(
    y_true: Any,
    y_pred: Any,
    *,
    scoring: str,
    target: str | int | None,
    targets: Sequence[str],
    sample_weight: Any = None,
) -> float:
    pairs = pair_targets(y_true, y_pred, targets=targets, only=target, sample_weight=sample_weight)
    return float(over_targets(_METRICS[scoring], pairs, "uniform_average"))


SCORERS = {scoring: get_scorer(scoring) for scoring in _METRICS}
"""All scorers by name, each the mean over the targets: ``cross_validate(..., scoring=SCORERS)``."""
