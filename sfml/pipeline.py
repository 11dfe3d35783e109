"""The whole method as one scikit-learn Pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.features import FluxFeatures
from sfml.features.scaler import StandardScaler
from sfml.flags import describe
from sfml.recipes import ALL_TARGETS, RECIPES, make_estimator
from sfml.regressor import StarFormationRegressor
from sfml.selection import GamaSampleSelector
from sfml.targets import REDSHIFT, TARGETS

__all__ = ["StandardScaler", "StarFormationPipeline", "make_star_formation_pipeline"]

# With missing bands, how often each galaxy is drawn with other bands, at most: in single
# precision, 8 variants of a million galaxies would take 2 GB.
MOST_VARIANTS = 8
MOST_VARIANT_VALUES = 200_000_000
# Columns of the features, counted from the end, in whose bins intervals cover what they claim.
CONDITIONS = {"spectroscopic": (-5, -4), "photometric": (-6, -5, -4), "none": (-3,)}


class StarFormationPipeline(Pipeline):
    """A scikit-learn Pipeline whose intervals, tables and flags can be asked for by catalogue.

    It is made by `make_star_formation_pipeline`, and is a Pipeline in all else. If its selection
    allows missing bands (``select__missing="allow"``), `fit` shows each galaxy with some of its
    bands taken away too, so that one model serves any subset of the bands.

    Parameters
    ----------
    steps : list of (str, estimator)
        As in scikit-learn's Pipeline, as all parameters are.
    transform_input : list of str or None, default=None
        Parameters of `fit` to transform as X is.
    memory : str, joblib.Memory or None, default=None
        Where to keep fitted transformers. With missing bands allowed, it is not used.
    verbose : bool, default=False
        Whether to tell how long each step takes to fit.

    See Also
    --------
    make_star_formation_pipeline : Makes the pipeline.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> pipe = pipe.fit(X[:200], y[:200])
    >>> pipe.predict_interval(X[200:], coverage=0.68).shape
    (100, 3, 2)
    >>> list(pipe.predict_table(X[200:]).columns[:3])
    ['stellar_mass', 'stellar_mass_p16', 'stellar_mass_p84']
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> StarFormationPipeline:
        """Fit the steps one after the other.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex, and the SPS code's percentiles if they are known: see
            `StarFormationRegressor.fit`.
        **params : dict
            Parameters of the steps' `fit`, as ``step__parameter``.

        Returns
        -------
        self
        """
        if not self._drops_bands():
            return super().fit(X, y, **params)
        own = {name: _own_params(name, params) for name, _ in self.steps}
        (first, select), *middle, (last, regress) = self.steps
        select.fit(X, y, **own[first])
        seen, variants = self._select_and_drop(X)
        # The transformers learn from one of each galaxy, with its bands or without some.
        mixed = np.where(np.arange(len(seen))[:, np.newaxis] % 2 == 0, seen, variants[0])
        tables = [self._as_selected(array, X) for array in (seen, mixed, *variants)]
        for name, step in middle:
            step.fit(tables[1], y, **own[name])
            tables = [step.transform(table) for table in tables]
        regress.fit(tables[0], y, variants=tables[2:], **own[last])
        return self

    def refit(self, X: Any, y: Any, *, warm_start: bool = True) -> StarFormationPipeline:
        """Train the last step again, on more galaxies, with the transformers as they are.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue: the galaxies of `fit` and further ones.
        y : array-like of shape (n_galaxies, n_targets)
            Their targets, in dex.
        warm_start : bool, default=True
            Whether to go on from the regressors of the last fit; those that cannot start anew.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        regress = self[-1]
        variants: list[np.ndarray] = []
        if self._drops_bands():
            seen, variants = self._select_and_drop(X)
            seen, *variants = (self._as_selected(array, X) for array in (seen, *variants))
            for _, step in self.steps[1:-1]:
                seen, *variants = map(step.transform, (seen, *variants))
        else:
            seen = self._inputs(X)
        before = regress.warm_start
        regress.set_params(warm_start=warm_start)
        try:
            regress.fit(seen, y, variants=variants)
        finally:
            regress.set_params(warm_start=before)
        return self

    def predict_quantiles(self, X: Any, q: Any = (0.16, 0.5, 0.84), **options: Any) -> np.ndarray:
        """Predict calibrated quantiles: see `StarFormationRegressor.predict_quantiles`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        q : float or sequence of float, default=(0.16, 0.5, 0.84)
            Levels, between 0 and 1.
        **options : dict
            ``uncertainty="emulator"``, ``"sps"`` or ``"total"``.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, len(q))
            In dex.
        """
        return self[-1].predict_quantiles(self._inputs(X), q, **options)

    def predict_interval(self, X: Any, coverage: float = 0.68, **options: Any) -> np.ndarray:
        """Predict calibrated intervals: see `StarFormationRegressor.predict_interval`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        coverage : float, default=0.68
            Share of the true values that the intervals are to hold.
        **options : dict
            ``uncertainty="emulator"``, ``"sps"`` or ``"total"``.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, 2)
            Lower and upper end, in dex.
        """
        return self[-1].predict_interval(self._inputs(X), coverage, **options)

    def predict_table(self, X: Any, **options: Any) -> pd.DataFrame:
        """Predict medians, 16th and 84th percentiles, and flags with their reasons.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        **options : dict
            ``uncertainty`` and ``max_width``: see `StarFormationRegressor.predict_table`.

        Returns
        -------
        DataFrame of shape (n_galaxies, 3 * n_targets + 2)
            Row by row as in X, with its index if it has one: ``stellar_mass``,
            ``stellar_mass_p16``, ``stellar_mass_p84``, and so on, in dex; ``flag``, a sum of
            `sfml.flags.Flag`; and ``reasons``, the same as text.
        """
        table = self[-1].predict_table(self._inputs(X), **options)
        flag, inputs = table["flag"].to_numpy(), X
        for _, step in self.steps[:-1]:
            if hasattr(step, "flag"):
                flag = flag | step.flag(inputs)
            inputs = inputs if step is None or step == "passthrough" else step.transform(inputs)
        index = tables.row_index(X)
        table = table.assign(flag=flag, reasons=describe(flag))
        return table if index is None else table.set_index(index)

    def calibrate(self, X: Any, y: Any) -> StarFormationPipeline:
        """Calibrate the intervals on galaxies of one's own, which must not be those of `fit`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue of galaxies that the pipeline has not seen.
        y : array-like of shape (n_galaxies, n_targets)
            Their labels, in dex.

        Returns
        -------
        self
        """
        self[-1].calibrate(self._inputs(X), y)
        return self

    def _inputs(self, X: Any) -> Any:
        check_is_fitted(self)
        return self[:-1].transform(X)

    def _select_and_drop(self, X: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        """Select galaxies, and draw the same with some bands taken away."""
        select, regress = self[0], self[-1]
        seen = np.asarray(select.transform(X), dtype=np.float64)
        seed = check_random_state(regress.random_state).randint(2**31 - 1)
        return seen, select.drop_bands(seen, _n_variants(seen), np.random.default_rng(seed))

    def _as_selected(self, array: np.ndarray, X: Any) -> Any:
        """Give an array the form that the selection was told to give by `set_output`."""
        return _wrap_data_with_container("transform", array, X, self[0])

    def _drops_bands(self) -> bool:
        first, last = self.steps[0][1], self.steps[-1][1]
        return (
            getattr(first, "missing", None) == "allow"
            and isinstance(first.bands, BandSet | None)
            and isinstance(last, StarFormationRegressor)
            and all(isinstance(step, FluxFeatures | StandardScaler) for _, step in self.steps[1:-1])
            and len(self.steps) > 2
        )


def _own_params(step: str, params: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{step}__"
    return {
        name.removeprefix(prefix): value
        for name, value in params.items()
        if name.startswith(prefix)
    }


def _n_variants(X: np.ndarray) -> int:
    """Variants to draw of each galaxy: fewer for catalogues that would fill the memory."""
    return int(np.clip(MOST_VARIANT_VALUES // max(X.size, 1), 2, MOST_VARIANTS))


def make_star_formation_pipeline(
    recipe: str = "sfml",
    *,
    bands: BandSet = GAMA,
    targets: Sequence[str] = TARGETS,
    method: str = "mlp",
    joint: bool = False,
    missing: str = "reject",
    redshift: str = "spectroscopic",
    calibration_fraction: float | None = 0.2,
    max_train_samples: int | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> StarFormationPipeline:
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
    missing : {"reject", "allow"}, default="reject"
        Galaxies with a missing band. If they are allowed, one model learns to serve any subset of
        the bands, and 3 bands with a signal-to-noise ratio of 3 are enough. Recipe "sfml" only.
    redshift : {"spectroscopic", "photometric", "none"}, default="spectroscopic"
        "photometric": redshifts have errors (the band set's `redshift_error`), which are inputs.
        "none": there are no redshifts among the inputs; add "redshift" to `targets` to predict
        it with the rest. Recipe "sfml" only.
    calibration_fraction : float or None, default=0.2
        Share of the galaxies held back from training, on which the intervals are calibrated and
        networks watch their loss. None holds back none.
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
    StarFormationPipeline
        A Pipeline with the steps `select` (`GamaSampleSelector`), `features` (`FluxFeatures`;
        "passthrough" in "surana2020"), `scale` (`StandardScaler`) and `regress`
        (`StarFormationRegressor`).

    Raises
    ------
    ValueError
        If the recipe or the method is not known, a target is named twice, or recipe "surana2020"
        is asked for what only ours can do.

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
    ours = recipe == "sfml"
    if redshift not in CONDITIONS:
        raise ValueError(f"redshift must be one of {', '.join(CONDITIONS)}; got {redshift!r}.")
    if not ours and (missing != "reject" or redshift != "spectroscopic"):
        raise ValueError(
            'recipe="surana2020" needs every band and a redshift: for missing="allow", or another '
            'redshift than "spectroscopic", use recipe="sfml".'
        )
    if REDSHIFT in targets and redshift == "spectroscopic":
        raise ValueError(
            'The redshift is an input: to predict it, set redshift="none" or "photometric".'
        )
    names = (ALL_TARGETS,) if joint else targets
    regressor = StarFormationRegressor(
        [(name, make_estimator(method, name, recipe)) for name in names],
        targets=targets if joint else None,
        joint=joint,
        target_limits={"stellar_mass": (9.0, None)} if "stellar_mass" in targets else None,
        max_train_samples=max_train_samples,
        calibration_fraction=calibration_fraction,
        conditions=CONDITIONS[redshift] if ours else (-1,),
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    select = GamaSampleSelector(
        bands,
        missing=missing,
        min_bands=3 if missing == "allow" else 6,
        keep_errors=ours,
        redshift=redshift,
        targets=targets,
    )
    return StarFormationPipeline(
        [
            ("select", select),
            ("features", FluxFeatures(bands, redshift=redshift) if ours else "passthrough"),
            # The last feature is a luminosity in dex, which the networks add to their output.
            ("scale", StandardScaler(keep=(-1,)) if ours else StandardScaler()),
            ("regress", regressor),
        ]
    )
