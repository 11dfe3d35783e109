"""From the quantiles a model predicts to intervals that cover what they claim.

A network's quantiles are sharp where galaxies are well measured and wide where they are not, but
too narrow for galaxies that it has not learnt from. `QuantileCalibrator` widens them by what
galaxies held back from training show, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sfml.base import fit_method
from sfml.compat import Interval, check_sample_weight
from sfml.uncertainty.distribution import check_coverage, check_levels, quantiles_at

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
FEWEST_BEYOND = 2  # galaxies beyond a level, per fitted term
N_FOLDS = 10


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
    quantiles: np.ndarray, levels: Sequence[float], q: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Read quantiles at other levels, along straight lines in the normal score of the level.

    Parameters
    ----------
    quantiles : ndarray of shape (n_galaxies, n_levels)
        Growing along the last axis.
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
        From the 16th percentile of the code's posterior to its median, and from there to its 84th,
        in dex; each half is taken to be of a normal distribution. NaN where it is not known.
    emulator : bool, default=True
        Whether `quantiles` count, or their median and the code's posterior alone.

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


class QuantileCalibrator(BaseEstimator):
    """Shift predicted quantiles to where held-back galaxies, group by group, say they belong.

    The groups are bins of each condition, such as signal-to-noise ratio, redshift and predicted
    value, with equal numbers of held-back galaxies. A galaxy is in one bin of each condition, and
    its shift is the sum of theirs, fitted by quantile regression of the held-back residuals: then
    every bin of every condition is covered as claimed, which Mondrian conformal prediction achieves
    for the bins of one condition, or for cells of all that soon hold too few galaxies.

    Parameters
    ----------
    levels : sequence of float, default=LEVELS
        Levels of the quantiles, growing, with 0.5 among them: the median is not shifted.
    n_groups : int or None, default=None
        Bins per condition. None: 5, or fewer where a bin would hold less than 100 galaxies.

    Attributes
    ----------
    levels_ : tuple of float
        The levels that it was fitted for.
    edges_ : list of ndarray of shape (n_groups - 1,)
        Edges between the bins of each condition.
    shifts_ : ndarray of shape (n_terms, n_levels)
        Shift of each level, in units of the predicted 16-84 interval (in dex, where none is
        predicted): for all galaxies, and in each bin but the first of each condition.
    n_rows_ : int
        Effective number of held-back galaxies, rounded down: their number if all weigh the same,
        otherwise ``sum(w)**2 / sum(w**2)`` (Kish 1965), which no common factor changes.

    Notes
    -----
    If the held-back galaxies are exchangeable with those to come, coverage is right up to their
    number: n of them leave a standard error of ``sqrt(c * (1 - c) / n)`` in a coverage c, overall,
    and of that within each bin. Fitted terms overfit, which two corrections make up for. With at
    least two galaxies per term beyond a level, the level is moved away from the median by a factor
    of ``1 + n_terms / n_rows_`` (conformal prediction's ``(n + 1) / n`` for one term). With fewer,
    the bins take over the shifts of the next inner level, in proportion to the normal scores of the
    two, and one further shift for all is read from residuals about terms fitted to other galaxies.

    In simulations with five conditions, intervals of 50 to 98 per cent covered their claim within
    1 point at any number from 100 to 4,000 (benchmarks/bench_calibration.py).

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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "levels": ["array-like"],
        "n_groups": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, levels: Sequence[float] = LEVELS, *, n_groups: int | None = None) -> None:
        self.levels = levels
        self.n_groups = n_groups

    @fit_method
    def fit(
        self,
        quantiles: Any,
        y: Any,
        conditions: Any = None,
        sample_weight: Any = None,
        galaxy: Any = None,
    ) -> QuantileCalibrator:
        """Learn the shifts from galaxies which the model has not seen.

        Parameters
        ----------
        quantiles : array-like of shape (n_rows, n_levels)
            What the model predicts for them; a point prediction is a column repeated.
        y : array-like of shape (n_rows,)
            Their labels, in the unit of the quantiles.
        conditions : array-like of shape (n_rows, n_conditions), default=None
            Quantities in whose bins coverage is to hold.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, such as 1 / Vmax, in any unit. None: the same for all rows.
        galaxy : array-like of shape (n_rows,), default=None
            Which galaxy each row describes. Rows of one galaxy, such as one with all bands and one
            without some, count once among `n_rows_`. None: each row is another galaxy.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, shapes disagree, a value is NaN or infinite, or weights
            are negative or all zero.
        """
        levels = check_levels(self.levels, least=2, growing=True, name="levels")
        if 0.5 not in levels:
            raise ValueError(f"levels must hold 0.5, that of the median; got {self.levels!r}.")
        self.levels_ = tuple(levels.tolist())
        quantiles, conditions = self._check(quantiles, conditions)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(quantiles, y)
        weight = check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        if galaxy is None:
            galaxy = np.arange(len(y))
        galaxy = check_array(galaxy, ensure_2d=False, dtype=None, input_name="galaxy")
        check_consistent_length(galaxy, y)
        galaxy = np.unique(galaxy, return_inverse=True)[1]
        rows = weight > 0
        quantiles, conditions, y = quantiles[rows], conditions[rows], y[rows]
        weight, galaxy = weight[rows], galaxy[rows]
        weight /= weight.mean()
        weights = np.bincount(galaxy, weight)
        self.n_rows_ = int(weights.sum() ** 2 / np.square(weights).sum() + 1e-6)
        n_groups = self.n_groups or int(np.clip(self.n_rows_ // SMALLEST_GROUP, 1, MOST_GROUPS))
        self.edges_ = [_edges(condition, weight, n_groups) for condition in conditions.T]
        scores = (y[:, np.newaxis] - quantiles) / self._unit(quantiles)
        design = np.zeros((len(y), 2 + sum(map(len, self.edges_))))
        np.put_along_axis(design, self._terms(conditions), 1, axis=1)
        self.shifts_ = _fit_shifts(
            design[:, :-1], scores, levels, weight, galaxy % N_FOLDS, self.n_rows_
        )
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
        table = np.vstack([self.shifts_, np.zeros(len(self.levels_))])
        # One by one: a matrix product adds in an order that depends on the number of rows, and a
        # galaxy's last bit would depend on its neighbours.
        shift = sum(table[term] for term in self._terms(conditions).T)
        return uncross(quantiles + shift * self._unit(quantiles), self.levels_)

    def supports(self, level: float) -> bool:
        """Whether enough galaxies were held back to calibrate a level: one, at least, beyond it.

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
        if quantiles.shape[1] != len(self.levels_):
            raise ValueError(
                f"quantiles must have one column for each of the {len(self.levels_)} levels; got "
                f"{quantiles.shape[1]}."
            )
        if conditions is None:
            return quantiles, np.empty((len(quantiles), 0))
        conditions = check_array(conditions, dtype=np.float64, ensure_min_samples=0)
        check_consistent_length(quantiles, conditions)
        return quantiles, conditions

    def _unit(self, quantiles: np.ndarray) -> np.ndarray:
        """Width of the predicted 16-84 interval, or 1 where a point was predicted."""
        width = np.ptp(interpolate_quantiles(quantiles, self.levels_, [0.16, 0.84]), axis=1)
        return np.where(width > 0, width, 1.0)[:, np.newaxis]

    def _terms(self, conditions: np.ndarray) -> np.ndarray:
        """Terms of each row: 0, that of all, and its bin of each condition, -1 for the first."""
        terms = np.zeros((len(conditions), 1 + len(self.edges_)), dtype=int)
        start = 0
        for k, edges in enumerate(self.edges_):
            bins = np.searchsorted(edges, conditions[:, k], side="right")
            terms[:, k + 1] = np.where(bins > 0, start + bins, -1)
            start += len(edges)
        return terms


def _fit_shifts(
    design: np.ndarray,
    scores: np.ndarray,
    levels: np.ndarray,
    weight: np.ndarray,
    fold: np.ndarray,
    n_galaxies: int,
) -> np.ndarray:
    """Fit each level's terms, from the median outwards, to (n_terms, n_levels)."""
    n_terms, middle, normal = design.shape[1], int(np.argmin(np.abs(levels - 0.5))), ndtri(levels)
    by_terms, by_one = (0.5 + (levels - 0.5) * (1 + n / n_galaxies) for n in (n_terms, 1))
    beyond = n_galaxies * np.minimum(levels, 1 - levels)
    shifts = np.zeros((n_terms, len(levels)))
    for tail in (range(middle - 1, -1, -1), range(middle + 1, len(levels))):
        inner, fitted = middle, None
        for k in tail:
            if n_terms > 1 and beyond[k] >= FEWEST_BEYOND * n_terms:
                inner, shifts[:, k] = k, _pinball(design, scores[:, k], weight, by_terms[k])
                continue
            residuals = scores[:, k]
            if inner != middle:
                if fitted is None:
                    fitted = _cross_fit(design, scores[:, inner], weight, by_terms[inner], fold)
                ratio = normal[k] / normal[inner]
                shifts[:, k] = ratio * shifts[:, inner]
                residuals = residuals - ratio * fitted
            shifts[0, k] += _quantile(residuals, weight, by_one[k])
    return shifts


def _cross_fit(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, level: float, fold: np.ndarray
) -> np.ndarray:
    """Fitted value of each row, by terms fitted to the other folds; inner levels converge soon."""
    fitted = np.empty(len(y))
    for each in range(N_FOLDS):
        out, rest = fold == each, fold != each
        fitted[out] = design[out] @ _pinball(design[rest], y[rest], weight[rest], level, 30)
    return fitted


def _distinct(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, growing, and the weight of each."""
    values, which = np.unique(values, return_inverse=True)
    return values, np.bincount(which, weight)


def _quantile(values: np.ndarray, weight: np.ndarray, level: float) -> float:
    """Interpolate: the k-th of n values that weigh the same is the quantile of (k - 1/2) / n."""
    values, weight = _distinct(values, weight)
    return float(np.interp(level * weight.sum(), np.cumsum(weight) - weight / 2, values))


def _edges(condition: np.ndarray, weight: np.ndarray, n_groups: int) -> np.ndarray:
    """Inner edges of bins of equal weight; a condition of few values has fewer bins."""
    values, weight = _distinct(condition, weight)
    shares = np.cumsum(weight) / weight.sum()
    below = np.searchsorted(shares, np.arange(1, n_groups) / n_groups + 1e-12, side="right")
    return np.unique(values[below[below > 0]])


def _pinball(
    design: np.ndarray, y: np.ndarray, row_weight: np.ndarray, level: float, n_steps: int = 60
) -> np.ndarray:
    """Minimise the pinball loss of a linear model, by weighted least squares.

    Hunter, D. R. & Lange, K. 2000, J. Comput. Graph. Stat., 9, 60: each step minimises a parabola
    which touches the loss from above.
    """
    coef = np.zeros(design.shape[1])
    coef[0] = _quantile(y, row_weight, level)
    deviation = np.abs(y - _quantile(y, row_weight, 0.5))
    scale = max(_quantile(deviation, row_weight, 0.5), 1e-12)
    slope = (2 * level - 1) * (row_weight @ design)
    ridge = 1e-9 * len(y) * np.eye(design.shape[1])
    for softening in scale * np.geomspace(0.3, 1e-4, n_steps):
        weight = row_weight / (softening + np.abs(y - design @ coef))
        weighted = design * weight[:, np.newaxis]
        coef = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ y + slope)
    return coef
