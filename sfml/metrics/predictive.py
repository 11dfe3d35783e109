"""Labels with predicted quantiles or intervals, checked and paired target by target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sfml.metrics.pairing import check_same_order, read_values, target_names, target_position
from sfml.targets import read_targets


class QuantilePair(NamedTuple):
    """One target's labels and quantiles, for the galaxies which have both.

    Attributes
    ----------
    name : str
        The target.
    y_true : ndarray of shape (n_kept,)
        In dex, finite.
    quantiles : ndarray of shape (n_kept, n_levels)
        In dex, finite, not decreasing along a row.
    kept : ndarray of bool, shape (n_galaxies,)
        Which galaxies these are.
    """

    name: str
    y_true: np.ndarray
    quantiles: np.ndarray
    kept: np.ndarray


class IntervalPair(NamedTuple):
    """One target's labels and intervals, for the galaxies which have both.

    Attributes
    ----------
    name : str
        The target.
    y_true : ndarray of shape (n_kept,)
        In dex, finite.
    lower, upper : ndarray of shape (n_kept,)
        Ends of the intervals, in dex; an open end is infinite.
    kept : ndarray of bool, shape (n_galaxies,)
        Which galaxies these are.
    """

    name: str
    y_true: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    kept: np.ndarray


def check_levels(levels: Any, least: int = 2) -> np.ndarray:
    """Read levels of quantiles.

    Parameters
    ----------
    levels : sequence of float
        What was given.
    least : int, default=2
        How many are needed.

    Returns
    -------
    ndarray of shape (n_levels,)

    Raises
    ------
    ValueError
        If they do not grow, are not within (0, 1), or are too few.
    """
    given = np.asarray(levels, dtype=float)
    if given.ndim != 1 or len(given) < least:
        raise ValueError(
            f"levels must be a sequence of at least {least} numbers, one a predicted quantile, "
            f"such as (0.16, 0.5, 0.84); got {levels!r}."
        )
    if not (given > 0).all() or not (given < 1).all() or not (np.diff(given) > 0).all():
        raise ValueError(
            "levels must grow and lie between 0 and 1, both excluded, such as (0.16, 0.5, 0.84); "
            f"got {given.tolist()}. Divide percentiles by 100."
        )
    return given


def check_coverage(coverage: Any) -> float:
    """Read the nominal coverage of an interval, between 0 and 1."""
    if not isinstance(coverage, int | float | np.floating) or not 0 < coverage < 1:
        raise ValueError(
            f"coverage must be a number between 0 and 1, such as 0.68; got {coverage!r}."
        )
    return float(coverage)


def read_quantiles(y_quantiles: Any, levels: np.ndarray) -> np.ndarray:
    """Read predicted quantiles as an array with one entry a target.

    Parameters
    ----------
    y_quantiles : array-like of shape (n_galaxies, n_levels) or (n_galaxies, n_targets, n_levels)
        Quantiles, in dex.
    levels : ndarray of shape (n_levels,)
        Their levels.

    Returns
    -------
    ndarray of shape (n_galaxies, n_targets, n_levels), float64
        All NaN for a galaxy and target of which any quantile is NaN.

    Raises
    ------
    ValueError
        If the shape does not fit, a value is infinite, or quantiles cross.
    """
    quantiles = np.array(y_quantiles, dtype=np.float64)
    if quantiles.ndim not in (2, 3) or quantiles.shape[-1] != len(levels):
        raise ValueError(
            "y_quantiles must have shape (n_galaxies, n_levels) or (n_galaxies, n_targets, "
            f"n_levels), as predict_quantiles gives it; got {quantiles.shape} for {len(levels)} "
            "levels."
        )
    if quantiles.ndim == 2:
        quantiles = quantiles[:, None, :]
    if np.isinf(quantiles).any():
        raise ValueError(
            f"y_quantiles holds {int(np.isinf(quantiles).sum())} infinite values. Set them to "
            "NaN, and their galaxies are left out."
        )
    crossed = (np.diff(quantiles, axis=2) < 0).any(axis=2)
    if crossed.any():
        galaxy, target = np.argwhere(crossed)[0]
        raise ValueError(
            f"y_quantiles must not decrease along the levels, but cross in {int(crossed.sum())} "
            f"of {crossed.size} rows; that of galaxy {galaxy}, target {target}, is "
            f"{quantiles[galaxy, target].tolist()}. Sort them with np.sort(y_quantiles, axis=-1)."
        )
    quantiles[np.isnan(quantiles).any(axis=2)] = np.nan
    return quantiles


def pair_quantiles(
    y_true: Any, y_quantiles: Any, levels: np.ndarray, *, targets: Sequence[str] | None = None
) -> list[QuantilePair]:
    """Pair labels with predicted quantiles by position, target by target.

    Parameters
    ----------
    y_true : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels, in dex.
    y_quantiles : array-like of shape (n_galaxies, n_levels) or (n_galaxies, n_targets, n_levels)
        Quantiles, in dex.
    levels : ndarray of shape (n_levels,)
        Their levels, as `check_levels` gives them.
    targets : sequence of str, default=None
        Names of the targets, by default those of the columns of `y_true`.

    Returns
    -------
    list of QuantilePair
        In the order of the columns.

    Raises
    ------
    ValueError
        If the input is malformed, or a target has no galaxy left.
    """
    true, columns = read_values(y_true, "y_true")
    quantiles = read_quantiles(y_quantiles, levels)
    if quantiles.shape[:2] != true.shape:
        raise ValueError(
            "y_true and y_quantiles must have one row a galaxy and the same targets; got shapes "
            f"{np.shape(y_true)} and {np.shape(y_quantiles)} for {len(levels)} levels."
        )
    names = target_names(targets, columns, true.shape[1])
    read_targets(true, names)  # labels which are no dex are an error, as in `pair_targets`
    pairs = []
    for k, name in enumerate(names):
        kept = _kept(name, true[:, k], np.isnan(quantiles[:, k, 0]), "y_quantiles")
        pairs.append(QuantilePair(name, true[kept, k], quantiles[kept, k], kept))
    return pairs


def pair_intervals(
    y_true: Any,
    lower: Any,
    upper: Any,
    *,
    targets: Sequence[str] | None = None,
    only: str | int | None = None,
) -> list[IntervalPair]:
    """Pair labels with predicted intervals by position, target by target.

    Parameters
    ----------
    y_true, lower, upper : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and both ends of the intervals, in dex. An open end is infinite.
    targets : sequence of str, default=None
        Names of the targets, by default those of the columns.
    only : str or int, default=None
        Keep this target alone, given by its name or its position.

    Returns
    -------
    list of IntervalPair
        In the order of the columns.

    Raises
    ------
    ValueError
        If the input is malformed, an interval ends below its start, or a target has no galaxy
        left.
    """
    true, columns = read_values(y_true, "y_true")
    low, low_columns = read_values(lower, "lower", allow_infinite=True)
    high, high_columns = read_values(upper, "upper", allow_infinite=True)
    if not true.shape == low.shape == high.shape:
        raise ValueError(
            "y_true, lower and upper must have one row a galaxy and the same targets; got shapes "
            f"{np.shape(y_true)}, {np.shape(lower)} and {np.shape(upper)}."
        )
    for given in (low_columns, high_columns):
        check_same_order(columns, given)
    names = target_names(targets, columns or low_columns, true.shape[1])
    chosen = list(range(len(names))) if only is None else [target_position(names, only)]
    # Labels which are no dex are an error, as in `pair_targets`.
    read_targets(true[:, chosen], [names[k] for k in chosen])
    pairs = []
    for k, name in ((k, names[k]) for k in chosen):
        swapped = int((low[:, k] > high[:, k]).sum())
        if swapped:
            raise ValueError(
                f"lower must not exceed upper, but does so for {name!r} in {swapped} of "
                f"{len(low)} rows. Were they given in the order lower, upper?"
            )
        missing = np.isnan(low[:, k]) | np.isnan(high[:, k])
        kept = _kept(name, true[:, k], missing, "lower or upper")
        pairs.append(IntervalPair(name, true[kept, k], low[kept, k], high[kept, k], kept))
    return pairs


def _kept(name: str, true: np.ndarray, missing: np.ndarray, argument: str) -> np.ndarray:
    kept = ~(np.isnan(true) | missing)
    if not kept.any():
        raise ValueError(
            f"No galaxy has both a label and a prediction of {name!r}: of {len(true)} rows, "
            f"{int(np.isnan(true).sum())} have NaN in y_true and {int(missing.sum())} in "
            f"{argument}. The selection may have rejected them all."
        )
    return kept
