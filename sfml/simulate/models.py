"""Which models of a library a survey would contain."""

from __future__ import annotations

import warnings

import numpy as np

from sfml.simulate.limits import Redshifts

# A model that would pass the limit more rarely is not worth its noise.
_LEAST_CHANCE = 1e-4
# Bins of redshift that a small library happens to lack are served by one so many bins away.
_NEIGHBOURS = 2


def choose_models(
    redshift: np.ndarray,
    chance: np.ndarray,
    redshifts: Redshifts | None,
    n: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw n models with replacement; their rows, (n,).

    Models have a redshift and a chance of being selected, (n_models,). With `redshifts` every bin
    of redshift has its share, which goes to a near one if there are no models in it; without, all
    models are drawn by their chance alone.
    """
    chance = np.where(chance < _LEAST_CHANCE, 0.0, chance)
    if redshifts is None:
        bins, n_bins = np.zeros(len(redshift), dtype=int), 1
    else:
        bins, n_bins = redshifts.bins_of(redshift), len(redshifts.edges) - 1
    inside = bins >= 0
    weight = np.bincount(bins[inside], chance[inside], n_bins)
    served = np.flatnonzero(weight > 0)
    if not len(served):
        raise ValueError(
            "No model of the library would be in the survey: "
            + _ranges(redshift, redshifts, inside)
        )
    nearest = served[np.abs(served - np.arange(n_bins)[:, None]).argmin(axis=1)]
    empty = np.flatnonzero(np.abs(nearest - np.arange(n_bins)) > _NEIGHBOURS)
    if len(empty) and redshifts is not None:
        _warn_of_empty(redshift, redshifts, empty)
    wanted = np.bincount(rng.choice(np.delete(nearest, empty), size=n), minlength=n_bins)
    chosen = [_draw(np.flatnonzero(bins == k), chance, wanted[k], rng) for k in served]
    return rng.permutation(np.concatenate(chosen))


def _draw(rows: np.ndarray, chance: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    weight = chance[rows]
    return rng.choice(rows, size=n, p=weight / weight.sum())


def _ranges(redshift: np.ndarray, redshifts: Redshifts | None, inside: np.ndarray) -> str:
    if redshifts is not None and not inside.any():
        return (
            f"its redshifts are {redshift.min():.3g} to {redshift.max():.3g}, the survey's "
            f"{redshifts.edges[0]:.3g} to {redshifts.edges[-1]:.3g}."
        )
    return f"none of {inside.sum()} at its redshifts is as bright as its magnitude limit."


def _warn_of_empty(redshift: np.ndarray, redshifts: Redshifts, empty: np.ndarray) -> None:
    n_bins = len(redshifts.edges) - 1
    low, high = redshifts.edges[empty[0]], redshifts.edges[empty[-1] + 1]
    warnings.warn(
        f"The library has no models bright enough for the survey at the redshifts of "
        f"{len(empty) / n_bins:.0%} of its galaxies, which lie between {low:.3g} and {high:.3g}; "
        f"the library's are {redshift.min():.3g} to {redshift.max():.3g}. Such galaxies are left "
        "out.",
        UserWarning,
        stacklevel=4,
    )
