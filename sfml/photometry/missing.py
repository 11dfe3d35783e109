"""What counts as "not measured": decided here for every reader and every step.

A band was not measured where its flux or its error is NaN, null, masked or a missing code (these
are NaN already when a table has been read: `sfml.tables.extract`), where its error is not
positive, where the error is so large that the flux says nothing, and where the flux lies so far
below zero that no noise can have put it there.
"""

from __future__ import annotations

import numpy as np

# Of galaxies that were measured, no error exceeds the brightest flux detected by as much: the far
# infrared's noise is about a thousand times the optical flux of GAMA's faintest galaxies.
LARGEST_RATIO = 1e6
# "Not observed" in some programs' files: 9.9e99, 1e30, ...
LARGEST_ERROR = 1e30
# No noise reaches this; a code that nobody declared does (-99.9 +- 0.001).
LEAST_SNR = -1e4
# A detection, for which the noise says little against the flux.
DETECTION = 3.0
# Errors that say nothing are so many times larger than those of a survey's best galaxies.
USUAL_ERRORS = 1e3


def find_missing(
    flux: np.ndarray, error: np.ndarray | None, largest_error: np.ndarray | None = None
) -> np.ndarray:
    """Say which measurements say nothing, (n_galaxies, n_bands).

    `largest_error` has, for each band, the error above which it says nothing unless there is a
    detection, as `learn_largest_errors` gives it.
    """
    missing = np.isnan(flux)
    if error is None:
        return missing
    with np.errstate(all="ignore"):
        missing |= ~(error > 0) | (error >= LARGEST_ERROR)
        detected = ~missing & (flux >= DETECTION * error)
        brightest = np.where(detected, flux, 0).max(axis=1, initial=0)[:, np.newaxis]
        missing |= ~detected & (brightest > 0) & (error > LARGEST_RATIO * brightest)
        missing |= flux < LEAST_SNR * error
        if largest_error is not None:
            missing |= ~detected & (error > largest_error)
    return missing


def learn_largest_errors(error: np.ndarray | None) -> np.ndarray | None:
    """Learn, for each band, the error above which it says nothing unless there is a detection."""
    if error is None:
        return None
    limits = np.full(error.shape[1], np.inf)
    for j, column in enumerate(error.T):
        known = column[np.isfinite(column)]
        if len(known):
            # A low quantile: of the others, many may be errors that say nothing.
            limits[j] = USUAL_ERRORS * np.quantile(known, 0.05)
    return limits


def find_upper_limits(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Say where a negative error marks an upper limit: not if far below it, as CIGALE's -9999."""
    with np.errstate(invalid="ignore", over="ignore"):
        return (error < 0) & (flux > 0) & (-error <= USUAL_ERRORS * flux)


def apply_upper_limits(flux: np.ndarray, error: np.ndarray, n_sigma: float) -> None:
    """Rewrite upper limits of `n_sigma`, marked by a negative error, as measurements of 0.

    In place: the error becomes the limit divided by `n_sigma`.
    """
    limit = find_upper_limits(flux, error)
    error[limit] = flux[limit] / n_sigma
    flux[limit] = 0
