"""Which galaxies a survey selects: its flux limit and its redshifts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from sfml.tables.units import AB_ZERO_POINT

# The selection band is measured for at least this share of the galaxies, and the faint end of its
# magnitudes is at most this wide.
_MEASURED, _SHARPEST = 0.99, 0.5
# The faint end lies between these two quantiles of the flux. The lower one is taken as the limit: a
# few galaxies lie below it, because they were selected by another measurement.
_MOST, _LAST = 0.10, 0.005
# Galaxies in a bin of redshift, and bins, at most.
_IN_BIN, _MOST_BINS = 50, 50


class FluxLimit(NamedTuple):
    """Flux in Jy that a galaxy is at least measured to have, in the band at a position."""

    band: int
    flux: float

    @property
    def magnitude(self) -> float:
        """The limit as an AB magnitude."""
        return -2.5 * float(np.log10(self.flux / AB_ZERO_POINT))

    @classmethod
    def at(cls, band: int, magnitude: float) -> FluxLimit:
        """Make the limit of an AB magnitude."""
        return cls(band, flux_of(magnitude))

    @classmethod
    def learn(cls, flux: np.ndarray, band: int | None = None) -> FluxLimit | None:
        """Estimate from measured fluxes, (n, n_bands) in Jy; None if there is no sharp end.

        With `band` it is the one given, else that whose magnitudes end most sharply.
        """
        if band is None:
            ends = [_faint_end(column) for column in flux.T]
            band = int(np.argmin(ends))
            if ends[band] > _SHARPEST:
                return None
        column = flux[:, band]
        limit = float(np.quantile(column[column > 0], _LAST))
        return cls(band, limit)

    def chance(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Give each galaxy's chance, (n,), of being measured above the limit."""
        return ndtr((flux - self.flux) / error)

    def draw(self, flux: np.ndarray, error: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw measured fluxes, (n,), that are above the limit."""
        chance = np.maximum(self.chance(flux, error), np.finfo(float).tiny)
        return flux - error * ndtri(chance * (1 - rng.random(len(flux))))


class Redshifts(NamedTuple):
    """Distribution of a survey's redshifts: bins that hold equally many galaxies."""

    edges: np.ndarray  # (n_bins + 1,)

    @classmethod
    def learn(cls, redshift: np.ndarray) -> Redshifts:
        """Learn from redshifts, (n,)."""
        n_bins = int(np.clip(len(redshift) // _IN_BIN, 1, _MOST_BINS))
        edges = np.unique(np.quantile(redshift, np.linspace(0, 1, n_bins + 1)))
        return cls(edges if len(edges) > 1 else np.repeat(edges, 2))

    def bins_of(self, redshift: np.ndarray) -> np.ndarray:
        """Find the bin of each redshift, (n,); -1 outside."""
        bins = np.searchsorted(self.edges, redshift, side="right") - 1
        bins[redshift == self.edges[-1]] = len(self.edges) - 2
        bins[bins > len(self.edges) - 2] = -1
        return bins


def flux_of(magnitude: float) -> float:
    """Convert an AB magnitude to a flux in Jy."""
    return AB_ZERO_POINT * 10 ** (-0.4 * magnitude)


def _faint_end(flux: np.ndarray) -> float:
    """Width of the faint end of a band's magnitudes; infinite if many are not measured."""
    known = flux[~np.isnan(flux)]
    if len(known) < _MEASURED * len(flux):
        return np.inf
    most, last = np.quantile(known, [_MOST, _LAST])
    return 2.5 * float(np.log10(most / last)) if last > 0 else np.inf
