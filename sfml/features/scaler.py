"""scikit-learn's StandardScaler, for tables that may have no rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.preprocessing
from sklearn.utils.validation import (
    FLOAT_DTYPES,
    _num_samples,
    check_is_fitted,
    validate_data,
)


class StandardScaler(sklearn.preprocessing.StandardScaler):
    """scikit-learn's StandardScaler, which here lets a table without rows pass.

    A night without galaxies is a table without rows, and a pipeline should answer it with no
    predictions rather than with an error.

    Parameters
    ----------
    keep : tuple of int, default=()
        Columns left as they are.
    copy, with_mean, with_std : bool, default=True
        As in scikit-learn.
    """

    def __init__(
        self,
        *,
        keep: tuple[int, ...] = (),
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
    ) -> None:
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)
        self.keep = keep

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
        with np.errstate(invalid="ignore"):  # an input that is NaN in every row has no mean
            super().fit(X, y, sample_weight)
        for column in self.keep:
            if self.mean_ is not None:
                self.mean_[column] = 0
            if self.scale_ is not None:
                self.var_[column] = self.scale_[column] = 1
        return self

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
        if _num_samples(X):
            return super().transform(X, copy=copy)
        check_is_fitted(self)
        return validate_data(
            self,
            X,
            reset=False,
            dtype=FLOAT_DTYPES,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )
