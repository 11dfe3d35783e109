"""Bands taken away from galaxies in training, so that one network serves any subset of them."""

from __future__ import annotations

import numpy as np

_TRIES = 4


def draw_dropout(
    observed: np.ndarray,
    detected: np.ndarray,
    wavelengths: np.ndarray,
    min_bands: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw which of its observed bands each galaxy is to lose.

    A third of the galaxies lose bands at random, any number of them; a third lose all bands in a
    range of wavelengths, or all outside of one, as another survey would; and a third get the gaps
    of another galaxy of the catalogue.
    """
    dropped = np.zeros_like(observed)
    todo = np.arange(len(observed))
    for _ in range(_TRIES):
        candidate = _draw(observed, todo, wavelengths, rng)
        left = (detected[todo] & ~candidate).sum(axis=1)
        has_band = (observed[todo] & ~candidate).any(axis=1)
        good = (left >= min_bands) & has_band
        dropped[todo[good]] = candidate[good]
        todo = todo[~good]
    return dropped & observed


def _draw(
    observed: np.ndarray, rows: np.ndarray, wavelengths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    shape = (len(rows), observed.shape[1])
    at_random = rng.random(shape) < rng.random((len(rows), 1))
    rank = np.argsort(np.argsort(wavelengths))
    ends = np.sort(rng.integers(0, shape[1] + 1, (len(rows), 2)), axis=1)
    within = (rank >= ends[:, [0]]) & (rank < ends[:, [1]])
    in_range = within ^ (rng.random((len(rows), 1)) < 0.5)
    as_another = ~observed[rng.integers(0, len(observed), len(rows))]
    kind = rng.integers(0, 3, (len(rows), 1))
    return np.select([kind == 0, kind == 1], [at_random, in_range], as_another)
