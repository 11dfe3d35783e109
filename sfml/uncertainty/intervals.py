"""What a fitted `StarFormationRegressor` says of its own uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.flags import Flag, describe, raised
from sfml.targets import read_targets
from sfml.uncertainty import (
    LEVELS,
    QuantileCalibrator,
    add_posterior,
    check_coverage,
    check_levels,
    interpolate_quantiles,
    uncross,
)

UNCERTAINTIES = ("emulator", "sps", "total")
# A width that all but one in a hundred held-back galaxies stay below is no cause for a flag.
USUAL_WIDTHS = 0.99
# Neighbouring quantiles of the tails change places by little where there are few galaxies to learn
# from; by more than this share of the 16-84 interval they contradict each other.
CROSSING = 0.1


def usable_rows(X: np.ndarray, estimator: Any) -> np.ndarray:
    """Rows that a regressor can take: without NaN, or not all NaN if it copes with some."""
    missing = np.isnan(X)
    if get_tags(estimator).input_tags.allow_nan:
        return ~missing.all(axis=1)
    return ~missing.any(axis=1)


class IntervalMixin:
    """Quantiles, intervals and flags for a regressor of several targets.

    It reads what `fit` of the class that mixes it in leaves, and calibrates for it.
    """

    # Of the class that mixes it in.
    joint: bool
    conditions: Sequence[int]
    calibration_fraction: float | None
    n_given_: int
    targets_: tuple[str, ...]
    estimators_: list[Any]
    posterior_: Any
    posterior_targets_: tuple[str, ...]
    domain_: Any
    _one_column: bool
    _within_limits: Callable[[np.ndarray], np.ndarray]
    # Of its own.
    calibrators_: dict[str, QuantileCalibrator]
    usual_widths_: dict[str, float]

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
        levels = check_levels(q)
        quantiles, _ = self._quantiles_and_crossings(X, levels, uncertainty)
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

    def predict_table(
        self,
        X: Any,
        *,
        uncertainty: str = "emulator",
        max_width: float | Mapping[str, float] | None = None,
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
            None: what 99 % of the held-back galaxies stay below.

        Returns
        -------
        DataFrame of shape (n_galaxies, 3 * n_targets + 2)
            ``stellar_mass``, ``stellar_mass_p16``, ``stellar_mass_p84``, and so on, in dex;
            ``flag``, a sum of `sfml.flags.Flag`; and ``reasons``, the same as text.
        """
        quantiles, crossed = self._quantiles_and_crossings(X, (0.5, 0.16, 0.84), uncertainty)
        values = {
            f"{target}{suffix}": quantiles[:, k, j]
            for k, target in enumerate(self.targets_)
            for j, suffix in enumerate(("", "_p16", "_p84"))
        }
        width = quantiles[:, :, 2] - quantiles[:, :, 1]
        flag = (
            raised(Flag.WIDE_INTERVAL, (width > self._widest(max_width, uncertainty)).any(axis=1))
            | raised(Flag.QUANTILE_CROSSING, crossed)
            | raised(Flag.NOT_PREDICTED, np.isnan(quantiles[:, :, 0]).any(axis=1))
            | raised(Flag.COLOURS, self._out_of_domain(X))
        )
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame({**values, "flag": flag, "reasons": describe(flag)}, index=index)

    def calibrate(self, X: Any, y: Any) -> Any:
        """Calibrate the intervals on galaxies of one's own, which must not be those of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs of galaxies which the regressors have not seen.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Their labels, in dex.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        X = self._check_inputs(X)
        Y, _ = read_targets(y, self.targets_)
        check_consistent_length(X, Y)
        self._calibrate(X, Y, np.flatnonzero(self._within_limits(Y)))
        lacking = self._not_calibrated()
        if lacking:
            raise ValueError(
                f"Of the {len(X)} galaxies given, fewer than 2 have inputs, a label within "
                f"target_limits and a target {', '.join(lacking)}: nothing to calibrate on."
            )
        return self

    def _calibrate(self, X: np.ndarray, Y: np.ndarray, rows: np.ndarray) -> None:
        """Learn from the rows held back what the predicted quantiles lack."""
        self.calibrators_, self.usual_widths_ = {}, {}
        for k, target in enumerate(self.targets_):
            known = rows[np.isfinite(Y[rows, k]) & self._usable(X[rows], k)]
            if len(known) < 2:
                continue
            raw, levels = self._raw_quantiles(X[known], k)
            conditions = self._conditions(X[known], raw, levels)
            calibrator = QuantileCalibrator(levels).fit(raw, Y[known, k], conditions)
            ends = interpolate_quantiles(calibrator.predict(raw, conditions), levels, (0.16, 0.84))
            self.calibrators_[target] = calibrator
            self.usual_widths_[target] = float(np.quantile(np.ptp(ends, axis=1), USUAL_WIDTHS))

    def _not_calibrated(self) -> list[str]:
        return [target for target in self.targets_ if target not in self.calibrators_]

    def _raw_quantiles(self, X: np.ndarray, k: int) -> tuple[np.ndarray, tuple[float, ...]]:
        """Quantiles of one target as its regressor gives them; a point is repeated."""
        estimator = self.estimators_[0 if self.joint else k]
        output = k if self.joint else 0
        levels = getattr(estimator, "quantiles", None)
        if levels is not None and len(levels) > 1:
            # Our networks tell whether their quantiles cross; others only what they make of it.
            raw = getattr(estimator, "raw_quantiles", estimator.predict_quantiles)(X)
            return (raw[:, output] if raw.ndim == 3 else raw), tuple(levels)
        point = np.asarray(estimator.predict(X)).reshape(len(X), -1)[:, [output]]
        return np.repeat(point, len(LEVELS), axis=1), LEVELS

    def _conditions(self, X: np.ndarray, raw: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """Quantities in whose bins coverage is to hold: those asked for, and some that always are.

        These are the prediction, the width of its interval, and how many inputs are known.
        """
        median = raw[:, list(levels).index(0.5)]
        width = np.ptp(interpolate_quantiles(raw, levels, (0.16, 0.84)), axis=1)
        n_known = (~np.isnan(X)).sum(axis=1)
        return np.column_stack([X[:, list(self.conditions or ())], median, width, n_known])

    def _quantiles_and_crossings(
        self, X: Any, q: Any, uncertainty: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles of shape (n_galaxies, n_targets, len(q)), and where raw ones had crossed."""
        X = self._check_inputs(X)
        self._check_can_tell(q, uncertainty)
        out = np.full((len(X), len(self.targets_), len(q)), np.nan)
        crossed = np.zeros(len(X), dtype=bool)
        widths = None if uncertainty == "emulator" else self._posterior_widths(X)
        for k, target in enumerate(self.targets_):
            usable = self._usable(X, k)
            if not usable.any():
                continue
            rows = slice(None) if usable.all() else usable
            raw, levels = self._raw_quantiles(X[rows], k)
            crossed[rows] |= _crosses(raw, levels)
            if uncertainty == "sps":
                quantiles = uncross(raw, levels)
            else:
                conditions = self._conditions(X[rows], raw, levels)
                quantiles = self.calibrators_[target].predict(raw, conditions)
            if widths is not None:
                quantiles = add_posterior(
                    quantiles, levels, widths[rows, k], emulator=uncertainty == "total"
                )
            out[rows, k] = interpolate_quantiles(quantiles, levels, q)
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
        lacking = self._not_calibrated()
        if lacking:
            raise ValueError(
                f"The intervals of {', '.join(lacking)} are not calibrated, since no galaxies with "
                "a label were held back from training (calibration_fraction="
                f"{self.calibration_fraction}, with {self.n_given_} galaxies to learn from, of "
                "which at least 50 are needed): set calibration_fraction=0.2, or call "
                "calibrate(X, y) with galaxies that fit has not seen."
            )
        for target, calibrator in self.calibrators_.items():
            beyond = [float(level) for level in q if not calibrator.supports(level)]
            if beyond:
                raise ValueError(
                    f"{calibrator.n_rows_} galaxies held back cannot tell the quantiles {beyond} "
                    f"of {target}: ask for levels of at least {1 / (calibrator.n_rows_ + 1):.2g} "
                    "from 0 and 1, or hold back more."
                )

    def _widest(self, max_width: Any, uncertainty: str) -> np.ndarray:
        if max_width is None:
            usual = self.usual_widths_ if uncertainty == "emulator" else {}
            limits: Mapping[str, float] = usual
        elif isinstance(max_width, Mapping):
            unknown = set(max_width) - set(self.targets_)
            if unknown:
                raise ValueError(
                    f"max_width names {sorted(unknown)}; targets are {', '.join(self.targets_)}."
                )
            limits = max_width
        else:
            limits = dict.fromkeys(self.targets_, float(max_width))
        return np.array([limits.get(target, np.inf) for target in self.targets_])

    def _usable(self, X: np.ndarray, k: int) -> np.ndarray:
        return usable_rows(X, self.estimators_[0 if self.joint else k])

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

    def _out_of_domain(self, X: Any) -> np.ndarray:
        X = self._check_inputs(X)
        if self.domain_ is None or not len(X):
            return np.zeros(len(X), dtype=bool)
        return self.domain_.predict(X) < 0


def _crosses(raw: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Whether a quantile lies below a lower one by more than a tenth of the 16-84 interval."""
    width = np.ptp(interpolate_quantiles(raw, levels, (0.16, 0.84)), axis=1)
    return np.diff(raw, axis=1).min(axis=1) < -CROSSING * width
