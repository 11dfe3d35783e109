"""Whether several targets are calibrated jointly, not only each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import match_columns, read_quantiles, read_values
from sfml.metrics.quantiles import check_coverages, curve_of
from sfml.targets import read_targets
from sfml.uncertainty.distribution import check_levels, quantiles_at
from sfml.weights import read_weights


@describe_shared
def tarp(
    y_true: Any,
    samples: Any,
    coverages: Sequence[float] | None = None,
    *,
    random_state: Any = None,
) -> pd.DataFrame:
    """Test joint samples with random points (TARP): their expected against nominal coverage.

    For each galaxy a reference point is drawn at random in the range of the labels. The fraction
    of samples that are nearer to it than the label is uniform if the samples come from the true
    joint distribution of the targets.

    The test finds biases and wrong widths, unless some targets are too narrow and others too wide,
    which may cancel. It finds a wrong correlation between the targets only where it is large: with
    4000 galaxies, targets taken to be independent whose correlation is 0.9 stand out by 4 standard
    errors, and 0.5 not at all. For that, compare the rank correlation of the values that `pit`
    returns with the one assumed. Nor can it tell a good prediction from one that gives every galaxy
    the distribution of all labels, as the reference points do not depend on the galaxy: read `crps`
    beside it.

    Parameters
    ----------
    y_true
    samples : array-like of shape (n_samples, n_galaxies) or (n_samples, n_galaxies, n_targets)
        Samples of the predicted joint distribution, in dex, such as those of `sample_quantiles`. A
        galaxy with NaN in any label or sample is left out.
    coverages : sequence of float, default=None
        Nominal coverages (credibility levels), between 0 and 1; by default 0.05, 0.1, ..., 0.95.
    random_state : int, RandomState instance or None, default=None
        Seed of the reference points.

    Returns
    -------
    DataFrame of shape (n_coverages, 5)
        As that of `coverage_curve`, `target` being "joint": columns `target`, `nominal`,
        `empirical`, `standard_error` and `n`.

    Raises
    ------
    ValueError
        If the shapes disagree, no galaxy is left, or all labels of a target are equal.

    References
    ----------
    .. [1] Lemos et al. 2023, ICML, PMLR 202, 19256 (arXiv:2302.03026).

    Examples
    --------
    >>> import numpy as np
    >>> from sfml import metrics
    >>> rng = np.random.default_rng(0)
    >>> centre = rng.normal(10, 1, (500, 2))
    >>> y_true = rng.normal(centre, 0.1)
    >>> samples = rng.normal(centre, 0.1, (100, 500, 2))
    >>> curve = metrics.tarp(y_true, samples, random_state=0)
    >>> bool((abs(curve.empirical - curve.nominal) < 0.07).all())
    True
    """
    nominal = check_coverages(np.linspace(0.05, 0.95, 19) if coverages is None else coverages)
    true, drawn, names, _ = _paired(y_true, samples)
    low, high = true.min(axis=0), true.max(axis=0)
    if not (low < high).all():
        equal = int(np.argmin(low < high))
        raise ValueError(
            "tarp needs labels that differ, to draw reference points in their range; those of "
            f"{names[equal]!r} are all {low[equal]:g}."
        )
    rng = check_random_state(random_state)
    reference = rng.uniform(size=true.shape)
    distance = np.linalg.norm((true - low) / (high - low) - reference, axis=-1)
    nearer = np.zeros(len(true))
    for sample in drawn:  # one at a time: all distances at once would double the memory
        nearer += np.linalg.norm((sample - low) / (high - low) - reference, axis=-1) < distance
    # A count of n samples has n + 1 values. Spread within its step, it is exactly uniform.
    rank = (nearer + rng.uniform(size=len(true))) / (len(drawn) + 1)
    return curve_of("joint", rank, nominal)


@describe_shared
def sample_quantiles(
    y_quantiles: Any,
    levels: Sequence[float],
    n_samples: int,
    correlation: Any = None,
    random_state: Any = None,
) -> np.ndarray:
    """Draw joint samples from predicted quantiles, joined by a Gaussian copula.

    Each target's samples follow its quantiles, interpolated as in `pit`; the correlation between
    the targets is the same for all galaxies.

    Parameters
    ----------
    y_quantiles, levels
    n_samples : int
        Number of samples per galaxy.
    correlation : array-like of shape (n_targets, n_targets), default=None
        Spearman's rank correlation between the targets given the galaxy, such as
        ``pandas.DataFrame(pit(y, y_quantiles, levels)).corr("spearman")`` of galaxies held out of
        the training. A table's columns are matched by name; its rows have the same order. By
        default the targets are independent.
    random_state : int, RandomState instance or None, default=None
        Seed of the samples.

    Returns
    -------
    ndarray of shape (n_samples, n_galaxies) or (n_samples, n_galaxies, n_targets)
        In dex; NaN for a galaxy with a NaN quantile.

    Raises
    ------
    ValueError
        If `correlation` is not a correlation matrix of the targets.

    Examples
    --------
    >>> from sfml import metrics
    >>> y_quantiles = [[[9.9, 10.0, 10.1], [-0.2, 0.0, 0.2]]]
    >>> samples = metrics.sample_quantiles(
    ...     y_quantiles, [0.16, 0.5, 0.84], 1000, [[1.0, 0.8], [0.8, 1.0]], random_state=0)
    >>> samples.shape
    (1000, 1, 2)
    """
    at = check_levels(levels, least=2, growing=True, name="levels")
    quantiles = read_quantiles(y_quantiles, at)
    if not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer; got {n_samples!r}.")
    n_galaxies, n_targets, _ = quantiles.shape
    scores = check_random_state(random_state).normal(size=(n_galaxies, n_samples, n_targets))
    if correlation is not None:
        scores = scores @ _root(_normal_correlation(correlation, n_targets))
    samples = np.empty((n_samples, n_galaxies, n_targets))
    for k in range(n_targets):
        samples[:, :, k] = quantiles_at(quantiles[:, k], at, scores[:, :, k]).T
    return samples[:, :, 0] if np.ndim(y_quantiles) == 2 else samples


@describe_shared
def energy_score(
    y_true: Any, samples: Any, *, scale: Any = None, sample_weight: Any = None
) -> float:
    """Score joint samples: how near to the label they are, less half of how far from each other.

    It is the CRPS of several targets at once, in dex: the lower the better, and lowest on average
    for the true joint distribution. Targets of large scatter count for more, unless a `scale` is
    given. A wrong correlation raises it by little.

    Parameters
    ----------
    y_true
    samples : array-like of shape (n_samples, n_galaxies) or (n_samples, n_galaxies, n_targets)
        Samples of the predicted joint distribution, in dex, at least two: those of
        `StarFormationPipeline.sample` with the first two axes exchanged. A galaxy with NaN in any
        label or sample is left out.
    scale : array-like of shape (n_targets,), default=None
        By what each target is divided first, in dex, such as the scatter of its labels.
    sample_weight

    Returns
    -------
    float
        Mean over the galaxies, in dex, or without a unit if there is a scale. It has no bias from
        the number of samples.

    Raises
    ------
    ValueError
        If the shapes disagree, there are fewer than two samples, no galaxy is left, or a scale is
        not positive.

    References
    ----------
    .. [1] Gneiting & Raftery 2007, J. Am. Stat. Assoc., 102, 359.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.energy_score([[10.0, 0.0]], [[[10.0, 1.0]], [[10.0, -1.0]]])
    0.0
    """
    true, drawn, _, kept = _paired(y_true, samples)
    if len(drawn) < 2:
        raise ValueError(f"energy_score needs at least two samples; got {len(drawn)}.")
    weight = read_weights(sample_weight, kept)
    if scale is not None:
        divisor = np.asarray(scale, dtype=np.float64)
        if divisor.shape != true.shape[1:] or not (np.isfinite(divisor) & (divisor > 0)).all():
            raise ValueError(
                f"scale must hold a positive number for each of the {true.shape[1]} targets; got "
                f"{scale!r}."
            )
        true, drawn = true / divisor, drawn / divisor
    distance = np.linalg.norm(drawn - true, axis=-1).mean(axis=0)
    # All pairs of samples, one distance in the order of the samples at a time.
    spread = np.zeros(len(true))
    for shift in range(1, len(drawn)):
        spread += np.linalg.norm(drawn[shift:] - drawn[:-shift], axis=-1).sum(axis=0)
    spread *= 2 / (len(drawn) * (len(drawn) - 1))
    weight = None if weight is None else weight[kept]
    if weight is not None and not weight.any():
        raise ValueError("No galaxy has all labels, all samples and a weight above 0.")
    return float(np.average(distance - spread / 2, weights=weight))


@describe_shared
def sbc_ranks(y_true: Any, samples: Any, *, random_state: Any = None) -> np.ndarray:
    """Rank each label among its samples, for simulation-based calibration (SBC).

    The ranks of a target are uniform over 0 to n_samples if its samples come from the true
    distribution: too many low and high ones mean samples that scatter too little, too few mean
    samples that scatter too much, and a slope means a bias. Ranks look at each target alone; of a
    derived quantity, such as the difference of two targets, they judge the joint samples.

    Parameters
    ----------
    y_true
    samples : array-like of shape (n_samples, n_galaxies) or (n_samples, n_galaxies, n_targets)
        As in `energy_score`.
    random_state : int, RandomState instance or None, default=None
        Seed of the ranks of labels that equal samples, which are drawn among those possible.

    Returns
    -------
    ndarray of shape (n_galaxies, n_targets)
        How many samples lie below the label; NaN for a galaxy with NaN in any label or sample.

    Raises
    ------
    ValueError
        If the shapes disagree or no galaxy is left.

    References
    ----------
    .. [1] Talts et al. 2018, arXiv:1804.06788.

    Examples
    --------
    >>> from sfml import metrics
    >>> metrics.sbc_ranks([[10.0, 0.3]], [[[9.9, 0.1]], [[10.2, 0.2]]])
    array([[1., 2.]])
    """
    true, drawn, _, kept = _paired(y_true, samples)
    below, equal = (drawn < true).sum(axis=0), (drawn == true).sum(axis=0)
    ranks = np.full((len(kept), true.shape[1]), np.nan)
    ranks[kept] = below + check_random_state(random_state).randint(0, equal + 1)
    return ranks


def _paired(y_true: Any, samples: Any) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Labels and samples of the galaxies that lack none, names of the targets, and which these are.

    The last is a mask over all galaxies.
    """
    true, columns = read_values(y_true, "y_true")
    names, (place,) = match_columns({"y_true": columns}, None, true.shape[1])
    true, _ = read_targets(true[:, place], names)
    drawn = np.asarray(samples, dtype=float)
    if drawn.ndim == 2:
        drawn = drawn[:, :, None]
    if drawn.ndim != 3 or drawn.shape[1:] != true.shape or not len(drawn):
        raise ValueError(
            "samples must have shape (n_samples, n_galaxies, n_targets), y_true (n_galaxies, "
            f"n_targets); got {np.shape(samples)} and {np.shape(y_true)}."
        )
    kept = ~(np.isnan(true).any(axis=1) | np.isnan(drawn).any(axis=(0, 2)))
    if not kept.any():
        raise ValueError(
            f"No galaxy has all labels and samples: each of {len(true)} rows has NaN in y_true or "
            "in samples."
        )
    return true[kept], drawn[:, kept], names, kept


def _normal_correlation(correlation: Any, n_targets: int) -> np.ndarray:
    """Correlation of the normal scores that have the rank correlation given."""
    rank, columns = read_values(correlation, "correlation")
    if rank.shape != (n_targets, n_targets):
        raise ValueError(
            f"correlation must have shape ({n_targets}, {n_targets}), one row and one column per "
            f"target; got {rank.shape}."
        )
    _, (place,) = match_columns({"correlation": columns}, None, n_targets)
    rank = rank[place][:, place]
    is_correlation = np.allclose(rank, rank.T) and np.allclose(np.diag(rank), 1)
    if not is_correlation or np.abs(rank).max() > 1 + 1e-9:
        raise ValueError(
            "correlation must be symmetric, with ones on its diagonal and no value beyond -1 or "
            f"1; got {rank.tolist()}."
        )
    # Pearson 1907, for a bivariate normal distribution.
    return 2 * np.sin(np.pi / 6 * np.clip(rank, -1, 1))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric square root of a correlation matrix, which may be singular."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-3:
        raise ValueError(
            "correlation cannot be that of any distribution: its least eigenvalue, that of the "
            f"normal scores, is {values[0]:.3g}. It must be positive semidefinite."
        )
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
