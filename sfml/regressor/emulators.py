"""The fitted regressors of all targets, asked as one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import get_tags

from sfml.uncertainty import LEVELS


def usable_rows(X: np.ndarray, estimator: Any) -> np.ndarray:
    """Say which rows a regressor can take: without NaN, or not all NaN if it copes with some."""
    missing = np.isnan(X)
    if get_tags(estimator).input_tags.allow_nan:
        return ~missing.all(axis=1)
    return ~missing.any(axis=1)


class Emulators(NamedTuple):
    """One fitted regressor per target, or one for all of them."""

    estimators: list[Any]
    joint: bool
    n_targets: int

    def usable(self, X: np.ndarray, k: int) -> np.ndarray:
        """Say for which rows the k-th target can be predicted."""
        return usable_rows(X, self._of(k)[0])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict all targets, to (n_galaxies, n_targets); NaN where a regressor cannot."""
        Y = np.full((len(X), self.n_targets), np.nan)
        for i, estimator in enumerate(self.estimators):
            usable = usable_rows(X, estimator)
            if usable.any():
                predicted = np.asarray(estimator.predict(X if usable.all() else X[usable]))
                columns = slice(None) if self.joint else slice(i, i + 1)
                Y[usable, columns] = predicted.reshape(len(predicted), -1)
        return Y

    def raw_quantiles(self, X: np.ndarray, k: int) -> tuple[np.ndarray, tuple[float, ...]]:
        """Give the k-th target's quantiles, (n_galaxies, n_levels), and their levels.

        They are not calibrated and may cross; a point prediction is repeated.
        """
        estimator, output = self._of(k)
        # Of our networks those of `fit`; another regressor may only have its parameter.
        given = getattr(estimator, "quantiles", None)
        levels = getattr(estimator, "quantiles_", given)
        if levels is not None and len(levels) > 1:
            # Our networks tell whether their quantiles cross; others only what they make of it.
            raw = getattr(estimator, "raw_quantiles", estimator.predict_quantiles)(X)
            return (raw[:, output] if raw.ndim == 3 else raw), tuple(levels)
        point = np.asarray(estimator.predict(X)).reshape(len(X), -1)[:, [output]]
        return np.repeat(point, len(LEVELS), axis=1), LEVELS

    def _of(self, k: int) -> tuple[Any, int]:
        """Regressor of the k-th target, and which of its outputs it is."""
        return (self.estimators[0], k) if self.joint else (self.estimators[k], 0)
