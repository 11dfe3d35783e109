"""Photometry as arrays: what is measured, how well, at which redshift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Photometry(NamedTuple):
    """Fluxes, errors and redshifts of n galaxies: NaN where missing, None where not asked for."""

    flux: np.ndarray  # (n, n_bands)
    error: np.ndarray | None
    redshift: np.ndarray | None  # (n,)
    redshift_error: np.ndarray | None

    def columns(self, *, errors: bool) -> np.ndarray:
        """Write all columns into one array, the errors only if wanted."""
        parts = (self.flux, self.error if errors else None, self.redshift, self.redshift_error)
        return np.column_stack([part for part in parts if part is not None])

    def rows(self, kept: np.ndarray | slice) -> Photometry:
        """Keep some galaxies: marked in (n,), or by their positions."""
        flux, *others = self
        return Photometry(flux[kept], *(None if part is None else part[kept] for part in others))

    def without(self, dropped: np.ndarray) -> Photometry:
        """Give a copy in which some bands, marked in (n, n_bands), were not observed."""
        flux = np.where(dropped, np.nan, self.flux)
        error = None if self.error is None else np.where(dropped, np.nan, self.error)
        return self._replace(flux=flux, error=error)


def mean_log_snr(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Compute the mean logarithm, in dex, of the signal-to-noise ratios of each galaxy's bands.

    An inverse hyperbolic sine is one where they are large, and linear where they are not.
    """
    score = np.arcsinh(flux / (2 * error)) / np.log(10)
    observed = ~np.isnan(score)
    count = observed.sum(axis=1)
    total = np.where(observed, score, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
