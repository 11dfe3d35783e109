"""Flux errors of a survey: how large at which flux, with their scatter, and together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

# Levels at which the distribution of errors at a flux is kept.
LEVELS = np.array([0.005, 0.025, *np.arange(0.05, 0.96, 0.05), 0.975, 0.995])
# Galaxies in a bin of flux, at least, and bins, at most.
_IN_BIN, _MOST_BINS = 50, 20
# Fluxes below so many errors are one bin: noise, not the galaxy, sets their order.
_FAINT = 2.0
# Two bands' errors are correlated as far as so many galaxies say.
_FEWEST_PAIRS = 50


class BandErrors(NamedTuple):
    """Distribution of a band's errors as a function of flux, both in Jy.

    Between the bins it is interpolated in the logarithm of the flux; fainter fluxes have the errors
    of the faintest bin, and brighter ones errors that go on growing as a power of the flux.
    """

    flux: np.ndarray  # (n_bins,), growing
    log_error: np.ndarray  # (n_bins, n_levels), natural logarithm of the errors at `LEVELS`
    growth: float  # of the logarithm with that of the flux beyond the last bin, 0 to 1

    @classmethod
    def learn(cls, flux: np.ndarray, error: np.ndarray) -> BandErrors:
        """Learn from the fluxes and errors, (n,), of the galaxies measured in the band."""
        brightness = _brightness(flux, error)
        n_bins = int(np.clip(len(flux) // _IN_BIN, 1, _MOST_BINS))
        inner = np.quantile(brightness, np.arange(1, n_bins) / n_bins)
        bins = np.searchsorted(np.unique(inner), brightness, side="right")
        members = [bins == k for k in np.unique(bins)]
        logs, log_flux = np.log(error), np.log(brightness)
        centres = np.array([np.median(log_flux[rows]) for rows in members])
        medians = np.array([np.median(logs[rows]) for rows in members])
        # The scatter is that about the errors' growth, which within a bin may be as large.
        residual = logs - np.interp(log_flux, centres, medians)
        scatter = np.array([np.quantile(residual[rows], LEVELS) for rows in members])
        return cls(np.exp(centres), medians[:, None] + scatter, _growth(centres, medians))

    @classmethod
    def from_depth(cls, faint: float, relative: float, scatter: float) -> BandErrors:
        """Make the errors of a published depth.

        The error is that of faint fluxes, in Jy, and a fraction of the flux in quadrature; it
        scatters by `scatter` in its natural logarithm.
        """
        flux = faint * np.geomspace(1, 1e5, 26)
        median = 0.5 * np.log(faint**2 + (relative * flux) ** 2)
        return cls(flux, median[:, None] + scatter * ndtri(LEVELS), 1.0 if relative else 0.0)

    def at(self, flux: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Give the errors at true fluxes, (n,), and at levels between 0 and 1, (n,)."""
        upper, share = self._place(flux)
        below = _interpolate(self.log_error[np.maximum(upper - 1, 0)], level)
        above = _interpolate(self.log_error[upper], level)
        beyond = np.log(np.maximum(flux / self.flux[-1], 1.0))
        return np.exp(below + share * (above - below) + self.growth * beyond)

    def level_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Give the levels, (n,), at which errors lie among those of galaxies as bright."""
        upper, share = self._place(_brightness(flux, error))
        below, above = self.log_error[np.maximum(upper - 1, 0)], self.log_error[upper]
        table = below + share[:, None] * (above - below)
        beyond = np.log(np.maximum(flux / self.flux[-1], 1.0))
        logs = np.log(error) - self.growth * beyond
        last = len(LEVELS) - 1
        right = np.clip((table < logs[:, None]).sum(axis=1), 1, last)
        rows = np.arange(len(logs))
        left, width = table[rows, right - 1], table[rows, right] - table[rows, right - 1]
        share = np.where(width > 0, (logs - left) / np.where(width > 0, width, 1), 0.5)
        return LEVELS[right - 1] + np.clip(share, 0, 1) * (LEVELS[right] - LEVELS[right - 1])

    def _place(self, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the bin above each flux, and how far from the bin below it lies, 0 to 1."""
        logs = np.log(self.flux)
        if len(logs) == 1:
            return np.zeros(len(flux), dtype=int), np.zeros(len(flux))
        position = np.log(np.clip(flux, self.flux[0], self.flux[-1]))
        upper = np.clip(np.searchsorted(logs, position), 1, len(logs) - 1)
        return upper, (position - logs[upper - 1]) / (logs[upper] - logs[upper - 1])


class ErrorModel(NamedTuple):
    """Errors of all bands of a survey, drawn together: a Gaussian copula ties the bands."""

    bands: tuple[BandErrors, ...]
    correlation: np.ndarray  # (n_bands, n_bands)

    @classmethod
    def learn(cls, flux: np.ndarray, error: np.ndarray) -> ErrorModel:
        """Learn from fluxes and errors, (n, n_bands) in Jy, NaN where not measured."""
        models, scores = [], np.full(flux.shape, np.nan)
        for j in range(flux.shape[1]):
            known = ~np.isnan(flux[:, j])
            model = BandErrors.learn(flux[known, j], error[known, j])
            scores[known, j] = ndtri(model.level_of(flux[known, j], error[known, j]))
            models.append(model)
        return cls(tuple(models), _correlation(scores))

    def draw(self, flux: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw errors for true fluxes, both (n, n_bands) in Jy."""
        values, vectors = np.linalg.eigh(self.correlation)
        root = vectors * np.sqrt(np.maximum(values, 0))
        levels = ndtr(rng.standard_normal(flux.shape) @ root.T)
        columns = zip(self.bands, flux.T, levels.T, strict=True)
        return np.column_stack([band.at(f, level) for band, f, level in columns])

    def typical(self, band: int, flux: np.ndarray) -> np.ndarray:
        """Give the median errors, (n,), of one band at true fluxes, (n,)."""
        return self.bands[band].at(flux, np.full(len(flux), 0.5))


def _brightness(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Fluxes, those lost in the noise of a faint galaxy alike."""
    faint = flux <= np.quantile(flux, 0.3)
    return np.maximum(flux, _FAINT * np.median(error[faint]))


def _growth(log_flux: np.ndarray, log_error: np.ndarray) -> float:
    """Slope of the errors at the bright end."""
    if len(log_flux) < 2:
        return 0.0
    slope = (log_error[-1] - log_error[-2]) / (log_flux[-1] - log_flux[-2])
    return float(np.clip(slope, 0.0, 1.0))


def _interpolate(tables: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Interpolate each row of (n, n_levels) tables at its own level, (n,)."""
    level = np.clip(level, LEVELS[0], LEVELS[-1])
    upper = np.clip(np.searchsorted(LEVELS, level), 1, len(LEVELS) - 1)
    share = (level - LEVELS[upper - 1]) / (LEVELS[upper] - LEVELS[upper - 1])
    rows = np.arange(len(level))
    return tables[rows, upper - 1] * (1 - share) + tables[rows, upper] * share


def _correlation(scores: np.ndarray) -> np.ndarray:
    """Correlate normal scores, (n, n_bands), NaN where not measured, into a valid matrix."""
    n_bands = scores.shape[1]
    matrix = np.eye(n_bands)
    for i in range(n_bands):
        for j in range(i):
            both = ~np.isnan(scores[:, i]) & ~np.isnan(scores[:, j])
            one, other = scores[both, i], scores[both, j]
            if len(one) >= _FEWEST_PAIRS and one.std() > 0 and other.std() > 0:
                matrix[i, j] = matrix[j, i] = np.corrcoef(one, other)[0, 1]
    # Pairs measured in different galaxies need not make a matrix that is positive definite.
    values, vectors = np.linalg.eigh(matrix)
    matrix = vectors @ np.diag(np.maximum(values, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)
