"""The whole method as one scikit-learn Pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.base import unchanged_on_failure
from sfml.compat import step_params, wrap_output
from sfml.features import FluxFeatures
from sfml.features.flux_features import BRIGHTNESS
from sfml.features.scaler import StandardScaler
from sfml.persistence.encoder import encode
from sfml.photometry import REDSHIFT_COLUMNS
from sfml.photometry.guard import part_of_catalogue
from sfml.recipes import ALL_TARGETS, CUTS, NOISE_FACTOR, RECIPES, make_estimator
from sfml.regressor import StarFormationRegressor
from sfml.regressor.hold_back import group_keys, row_keys
from sfml.selection import GamaSampleSelector
from sfml.targets import REDSHIFT, TARGETS
from sfml.uncertainty.expected import ExpectedScores

__all__ = ["StarFormationPipeline", "make_star_formation_pipeline"]

# With missing bands, how often each galaxy is drawn with other bands, at most, and how many values
# that may be: for a million galaxies, two variants are drawn.
MOST_VARIANTS, FEWEST_VARIANTS = 8, 2
MOST_VARIANT_VALUES = 80_000_000
ROWS_AT_A_TIME = 50_000  # transformed, so that double precision takes little memory


def _last_step_has(method: str) -> Callable[[Any], bool]:
    """Make a check, for `available_if`, of whether the last step has a method."""

    def check(pipe: StarFormationPipeline) -> bool:
        getattr(pipe._last, method)  # an AttributeError that names the step's class
        return True

    return check


class StarFormationPipeline(Pipeline):
    """A scikit-learn Pipeline whose intervals, tables and flags can be asked for by catalogue.

    It is made by `make_star_formation_pipeline`, and is a Pipeline in all else. What one step
    needs to know of another, such as the bands, it is told by name: so any step may be exchanged
    for one of scikit-learn's, and each fact is the parameter of one step alone. If the selection
    allows missing bands (``select__missing="allow"``), `fit` shows each galaxy with some of its
    bands taken away too, so that one model serves any subset of the bands; and noisier, if it is to
    serve shallower surveys (``select__noise_factor``).

    Parameters
    ----------
    steps : list of (str, estimator)
        As in scikit-learn's Pipeline, as all parameters are. The first is a `GamaSampleSelector`,
        the last a `StarFormationRegressor`; with others, it is an ordinary Pipeline.
    transform_input : list of str or None, default=None
        Parameters of `fit` to transform as X is; not supported.
    memory : str, joblib.Memory or None, default=None
        Where to keep fitted transformers; used by an ordinary Pipeline alone.
    verbose : bool, default=False
        Whether to tell how long each step takes to fit; used by an ordinary Pipeline alone. See
        the last step's.

    See Also
    --------
    make_star_formation_pipeline : Makes the pipeline.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", missing="reject")
    >>> pipe = pipe.set_params(regress__random_state=0).fit(X[:200], y[:200])
    >>> pipe.predict_interval(X[200:], coverage=0.68).shape
    (100, 3, 2)
    >>> list(pipe.predict_table(X[200:]).columns[:3])
    ['stellar_mass', 'stellar_mass_p16', 'stellar_mass_p84']
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> StarFormationPipeline:
        """Fit the steps one after the other.

        A `fit` that fails or is interrupted leaves the steps as they were.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex, and the SPS code's percentiles if they are known: see
            `StarFormationRegressor.fit`.
        **params : dict
            Parameters of the steps' `fit`, as ``step__parameter``, or as scikit-learn's metadata
            routing has them. ``sample_weight`` and ``groups`` are the last step's.

        Returns
        -------
        self
        """
        with unchanged_on_failure(self, *(step for _, step in self.steps)):
            self.__dict__.pop("_fitted_steps", None)
            if self._is_ours():
                self._validate_params()
                self._validate_steps()
                self._fit_steps(X, y, step_params(self, params))
            else:
                super().fit(X, y, **params)
            self._fitted_steps = list(self.steps)
        return self

    def refit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        warm_start: bool = True,
    ) -> StarFormationPipeline:
        """Train the last step again, on more galaxies, with the transformers as they are.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue: the galaxies of `fit` and further ones.
        y : array-like of shape (n_galaxies, n_targets)
            Their targets, in dex.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts.
        groups : array-like of shape (n_galaxies,), default=None
            Group of each galaxy, which must be given if `fit` was given groups.
        warm_start : bool, default=True
            Whether networks continue from the weights of the last fit. Other regressors are
            trained from scratch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As by `fit`, or if that was given groups and this is not.

        Warns
        -----
        UserWarning
            If predictions were shifted by ``calibrate(shift=True)``: they are no longer.
        """
        check_is_fitted(self)
        tables.check_same_rows(X, y)
        tables.check_same_rows(X, groups, "X and groups")
        regress = self._last
        before = regress.warm_start
        regress.set_params(warm_start=warm_start)
        try:
            params = {"sample_weight": sample_weight, "groups": groups}
            self._fit_last(self._first.transform(X), X, y, params)
        finally:
            regress.set_params(warm_start=before)
        return self

    @available_if(_last_step_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Predict the targets of each galaxy: see `StarFormationRegressor.predict`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        **params : dict
            ``return_std``: whether to return the uncertainty too.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets)
            In dex, row by row as in X; NaN where there is no prediction.
        """
        return self._last.predict(self._inputs(X), **params)

    @available_if(_last_step_has("predict_quietly"))
    def predict_quietly(self, X: Any) -> np.ndarray:
        """Predict as `predict` does, without a warning for galaxies that have no prediction.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets)
            In dex; NaN where there is no prediction.
        """
        return self._last.predict_quietly(self._inputs(X))

    @available_if(_last_step_has("predict_quantiles"))
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
        return self._last.predict_quantiles(self._inputs(X), q, **options)

    @available_if(_last_step_has("predict_interval"))
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
        return self._last.predict_interval(self._inputs(X), coverage, **options)

    @available_if(_last_step_has("sample"))
    def sample(self, X: Any, n_samples: int, random_state: Any = None) -> np.ndarray:
        """Draw from the joint distribution of all targets: see `StarFormationRegressor.sample`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        n_samples : int
            Draws per galaxy.
        random_state : int, RandomState or None, default=None
            Seed. With the same number, a galaxy has the same draws whatever other galaxies are in
            X and in whatever order.

        Returns
        -------
        ndarray of shape (n_galaxies, n_samples, n_targets)
            In dex, row by row as in X; NaN where there is no prediction.

        Raises
        ------
        ValueError
            If `n_samples` is no positive integer, if no galaxies were held back, or if the model is
            of a version of sfml that did not learn how the targets go together.

        Examples
        --------
        >>> import sfml
        >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
        >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        >>> draws = pipe.fit(X[:300], y[:300]).sample(X[300:], 50, random_state=0)
        >>> draws.shape
        (100, 50, 3)
        """
        return self._last.sample(self._inputs(X), n_samples, random_state)

    @available_if(_last_step_has("predict_joint"))
    def predict_joint(self, X: Any) -> np.ndarray:
        """Predict how the errors of the targets go together, as correlation matrices.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, n_targets)
            Correlation of the normal scores of the targets in what `sample` draws; NaN where there
            is no prediction.

        Raises
        ------
        ValueError
            As `sample`.
        """
        return self._last.predict_joint(self._inputs(X))

    @available_if(_last_step_has("predict_combination"))
    def predict_combination(
        self,
        X: Any,
        coefficients: Mapping[str, float],
        q: Any = (0.16, 0.5, 0.84),
        **options: Any,
    ) -> np.ndarray:
        """Predict quantiles of a sum of targets, such as the specific star-formation rate.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        coefficients : dict of str to float
            By what each target is multiplied, such as ``{"sfr": 1, "stellar_mass": -1}``.
        q : float or sequence of float, default=(0.16, 0.5, 0.84)
            Levels, between 0 and 1.
        **options : dict
            ``n_samples`` and ``random_state``: see `StarFormationRegressor.predict_combination`.

        Returns
        -------
        ndarray of shape (n_galaxies, len(q))
            In dex; NaN where there is no prediction.

        Raises
        ------
        ValueError
            As `sample`; if a name is not one of the targets, or a level not between 0 and 1.
        """
        return self._last.predict_combination(self._inputs(X), coefficients, q, **options)

    @available_if(_last_step_has("predict_table"))
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
        inputs, flags = self._inputs_and_flags(X)
        table = self._last.predict_table(inputs, flags=flags, **options)
        index = tables.row_index(X)
        return table if index is None else table.set_axis(index)

    @available_if(_last_step_has("expected_scores"))
    def expected_scores(self, X: Any) -> ExpectedScores:
        """Expect how well a catalogue without labels is predicted, and say what is odd about it.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        ExpectedScores
            ``scores``, a table of sigma and NMAD in dex and the coverage of 16-84 intervals, one
            row per target; ``out_of_domain``, the share of galaxies unlike those of training; and
            ``reasons``, the share that each flag is raised for. See
            `StarFormationRegressor.expected_scores`.

        Raises
        ------
        ValueError
            If the intervals are not calibrated.

        Examples
        --------
        >>> import sfml
        >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
        >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        >>> expected = pipe.fit(X[:300], y[:300]).expected_scores(X[300:])
        >>> expected.scores.columns.tolist()
        ['sigma', 'nmad', 'coverage', 'width']
        >>> expected.n_galaxies + expected.n_without
        100
        """
        inputs, flags = self._inputs_and_flags(X)
        return self._last.expected_scores(inputs, flags=flags)

    def _inputs_and_flags(self, X: Any) -> tuple[Any, np.ndarray]:
        """Transform X up to the last step, and collect the flags of the steps."""
        check_is_fitted(self)
        flags, inputs = 0, X
        for _, step in self._steps()[:-1]:
            if hasattr(step, "transform_and_flag"):
                values, more = step.transform_and_flag(inputs)
                inputs = wrap_output("transform", values, inputs, step)
            else:
                more = step.flag(inputs) if hasattr(step, "flag") else 0
                inputs = step.transform(inputs)
            flags = flags | more
        return inputs, np.asarray(flags)

    @available_if(_last_step_has("calibrate"))
    def calibrate(
        self, X: Any, y: Any, sample_weight: Any = None, *, shift: bool = False
    ) -> StarFormationPipeline:
        """Calibrate the intervals on galaxies of one's own, which must not be those of `fit`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue of galaxies from which the pipeline has not learnt.
        y : array-like of shape (n_galaxies, n_targets)
            Their labels, in dex.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts.
        shift : bool, default=False
            Whether to shift the predictions too, by the median of what they lack: see
            `StarFormationRegressor.calibrate`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `fit` has learnt from some of these galaxies, or too few have a label.
        """
        check_is_fitted(self)
        tables.check_same_rows(X, y)
        options = {"shift": True} if shift else {}
        self._last.calibrate(self._inputs(X, labelled=True), y, sample_weight, **options)
        return self

    @available_if(_last_step_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score the last step's predictions: see `StarFormationRegressor.score`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets)
            Labels, in dex.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts.

        Returns
        -------
        float
        """
        tables.check_same_rows(X, y)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self._last.score(self._inputs(X), y, **weight)

    def _steps(self) -> list[tuple[str, Any]]:
        """List the steps that were fitted, whatever `set_params` did since, but no passthroughs."""
        steps: Any = getattr(self, "_fitted_steps", self.steps)
        return [(n, step) for n, step in steps if step is not None and step != "passthrough"]

    def __dask_tokenize__(self) -> str:
        """Tell dask one pipeline from another, in every process alike."""
        # The content hash; a step of another library, whose content only pickle knows, counts too.
        return encode(self, to_hash=True).content_hash()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted_steps") or super().__sklearn_is_fitted__()

    @property
    def _first(self) -> Any:
        return self._steps()[0][1]

    @property
    def _last(self) -> Any:
        return self._steps()[-1][1]

    def _is_ours(self) -> bool:
        first, last = self.steps[0][1], self.steps[-1][1]
        return isinstance(first, GamaSampleSelector) and isinstance(last, StarFormationRegressor)

    def _inputs(self, X: Any, *, labelled: bool = False) -> Any:
        """Transform X up to the last step; if it is labelled, as in `fit`."""
        check_is_fitted(self)
        for _, step in self._steps()[:-1]:
            X = _transform(step, X, labelled=labelled)
        return X

    def _fit_steps(self, X: Any, y: Any, params: Mapping[str, dict[str, Any]]) -> None:
        tables.check_same_rows(X, y)
        (first, select), *middle, (last, regress) = self._steps()
        tables.check_same_rows(X, params[last].get("groups"), "X and groups")
        limits = regress.target_limits if isinstance(regress.target_limits, Mapping) else {}
        select.fit(X, y, **{"stellar_mass_range": limits.get("stellar_mass"), **params[first]})
        selected = select.transform(X)
        self._fit_middle(middle, selected, X, y, params)
        self._fit_last(selected, X, y, params[last])

    def _fit_middle(
        self,
        middle: Sequence[tuple[str, Any]],
        selected: Any,
        X: Any,
        y: Any,
        params: Mapping[str, dict[str, Any]],
    ) -> None:
        """Fit the transformers to one of each galaxy, as observed or as it might have been."""
        learnt = selected
        if self._n_variants(np.asarray(selected)):
            learnt = np.array(selected)
            learnt[1::2] = next(self._variants(learnt))[1::2]
            learnt = self._as_selected(learnt, X)
        before = None
        for name, step in middle:
            if before is not None:
                learnt = _transform(before, learnt, labelled=True)
            layout = {"layout": self._first.layout_} if has_fit_parameter(step, "layout") else {}
            step.fit(learnt, y, **{**layout, **params[name]})
            before = step

    def _fit_last(self, selected: Any, X: Any, y: Any, params: dict[str, Any]) -> None:
        """Fit the last step to what the fitted transformers make of selected galaxies."""
        regress = self._last
        values = np.asarray(selected)
        inputs, brightness, names = self._follow(selected)
        variants = None
        n = self._n_variants(values)
        if n:
            variants = np.empty((n, *np.shape(inputs)), dtype=np.float32)
            for variant, out in zip(self._variants(values), variants, strict=False):
                for rows in gen_batches(len(out), ROWS_AT_A_TIME):
                    some = self._as_selected(variant[rows], X, rows)
                    out[rows] = self._follow(some)[0]
        if params.get("chunks") is not None:
            params = params | {"chunks": PipelineChunks(self, params["chunks"])}
        regress.fit(
            inputs,
            y,
            variants=variants,
            first_is_usual=self._first.allows_missing(),
            feature_names=None if hasattr(inputs, "columns") else names,
            row_keys=row_keys(values),
            offset_map=self._offset_map(inputs, brightness, names),
            **params,
        )

    def _chunk_inputs(
        self, X: Any, groups: Any, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform a chunk of a catalogue to learn from; give the keys of its rows or groups too.

        Half of the galaxies are shown as they might have been observed instead, if any are to be.
        """
        with part_of_catalogue():
            values = np.asarray(self._first.transform(X))
        keys = row_keys(values) if groups is None else group_keys(groups, len(values))
        if self._first.varies():
            as_observed = rng.random((len(values), 1)) < 0.5
            values = np.where(as_observed, values, self._first.vary(values, rng))
        return np.asarray(self._follow(self._as_selected(values, X))[0]), keys

    def _follow(self, inputs: Any) -> tuple[Any, np.ndarray | None, list[str] | None]:
        """Transform selected galaxies; give their brightness as it first was, and all names."""
        brightness = None
        names: list[str] | None = list(self._first.get_feature_names_out())
        for _, step in self._steps()[1:-1]:
            inputs = _transform(step, inputs, labelled=True)
            try:
                names = list(step.get_feature_names_out(names))
            except (AttributeError, ValueError):  # a step that does not name its outputs
                names = None
            if brightness is None and names is not None and BRIGHTNESS in names:
                brightness = np.asarray(inputs)[:, names.index(BRIGHTNESS)].copy()
        return inputs, brightness, names

    def _offset_map(
        self, inputs: Any, brightness: np.ndarray | None, names: list[str] | None
    ) -> tuple[float, float] | None:
        """Find how to get the brightness back, in dex, from what the scaler made of it."""
        if brightness is None or names is None or BRIGHTNESS not in names:
            return None
        scaled = np.asarray(inputs)[:, names.index(BRIGHTNESS)]
        known = np.isfinite(scaled) & np.isfinite(brightness)
        x, z = scaled[known], brightness[known]
        if not len(x) or np.ptp(x) == 0 or np.array_equal(x, z):
            return None
        low, high = np.argmin(x), np.argmax(x)
        slope = float((z[high] - z[low]) / (x[high] - x[low]))
        intercept = float(z[low] - slope * x[low])
        if np.abs(slope * x + intercept - z).max() > 1e-4 * np.ptp(z):
            if not any(_needs(step, BRIGHTNESS) for step in self._last.get_params().values()):
                return None
            raise ValueError(
                f"The networks add {BRIGHTNESS!r}, a luminosity in dex, to what they learn, but a "
                "step between FluxFeatures and the regressor changes it by more than a shift and "
                "a factor. Use a linear scaler there, or set the networks' offset_feature=None."
            )
        return slope, intercept

    def _variants(self, selected: np.ndarray) -> Iterator[np.ndarray]:
        """Give the selected galaxies as they might have been observed instead, again and again."""
        seed = check_random_state(self._last.random_state).randint(2**31 - 1)
        rng = np.random.default_rng(seed)
        for k in range(self._n_variants(selected)):
            # On the first, intervals are calibrated too: its labels belong to its fluxes.
            yield self._first.vary(selected, rng, noise=k > 0 or not self._first.allows_missing())

    def _n_variants(self, X: np.ndarray) -> int:
        """Count the variants to draw of each galaxy: fewer for catalogues that fill the memory."""
        if not self._last.learns_from_variants():
            return int(self._first.allows_missing())
        if not self._first.varies():
            return 0
        return int(np.clip(MOST_VARIANT_VALUES // max(X.size, 1), FEWEST_VARIANTS, MOST_VARIANTS))

    def _as_selected(self, array: np.ndarray, X: Any, rows: slice = slice(None)) -> Any:
        """Give these rows of X, selected, the form that `set_output` told the selection to give."""
        index = tables.row_index(X)
        original = X if index is None else pd.DataFrame(index=index[rows])
        return wrap_output("transform", array, original, self._first)


class PipelineChunks(NamedTuple):
    """Chunks of a catalogue for the last step: a `sfml.regressor.chunks.GalaxyChunks`."""

    pipe: StarFormationPipeline
    catalogue: Any

    @property
    def n_rows(self) -> int:
        """How many galaxies there are in all."""
        return int(self.catalogue.n_rows)

    @property
    def chunk_rows(self) -> int:
        """The most galaxies in one chunk."""
        return int(self.catalogue.chunk_rows)

    def chunks(self, seed: int) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
        """Give inputs, labels and keys of each chunk."""
        rng = np.random.default_rng([seed, 1])
        for X, y, groups in self.catalogue.chunks(seed):
            inputs, keys = self.pipe._chunk_inputs(X, groups, rng)
            yield inputs, y, keys


def _transform(step: Any, X: Any, *, labelled: bool) -> Any:
    """Transform X, for labelled galaxies as when the step was fitted."""
    if labelled and hasattr(step, "transform_labelled"):
        return wrap_output("transform", step.transform_labelled(X), X, step)
    return step.transform(X)


def _needs(step: Any, feature: str) -> bool:
    return getattr(step, "offset_feature", None) == feature


def make_star_formation_pipeline(
    recipe: str = "sfml",
    *,
    bands: BandSet = GAMA,
    targets: Sequence[str] = TARGETS,
    method: str = "mlp",
    joint: bool = False,
    missing: str | None = None,
    negative: str | None = None,
    z_range: tuple[float | None, float | None] | str | None = "recipe",
    stellar_mass_range: tuple[float | None, float | None] | str | None = "recipe",
    min_bands: int | None = None,
    min_snr: float | None = None,
    upper_limits: float | None = None,
    noise_factor: float | None = None,
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
        "sfml" is ours, and serves every galaxy: flux ratios and errors, any subset of the bands,
        negative fluxes, and a few small networks per target, trained in seconds. "surana2020" is
        the method of Surana et al. (2020) to the letter: the cuts of its section 2.1, fluxes and
        redshift, standardised, and the networks of its Tables 1 and 2.
    bands : BandSet, default=GAMA
        The survey's bands and columns.
    targets : sequence of str, default=TARGETS
        What to predict, in the order of the columns of `predict`.
    method : {"mlp", "random_forest", "svr"}, default="mlp"
        Family of the regressors.
    joint : bool, default=False
        One regressor for all targets, called "all_targets", instead of one each.
    missing : {"reject", "allow"} or None, default=None
        Galaxies with a missing band. If they are allowed, one model learns to serve any subset of
        the bands. None, here and for the other cuts: as the recipe has it; "sfml" allows them,
        "surana2020" cannot.
    negative : {"reject", "allow"} or None, default=None
        Galaxies with a negative flux: "sfml" allows them, "surana2020" rejects them.
    z_range : (float or None, float or None), "recipe" or None, default="recipe"
        Redshifts kept: above the first and up to the second. "sfml" has (0, None) and flags
        redshifts beyond those of training, "surana2020" (0, 0.5). None is no cut.
    stellar_mass_range : (float or None, float or None), "recipe" or None, default="recipe"
        Stellar masses to learn from, in dex, both limits included: "sfml" has no limit,
        "surana2020" (9, None), where the stellar mass is a target.
    min_bands : int or None, default=None
        Bands that must reach `min_snr`: 3 in "sfml" (all, if the survey has fewer), 6 in
        "surana2020".
    min_snr : float or None, default=None
        Ratio of flux to flux error: 3 in both recipes.
    upper_limits : float or None, default=None
        How many sigma upper limits are: see `GamaSampleSelector`.
    noise_factor : float or None, default=None
        How many times noisier, at most, the catalogues are that the model is to serve: galaxies are
        shown in training with noise added and stated too. None: 3 in "sfml", 1 (no such noise) in
        "surana2020".
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
    Each cut is stated once: in the step `select`, and that in stellar mass as
    ``regress__target_limits``. A cut that rejects more than half of the galaxies of a `fit` is a
    warning. A target which is not one of `TARGETS` takes the network of the stellar mass in recipe
    "surana2020". Recipe "sfml" needs flux errors; docs/recipe.md tells what its parts buy.

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
    if redshift not in REDSHIFT_COLUMNS:
        raise ValueError(
            f"redshift must be one of {', '.join(REDSHIFT_COLUMNS)}; got {redshift!r}."
        )
    if not ours and (missing == "allow" or redshift != "spectroscopic"):
        raise ValueError(
            'recipe="surana2020" needs every band and a redshift: for missing="allow", or another '
            'redshift than "spectroscopic", use recipe="sfml".'
        )
    given = {
        "missing": missing,
        "negative": negative,
        "min_bands": min_bands,
        "min_snr": min_snr,
        **{k: v for k, v in (("z_range", z_range),) if v != "recipe"},
    }
    cuts = CUTS[recipe] | {k: v for k, v in given.items() if v is not None or k == "z_range"}
    masses = (
        cuts.pop("stellar_mass_range") if stellar_mass_range == "recipe" else stellar_mass_range
    )
    cuts.pop("stellar_mass_range", None)
    if min_bands is None:
        cuts["min_bands"] = min(cuts["min_bands"], len(bands))
    if REDSHIFT in targets and redshift == "spectroscopic":
        raise ValueError(
            'The redshift is an input: to predict it, set redshift="none" or "photometric".'
        )
    if stellar_mass_range not in ("recipe", None) and "stellar_mass" not in targets:
        raise ValueError(
            "stellar_mass_range cuts on the labels, and needs 'stellar_mass' among the targets: it "
            f"is {stellar_mass_range!r}, and the targets are {', '.join(targets)}."
        )
    names = (ALL_TARGETS,) if joint else targets
    limits: Any = {"stellar_mass": masses} if masses and "stellar_mass" in targets else None
    regressor = StarFormationRegressor(
        [(name, make_estimator(method, name, recipe)) for name in names],
        targets=targets if joint else None,
        joint=joint,
        share_networks=ours,
        target_limits=limits,
        max_train_samples=max_train_samples,
        calibration_fraction=calibration_fraction,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    select = GamaSampleSelector(
        bands,
        **cuts,
        stellar_mass_range=None,  # the regressor's target_limits are the same cut
        upper_limits=upper_limits,
        keep_errors=ours,
        noise_factor=(NOISE_FACTOR if ours else 1) if noise_factor is None else noise_factor,
        redshift=redshift,
        targets=targets,
    )
    return StarFormationPipeline(
        [
            ("select", select),
            ("features", FluxFeatures() if ours else "passthrough"),
            ("scale", StandardScaler()),
            ("regress", regressor),
        ]
    )
