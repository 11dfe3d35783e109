"""The reference flux of a galaxy: one measure of its brightness from many bands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# The least scatter of a band about the reference: bands are not trusted beyond a few per cent.
_LEAST_SCATTER = 0.05


class ReferenceFlux(NamedTuple):
    """How to read the reference flux off any bands.

    Without `scatter` it is the geometric mean of the bands in `used`. With it, every band is
    divided by its typical ratio to that mean, ``exp(colour)``, and weighted by how closely it
    tells it: a galaxy that misses some bands, even all in `used`, still has one.
    """

    used: np.ndarray  # (n_bands,), bool
    colour: np.ndarray  # (n_bands,), natural logarithm
    scatter: np.ndarray | None = None  # (n_bands,), natural logarithm

    def log(self, flux: np.ndarray, error: np.ndarray | None) -> np.ndarray:
        """Compute the natural logarithm of the reference flux; NaN where no band tells it.

        A flux below its error counts as its error.
        """
        bands = slice(None) if self.scatter is not None else self.used
        flux = flux[:, bands]
        error = np.zeros(flux.shape) if error is None else error[:, bands]
        bright = np.maximum(flux, error)
        measured = bright > 0  # NaN compares false
        bright = np.where(measured, bright, 1)
        values = np.log(bright) - self.colour[bands]
        weight = measured.astype(float)
        if self.scatter is not None:
            relative = np.where(measured, error, 0) / bright
            weight = weight / (self.scatter**2 + relative**2)
        total = weight.sum(axis=1)
        known = total != 0
        mean = (weight * values).sum(axis=1) / np.where(known, total, 1)
        return np.where(known, mean, np.nan)


def learn_reference(
    flux: np.ndarray, error: np.ndarray | None, used: np.ndarray, *, any_bands: bool
) -> ReferenceFlux:
    """Learn the bands in `used`, and for `any_bands` all colours and their scatter."""
    plain = ReferenceFlux(used, np.zeros(len(used)))
    if not any_bands:
        return plain
    ratio = np.full(flux.shape, np.nan)
    positive = flux > 0
    ratio[positive] = np.log(flux[positive])
    ratio -= plain.log(flux, error)[:, np.newaxis]
    colour, scatter = np.zeros(len(used)), np.full(len(used), 10.0)  # 10: tells next to nothing
    for j, column in enumerate(ratio.T):
        known = column[np.isfinite(column)]
        if len(known):
            colour[j] = np.median(known)
            scatter[j] = np.hypot(1.4826 * np.median(np.abs(known - colour[j])), _LEAST_SCATTER)
    return ReferenceFlux(used, colour, scatter)
