"""One regressor a target, for galaxies some of which were rejected or have no label."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import RegressorMixin, clone
from sklearn.utils import Bunch, check_consistent_length, check_random_state
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.domain import DomainDetector
from sfml.neural import KerasMLPRegressor
from sfml.recipes import ALL_TARGETS, FAMILIES, make_estimator, width_regressor
from sfml.regressor.jobs import (
    Job,
    check_outputs,
    draw_lots,
    fit_one,
    nothing_left,
    seed,
    usable_rows,
)
from sfml.targets import (
    TARGETS,
    check_limits,
    is_one_column,
    open_ends,
    read_posterior,
    read_targets,
)
from sfml.uncertainty.calibrator import SMALLEST_GROUP
from sfml.uncertainty.intervals import IntervalMixin

# A fifth of fewer galaxies than this would say next to nothing about intervals.
FEWEST_TO_HOLD_BACK = 50
# Nor can fewer than this tell what is unlike them.
FEWEST_FOR_DOMAIN = 50
# Posteriors narrower than this, in dex, are a single template: their logarithm has no meaning.
LEAST_WIDTH = 0.002


class StarFormationRegressor(IntervalMixin, RegressorMixin, _BaseComposition):
    """Predict each star-formation property with a regressor of its own, and how far it may be off.

    Rows with NaN, such as the galaxies that `GamaSampleSelector` blanked, and galaxies without a
    label are left out of `fit` and `score`, whatever the regressors; `predict` gives NaN for
    them. So predictions always line up with the rows of the catalogue.

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
        Names of the columns of y, in order. None: the names in `estimators`, else those that y
        has; three columns without names are `TARGETS`.
    joint : bool, default=False
        Train one regressor for all targets at once: the family's, or the only one of
        `estimators`, under whatever name.
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
    conditions : sequence of int, default=()
        Columns of X in whose bins intervals are to cover what they claim, such as redshift and
        signal-to-noise ratio; in bins of the prediction, of its uncertainty and of the number of
        inputs that are not NaN they always do.
    false_alarm_rate : float or None, default=0.01
        Share of galaxies like those of training that `predict_table` flags as unlike them. None
        learns no such test.
    warm_start : bool, default=False
        Whether in another `fit`, with more galaxies, say, networks go on from the last one. Other
        regressors start anew. Galaxies held back then are held back again.
    n_jobs : int or None, default=None
        Targets trained at the same time, as in joblib, in threads unless
        `joblib.parallel_config` says otherwise. Results do not depend on it.
    random_state : int, RandomState or None, default=None
        Seeds the subsample and every regressor whose own `random_state` is None. A target's
        seed does not depend on which others are trained beside it.
    verbose : int, default=0
        1 says what is trained on how many galaxies, and how long it took.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted regressors, one a target (one in all if `joint`).
    named_estimators_ : Bunch
        The same, by name.
    targets_ : tuple of str
        Names of the targets.
    n_train_ : dict of str to int
        Galaxies that each regressor learnt from.
    n_calibration_ : int
        Galaxies held back.
    calibrators_ : dict of str to QuantileCalibrator
        What calibrates each target's quantiles.
    posterior_ : regressor or None
        Predicts the widths of the SPS code's posterior, if y had its percentiles.
    domain_ : DomainDetector or None
        Tells galaxies unlike those of training.
    history_ : dict of str to DataFrame
        Losses epoch by epoch, for the regressors that keep them.
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

    def __init__(
        self,
        estimators: Any = "mlp",
        *,
        targets: Sequence[str] | None = None,
        joint: bool = False,
        target_limits: Mapping[str, tuple[float | None, float | None]] | None = None,
        max_train_samples: int | None = None,
        calibration_fraction: float | None = 0.2,
        conditions: Sequence[int] = (),
        false_alarm_rate: float | None = 0.01,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.targets = targets
        self.joint = joint
        self.target_limits = target_limits
        self.max_train_samples = max_train_samples
        self.calibration_fraction = calibration_fraction
        self.conditions = conditions
        self.false_alarm_rate = false_alarm_rate
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

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
        return self._get_params("estimators", deep=deep)

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
        self._set_params("estimators", **params)
        return self

    def fit(self, X: Any, y: Any, variants: Sequence[Any] | None = None) -> StarFormationRegressor:
        """Train the regressors, and calibrate them on the galaxies held back.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs; rows with NaN are left out (for regressors that accept NaN, rows with
            nothing but NaN).
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Targets in dex; NaN where there is no label. A table may have the SPS code's
            percentiles too, as ``stellar_mass_p16`` and ``stellar_mass_p84``.
        variants : sequence of array-like of shape (n_galaxies, n_features), default=None
            The same galaxies as they might have been observed instead, such as with fewer bands.
            Networks learn from these too; other regressors from the first.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y is not in dex or has other columns than expected, or if no galaxy is left.
        """
        names = self._check_estimators()
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        variants = [self._check_inputs(variant) for variant in variants or ()]
        Y, self.targets_ = read_targets(y, self.targets if names is None else names)
        check_consistent_length(X, Y, *variants)
        self._one_column = is_one_column(y)
        held_back = self._hold_back(X, Y)
        jobs = self._plan(X, Y, held_back)
        self.n_train_ = {job.name: len(job.rows) for job in jobs}
        posterior = self._plan_posterior(X, read_posterior(y, self.targets_), jobs)
        *self.estimators_, self.posterior_ = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(fit_one)(job, X, variants, self.verbose) for job in [*jobs, *posterior]
        ) + [None] * (not posterior)
        self.named_estimators_ = Bunch(**dict(zip(self.n_train_, self.estimators_, strict=True)))
        self.calibrators_, self.usual_widths_, self.domain_ = {}, {}, None
        if held_back.any():
            # Too few to be told apart in groups, galaxies are calibrated as they are observed.
            enough = self.n_calibration_ >= 2 * SMALLEST_GROUP
            seen = [X, *variants[:1]] if enough else [X]
            labels = [Y] * len(seen)
            rows = np.flatnonzero(np.tile(held_back, len(seen)))
            self._calibrate(np.vstack(seen), np.vstack(labels), rows)
            learnt = np.isin(np.arange(len(X)), np.concatenate([job.rows for job in jobs]))
            self._learn_domain(np.vstack(seen), np.flatnonzero(np.tile(learnt, len(seen))), rows)
        return self

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
            In dex, row by row as in X and shaped as y was in `fit`; NaN where a row of X has
            NaN.
        std : ndarray of the same shape
            Only if asked for; in dex.
        """
        if return_std:
            check_is_fitted(self)
            quantiles = self.predict_quantiles(X, (0.5, 0.16, 0.84))
            return quantiles[..., 0], (quantiles[..., 2] - quantiles[..., 1]) / 2
        X = self._check_inputs(X)
        Y = np.full((len(X), len(self.targets_)), np.nan)
        for i, estimator in enumerate(self.estimators_):
            usable = usable_rows(X, estimator)
            if usable.any():
                predicted = np.asarray(estimator.predict(X if usable.all() else X[usable]))
                Y[usable, slice(None) if self.joint else slice(i, i + 1)] = predicted.reshape(
                    len(predicted), -1
                )
        return Y.ravel() if self._one_column else Y

    def score(self, X: Any, y: Any) -> float:
        """Coefficient of determination, R^2, averaged over the targets.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Targets in dex.

        Returns
        -------
        float
            Galaxies with NaN in X or y, or outside `target_limits`, are left out.
        """
        from sfml.metrics import r2

        predicted = self.predict(X).reshape(-1, len(self.targets_))
        Y, _ = read_targets(y, self.targets_)
        check_consistent_length(predicted, Y)
        within = self._within_limits(Y)
        if not within.any():
            raise ValueError(
                f"No galaxy is left to score: all {len(Y)} lie outside target_limits="
                f"{self.target_limits}."
            )
        return float(r2(Y[within], predicted[within]))

    @property
    def history_(self) -> dict[str, pd.DataFrame]:
        """Losses epoch by epoch, for the regressors that keep them."""
        check_is_fitted(self)
        return {
            name: estimator.history_
            for name, estimator in self.named_estimators_.items()
            if hasattr(estimator, "history_")
        }

    def _check_estimators(self) -> tuple[str, ...] | None:
        """Check `estimators`; return the names of the targets if they are known without y."""
        self._check_params()
        if not isinstance(self.estimators, list):
            return None
        names = [name for name, _ in self.estimators]
        if not names:
            raise ValueError("estimators must name at least one (target, regressor); got [].")
        self._validate_names(names)
        if self.joint and len(names) > 1:
            raise ValueError(
                f"joint=True trains one regressor for all targets; got {len(names)}: {names}."
            )
        if not self.joint and self.targets is not None and list(self.targets) != names:
            raise ValueError(
                f"targets={list(self.targets)} and the names of estimators, {names}, differ: "
                "leave targets out, or use the same names in the same order."
            )
        return None if self.joint else tuple(names)

    def _check_params(self) -> None:
        estimators = self.estimators
        if isinstance(estimators, str):
            good = estimators in FAMILIES
        elif isinstance(estimators, list):
            good = all(
                isinstance(e, tuple) and len(e) == 2 and _is_regressor(e[1]) for e in estimators
            )
        else:
            good = _is_regressor(estimators)
        if not good:
            raise ValueError(
                f"estimators must be one of {', '.join(FAMILIES)}, a list of (target, regressor) "
                f"pairs, or a regressor; got {estimators!r}."
            )
        if self.targets is not None and not (
            isinstance(self.targets, list | tuple)
            and self.targets
            and all(isinstance(target, str) for target in self.targets)
        ):
            raise ValueError(
                f"targets must be None or a list of names, such as {list(TARGETS)}; got "
                f"{self.targets!r}."
            )
        if self.target_limits is not None and not isinstance(self.target_limits, Mapping):
            raise ValueError(
                "target_limits must be None or a dict such as {'stellar_mass': (9, None)}; got "
                f"{self.target_limits!r}."
            )
        share = self.calibration_fraction
        if share is not None and not (isinstance(share, Real) and 0 < float(share) < 1):
            raise ValueError(
                f"calibration_fraction must be None or lie between 0 and 1; got {share!r}."
            )
        n_most = self.max_train_samples
        if n_most is not None and not (isinstance(n_most, Integral) and n_most >= 2):
            raise ValueError(
                f"max_train_samples must be None or a whole number of at least 2; got {n_most!r}."
            )

    def _make(self, name: str) -> Any:
        """Make the unfitted regressor of this name, or take the one to go on from."""
        own = self._make_new(name)
        if self._goes_on() and isinstance(own, KerasMLPRegressor):
            params = own.get_params(deep=False) | {"warm_start": True}
            # The seed, if it has none of its own, is that of the last fit.
            own = self.named_estimators_[name].set_params(
                **{key: value for key, value in params.items() if key != "random_state"}
            )
        return own

    def _make_new(self, name: str) -> Any:
        if isinstance(self.estimators, str):
            return make_estimator(self.estimators, name)
        if isinstance(self.estimators, list):
            return clone(dict(self.estimators)[name])
        return clone(self.estimators)

    def _hold_back(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Mark the galaxies to be held back from all regressors."""
        goes_on = self._goes_on()
        if not goes_on:
            self._root = check_random_state(self.random_state).randint(2**31 - 1)
        usable = ~np.isnan(X).all(axis=1) & np.isfinite(Y).any(axis=1) & self._within_limits(Y)
        self.n_given_ = int(usable.sum())
        held_back = np.zeros(len(X), dtype=bool)
        if self.calibration_fraction is not None and self.n_given_ >= FEWEST_TO_HOLD_BACK:
            lots = draw_lots(X, self._root)
            if not goes_on:
                n = max(1, round(self.calibration_fraction * self.n_given_))
                self._last_lot = np.sort(lots[usable])[n - 1]
            held_back = usable & (lots <= self._last_lot)
            if (held_back == usable).all():  # all rows are equal, and so are their lots
                held_back[:] = False
        self.n_calibration_ = int(held_back.sum())
        return held_back

    def _goes_on(self) -> bool:
        return self.warm_start and hasattr(self, "named_estimators_")

    def _rng(self, name: str) -> np.random.Generator:
        # By name: a target's model does not depend on which others are trained.
        return np.random.default_rng([self._root, zlib.crc32(name.encode())])

    def _plan(self, X: np.ndarray, Y: np.ndarray, held_back: np.ndarray) -> list[Job]:
        """Decide what each regressor is to learn, and from which rows."""
        if self.joint:
            name = self.estimators[0][0] if isinstance(self.estimators, list) else ALL_TARGETS
            learnt = {name: Y}
        else:
            learnt = dict(zip(self.targets_, Y.T, strict=True))
        within = self._within_limits(Y)
        jobs = []
        for name, target in learnt.items():
            estimator = self._make(name)
            check_outputs(estimator, target)
            rng = self._rng(name)
            seed(estimator, rng)
            usable = usable_rows(X, estimator)
            labelled = np.isfinite(target).reshape(len(Y), -1).all(axis=1)
            good = usable & labelled & within
            rows, aside = np.flatnonzero(good & ~held_back), np.flatnonzero(good & held_back)
            if not len(rows):
                raise ValueError(nothing_left(name, usable, labelled, within))
            jobs.append(Job(name, estimator, target, self._subsample(rows, rng), aside))
        return jobs

    def _plan_posterior(
        self, X: np.ndarray, widths: np.ndarray | None, jobs: list[Job]
    ) -> list[Job]:
        """Plan the one regressor of the SPS code's posterior widths, if they are known."""
        self.posterior_targets_: tuple[str, ...] = ()
        if widths is None:
            return []
        known = np.isfinite(widths).any(axis=(0, 2))
        self.posterior_targets_ = tuple(np.array(self.targets_)[known])
        logs = np.log10(np.maximum(widths[:, known], LEAST_WIDTH)).reshape(len(X), -1)
        labelled = np.isfinite(logs).all(axis=1)
        estimator = width_regressor(jobs[0].estimator)
        seed(estimator, self._rng("posterior"))
        rows, aside = (part[labelled[part]] for part in (jobs[0].rows, jobs[0].held_back))
        return [Job("posterior", estimator, logs, rows, aside)]

    def _learn_domain(self, X: np.ndarray, learnt: np.ndarray, held_back: np.ndarray) -> None:
        rate = self.false_alarm_rate
        if rate is None or len(learnt) < FEWEST_FOR_DOMAIN or (len(held_back) + 1) * rate < 1:
            return
        detector = DomainDetector(
            false_alarm_rate=rate,
            random_state=int(self._rng("domain").integers(2**31 - 1)),
        )
        self.domain_ = detector.fit(X[learnt]).calibrate(X[held_back])

    def _within_limits(self, Y: np.ndarray) -> np.ndarray:
        within = np.ones(len(Y), dtype=bool)
        for name, limits in (self.target_limits or {}).items():
            check_limits(f"target_limits[{name!r}]", limits)
            if name not in self.targets_:
                raise ValueError(
                    f"target_limits names {name!r}, but the targets are {', '.join(self.targets_)}."
                )
            low, high = open_ends(limits)
            column = Y[:, self.targets_.index(name)]
            within &= (column >= low) & (column <= high)
        return within

    def _subsample(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.max_train_samples is None or len(rows) <= self.max_train_samples:
            return rows
        return np.sort(rng.choice(rows, self.max_train_samples, replace=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags


def _is_regressor(estimator: Any) -> bool:
    return hasattr(estimator, "fit") and hasattr(estimator, "get_params")
