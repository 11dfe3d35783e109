"""From the quantiles a model predicts to intervals that cover what they claim.

A network's quantiles are sharp where galaxies are well measured and wide where they are not, but
they are too narrow for galaxies it has not seen. `QuantileCalibrator` widens them by what rows
held back from training show, for each group of galaxies by itself. The functions here take and
give arrays; `sfml.StarFormationRegressor` uses them for every target.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sfml.uncertainty.distribution import quantiles_at

__all__ = [
    "LEVELS",
    "QuantileCalibrator",
    "add_posterior",
    "check_coverage",
    "check_levels",
    "interpolate_quantiles",
    "uncross",
]

LEVELS = (0.01, 0.025, 0.05, 0.16, 0.3, 0.5, 0.7, 0.84, 0.95, 0.975, 0.99)
"""Levels of the quantiles which recipe "sfml" learns and calibrates."""

# A group of fewer rows would be calibrated by a handful of galaxies in its tails.
SMALLEST_GROUP = 100
MOST_GROUPS = 5


def uncross(quantiles: np.ndarray, levels: Sequence[float] = LEVELS) -> np.ndarray:
    """Move quantiles that cross, away from the median, which stays.

    Parameters
    ----------
    quantiles : ndarray of shape (..., n_levels)
        Predicted quantiles.
    levels : sequence of float, default=LEVELS
        Their levels, growing, with 0.5 among them.

    Returns
    -------
    ndarray of shape (..., n_levels)
        Growing along the last axis.

    Examples
    --------
    >>> from sfml.uncertainty import uncross
    >>> uncross([[1.2, 1.0, 0.9]], levels=(0.16, 0.5, 0.84))
    array([[1., 1., 1.]])
    """
    out = np.array(quantiles, dtype=np.float64)
    middle = list(levels).index(0.5)
    upper, lower = out[..., middle:], out[..., middle::-1]
    np.maximum.accumulate(upper, axis=-1, out=upper)
    np.minimum.accumulate(lower, axis=-1, out=lower)
    return out


def interpolate_quantiles(
    quantiles: np.ndarray, levels: Sequence[float], q: Sequence[float]
) -> np.ndarray:
    """Read quantiles at other levels than those predicted.

    A normal distribution is a straight line against the normal score of the level: quantiles are
    joined by straight lines there, which go on beyond the outermost two.

    Parameters
    ----------
    quantiles : ndarray of shape (n_galaxies, n_levels)
        Predicted quantiles, growing along the last axis.
    levels : sequence of float
        Their levels, growing, at least two.
    q : sequence of float
        The levels wanted, between 0 and 1.

    Returns
    -------
    ndarray of shape (n_galaxies, len(q))

    Examples
    --------
    >>> from sfml.uncertainty import interpolate_quantiles
    >>> interpolate_quantiles([[-1.0, 0.0, 1.0]], (0.1587, 0.5, 0.8413), [0.9772]).round(2)
    array([[2.]])
    """
    return quantiles_at(np.asarray(quantiles, np.float64), np.asarray(levels), ndtri(np.asarray(q)))


def add_posterior(
    quantiles: np.ndarray, levels: Sequence[float], widths: np.ndarray, *, emulator: bool = True
) -> np.ndarray:
    """Add the SPS code's own posterior to quantiles, in quadrature.

    Parameters
    ----------
    quantiles : ndarray of shape (n_galaxies, n_levels)
        How well the code is emulated: quantiles of the median that it would give, in dex.
    levels : sequence of float
        Their levels, with 0.5 among them.
    widths : ndarray of shape (n_galaxies, 2)
        The code's posterior, from its 16th percentile to its median and from there to its 84th,
        in dex; each half is taken to be of a normal distribution. NaN where it is not known.
    emulator : bool, default=True
        Whether the first is to count, or the code's posterior alone.

    Returns
    -------
    ndarray of shape (n_galaxies, n_levels)

    Examples
    --------
    >>> from sfml.uncertainty import add_posterior
    >>> add_posterior([[9.7, 10.0, 10.3]], (0.16, 0.5, 0.84), [[0.4, 0.4]]).round(1)
    array([[ 9.5, 10. , 10.5]])
    """
    quantiles, widths = np.asarray(quantiles, float), np.asarray(widths, float)
    score = ndtri(np.asarray(levels)) / ndtri(0.84)
    median = quantiles[:, [list(levels).index(0.5)]]
    posterior = np.where(score < 0, widths[:, [0]], widths[:, [1]]) * np.abs(score)
    error = np.abs(quantiles - median) if emulator else 0.0
    # Not where the score is 0: unknown widths leave the median known.
    return median + np.where(score == 0, 0.0, np.sign(score) * np.hypot(error, posterior))


def check_levels(q: Any) -> np.ndarray:
    """Check levels of quantiles.

    Parameters
    ----------
    q : float or sequence of float
        Levels.

    Returns
    -------
    ndarray of shape (n_levels,)

    Raises
    ------
    ValueError
        If one does not lie between 0 and 1.
    """
    try:
        levels = np.atleast_1d(np.asarray(q, dtype=np.float64))
    except (TypeError, ValueError):
        levels = np.array([np.nan])
    if levels.ndim != 1 or not len(levels) or not np.all((levels > 0) & (levels < 1)):
        raise ValueError(f"q must hold levels between 0 and 1, such as (0.16, 0.84); got {q!r}.")
    return levels


def check_coverage(coverage: Any) -> tuple[float, float]:
    """Check a coverage; give the levels at the ends of its central interval.

    Parameters
    ----------
    coverage : float
        Between 0 and 1.

    Returns
    -------
    lower : float
    upper : float

    Raises
    ------
    ValueError
        If it does not lie between 0 and 1.
    """
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(
            f"coverage must lie between 0 and 1, such as 0.68; got {coverage!r}. Per cent are "
            "divided by 100."
        )
    return (1 - float(coverage)) / 2, (1 + float(coverage)) / 2


class QuantileCalibrator(BaseEstimator):
    """Shift predicted quantiles to where held-back galaxies, group by group, say they belong.

    The groups are bins of each condition, such as signal-to-noise ratio, redshift and predicted
    value, with equal numbers of held-back rows. A galaxy belongs to one bin of each condition, and
    its shift is the sum of theirs, fitted by quantile regression of the held-back residuals: then
    every bin of every condition is covered as claimed, which Mondrian conformal prediction achieves
    for the bins of one condition, or for cells of all that soon hold too few rows.

    Parameters
    ----------
    levels : sequence of float, default=LEVELS
        Levels of the quantiles, growing, with 0.5 among them: the median is not shifted.
    n_groups : int or None, default=None
        Bins a condition. None: 5, or fewer where a bin would hold less than 100 rows.

    Attributes
    ----------
    edges_ : list of ndarray of shape (n_groups - 1,)
        Edges between the bins of each condition.
    shifts_ : ndarray of shape (n_terms, n_levels)
        Shift of each level, in units of the predicted 16-84 interval (in dex, where none is
        predicted): for all rows, and in each bin but the first of each condition.
    n_rows_ : int
        Held-back rows it was calibrated on.

    Notes
    -----
    If the held-back rows are exchangeable with those to come, coverage is right up to their
    number: n rows leave a standard error of ``sqrt(c * (1 - c) / n)`` in a coverage c, overall,
    and of that within each bin. Levels are corrected for the number of terms as conformal
    prediction corrects them for one, ``(n + 1) / n``.

    References
    ----------
    Romano, Y., Patterson, E. & Candes, E. 2019, NeurIPS 32 (conformalised quantiles).
    Jung, C. et al. 2023, ICLR (arXiv:2209.15145: overlapping groups).
    Gibbs, I., Cherian, J. & Candes, E. 2025, JRSS B, 87, 1100 (arXiv:2305.12616: regression of
    the scores).

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.uncertainty import QuantileCalibrator
    >>> rng = np.random.default_rng(0)
    >>> y, predicted = rng.normal(0, 2, 5000), np.tile([-1.0, 0.0, 1.0], (5000, 1))
    >>> calibrator = QuantileCalibrator(levels=(0.1587, 0.5, 0.8413)).fit(predicted, y)
    >>> calibrator.predict(predicted[:1]).round(1)
    array([[-2.,  0.,  2.]])
    """

    def __init__(self, levels: Sequence[float] = LEVELS, *, n_groups: int | None = None) -> None:
        self.levels = levels
        self.n_groups = n_groups

    def fit(self, quantiles: Any, y: Any, conditions: Any = None) -> QuantileCalibrator:
        """Learn the shifts from rows which the model has not seen.

        Parameters
        ----------
        quantiles : array-like of shape (n_rows, n_levels)
            What the model predicts for them; a point prediction is a column repeated.
        y : array-like of shape (n_rows,)
            Their labels.
        conditions : array-like of shape (n_rows, n_conditions), default=None
            Quantities in whose bins coverage is to hold.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If shapes disagree, or values are NaN or infinite.
        """
        quantiles, conditions = self._check(quantiles, conditions)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(quantiles, y)
        self.n_rows_ = len(y)
        self.edges_ = [_edges(c, self._groups_for(len(y))) for c in conditions.T]
        design = self._design(conditions)
        scores = (y[:, np.newaxis] - quantiles) / self._unit(quantiles)
        self.shifts_ = np.zeros((design.shape[1], len(self.levels)))
        for k, level in enumerate(self.levels):
            if level != 0.5:
                corrected = 0.5 + (level - 0.5) * (1 + design.shape[1] / len(y))
                self.shifts_[:, k] = _quantile_regression(design, scores[:, k], corrected)
        return self

    def predict(self, quantiles: Any, conditions: Any = None) -> np.ndarray:
        """Shift the quantiles of other galaxies.

        Parameters
        ----------
        quantiles : array-like of shape (n_galaxies, n_levels)
            What the model predicts for them.
        conditions : array-like of shape (n_galaxies, n_conditions), default=None
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_levels)
            Growing along the last axis.
        """
        check_is_fitted(self)
        quantiles, conditions = self._check(quantiles, conditions)
        if conditions.shape[1] != len(self.edges_):
            raise ValueError(
                f"conditions has {conditions.shape[1]} columns, but {len(self.edges_)} in fit."
            )
        return uncross(quantiles + self._shift(conditions) * self._unit(quantiles), self.levels)

    def supports(self, level: float) -> bool:
        """Whether there were rows enough to calibrate a level: one, at least, beyond it.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        bool
        """
        check_is_fitted(self)
        return bool((self.n_rows_ + 1) * min(level, 1 - level) >= 1 - 1e-9)

    def _check(self, quantiles: Any, conditions: Any) -> tuple[np.ndarray, np.ndarray]:
        quantiles = check_array(quantiles, dtype=np.float64, ensure_min_samples=0)
        if quantiles.shape[1] != len(self.levels):
            raise ValueError(
                f"quantiles must have a column for each of the {len(self.levels)} levels; got "
                f"{quantiles.shape[1]}."
            )
        if conditions is None:
            return quantiles, np.empty((len(quantiles), 0))
        conditions = check_array(conditions, dtype=np.float64, ensure_min_samples=0)
        check_consistent_length(quantiles, conditions)
        return quantiles, conditions

    def _groups_for(self, n_rows: int) -> int:
        if self.n_groups is not None:
            return self.n_groups
        return int(np.clip(n_rows // SMALLEST_GROUP, 1, MOST_GROUPS))

    def _unit(self, quantiles: np.ndarray) -> np.ndarray:
        """Width of the predicted 16-84 interval, or 1 where a point was predicted."""
        width = np.ptp(interpolate_quantiles(quantiles, self.levels, [0.16, 0.84]), axis=1)
        return np.where(width > 0, width, 1.0)[:, np.newaxis]

    def _shift(self, conditions: np.ndarray) -> np.ndarray:
        """Shifts of the bins that each row is in, (n_rows, n_levels).

        They are added one by one: a matrix product adds in an order that depends on the number of
        rows, and a galaxy's last bit would depend on its neighbours.
        """
        shift = np.tile(self.shifts_[0], (len(conditions), 1))
        start = 1
        for condition, edges in zip(conditions.T, self.edges_, strict=True):
            own = self.shifts_[start : start + len(edges)]
            bins = np.searchsorted(edges, condition, side="right")
            shift += np.vstack([np.zeros((1, own.shape[1])), own])[bins]
            start += len(edges)
        return shift

    def _design(self, conditions: np.ndarray) -> np.ndarray:
        """One column for all rows, and one a bin but each condition's first."""
        columns = [np.ones((len(conditions), 1))]
        for condition, edges in zip(conditions.T, self.edges_, strict=True):
            bins = np.searchsorted(edges, condition, side="right")
            columns.append(bins[:, np.newaxis] == np.arange(1, len(edges) + 1))
        return np.hstack(columns).astype(np.float64)


def _edges(condition: np.ndarray, n_groups: int) -> np.ndarray:
    """Inner edges of bins with equal numbers of rows; a condition of few values has fewer bins."""
    edges = np.unique(np.quantile(condition, np.arange(1, n_groups) / n_groups))
    return edges[(edges > condition.min()) & (edges <= condition.max())]


def _quantile_regression(design: np.ndarray, y: np.ndarray, level: float) -> np.ndarray:
    """Minimise the pinball loss of a linear model, by weighted least squares.

    Hunter, D. R. & Lange, K. 2000, J. Comput. Graph. Stat., 9, 60: each step minimises a parabola
    which touches the loss from above.
    """
    level = float(np.clip(level, 0.5 / len(y), 1 - 0.5 / len(y)))
    coef = np.zeros(design.shape[1])
    coef[0] = np.quantile(y, level)
    scale = max(float(np.median(np.abs(y - np.median(y)))), 1e-12)
    slope = (2 * level - 1) * design.sum(axis=0)
    ridge = 1e-9 * len(y) * np.eye(design.shape[1])
    for softening in scale * np.geomspace(0.3, 1e-4, 60):
        weight = 1 / (softening + np.abs(y - design @ coef))
        weighted = design * weight[:, np.newaxis]
        coef = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ y + slope)
    return coef
