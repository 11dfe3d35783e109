"""The whole method as one scikit-learn Pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sklearn.preprocessing
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import (
    FLOAT_DTYPES,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from sfml.bands import GAMA, BandSet
from sfml.features import FluxFeatures
from sfml.recipes import ALL_TARGETS, RECIPES, make_estimator
from sfml.regressor import StarFormationRegressor
from sfml.selection import GamaSampleSelector
from sfml.targets import TARGETS


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


def make_star_formation_pipeline(
    recipe: str = "sfml",
    *,
    bands: BandSet = GAMA,
    targets: Sequence[str] = TARGETS,
    method: str = "mlp",
    joint: bool = False,
    max_train_samples: int | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> Pipeline:
    """Make the pipeline that predicts star-formation properties from a catalogue.

    Parameters
    ----------
    recipe : {"sfml", "surana2020"}, default="sfml"
        "sfml" is ours: flux ratios and errors, and a few small networks a target, trained in
        seconds. "surana2020" is the method of Surana et al. (2020) to the letter: fluxes and
        redshift, standardised, and the networks of its Tables 1 and 2.
    bands : BandSet, default=GAMA
        The survey's bands and columns.
    targets : sequence of str, default=TARGETS
        What to predict, in the order of y's columns.
    method : {"mlp", "random_forest", "svr"}, default="mlp"
        Family of the regressors.
    joint : bool, default=False
        One network for all targets, called "all_targets", instead of one each.
    max_train_samples : int or None, default=None
        Train on a random sample of at most so many galaxies.
    n_jobs : int or None, default=None
        Targets trained at the same time.
    random_state : int, RandomState or None, default=None
        Seed of all that is random.
    verbose : int, default=0
        1 shows the progress of the training.

    Returns
    -------
    Pipeline
        Steps `select` (`GamaSampleSelector`), `features` (`FluxFeatures`; "passthrough" in
        "surana2020"), `scale` (`StandardScaler`) and `regress` (`StarFormationRegressor`).

    Raises
    ------
    ValueError
        If the recipe or the method is not known, or a target is named twice.

    Notes
    -----
    Cuts are parameters of the step `select`, and the cut in stellar mass is
    `regress__target_limits`, set only if the stellar mass is among the targets. A target which is
    not one of `TARGETS` takes the network of the stellar mass in recipe "surana2020". Recipe
    "sfml" needs flux errors; docs/recipe.md tells what its parts buy.

    References
    ----------
    Surana, S. et al. 2020, MNRAS, 493, 4808.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(n_galaxies=400, random_state=0, return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> pipe = sfml.make_star_formation_pipeline(random_state=0)
    >>> pipe = pipe.set_params(**{f"regress__{target}__epochs": 5 for target in sfml.TARGETS})
    >>> pipe.fit(X_train, y_train).predict(X_test).shape
    (100, 3)
    """
    if recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {recipe!r}.")
    is_list = isinstance(targets, list | tuple | np.ndarray) and len(targets) > 0
    if not is_list or not all(isinstance(target, str) for target in targets):
        raise ValueError(
            f"targets must be a sequence of names, such as {TARGETS}; got {targets!r}."
        )
    targets = tuple(targets)
    names = (ALL_TARGETS,) if joint else targets
    regressor = StarFormationRegressor(
        [(name, make_estimator(method, name, recipe)) for name in names],
        targets=targets if joint else None,
        joint=joint,
        target_limits={"stellar_mass": (9.0, None)} if "stellar_mass" in targets else None,
        max_train_samples=max_train_samples,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    ours = recipe == "sfml"
    return Pipeline(
        [
            ("select", GamaSampleSelector(bands, keep_errors=ours, targets=targets)),
            ("features", FluxFeatures(bands) if ours else "passthrough"),
            # The last feature is a luminosity in dex, which the networks add to their output.
            ("scale", StandardScaler(keep=(-1,)) if ours else StandardScaler()),
            ("regress", regressor),
        ]
    )
