"""A guard against fluxes in another unit than those a model learnt from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sfml.photometry.photometry import Photometry

# What the guard grants beyond the galaxies of `fit`, in dex, and how many of these make a range.
# One faint galaxy in 36,000 would hide a factor of 1/1000: hence the tails left out.
_MARGIN = 1.0
_FEWEST = 100
_TAIL = 1e-3


class UnitGuard(NamedTuple):
    """How bright galaxies are: a mean over their bands, each relative to its typical flux.

    With a redshift it is a luminosity, which varies less than a flux.
    """

    typical: np.ndarray  # (n_bands,), log10 of each band's typical flux
    low: float = -np.inf  # dex
    high: float = np.inf

    @classmethod
    def learn(cls, photometry: Photometry) -> UnitGuard:
        """Learn how bright galaxies are; a guard that lets all pass if there are too few."""
        logs = _logs(photometry.flux)
        known = np.isfinite(logs)
        total = np.where(known, logs, 0).sum(axis=0)
        guard = cls(total / np.maximum(known.sum(axis=0), 1))
        brightness = guard.brightness(photometry)
        brightness = brightness[np.isfinite(brightness)]
        if len(brightness) < _FEWEST:
            return guard
        low, high = np.quantile(brightness, [_TAIL, 1 - _TAIL])
        return guard._replace(low=float(low), high=float(high))

    def brightness(self, photometry: Photometry) -> np.ndarray:
        """Compute the brightness of each galaxy, in dex; NaN where no flux is positive."""
        logs = _logs(photometry.flux) - self.typical
        known = np.isfinite(logs)
        count = known.sum(axis=1)
        total = np.where(known, logs, 0).sum(axis=1)
        brightness = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        if photometry.redshift is not None:
            positive = np.where(photometry.redshift > 0, photometry.redshift, np.nan)
            brightness = brightness + 2 * np.log10(positive)
        return brightness

    def check(self, photometry: Photometry) -> None:
        """Raise a ValueError if most galaxies are far brighter, or fainter, than those learnt."""
        brightness = self.brightness(photometry)
        known = brightness[np.isfinite(brightness)]
        beyond = (known < self.low - _MARGIN) | (known > self.high + _MARGIN)
        if beyond.sum() * 2 <= len(known):
            return
        factor = 10 ** (np.median(known) - (self.low + self.high) / 2)
        raise ValueError(
            f"{beyond.sum()} of {len(known)} galaxies are at least ten times brighter, or fainter, "
            f"than nearly all of training; the typical one by a factor of {factor:.3g} from their "
            "middle. Are the fluxes in another unit, such as mJy for Jy (a factor of 1000)? "
            "Convert them, or declare the catalogue's unit (BandSet's unit, or that of an astropy "
            "column). unit_guard=False switches this check off."
        )


def _logs(flux: np.ndarray) -> np.ndarray:
    """Decimal logarithm of the positive fluxes, NaN for the others."""
    out = np.full(flux.shape, np.nan)
    np.log10(flux, out=out, where=flux > 0)
    return out
