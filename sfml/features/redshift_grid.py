"""The grid of redshifts that a catalogue's labels were fitted on.

SPS codes save time by computing models at a grid of redshifts. MAGPHYS then takes the distance at
each galaxy's redshift, and so does CIGALE today; but some catalogues' luminosities belong to the
distance of the grid's redshift. That is an error of the labels: a saw-tooth in redshift, 0.5 dex
deep for a step of 0.02 at z = 0.02, too sharp for a network to learn from the redshift alone, and
known exactly once the grid is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge

from sfml.features.cosmology import log_distance_factor

STEPS = (0.1, 0.05, 0.04, 0.03, 0.025, 0.02, 0.015, 0.01, 0.005, 0.004, 0.002, 0.001)
"""Steps that are tried, each with grid points at its multiples and half-way between them."""

# The share of the variance that a grid must explain: next to none, but more than chance can give
# to the best of two dozen grids.
SMALLEST_GAIN = 0.003
SMALLEST_GAIN_IN_ROWS = 15.0


class RedshiftGrid(NamedTuple):
    """Equally spaced redshifts, at ``(i + offset) * step`` for whole i."""

    step: float
    offset: float

    @property
    def first(self) -> float:
        """Smallest point of the grid above zero, which has no distance."""
        return (self.offset % 1 or 1.0) * self.step

    def nearest(self, redshift: np.ndarray) -> np.ndarray:
        """Nearest point of the grid above zero."""
        point = (np.round(redshift / self.step - self.offset) + self.offset) * self.step
        return np.maximum(point, self.first)

    def shift(self, redshift: np.ndarray) -> np.ndarray:
        """Compute what the grid adds to the logarithm of a luminosity, in dex."""
        at_grid = log_distance_factor(np.log10(self.nearest(redshift)))
        return at_grid - log_distance_factor(np.log10(redshift))


def find_redshift_grid(
    redshift: np.ndarray, features: np.ndarray, log_ratio: np.ndarray
) -> RedshiftGrid | None:
    """Find the grid that the labels show, if they show one.

    It is the one that explains most, averaged over the targets, of `log_ratio`: the targets less
    the logarithm of a luminosity at each galaxy's redshift, in dex, (n_galaxies, n_targets). What a
    linear model of the `features` and of powers of the redshift explains is taken out first.
    """
    z = (redshift - redshift.mean()) / max(redshift.std(), 1e-12)
    design = np.column_stack([_standardised(features), z, z**2, z**3])
    left = log_ratio - Ridge(1.0).fit(design, log_ratio).predict(design).reshape(log_ratio.shape)
    variance = np.maximum(np.sum(left**2, axis=0), 1e-12)
    grids = [RedshiftGrid(step, offset) for step in STEPS for offset in (0.0, 0.5)]
    shifts = np.column_stack([grid.shift(redshift) for grid in grids])
    shifts -= Ridge(1.0).fit(design, shifts).predict(design)
    gains = [
        np.mean(1 - np.sum((left - shift[:, np.newaxis]) ** 2, axis=0) / variance)
        for shift in shifts.T
    ]
    best = int(np.argmax(gains))
    enough = gains[best] > max(SMALLEST_GAIN, SMALLEST_GAIN_IN_ROWS / len(redshift))
    return grids[best] if enough else None


def _standardised(features: np.ndarray) -> np.ndarray:
    scale = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(scale > 0, scale, 1)
