"""Joint draws of several targets: calibrated quantiles of each, and how their errors go together.

How the errors go together is read off galaxies held back from training: the probability integral
transform (PIT) of each label says where in its predicted distribution it lies, and the PIT values
of one galaxy belong together. A draw takes those of a held-back galaxy, and each target's quantile
function turns its value into dex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from sfml.tables.keys import draw_numbers
from sfml.uncertainty.distribution import quantiles_at

# Held-back galaxies in each bin, at least, and bins at most.
IN_BIN, MOST_BINS = 200, 10
# Independent targets count as much as so many held-back galaxies.
INDEPENDENT = 10
# A bin must raise the log score in cross-validation by more than so many standard errors.
STANDARD_ERRORS = 2.0
# Normal scores beyond this are one galaxy's, and would rule a correlation.
LARGEST_SCORE = 4.0
# Draws made at once: temporary arrays stay in the processor's cache.
AT_ONCE = 50_000
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd


class EmpiricalCopula(NamedTuple):
    """PIT values of held-back galaxies, as cells of the unit cube, in bins of the prediction.

    A draw chooses a cell by its chance, and a point in it at random. The cells of a bin tile the
    range of each target once, so that each target alone is uniform exactly, whatever goes together.
    The first cell of a bin is the whole cube: there, targets are independent.
    """

    pair: tuple[int, ...]  # positions of two targets whose difference bins; () for one bin
    edges: np.ndarray  # (n_bins - 1,), of the difference of the predicted medians, in dex
    first: np.ndarray  # (n_bins + 1,), where the cells of each bin start, and where the last end
    chance: np.ndarray  # (n_cells,), that a cell is drawn in its bin
    lower: np.ndarray  # (n_cells, n_targets), lower corner of each cell
    width: np.ndarray  # (n_cells,), side of each cell

    @classmethod
    def learn(
        cls,
        scores: np.ndarray,
        medians: np.ndarray,
        weight: np.ndarray | None = None,
        galaxy: np.ndarray | None = None,
    ) -> EmpiricalCopula:
        """Learn from held-back galaxies.

        `scores` are the normal scores of their PIT values, and `medians` the predictions, both of
        shape (n_rows, n_targets). Rows with NaN, those without all labels, are left out. `galaxy`
        numbers the galaxy that each row is a version of, if there are several.
        """
        weight = np.ones(len(scores)) if weight is None else weight
        galaxy = np.arange(len(scores)) if galaxy is None else galaxy
        known = np.isfinite(scores).all(axis=1) & np.isfinite(medians).all(axis=1) & (weight > 0)
        scores, medians, weight, galaxy = (a[known] for a in (scores, medians, weight, galaxy))
        n_bins = int(np.clip(len(np.unique(galaxy)) // IN_BIN, 1, MOST_BINS))
        pair = _choose_pair(scores, medians, galaxy, n_bins)
        edges = np.empty(0)
        place = np.zeros(len(scores), dtype=int)
        if pair:
            difference = _difference(medians, pair)
            edges = _edges(difference, n_bins)
            place = np.searchsorted(edges, difference, side="right")
        bins = [
            _cells(scores[rows], weight[rows], galaxy[rows])
            for rows in (place == k for k in range(len(edges) + 1))
        ]
        chance, lower, width = (np.concatenate(parts) for parts in zip(*bins, strict=True))
        first = np.cumsum([0, *(len(each[0]) for each in bins)], dtype=np.int64)
        return cls(pair, edges, first, chance, lower, width)

    @property
    def n_targets(self) -> int:
        """How many targets there are."""
        return self.lower.shape[1]

    def bins_of(self, medians: np.ndarray) -> np.ndarray:
        """Find the bin of each galaxy from its predicted medians, (n_galaxies, n_targets)."""
        if not self.pair:
            return np.zeros(len(medians), dtype=int)
        return np.searchsorted(self.edges, _difference(medians, self.pair), side="right")

    def correlations(self) -> np.ndarray:
        """Correlate the normal scores of the targets, to (n_bins, n_targets, n_targets)."""
        out = np.tile(np.eye(self.n_targets), (len(self.first) - 1, 1, 1))
        for k, (start, stop) in enumerate(zip(self.first[:-1], self.first[1:], strict=True)):
            cells = slice(start + 1, stop)
            if stop - start > 2:
                scores = ndtri(self.lower[cells] + self.width[cells, np.newaxis] / 2)
                matrix = _correlation(scores, self.chance[cells])
                out[k] += (1 - self.chance[start]) * (matrix - out[k])
        return out

    def draw(self, bins: np.ndarray, keys: np.ndarray, n_samples: int, seed: int) -> np.ndarray:
        """Draw normal scores, to (n_galaxies, n_samples, n_targets).

        A galaxy's draws depend on its bin, its key and the seed alone, and further ones do not
        change the first.
        """
        bounds = np.concatenate(  # growing through all bins, each by 1
            [
                k + np.cumsum(self.chance[start:stop])
                for k, (start, stop) in enumerate(zip(self.first[:-1], self.first[1:], strict=True))
            ]
        )
        uniform = _uniform(keys, n_samples, 1 + self.n_targets, seed)
        cell = np.searchsorted(bounds, bins[:, np.newaxis] + uniform[0], side="right")
        # Sums of chances are rounded.
        cell = np.clip(
            cell, self.first[bins][:, np.newaxis], self.first[bins + 1][:, np.newaxis] - 1
        )
        scores = np.empty((len(keys), n_samples, self.n_targets))
        for k in range(self.n_targets):
            level = self.lower[cell, k] + self.width[cell] * uniform[k + 1]
            scores[:, :, k] = ndtri(np.minimum(level, 1 - 2.0**-53))
        return scores


def draw_joint(
    quantiles: Sequence[np.ndarray],
    levels: Sequence[Sequence[float]],
    copula: EmpiricalCopula,
    keys: np.ndarray,
    n_samples: int,
    seed: int,
) -> np.ndarray:
    """Draw from calibrated quantiles of each target, to (n_galaxies, n_samples, n_targets).

    `quantiles` has (n_galaxies, n_levels) for each target, and `levels` their levels. A galaxy with
    NaN gets NaN in the target that has it. `keys` are numbers by which galaxies are told apart.
    """
    out = np.empty((len(keys), n_samples, len(quantiles)))
    bins = copula.bins_of(medians_of(quantiles, levels))
    step = max(1, AT_ONCE // n_samples)
    for start in range(0, len(keys), step):
        some = slice(start, start + step)
        scores = copula.draw(bins[some], keys[some], n_samples, seed)
        for k, (values, at) in enumerate(zip(quantiles, levels, strict=True)):
            out[some, :, k] = quantiles_at(values[some], np.asarray(at), scores[:, :, k])
    return out


def medians_of(quantiles: Sequence[np.ndarray], levels: Sequence[Sequence[float]]) -> np.ndarray:
    """Read the medians off quantiles of each target, to (n_galaxies, n_targets)."""
    pairs = zip(quantiles, levels, strict=True)
    return np.column_stack([values[:, list(at).index(0.5)] for values, at in pairs])


def combine_draws(
    draws: Any, coefficients: Mapping[str, float], targets: Sequence[str]
) -> np.ndarray:
    """Add targets of joint draws, such as the SFR less the stellar mass for the specific SFR.

    Targets are in dex, so that a difference is the logarithm of a ratio.

    Parameters
    ----------
    draws : array-like of shape (n_galaxies, n_samples, n_targets)
        Joint draws, as `sfml.StarFormationPipeline.sample` gives them.
    coefficients : dict of str to float
        By what each target is multiplied, such as ``{"sfr": 1, "stellar_mass": -1}``. Targets that
        are not named do not count.
    targets : sequence of str
        Names of the targets of `draws`, in order.

    Returns
    -------
    ndarray of shape (n_galaxies, n_samples)
        Draws of the sum. Its quantiles along the last axis are those of the derived quantity.

    Raises
    ------
    ValueError
        If a name is not one of `targets`, none is given, a coefficient is no finite number, or the
        shape of `draws` disagrees.

    Examples
    --------
    >>> from sfml.uncertainty import combine_draws
    >>> draws = [[[10.0, 0.5], [10.25, 0.5]]]
    >>> combine_draws(draws, {"sfr": 1, "stellar_mass": -1}, ("stellar_mass", "sfr"))
    array([[-9.5 , -9.75]])
    """
    drawn = np.asarray(draws, dtype=np.float64)
    if drawn.ndim != 3 or drawn.shape[2] != len(targets):
        raise ValueError(
            f"draws must have shape (n_galaxies, n_samples, {len(targets)}), one column per target "
            f"({', '.join(targets)}); got {drawn.shape}."
        )
    check_coefficients(coefficients, targets)
    terms = [drawn[:, :, list(targets).index(name)] * by for name, by in coefficients.items()]
    return np.sum(terms, axis=0)


def check_coefficients(coefficients: Any, targets: Sequence[str]) -> None:
    """Raise a ValueError unless each is a finite number and belongs to a target."""
    if not isinstance(coefficients, Mapping) or not coefficients:
        raise ValueError(
            'coefficients must be a dict such as {"sfr": 1, "stellar_mass": -1}; got '
            f"{coefficients!r}."
        )
    unknown = sorted(set(map(str, coefficients)) - set(targets))
    if unknown:
        raise ValueError(
            f"coefficients names {', '.join(unknown)}; targets are {', '.join(targets)}."
        )
    for name, by in coefficients.items():
        if not np.isscalar(by) or isinstance(by, str) or not np.isfinite(by):
            raise ValueError(f"The coefficient of {name} must be a finite number; got {by!r}.")


def _difference(medians: np.ndarray, pair: tuple[int, ...]) -> np.ndarray:
    return medians[:, pair[1]] - medians[:, pair[0]]


def _edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    return np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))


def _cells(
    scores: np.ndarray, weight: np.ndarray, galaxy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances, lower corners and sides of a bin's cells, the whole cube first."""
    n = len(np.unique(galaxy))
    share = weight / weight.sum() if n else weight
    lower = np.empty_like(scores)
    for column, out in zip(scores.T, lower.T, strict=True):
        order = np.argsort(column, kind="stable")
        out[order] = np.cumsum(share[order]) - share[order]
    independent = INDEPENDENT / (n + INDEPENDENT)
    return (
        np.append(independent, (1 - independent) * share),
        np.vstack([np.zeros(scores.shape[1]), np.maximum(lower, 0)]),
        np.append(1.0, share),
    )


def _choose_pair(
    scores: np.ndarray, medians: np.ndarray, galaxy: np.ndarray, n_bins: int
) -> tuple[int, ...]:
    """Find the two targets in bins of whose difference dependence differs most, if it does.

    Each bin's normal copula is scored on galaxies that it was not fitted to, and compared with that
    of all galaxies.
    """
    pairs = list(combinations(range(scores.shape[1]), 2))
    if n_bins < 2 or not pairs:
        return ()
    scores = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
    fold = np.unique(galaxy, return_inverse=True)[1] % 2
    same = _log_scores(scores, np.zeros(len(scores)), fold, 1)
    best = STANDARD_ERRORS
    chosen: tuple[int, ...] = ()
    for pair in pairs:
        gain = _log_scores(scores, _difference(medians, pair), fold, n_bins) - same
        error = gain.std() / np.sqrt(len(np.unique(galaxy)))
        if error > 0 and gain.mean() / error > best:
            best, chosen = gain.mean() / error, pair
    return chosen


def _log_scores(
    scores: np.ndarray, condition: np.ndarray, fold: np.ndarray, n_bins: int
) -> np.ndarray:
    """Log density of each galaxy's scores, in the normal copula of its bin in the other fold."""
    out = np.empty(len(scores))
    for each in (0, 1):
        rest = fold != each
        edges = _edges(condition[rest], n_bins)
        place = np.searchsorted(edges, condition, side="right")
        for k in range(len(edges) + 1):
            judged, learnt = (place == k) & ~rest, (place == k) & rest
            out[judged] = _normal_log_density(scores[judged], scores[learnt])
    return out


def _normal_log_density(scores: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Log density of a normal copula, up to what does not depend on its correlation."""
    matrix = np.eye(scores.shape[1])
    n = len(learnt)
    if n > 1:
        matrix += n / (n + INDEPENDENT) * (_correlation(learnt, np.ones(n)) - matrix)
    distance = np.sum(scores * np.linalg.solve(matrix, scores.T).T, axis=1)
    return -0.5 * (distance + np.linalg.slogdet(matrix)[1])


def _correlation(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centred = values - np.average(values, axis=0, weights=weight)
    covariance = (centred * weight[:, np.newaxis]).T @ centred
    scale = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    matrix = covariance / np.outer(scale, scale)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _uniform(keys: np.ndarray, n_samples: int, n_numbers: int, seed: int) -> np.ndarray:
    """Draw numbers between 0 and 1, to (n_numbers, n_galaxies, n_samples), by key and counter.

    SplitMix64 (Steele, Lea & Flood 2014, OOPSLA), each galaxy with a state of its own.
    """
    state = draw_numbers(keys, seed)[:, np.newaxis]
    counter = np.arange(1, n_samples + 1, dtype=np.uint64) * np.uint64(n_numbers)
    out = np.empty((n_numbers, len(keys), n_samples))
    with np.errstate(over="ignore"):
        for k in range(n_numbers):
            z = state + (counter + np.uint64(k)) * np.uint64(_GOLDEN)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            out[k] = ((z >> np.uint64(11)) + 0.5) * 2.0**-53
    return out
