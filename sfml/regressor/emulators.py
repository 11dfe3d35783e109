"""The fitted regressors of all targets, asked as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import get_tags

from sfml.uncertainty import LEVELS
from sfml.uncertainty.intervals import RawQuantiles


def usable_rows(X: np.ndarray, estimator: Any) -> np.ndarray:
    """Say which rows a regressor can take: without NaN, or not all NaN if it copes with some."""
    missing = np.isnan(X)
    if get_tags(estimator).input_tags.allow_nan:
        return ~missing.all(axis=1)
    return ~missing.any(axis=1)


class Emulators(NamedTuple):
    """The fitted regressors, and which targets each of them predicts."""

    estimators: list[Any]
    targets: list[list[int]]
    """Positions of the targets, in the order of each regressor's outputs."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict all targets, to (n_galaxies, n_targets); NaN where a regressor cannot."""
        Y = np.full((len(X), sum(map(len, self.targets))), np.nan)
        for estimator, columns in zip(self.estimators, self.targets, strict=True):
            usable = usable_rows(X, estimator)
            if usable.any():
                predicted = np.asarray(estimator.predict(X if usable.all() else X[usable]))
                rows = np.flatnonzero(usable)[:, np.newaxis]
                Y[rows, columns] = predicted.reshape(len(predicted), -1)
        return Y

    def raw_quantiles(
        self, X: np.ndarray, strangeness: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray, RawQuantiles]]:
        """Give each target's position, the rows that can be predicted, and their quantiles.

        Quantiles, (n_rows, n_levels), are not calibrated and may cross; a point prediction is
        repeated. A regressor of several targets is run once.
        """
        for estimator, columns in zip(self.estimators, self.targets, strict=True):
            usable = usable_rows(X, estimator)
            rows = X if usable.all() else X[usable]
            if len(rows):
                values, levels, spread = _quantiles(estimator, rows)
                strange = None if strangeness is None else strangeness[usable]
                for output, k in enumerate(columns):
                    scatter = None if spread is None else spread[:, output]
                    raw = RawQuantiles(values[:, output], levels, rows, scatter, strange)
                    yield k, usable, raw

    def find(self, k: int) -> tuple[Any, int]:
        """Find the regressor of the k-th target, and which of its outputs it is."""
        for estimator, columns in zip(self.estimators, self.targets, strict=True):
            if k in columns:
                return estimator, columns.index(k)
        raise IndexError(k)

    def of(self, k: int) -> Any:
        """Give the regressor of the k-th target alone."""
        estimator, output = self.find(k)
        shared = any(k in columns and len(columns) > 1 for columns in self.targets)
        return estimator.select_outputs([output]) if shared else estimator


def _quantiles(
    estimator: Any, X: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...], np.ndarray | None]:
    """Give quantiles of shape (n_galaxies, n_outputs, n_levels), their levels, and the spread."""
    # Of our networks those of `fit`; another regressor may only have its parameter.
    given = getattr(estimator, "quantiles", None)
    levels = getattr(estimator, "quantiles_", given)
    if levels is not None and len(levels) > 1:
        if hasattr(estimator, "raw_quantiles_and_spread"):
            raw, spread = estimator.raw_quantiles_and_spread(X)
            return raw.reshape(len(X), -1, len(levels)), tuple(levels), spread.reshape(len(X), -1)
        raw = estimator.predict_quantiles(X)
        return raw.reshape(len(X), -1, len(levels)), tuple(levels), None
    points = np.asarray(estimator.predict(X)).reshape(len(X), -1, 1)
    return np.repeat(points, len(LEVELS), axis=2), LEVELS, None
