"""One regressor per target, for galaxies some of which were rejected or have no label."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import RegressorMixin
from sklearn.utils import Bunch, check_consistent_length, check_random_state, get_tags
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from sfml import tables
from sfml.base import fit_method, unchanged_on_failure
from sfml.compat import BaseComposition, HasMethods, Interval, StrOptions
from sfml.flags import Flag, MissingPredictionWarning, describe, flag_where
from sfml.parallel import run_jobs
from sfml.recipes import FAMILIES
from sfml.regressor.chunks import GalaxyChunks, LearntChunks
from sfml.regressor.emulators import Emulators, usable_rows
from sfml.regressor.hold_back import FEWEST, draw_numbers, group_keys
from sfml.regressor.hold_back import row_keys as keys_of
from sfml.regressor.jobs import Job, Training, fit_one
from sfml.regressor.plan import (
    Galaxies,
    check_estimators,
    find_conditions,
    plan_jobs,
    plan_posterior,
    read_limits,
    rng_of,
    within_limits,
)
from sfml.targets import (
    TARGETS,
    check_target_names,
    is_one_column,
    read_posterior,
    read_targets,
)
from sfml.uncertainty import (
    add_posterior,
    check_coverage,
    check_levels,
    interpolate_quantiles,
    uncross,
)
from sfml.uncertainty.calibrator import SMALLEST_GROUP
from sfml.uncertainty.copula import (
    EmpiricalCopula,
    check_coefficients,
    combine_draws,
    draw_joint,
    medians_of,
)
from sfml.uncertainty.distribution import scores_of
from sfml.uncertainty.domain import DomainDetector
from sfml.uncertainty.expected import ExpectedScores
from sfml.uncertainty.intervals import IntervalModel, RawQuantiles
from sfml.weights import median, read_weights

UNCERTAINTIES = ("emulator", "sps", "total")
# Fewer galaxies than this cannot tell what is unlike them.
FEWEST_FOR_DOMAIN = 50
# Draws of `predict_combination` that are in memory at once.
DRAWS_IN_MEMORY = 1_000_000


class StarFormationRegressor(RegressorMixin, BaseComposition):
    """Predict each star-formation property with a regressor of its own, and how far it may be off.

    Galaxies that `GamaSampleSelector` blanked, and those without a label, are left out of `fit` and
    `score`. So are rows with some NaN, unless the regressor accepts NaN. `predict` gives NaN for
    rows that the regressor cannot take, so that predictions line up with the rows of the catalogue.

    A share of the rows is held back from training. On it the intervals are calibrated, for every
    family of regressors (`predict_interval`, `predict_quantiles`, `predict_table`); networks
    watch their loss on it too, instead of on a part of their own.

    Parameters
    ----------
    estimators : {"mlp", "random_forest", "svr"}, list of (str, estimator), or estimator
        A family for every target ("mlp", the default: the networks of Surana et al. 2020); or
        pairs of a target and any scikit-learn regressor, whose parameters are then reachable by
        the target's name, as in ``set_params(sfr=SVR(), stellar_mass__epochs=100)``; or one
        regressor of which every target gets a copy.
    targets : sequence of str or None, default=None
        Names of the targets, in the order of what `predict` gives. Columns of y that have names
        are found by them. None: the names in `estimators`, else those that y has (`TARGETS`
        always in that order); three columns without names are `TARGETS`.
    joint : bool, default=False
        Train one regressor for all targets at once: the family's, or the only one of
        `estimators`, under whatever name.
    share_networks : bool, default=False
        Whether targets whose `KerasMLPRegressor` are set alike, with `quantiles`, share one network
        with several outputs. It learns from galaxies that lack some of the labels too, and from the
        SPS code's percentiles if y has them: what is learnt of one target helps with the others.
        Each target has its own entry in `estimators_` nevertheless.
    target_limits : dict of str to (float or None, float or None), or None, default=None
        Range of a target in dex, both limits included, such as ``{"stellar_mass": (9, None)}``.
        Galaxies outside, or without a label to tell, are left out of `fit` and `score` for all
        targets.
    max_train_samples : int or None, default=None
        Train on a random sample of at most so many galaxies; `n_train_` reports how many.
        Meant for regressors whose cost grows fast with the sample, such as the SVR.
    calibration_fraction : float or None, default=0.2
        Share of the galaxies to hold back. None, or fewer than 50 galaxies to learn from: none is,
        and intervals need `calibrate`.
    conditions : "auto" or sequence of str or int, default="auto"
        Inputs in whose bins intervals are to cover what they claim, by their names, or by their
        positions in an X without names. "auto": "redshift", "log_snr" and "log_redshift_error",
        those that there are. In bins of the prediction, of its uncertainty and of the number of
        inputs that are not NaN intervals always do.
    false_alarm_rate : float or None, default=0.01
        Share of galaxies like those of training that `predict_table` flags as unlike them. None
        learns no such test.
    warm_start : bool, default=False
        Whether in another `fit`, with more galaxies, say, networks go on from the last one. Other
        regressors start anew. Galaxies held back then are held back again: they are told by the
        values of their inputs, or by the `row_keys` that `fit` is given.
    n_jobs : int or None, default=None
        Targets trained at the same time, as in joblib, in threads unless
        `joblib.parallel_config` says otherwise. Results do not depend on it.
    random_state : int, RandomState or None, default=None
        Seeds the subsample and every regressor whose own `random_state` is None. A target's
        seed does not depend on which others are trained beside it, unless they share a network.
    verbose : int, default=0
        1 says what is trained on how many galaxies, and how long it took.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted regressors, one per target (one in all if `joint`). Those of targets that share
        networks differ in their last layer alone.
    named_estimators_ : Bunch
        The same, by name.
    targets_ : tuple of str
        Names of the targets, in the order of what `predict` gives.
    emulators_ : Emulators
        The regressors that were trained, and which targets each predicts.
    n_train_ : dict of str to int
        Galaxies that each regressor learnt from.
    target_ranges_ : dict of str to (float, float)
        Lowest and highest label of each target among them.
    n_calibration_ : int
        Galaxies held back.
    intervals_ : IntervalModel
        What calibrates each target's quantiles.
    shifts_ : dict of str to float
        What `calibrate` found to be missing in the predictions of each target (dex); empty unless
        it was told to shift them.
    copula_ : EmpiricalCopula or None
        How the errors of the targets go together, for `sample`.
    posterior_ : regressor or None
        Predicts the widths of the SPS code's posterior, if y had its percentiles.
    domain_ : DomainDetector or None
        Tells galaxies unlike those of training.
    history_ : dict of str to DataFrame
        Losses in each epoch, for the regressors that keep them.
    n_features_in_ : int
        Number of inputs.

    See Also
    --------
    sfml.make_star_formation_pipeline : The whole method, from the catalogue on.

    References
    ----------
    Surana, S. et al. 2020, MNRAS, 493, 4808.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sfml import StarFormationRegressor
    >>> X = np.array([[0.0], [1.0], [2.0], [np.nan]])
    >>> y = np.array([[9.0, 0.0], [9.5, 0.5], [10.0, 1.0], [10.5, 1.5]])
    >>> model = StarFormationRegressor([("stellar_mass", Ridge(0)), ("sfr", Ridge(0))])
    >>> model.fit(X, y).predict(X).round(2)
    array([[ 9. ,  0. ],
           [ 9.5,  0.5],
           [10. ,  1. ],
           [ nan,  nan]])
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "estimators": [StrOptions(set(FAMILIES)), list, tuple, HasMethods(["fit", "predict"])],
        "targets": ["array-like", None],
        "joint": ["boolean"],
        "share_networks": ["boolean"],
        "target_limits": [Mapping, None],
        "max_train_samples": [Interval(Integral, 2, None, closed="left"), None],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "conditions": [StrOptions({"auto"}), "array-like"],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither"), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Of the arguments of `fit`, only weights and groups are metadata that a user may route.
    __metadata_request__fit = dict.fromkeys(
        ("variants", "first_is_usual", "feature_names", "row_keys", "offset_map", "chunks"), UNUSED
    )

    def __init__(
        self,
        estimators: Any = "mlp",
        *,
        targets: Sequence[str] | None = None,
        joint: bool = False,
        share_networks: bool = False,
        target_limits: Mapping[str, tuple[float | None, float | None]] | None = None,
        max_train_samples: int | None = None,
        calibration_fraction: float | None = 0.2,
        conditions: str | Sequence[str | int] = "auto",
        false_alarm_rate: float | None = 0.01,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.targets = targets
        self.joint = joint
        self.share_networks = share_networks
        self.target_limits = target_limits
        self.max_train_samples = max_train_samples
        self.calibration_fraction = calibration_fraction
        self.conditions = conditions
        self.false_alarm_rate = false_alarm_rate
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # What `fit` leaves.
    targets_: tuple[str, ...]
    target_limits_: dict[str, tuple[float, float]]
    target_ranges_: dict[str, tuple[float, float]]
    posterior_: Any
    learnt_keys_: np.ndarray
    intervals_: IntervalModel
    copula_: EmpiricalCopula | None
    domain_: DomainDetector | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, those of the regressors by their names.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the regressors and their parameters.

        Returns
        -------
        dict
        """
        if isinstance(self.estimators, list | tuple):
            return self._get_params("estimators", deep=deep)
        return super().get_params(deep=deep)  # an ensemble is no list, though it can be iterated

    def set_params(self, **params: Any) -> StarFormationRegressor:
        """Set parameters, replace regressors, or set the regressors' parameters.

        Parameters
        ----------
        **params : dict
            Such as ``sfr=SVR()`` or ``sfr__epochs=100``.

        Returns
        -------
        self
        """
        if isinstance(self.estimators, tuple):  # in which nothing can be replaced
            self.estimators = list(self.estimators)
        self._set_params("estimators", **params)
        return self

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        variants: Any = None,
        first_is_usual: bool = True,
        feature_names: Sequence[str] | None = None,
        row_keys: np.ndarray | None = None,
        offset_map: tuple[float, float] | None = None,
        chunks: GalaxyChunks | None = None,
    ) -> StarFormationRegressor:
        """Train the regressors, and calibrate them on the galaxies held back.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs; rows with NaN are left out (for regressors that accept NaN, rows with
            nothing but NaN).
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Targets in dex; NaN where there is no label. A table may have the SPS code's
            percentiles too, as ``stellar_mass_p16`` and ``stellar_mass_p84``.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts, in training and in calibration. A galaxy of weight 0 counts
            for nothing.
        groups : array-like of shape (n_galaxies,), default=None
            Group of each galaxy, such as the model that simulated galaxies were made from, or the
            object that was observed several times. Galaxies of one group are all held back, or
            none of them is. With `warm_start`, later fits need groups as well.
        variants : array-like of shape (n_variants, n_galaxies, n_features), default=None
            The same galaxies as they might have been observed instead, such as with fewer bands.
            Networks learn from these too.
        first_is_usual : bool, default=True
            Whether the first variant is such as the galaxies to be predicted are. Then intervals
            are calibrated on it too, and regressors other than networks learn from it.
        feature_names : sequence of str, default=None
            Names of the columns of an X that has none. `StarFormationPipeline` gives them.
        row_keys : ndarray of shape (n_galaxies,), default=None
            Numbers that tell galaxies apart, by which they are held back; by default made from
            their inputs. `StarFormationPipeline` makes them from the photometry, which no
            transformer changes.
        offset_map : (float, float), default=None
            Slope and intercept that give `KerasMLPRegressor.offset_feature` back in dex, if a
            scaler has changed it.
        chunks : sfml.regressor.chunks.GalaxyChunks, default=None
            All galaxies, chunk after chunk, if they do not fit in memory: X and y are then a random
            sample of them. Networks learn from the chunks, and all else from the sample.
            `sfml.scale.fit_dataset` gives them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y is not in dex or has other columns than expected, if a regressor takes no weights
            that were given, or if no galaxy is left. With `chunks`, if there is a regressor that is
            no network, `max_train_samples` or weights are given, or no galaxy is held back.
        """
        names = check_estimators(self.estimators, self.targets, joint=self.joint)
        if isinstance(self.estimators, list | tuple):
            self._validate_names([name for name, _ in self.estimators])
        tables.check_same_rows(X, y)
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        variants = self._check_variants(variants, X.shape)
        Y, targets = read_targets(y, self.targets if names is None else names)
        check_consistent_length(X, Y)
        check_target_names(targets)
        weights = read_weights(sample_weight, X)
        feature_names = self._feature_names(X, feature_names)
        conditions = find_conditions(self.conditions, X.shape[1], feature_names)
        earlier = self if self.warm_start and hasattr(self, "named_estimators_") else None
        limits = read_limits(self.target_limits, targets)
        good = within_limits(Y, targets, limits) & (True if weights is None else weights > 0)
        keys = keys_of(X) if row_keys is None else row_keys
        self._check_groups(groups, earlier)
        if groups is not None:
            keys = group_keys(groups, len(X))
        held_back = self._hold_back(X, Y, good, keys, earlier, grouped=groups is not None)
        galaxies = Galaxies(X, Y, targets, good, held_back)
        widths = read_posterior(y, targets)
        jobs = plan_jobs(
            self,
            galaxies,
            widths,
            self._root,
            earlier,
            weighted=weights is not None,
            chunked=chunks is not None,
        )
        posterior, of_posterior = plan_posterior(widths, targets, jobs[0], self._root)
        learnt_chunks = None
        if chunks is not None:
            self._check_can_chunk(weights, held_back)
            learnt_chunks = LearntChunks(
                chunks, targets, limits, keys[held_back], len(X), grouped=groups is not None
            )
        data = Training(
            X, variants, first_is_usual, weights, feature_names, offset_map, learnt_chunks
        )
        fitted = run_jobs(
            [delayed(fit_one)(job, data, self.verbose) for job in [*jobs, *posterior]], self.n_jobs
        )
        # From here on, what later methods read: never the parameters.
        self.targets_, self.target_limits_ = targets, limits
        self._one_column = is_one_column(y)
        self._grouped = groups is not None
        if earlier is not None and any(getattr(earlier, "shifts_", {}).values()):
            warnings.warn(
                "Predictions are no longer shifted as calibrate(shift=True) had said: the "
                "regressors have learnt anew. Call calibrate again if they should be.",
                UserWarning,
                stacklevel=4,
            )
        self.shifts_: dict[str, float] = {}
        self.emulators_ = Emulators(fitted[: len(jobs)], [job.targets for job in jobs])
        self.posterior_ = fitted[-1] if posterior else None
        self.posterior_targets_ = of_posterior if self.posterior_ is not None else ()
        self._name_estimators(jobs, Y, chunked=chunks is not None)
        learnt = np.isin(np.arange(len(X)), np.concatenate([job.rows for job in jobs]))
        self.target_ranges_ = {
            target: (float(np.nanmin(labels)), float(np.nanmax(labels)))
            for target, labels in zip(targets, Y[learnt].T, strict=True)
        }
        self._remember(X, learnt, earlier)
        self._learn_uncertainty(data, Y, conditions, learnt, held_back)
        self._announce(X, targets, names)
        return self

    def learns_from_variants(self) -> bool:
        """Tell whether there are networks, which draw one of a galaxy's variants in each epoch.

        Returns
        -------
        bool
        """
        given = self.estimators  # which `fit` checks
        if isinstance(given, str):
            return given == "mlp"
        pairs = given if isinstance(given, list | tuple) else [("all", given)]
        each = [pair[-1] for pair in pairs if isinstance(pair, list | tuple) and pair]
        return any(hasattr(e, "fit") and has_fit_parameter(e, "variants") for e in each)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the targets of each galaxy.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`. No rows give an empty result.
        return_std : bool, default=False
            Whether to give the uncertainty too: half of the calibrated interval from the 16th to
            the 84th percentile, which for a normal distribution is its standard deviation.

        Returns
        -------
        y : ndarray of shape (n_galaxies,) or (n_galaxies, n_targets)
            In dex, row by row as in X and shaped as y was in `fit`; NaN where the regressor cannot
            take the row (any NaN, or nothing but NaN if it accepts NaN).
        std : ndarray of the same shape
            Only if asked for; in dex.

        Warns
        -----
        MissingPredictionWarning
            If there are galaxies without a prediction.
        """
        std = None
        if return_std:
            check_is_fitted(self)
            quantiles = self.predict_quantiles(X, (0.5, 0.16, 0.84))
            Y, std = quantiles[..., 0], (quantiles[..., 2] - quantiles[..., 1]) / 2
        else:
            Y = self.predict_quietly(X)
        missing = np.isnan(Y) if Y.ndim == 1 else np.isnan(Y).any(axis=1)
        n_missing = int(missing.sum())
        if n_missing:
            warnings.warn(
                f"{n_missing} of {len(Y)} galaxies have no prediction (NaN): the selection rejects "
                "them, or inputs are missing; the flags of predict_table say which. "
                "scikit-learn's own metrics, as in scoring='r2', refuse NaN: use those of "
                "sfml.metrics, such as scoring=sfml.metrics.SCORERS['r2'].",
                MissingPredictionWarning,
                stacklevel=2,
            )
        return (Y, std) if return_std else Y

    def predict_quietly(self, X: Any) -> np.ndarray:
        """Predict as `predict` does, without a warning for galaxies that have no prediction.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies,) or (n_galaxies, n_targets)
            In dex; NaN where there is no prediction.
        """
        Y = self._emulators_of(X)
        return Y.ravel() if self._one_column else Y

    def predict_quantiles(
        self, X: Any, q: Any = (0.16, 0.5, 0.84), *, uncertainty: str = "emulator"
    ) -> np.ndarray:
        """Predict calibrated quantiles.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        q : float or sequence of float, default=(0.16, 0.5, 0.84)
            Levels, between 0 and 1. That of 0.5 is what `predict` gives.
        uncertainty : {"emulator", "sps", "total"}, default="emulator"
            "emulator": how well the SPS code's answer, the label, is predicted. "sps": the code's
            own posterior, learnt from its 16th and 84th percentiles. "total": both, in quadrature.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, len(q)), or (n_galaxies, len(q)) for a 1-d y
            In dex; NaN for galaxies without a prediction.

        Raises
        ------
        ValueError
            If a level is not between 0 and 1, or lies beyond what the held-back galaxies can tell;
            if there were none; or if y had no percentiles where the code's own are asked for.
        """
        check_is_fitted(self)
        X = self._check_inputs(X)
        _, strangeness = self._judge(X)
        quantiles, _ = self._quantiles_and_crossings(X, check_levels(q), uncertainty, strangeness)
        return quantiles[:, 0] if self._one_column else quantiles

    def predict_interval(
        self, X: Any, coverage: float = 0.68, *, uncertainty: str = "emulator"
    ) -> np.ndarray:
        """Predict intervals that hold a share of the true values, as many above as below.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        coverage : float, default=0.68
            The share, between 0 and 1.
        uncertainty : {"emulator", "sps", "total"}, default="emulator"
            As in `predict_quantiles`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, 2), or (n_galaxies, 2) for a 1-d y
            Lower and upper end, in dex; NaN for galaxies without a prediction.

        Raises
        ------
        ValueError
            As `predict_quantiles`.
        """
        return self.predict_quantiles(X, check_coverage(coverage), uncertainty=uncertainty)

    @np.errstate(all="ignore")
    def sample(
        self, X: Any, n_samples: int, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Draw from the joint predictive distribution of all targets.

        The draws of one target follow its calibrated quantiles (those of `predict_quantiles`),
        linear in the normal score of the level between the levels that are calibrated, and on
        along the same line beyond the outermost. How the targets go together is that of held-back
        galaxies: see `docs/uncertainty.md`.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        n_samples : int
            Draws per galaxy.
        random_state : int, RandomState or None, default=None
            Seed. With the same number, a galaxy has the same draws whatever other galaxies are in
            X and in whatever order: they depend on its inputs. Galaxies with equal inputs have
            equal draws, and more draws begin with the same ones.

        Returns
        -------
        ndarray of shape (n_galaxies, n_samples, n_targets), or (n_galaxies, n_samples) for a 1-d y
            In dex; NaN for galaxies without a prediction.

        Raises
        ------
        ValueError
            If `n_samples` is no positive integer, if no galaxies were held back, or if the model is
            of a version of sfml that did not learn how the targets go together.
        """
        copula = self._check_can_join()
        X, seed = self._check_inputs(X), _read_draws(n_samples, random_state)
        draws = self._draw(X, copula, n_samples, seed)
        return draws[:, :, 0] if self._one_column else draws

    def predict_joint(self, X: Any) -> np.ndarray:
        """Predict how the errors of the targets go together, as correlation matrices.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_targets, n_targets)
            Correlation of the normal scores of the targets in what `sample` draws; NaN for galaxies
            without a prediction of every target.

        Raises
        ------
        ValueError
            As `sample`.
        """
        copula = self._check_can_join()
        medians = self._emulators_of(X)
        out = copula.correlations()[copula.bins_of(medians)]
        out[np.isnan(medians).any(axis=1)] = np.nan
        return out

    @np.errstate(all="ignore")
    def predict_combination(
        self,
        X: Any,
        coefficients: Mapping[str, float],
        q: Any = (0.16, 0.5, 0.84),
        *,
        n_samples: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Predict quantiles of a sum of targets, such as the specific star-formation rate.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        coefficients : dict of str to float
            By what each target is multiplied. Targets are in dex, so that
            ``{"sfr": 1, "stellar_mass": -1}`` is the specific star-formation rate.
        q : float or sequence of float, default=(0.16, 0.5, 0.84)
            Levels, between 0 and 1.
        n_samples : int, default=1000
            Draws per galaxy from which the quantiles are read. With 1000, the 16th percentile lies
            between the true 15th and 17th in six of ten galaxies.
        random_state : int, RandomState or None, default=None
            Seed of the draws, as in `sample`.

        Returns
        -------
        ndarray of shape (n_galaxies, len(q))
            In dex; NaN for galaxies without a prediction.

        Raises
        ------
        ValueError
            As `sample`; if a name is not one of the targets, or a level not between 0 and 1.
        """
        copula = self._check_can_join()
        check_coefficients(coefficients, self.targets_)
        X, levels = self._check_inputs(X), check_levels(q)
        seed = _read_draws(n_samples, random_state)
        out = np.empty((len(X), len(levels)))
        step = max(1, DRAWS_IN_MEMORY // n_samples)
        for start in range(0, len(X), step):
            draws = self._draw(X[start : start + step], copula, n_samples, seed)
            combined = combine_draws(draws, coefficients, self.targets_)
            out[start : start + step] = np.quantile(combined, levels, axis=1).T
        return out

    @np.errstate(all="ignore")
    def predict_table(
        self,
        X: Any,
        *,
        uncertainty: str = "emulator",
        max_width: float | Mapping[str, float] | None = None,
        flags: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Predict medians, 16th and 84th percentiles, and flags, as a table.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        uncertainty : {"emulator", "sps", "total"}, default="emulator"
            As in `predict_quantiles`.
        max_width : float, dict of str to float, or None, default=None
            Widest 16-84 interval, in dex, that is not flagged: for all targets, or by target.
            None: what 99 % of the held-back galaxies stay below, for uncertainty="emulator"; no
            limit for the others.
        flags : ndarray of int, shape (n_galaxies,), default=None
            Flags of the galaxies from the steps before, to be shown too.

        Returns
        -------
        DataFrame of shape (n_galaxies, 3 * n_targets + 2)
            ``stellar_mass``, ``stellar_mass_p16``, ``stellar_mass_p84``, and so on, in dex;
            ``flag``, a sum of `sfml.flags.Flag`; and ``reasons``, the same as text.
        """
        index = X.index if isinstance(X, pd.DataFrame) else None
        X = self._check_inputs(X)
        out_of_domain, strangeness = self._judge(X)
        quantiles, crossed = self._quantiles_and_crossings(
            X, np.array([0.5, 0.16, 0.84]), uncertainty, strangeness
        )
        values = {
            f"{target}{suffix}": quantiles[:, k, j]
            for k, target in enumerate(self.targets_)
            for j, suffix in enumerate(("", "_p16", "_p84"))
        }
        width = quantiles[:, :, 2] - quantiles[:, :, 1]
        widest = self.intervals_.widest(self.targets_, max_width, usual=uncertainty == "emulator")
        missing = np.isnan(quantiles[:, :, 0]).any(axis=1)
        flag = (
            flag_where(Flag.WIDE_INTERVAL, (width > widest).any(axis=1))
            | flag_where(Flag.QUANTILE_CROSSING, crossed)
            | flag_where(Flag.NOT_PREDICTED, missing)
            # A regressor that cannot do without a band that is missing.
            | flag_where(Flag.FEW_BANDS, missing & ~np.isnan(X).all(axis=1))
            | flag_where(Flag.COLOURS, out_of_domain)
        )
        if flags is not None:
            flag = flag | flags
        reasons = pd.Series(describe(flag), dtype="str").array
        return pd.DataFrame({**values, "flag": flag, "reasons": reasons}, index=index)

    @np.errstate(all="ignore")
    def expected_scores(self, X: Any, *, flags: np.ndarray | None = None) -> ExpectedScores:
        """Expect how well a catalogue without labels is predicted, and say what is odd about it.

        Held-back galaxies tell how far off predictions are whose intervals are so wide. Where a
        catalogue is unlike that of training, intervals are wider, and so are the errors expected.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.
        flags : ndarray of int, shape (n_galaxies,), default=None
            Flags of the galaxies from the steps before, to be counted too.

        Returns
        -------
        ExpectedScores
            Sigma, NMAD and coverage per target, the share of galaxies out of the domain, and the
            share of each flag.

        Raises
        ------
        ValueError
            If the intervals are not calibrated.
        """
        table = self.predict_table(X, flags=flags)
        out_of_domain, _ = self._judge(self._check_inputs(X))
        known = table[list(self.targets_)].notna().all(axis=1).to_numpy()
        rows = {}
        for target in self.targets_:
            width = (table[f"{target}_p84"] - table[f"{target}_p16"]).to_numpy()[known]
            rows[target] = (*self.intervals_.expected_scores(target, width), _mean(width))
        scores = pd.DataFrame.from_dict(
            rows, orient="index", columns=["sigma", "nmad", "coverage", "width"]
        ).rename_axis("target")
        flag = table["flag"].to_numpy()
        reasons = {str(each.name).lower(): _mean((flag & each) > 0) for each in Flag}
        return ExpectedScores(
            scores,
            int(known.sum()),
            int((~known).sum()),
            _mean(out_of_domain[known]),
            pd.Series(reasons, name="share").rename_axis("flag"),
        )

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None, *, shift: bool = False) -> Any:
        """Calibrate the intervals on galaxies of one's own, which must not be those of `fit`.

        What `sample` knows of how errors go together is learnt from them too.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs of galaxies from which the regressors have not learnt.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Their labels, in dex.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts.
        shift : bool, default=False
            Whether to shift the predictions too, by the median of what they lack in dex, such as
            where the labels are those of another SPS code. A later call begins anew, and a later
            `fit` or `refit` ends it.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `fit` has learnt from some of these galaxies, or too few have a label.

        Notes
        -----
        The median of n galaxies is uncertain by about 1.25 / sqrt(n) times their scatter, and the
        intervals are calibrated about it: give at least 50 to shift by.
        """
        check_is_fitted(self)
        tables.check_same_rows(X, y)
        X = self._check_inputs(X)
        Y, _ = read_targets(y, self.targets_)
        check_consistent_length(X, Y)
        weights = read_weights(sample_weight, X)
        good = within_limits(Y, self.targets_, self.target_limits_) & ~np.isnan(X).all(axis=1)
        good &= True if weights is None else weights > 0
        learnt = good & np.isin(keys_of(X), self.learnt_keys_)
        if learnt.any():
            raise ValueError(
                f"fit has learnt from {learnt.sum()} of the {len(X)} galaxies given to calibrate: "
                "their residuals are smaller than those of galaxies to come, and intervals would "
                "be too narrow. Give galaxies that fit was not given."
            )
        of_good = None if weights is None else weights[good]
        with unchanged_on_failure(self):
            self.shifts_ = self._find_shifts(X[good], Y[good], of_good) if shift else {}
            intervals, copula = self._calibrated(
                self.intervals_.conditions, X, Y, np.flatnonzero(good), weights
            )
            lacking = intervals.lacking(self.targets_)
            if lacking:
                raise ValueError(
                    f"Of the {len(X)} galaxies given, fewer than 2 have inputs, a label within "
                    f"target_limits and a target {', '.join(lacking)}: nothing to calibrate on."
                )
            self.intervals_, self.copula_ = intervals, copula
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination, R^2, averaged over the targets.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Targets in dex.
        sample_weight : array-like of shape (n_galaxies,), default=None
            How much each galaxy counts.

        Returns
        -------
        float
            Galaxies without a prediction or a label, or outside `target_limits`, are left out.

        Raises
        ------
        ValueError
            If no galaxy is left.
        """
        from sfml.metrics import r2

        tables.check_same_rows(X, y)
        predicted = self._emulators_of(X)
        Y, _ = read_targets(y, self.targets_)
        check_consistent_length(predicted, Y)
        within = within_limits(Y, self.targets_, self.target_limits_)
        if not within.any():
            raise ValueError(
                f"No galaxy is left to score: all {len(Y)} lie outside target_limits="
                f"{self.target_limits_}."
            )
        weights = None if sample_weight is None else np.asarray(sample_weight)[within]
        return float(
            r2(
                Y[within],
                predicted[within],
                **({} if weights is None else {"sample_weight": weights}),
            )
        )

    @property
    def history_(self) -> dict[str, pd.DataFrame]:
        """Losses in each epoch, for the regressors that keep them."""
        check_is_fitted(self)
        return {
            name: estimator.history_
            for name, estimator in self.named_estimators_.items()
            if hasattr(estimator, "history_")
        }

    # What `fit` decides and learns.

    def _check_variants(self, variants: Any, shape: tuple[int, int]) -> np.ndarray:
        if variants is None or not len(variants):
            return np.empty((0, *shape), dtype=np.float32)
        array = np.asarray(variants)
        if array.shape[1:] != shape:
            raise ValueError(f"Each variant must be shaped as X, {shape}; got {array.shape[1:]}.")
        return array

    def _feature_names(self, X: np.ndarray, given: Sequence[str] | None) -> list[str] | None:
        names = getattr(self, "feature_names_in_", given)
        if names is None:
            return None
        if len(names) != X.shape[1]:
            raise ValueError(
                f"feature_names must name every column of X: got {len(names)} for {X.shape[1]}."
            )
        return list(names)

    def _hold_back(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        good: np.ndarray,
        keys: np.ndarray,
        earlier: StarFormationRegressor | None,
        *,
        grouped: bool,
    ) -> np.ndarray:
        """Mark the galaxies to be held back from all regressors."""
        if earlier is None:
            self._root = check_random_state(self.random_state).randint(2**31 - 1)
        usable = ~np.isnan(X).all(axis=1) & np.isfinite(Y).any(axis=1) & good
        self.n_given_ = int(usable.sum())
        held_back = np.zeros(len(X), dtype=bool)
        if self.calibration_fraction is not None and self.n_given_ >= FEWEST:
            numbers = draw_numbers(keys, self._root)
            if earlier is None or not hasattr(earlier, "_last_number"):
                n = max(1, round(self.calibration_fraction * self.n_given_))
                self._last_number = np.sort(numbers[usable])[n - 1]
                if grouped:
                    self._last_number = _nearest_cut(numbers[usable], n)
            held_back = usable & (numbers <= self._last_number)
            if (held_back == usable).all():  # all rows are equal, and so are their numbers
                held_back[:] = False
            if earlier is not None:  # nor is anything that was learnt from before, or its group
                learnt = np.isin(keys_of(X), earlier.learnt_keys_)
                held_back &= ~np.isin(keys, keys[learnt])
        self.n_calibration_ = int(held_back.sum())
        return held_back

    def _check_groups(self, groups: Any, earlier: StarFormationRegressor | None) -> None:
        """Raise if groups would do nothing, or would come too late."""
        if groups is not None and self.calibration_fraction is None:
            raise ValueError(
                "groups say which galaxies are held back together, but with "
                "calibration_fraction=None none is. Leave groups out, or set it to 0.2."
            )
        if earlier is not None and groups is None and getattr(earlier, "_grouped", False):
            raise ValueError(
                "The last fit was given groups. Give those of these galaxies too, groups=..., with "
                "one of its own for a galaxy that belongs to none: without them galaxies could "
                "calibrate the intervals whose group was learnt from."
            )

    def _check_can_chunk(self, weights: np.ndarray | None, held_back: np.ndarray) -> None:
        """Raise if networks cannot learn from chunks as the parameters say."""
        wrong = None
        if weights is not None:
            wrong = "sample_weight was given, but chunks of galaxies have no weights."
        elif self.max_train_samples is not None:
            wrong = f"Set max_train_samples=None: it is {self.max_train_samples}."
        elif not held_back.any():
            wrong = (
                "No galaxies were held back, on which networks watch their loss: set "
                "calibration_fraction=0.2, and give at least 50 galaxies that can be learnt from."
            )
        if wrong:
            raise ValueError(f"Learning from chunks of galaxies: {wrong}")

    def _name_estimators(self, jobs: Sequence[Job], Y: np.ndarray, *, chunked: bool) -> None:
        """Give each target its regressor and its number of galaxies; a joint one its own name."""
        if self.joint:
            self.n_train_ = {jobs[0].name: len(jobs[0].rows)}
            self.estimators_ = self.emulators_.estimators
        else:
            rows = {k: job.rows for job in jobs for k in job.targets}
            self.n_train_ = {
                target: int(np.isfinite(Y[rows[k], k]).sum())
                for k, target in enumerate(self.targets_)
            }
            self.estimators_ = [self.emulators_.of(k) for k in range(len(self.targets_))]
        if chunked:  # beyond the sample, the networks have counted
            counts = [estimator.n_train_ for estimator in self.estimators_]
            self.n_train_ = dict(zip(self.n_train_, counts, strict=True))
        self.named_estimators_ = Bunch(**dict(zip(self.n_train_, self.estimators_, strict=True)))

    def _remember(
        self, X: np.ndarray, learnt: np.ndarray, earlier: StarFormationRegressor | None
    ) -> None:
        """Keep the keys of the galaxies learnt from, so that none of them calibrates."""
        keys = keys_of(X[learnt])
        if earlier is not None:
            keys = np.concatenate([keys, earlier.learnt_keys_])
        self.learnt_keys_ = np.unique(keys)

    def _learn_uncertainty(
        self,
        data: Training,
        Y: np.ndarray,
        conditions: list[int],
        learnt: np.ndarray,
        held_back: np.ndarray,
    ) -> None:
        """Calibrate the intervals and the test for odd galaxies, on those held back."""
        self.intervals_, self.domain_, self.copula_ = IntervalModel(conditions), None, None
        if not held_back.any():
            return
        rows = np.flatnonzero(held_back)
        X, weights, galaxy = data.X[rows], data.weights, np.arange(len(rows))
        weights = None if weights is None else weights[rows]
        labels = Y[rows]
        # Too few to be told apart in groups, galaxies are calibrated as they are observed.
        varied = data.first_is_usual and len(data.variants) > 0
        if varied and self.n_calibration_ >= 2 * SMALLEST_GROUP:
            X, labels = np.vstack([X, data.variants[0][rows]]), np.vstack([labels, labels])
            galaxy = np.concatenate([galaxy, galaxy])
            weights = None if weights is None else np.concatenate([weights, weights])
        rate: Any = self.false_alarm_rate
        enough = rate is not None and (len(rows) + 1) * rate >= 1
        if enough and learnt.sum() >= FEWEST_FOR_DOMAIN:
            rng = rng_of(self._root, "domain")
            seed = int(rng.integers(2**31 - 1))
            detector = DomainDetector(false_alarm_rate=rate, random_state=seed)
            known = data.draw(np.flatnonzero(learnt), detector.max_train_samples, rng)
            self.domain_ = detector.fit(known).calibrate(X)
        self.intervals_, self.copula_ = self._calibrated(
            conditions, X, labels, np.arange(len(X)), weights, galaxy
        )

    def _calibrated(
        self,
        conditions: Sequence[int],
        X: np.ndarray,
        Y: np.ndarray,
        rows: np.ndarray,
        weights: np.ndarray | None = None,
        galaxy: np.ndarray | None = None,
    ) -> tuple[IntervalModel, EmpiricalCopula]:
        """Calibrate intervals on these rows, for targets of which 2 are known, and join them."""
        intervals = IntervalModel(conditions)
        _, strangeness = self._judge(X[rows])
        medians = np.full((len(rows), len(self.targets_)), np.nan)
        scores = medians.copy()
        for k, usable, raw in self._raw_quantiles(X[rows], strangeness):
            labelled = np.isfinite(Y[rows[usable], k])
            known = rows[usable][labelled]
            if len(known) >= 2:
                intervals.calibrate(
                    self.targets_[k],
                    raw.rows(labelled),
                    Y[known, k],
                    None if weights is None else weights[known],
                    None if galaxy is None else galaxy[known],
                )
                calibrated = intervals.predict(self.targets_[k], raw.rows(labelled))
                place = np.flatnonzero(usable)[labelled]
                medians[place, k] = medians_of([calibrated], [raw.levels])[:, 0]
                scores[place, k] = scores_of(calibrated, np.array(raw.levels), Y[known, k])
        copula = EmpiricalCopula.learn(
            scores,
            medians,
            None if weights is None else weights[rows],
            None if galaxy is None else galaxy[rows],
        )
        return intervals, copula

    def _announce(
        self, X: np.ndarray, targets: tuple[str, ...], explicit: tuple[str, ...] | None
    ) -> None:
        """Warn of what a user might not expect."""
        asked = explicit is not None or self.targets is not None
        if asked and targets != TARGETS and sorted(targets) == sorted(TARGETS):
            warnings.warn(
                f"predict will give its columns in the order asked for, {', '.join(targets)}, but "
                "sfml.metrics takes three columns without names to be in that of sfml.TARGETS: "
                "pass targets= to metrics of arrays. (score, scorers and displays know the order.)",
                UserWarning,
                stacklevel=4,
            )
        partly = np.isnan(X).any(axis=1) & ~np.isnan(X).all(axis=1)
        unable = {
            type(e).__name__ for e in self.estimators_ if not get_tags(e).input_tags.allow_nan
        }
        if partly.any() and unable:
            warnings.warn(
                f"{int(partly.sum())} of {len(X)} galaxies have inputs that are missing, which "
                f"{', '.join(sorted(unable))} cannot take: they are left out, and get no "
                "prediction. Use another regressor, such as method='mlp', or put an imputer "
                "before this one.",
                UserWarning,
                stacklevel=4,
            )

    # What the predictions are made of.

    def _check_inputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(
            self,
            X,
            reset=False,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )

    @np.errstate(all="ignore")
    def _emulators_of(self, X: Any) -> np.ndarray:
        """Predict, to (n_galaxies, n_targets), without a warning for what is missing."""
        X = self._check_inputs(X)
        return self.emulators_.predict(X) + self._shifts()

    def _raw_quantiles(
        self, X: np.ndarray, strangeness: np.ndarray | None
    ) -> Iterator[tuple[int, np.ndarray, RawQuantiles]]:
        """Give quantiles as `Emulators.raw_quantiles` does, shifted as `calibrate` was told to."""
        shifts = self._shifts()
        for k, usable, raw in self.emulators_.raw_quantiles(X, strangeness):
            yield k, usable, raw.shifted(shifts[k])

    def _shifts(self) -> np.ndarray:
        """Give what is added to the predictions of each target, (n_targets,), in dex."""
        given = getattr(self, "shifts_", {})  # which models of before there was a shift lack
        return np.array([given.get(target, 0.0) for target in self.targets_])

    def _find_shifts(
        self, X: np.ndarray, Y: np.ndarray, sample_weight: np.ndarray | None
    ) -> dict[str, float]:
        """Find by how much labels lie above what the regressors predict: the medians."""
        lacking = Y - self.emulators_.predict(X)
        found = {}
        for target, values in zip(self.targets_, lacking.T, strict=True):
            known = np.isfinite(values)
            if known.any():
                weight = None if sample_weight is None else sample_weight[known]
                found[target] = float(median(values[known], weight))
        return found

    @np.errstate(all="ignore")
    def _quantiles_and_crossings(
        self, X: np.ndarray, q: np.ndarray, uncertainty: str, strangeness: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles of shape (n_galaxies, n_targets, len(q)), and where raw ones had crossed."""
        self._check_can_tell(q, uncertainty)
        out = np.full((len(X), len(self.targets_), len(q)), np.nan)
        crossed = np.zeros(len(X), dtype=bool)
        widths = None if uncertainty == "emulator" else self._posterior_widths(X)
        for k, usable, raw in self._raw_quantiles(X, strangeness):
            target, rows = self.targets_[k], slice(None) if usable.all() else usable
            crossed[rows] |= raw.cross()
            if uncertainty == "sps":
                quantiles = uncross(raw.values, raw.levels)
            else:
                quantiles = self.intervals_.predict(target, raw)
            if widths is not None:
                quantiles = add_posterior(
                    quantiles, raw.levels, widths[rows, k], emulator=uncertainty == "total"
                )
            out[rows, k] = interpolate_quantiles(quantiles, raw.levels, q)
        return out, crossed

    def _check_can_tell(self, q: Any, uncertainty: str) -> None:
        if uncertainty not in UNCERTAINTIES:
            raise ValueError(
                f"uncertainty must be one of {', '.join(UNCERTAINTIES)}; got {uncertainty!r}."
            )
        if uncertainty != "emulator" and self.posterior_ is None:
            raise ValueError(
                f"uncertainty={uncertainty!r} needs the SPS code's own percentiles: fit with a y "
                "that has columns such as stellar_mass_p16 and stellar_mass_p84 beside "
                "stellar_mass (make_mock_survey and load_gama give them with percentiles=True)."
            )
        if uncertainty == "sps":
            return
        lacking = self.intervals_.lacking(self.targets_)
        if lacking:
            raise ValueError(
                f"The intervals of {', '.join(lacking)} are not calibrated, since no galaxies with "
                f"a label were held back from training ({self.n_given_} galaxies to learn from, of "
                f"which at least {FEWEST} are needed): set calibration_fraction=0.2, or call "
                "calibrate(X, y) with galaxies that fit was not given."
            )
        self.intervals_.check_levels(q)

    def _draw(
        self, X: np.ndarray, copula: EmpiricalCopula, n_samples: int, seed: int
    ) -> np.ndarray:
        """Draw all targets, to (n_galaxies, n_samples, n_targets)."""
        n_targets = len(self.targets_)
        levels: list[Sequence[float]] = [(0.16, 0.5, 0.84)] * n_targets
        quantiles = [np.full((len(X), 3), np.nan)] * n_targets
        _, strangeness = self._judge(X)
        for k, usable, raw in self._raw_quantiles(X, strangeness):
            levels[k] = raw.levels
            quantiles[k] = np.full((len(X), len(raw.levels)), np.nan)
            quantiles[k][usable] = self.intervals_.predict(self.targets_[k], raw)
        return draw_joint(quantiles, levels, copula, keys_of(X), n_samples, seed)

    def _check_can_join(self) -> EmpiricalCopula:
        """Raise if the intervals are not calibrated, or nobody knows how targets go together."""
        check_is_fitted(self)
        self._check_can_tell([], "emulator")
        copula = getattr(self, "copula_", None)
        if copula is None:
            raise ValueError(
                "This model was fitted by a version of sfml that did not learn how the errors of "
                "the targets go together, which joint draws need. Call calibrate(X, y) with "
                "labelled galaxies that fit was not given, or fit again."
            )
        return copula

    def _posterior_widths(self, X: np.ndarray) -> np.ndarray:
        """Widths of the code's posterior, of shape (n_galaxies, n_targets, 2)."""
        widths = np.full((len(X), len(self.targets_), 2), np.nan)
        usable = usable_rows(X, self.posterior_)
        if usable.any():
            logs = np.asarray(self.posterior_.predict(X[usable])).reshape(usable.sum(), -1)
            known = [self.targets_.index(target) for target in self.posterior_targets_]
            rows = np.flatnonzero(usable)[:, np.newaxis]
            widths[rows, known] = np.reshape(10.0**logs, (-1, len(known), 2))
        return widths

    def _judge(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tell which galaxies are out of the domain, and how strange they all are."""
        if self.domain_ is None or not len(X):
            return np.zeros(len(X), dtype=bool), None
        inside, strangeness = self.domain_.predict_with_strangeness(X)
        return inside < 0, strangeness

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _read_draws(n_samples: Any, random_state: Any) -> int:
    """Check the number of draws; return the seed of the draws."""
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer; got {n_samples!r}.")
    return int(check_random_state(random_state).randint(2**31 - 1))


def _nearest_cut(numbers: np.ndarray, n: int) -> np.uint64:
    """Give the number up to which, group by group, nearest to n galaxies are held back.

    Raises if more than half of the galaxies would be.
    """
    groups, counts = np.unique(numbers, return_counts=True)
    held = np.cumsum(counts)
    best = int(np.argmin(np.abs(held - n)))
    if held[best] > len(numbers) / 2:
        raise ValueError(
            f"{len(groups)} groups of {len(numbers)} galaxies, the largest of {counts.max()}, "
            f"cannot be divided so that about {n} are held back in whole groups: it would be "
            f"{held[best]}. Give more and smaller groups, or set calibration_fraction=None and "
            "call calibrate."
        )
    return groups[best]
