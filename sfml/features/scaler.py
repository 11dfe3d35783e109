"""scikit-learn's StandardScaler, for tables that may have no rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.preprocessing
from sklearn.utils.validation import FLOAT_DTYPES, check_is_fitted, validate_data

from sfml.base import fit_method


class StandardScaler(sklearn.preprocessing.StandardScaler):
    """scikit-learn's StandardScaler, which here lets a table without rows pass.

    A night without galaxies is a table without rows, and a pipeline should answer it with no
    predictions rather than with an error. What `transform` does is fixed by `fit`.

    Parameters
    ----------
    copy, with_mean, with_std : bool, default=True
        As in scikit-learn.
    """

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StandardScaler:
        """Learn means and variances as scikit-learn does.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs; NaN is left out.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_galaxies,), default=None
            Weights of the rows.

        Returns
        -------
        self
        """
        with np.errstate(all="ignore"):  # an input that is NaN in every row has no mean
            return super().fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> StandardScaler:
        """Learn from further rows as scikit-learn does.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs; NaN is left out.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_galaxies,), default=None
            Weights of the rows.

        Returns
        -------
        self
        """
        super().partial_fit(X, y, sample_weight)
        self._center = self.mean_ if self.with_mean else None
        return self

    @np.errstate(all="ignore")
    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Standardise as scikit-learn does; no rows in, no rows out.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs; NaN stays NaN.
        copy : bool or None, default=None
            Whether to copy X.

        Returns
        -------
        ndarray of shape (n_galaxies, n_features)
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            dtype=FLOAT_DTYPES,
            copy=self.copy if copy is None else copy,
            force_writeable=True,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )
        if self._center is not None:
            X -= self._center
        if self.scale_ is not None:
            X /= self.scale_
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
