"""Photometry as arrays: what is measured, how well, at which redshift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sfml.bands import BandSet

N_REDSHIFT = {"none": 0, "spectroscopic": 1, "photometric": 2}
"""Columns after the fluxes and errors, by what is known of the redshift."""


class Photometry(NamedTuple):
    """Fluxes, errors and redshifts of n galaxies: NaN where missing, None where not asked for."""

    flux: np.ndarray  # (n, n_bands)
    error: np.ndarray | None
    redshift: np.ndarray | None  # (n,)
    redshift_error: np.ndarray | None

    @classmethod
    def split(
        cls, values: np.ndarray, n_bands: int, *, errors: bool, n_redshift: int = 1
    ) -> Photometry:
        """Tell the columns of one array apart: fluxes, errors, redshift and its error."""
        end = (2 if errors else 1) * n_bands
        return cls(
            flux=values[:, :n_bands],
            error=values[:, n_bands:end] if errors else None,
            redshift=values[:, end] if n_redshift else None,
            redshift_error=values[:, end + 1] if n_redshift == 2 else None,
        )

    def columns(self, *, errors: bool) -> np.ndarray:
        """Write all columns into one array, the errors only if wanted."""
        error = self.error if errors else None
        parts = (self.flux, error, self.redshift, self.redshift_error)
        return np.column_stack([part for part in parts if part is not None])

    def clean(self, bands: BandSet, upper_limits: float | None = None) -> Photometry:
        """Write NaN for whatever means "not measured"; overwrites the arrays."""
        flux, error, redshift, redshift_error = self
        missing = bands.is_missing(flux)
        if error is not None:
            missing |= bands.is_missing(error)
            if upper_limits is not None:
                limit = ~missing & (error < 0) & (flux > 0)
                error[limit] = flux[limit] / upper_limits
                flux[limit] = 0
            missing |= error <= 0
            error[missing] = np.nan
        flux[missing] = np.nan
        for column in (redshift, redshift_error):
            if column is not None:
                column[bands.is_missing(column)] = np.nan
        return self

    def rows(self, kept: np.ndarray) -> Photometry:
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
