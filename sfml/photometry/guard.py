"""Guards against values that are not what they are taken for: another unit, or no flux at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from sfml.bands import BandSet
from sfml.photometry.photometry import Photometry
from sfml.weights import nmad

FEWEST = 100
"""Rows that make a catalogue: from fewer, nothing is concluded about a unit."""

# Dex granted beyond nearly all galaxies of `fit`: a single faint galaxy would hide a factor of
# 1/1000, hence the tails left out.
_MARGIN = 1.0
_TAIL = 1e-3
_NOISE_MARGIN = 0.05
# Of the catalogues that share a unit, the errors of the best-measured galaxies differ from band to
# band by more than this (dex); a factor in all fluxes and errors moves every band alike.
_ALIKE = 0.05
_NOTICED, _REFUSED = 0.1, 0.7
# A magnitude does not vary by this factor from galaxy to galaxy, nor from band to band; fluxes do.
_RANGE_OF_MAGNITUDES = 3.0

_is_part: ContextVar[bool] = ContextVar("is_part", default=False)


@contextmanager
def part_of_catalogue() -> Iterator[None]:
    """Refuse no rows for their unit in the block: they are part of a catalogue, not a catalogue.

    What a galaxy gets must not depend on how its catalogue was cut into parts. Galaxies that look
    as if they were in another unit are flagged, as ever.
    """
    token = _is_part.set(True)
    try:
        yield
    finally:
        _is_part.reset(token)


class UnitGuard(NamedTuple):
    """How bright the galaxies of a catalogue are, and how noisy at that brightness.

    The brightness is a mean over a galaxy's bands, each relative to its typical flux; with a
    redshift it is a luminosity, which varies less. The noise is a mean over the same bands of the
    logarithm of the error, relative to that of a galaxy of `learn` as bright: it depends on the
    survey's depth, and on the unit.
    """

    typical: np.ndarray  # (n_bands,), log10 of each band's typical flux
    floor: np.ndarray | None = None  # (n_bands,), error of the best measurements of faint fluxes
    relative: np.ndarray | None = None  # (n_bands,), relative error of bright fluxes
    brightness: tuple[float, float] = (-np.inf, np.inf)  # dex
    noise: tuple[float, float] = (-np.inf, np.inf)  # dex

    @classmethod
    def learn(cls, photometry: Photometry) -> UnitGuard:
        """Learn from the galaxies of a `fit`; fewer than 100 make a guard that lets all pass."""
        logs = _logs(photometry.flux)
        known = np.isfinite(logs)
        typical = np.where(known, logs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        guard = cls(typical)
        if len(logs) < FEWEST:
            return guard
        guard = guard._replace(brightness=_range(guard.brightness_of(photometry), _MARGIN))
        if photometry.error is None:
            return guard
        with np.errstate(all="ignore"):
            relative = photometry.error / np.abs(photometry.flux)
        guard = guard._replace(
            floor=_quantiles(photometry.error, 0.1), relative=_quantiles(relative, 0.02)
        )
        return guard._replace(noise=_range(guard.noise_of(photometry), _NOISE_MARGIN))

    @np.errstate(all="ignore")
    def brightness_of(self, photometry: Photometry) -> np.ndarray:
        """Compute the brightness of each galaxy, in dex; NaN where no flux is positive."""
        brightness = _mean(_logs(photometry.flux) - self.typical)
        if photometry.redshift is not None:
            positive = np.where(photometry.redshift > 0, photometry.redshift, np.nan)
            brightness = brightness + 2 * np.log10(positive)
        return brightness

    @np.errstate(all="ignore")
    def noise_of(self, photometry: Photometry) -> np.ndarray:
        """Compute the noise of each galaxy, in dex; NaN where it is not known."""
        if self.floor is None or self.relative is None or photometry.error is None:
            return np.full(len(photometry.flux), np.nan)
        from_brightness = self.relative * np.nan_to_num(photometry.flux)
        expected = np.hypot(self.floor, from_brightness)
        excess = np.log10(photometry.error) - np.log10(expected)
        # Bright fluxes have errors in proportion to them, which no unit can change.
        return _mean(excess, weight=(self.floor / expected) ** 2)

    def flag(self, photometry: Photometry) -> np.ndarray:
        """Mark galaxies that are far brighter, fainter or noisier than those of `learn`."""
        beyond = np.zeros(len(photometry.flux), dtype=bool)
        for value, (low, high) in (
            (self.brightness_of(photometry), self.brightness),
            (self.noise_of(photometry), self.noise),
        ):
            beyond |= (value < low) | (value > high)  # NaN compares false
        return beyond

    def check(self, photometry: Photometry) -> None:
        """Raise a ValueError, or warn, if a catalogue of 100 or more seems to be in another unit.

        A smaller one, or a part of one (`part_of_catalogue`), is never refused: what a galaxy gets
        does not depend on its neighbours.
        """
        if _is_part.get() or len(photometry.flux) < FEWEST:
            return
        if not np.isfinite(self.brightness).all():
            return
        advice = (
            "Are the fluxes in another unit, such as mJy for Jy (a factor of 1000), or magnitudes? "
            "Convert them, or declare the catalogue's unit (BandSet's unit, or that of an astropy "
            "column). unit_guard=False switches this check off."
        )
        brightness = self.brightness_of(photometry)
        known = brightness[np.isfinite(brightness)]
        low, high = self.brightness
        beyond = int(((known < low) | (known > high)).sum())
        if beyond * 2 > len(known):
            factor = 10 ** (np.median(known) - (low + high) / 2)
            raise ValueError(
                f"{beyond} of {len(known)} galaxies are at least ten times brighter, or fainter, "
                f"than nearly all of training; the typical one by a factor of {factor:.3g} from "
                f"their middle. {advice}"
            )
        shift = self._shift_of_errors(photometry)
        if abs(shift) > _NOTICED:
            message = (
                f"All fluxes and flux errors are {10**shift:.3g} times those of training, alike in "
                f"every band. {advice}"
            )
            if abs(shift) > _REFUSED:
                raise ValueError(message)
            warnings.warn(message, UserWarning, stacklevel=5)

    def _shift_of_errors(self, photometry: Photometry) -> float:
        """Factor in all errors and fluxes, in dex; 0 if they were not all moved alike."""
        if self.floor is None or photometry.error is None:
            return 0.0
        with np.errstate(all="ignore"):
            shifts = np.log10(_quantiles(photometry.error, 0.1)) - np.log10(self.floor)
        shifts = shifts[np.isfinite(shifts)]
        if len(shifts) < 2:
            return 0.0
        shift = float(np.median(shifts))
        scatter = nmad(shifts)
        of_fluxes = float(np.nanmedian(_mean(_logs(photometry.flux) - self.typical)))
        # Noise that was added, or a shallower survey, moves the errors alone.
        alike = scatter < _ALIKE and abs(of_fluxes - shift) < max(0.3, abs(shift) / 2)
        return shift if alike else 0.0


def check_are_fluxes(photometry: Photometry, bands: BandSet) -> None:
    """Refuse a catalogue whose fluxes are magnitudes, or whose errors are inverse variances."""
    flux, error = photometry.flux, photometry.error
    if _look_like_magnitudes(flux):
        raise ValueError(
            f"The fluxes look like magnitudes: they lie between {np.nanquantile(flux, 0.01):.3g} "
            f"and {np.nanquantile(flux, 0.99):.3g}, and vary little from band to band. sfml needs "
            "linear fluxes. For AB magnitudes and their errors, write flux = 3631 * 10**(-0.4 * "
            "mag) and fluxerr = flux * magerr / 1.0857, in Jy, and NaN where there is no detection "
            "(99 is a code: add it to BandSet's missing_codes, or write NaN). unit_guard=False "
            "switches this check off."
        )
    if error is not None and len(flux) >= FEWEST:
        problem = _problem_of_errors(flux, error)
        if problem:
            raise ValueError(
                f"The flux errors do not look like errors: {problem} Inverse variances become "
                "errors as fluxerr = 1 / np.sqrt(ivar), errors of magnitudes as fluxerr = flux * "
                f"magerr / 1.0857, in {bands.unit}. unit_guard=False switches this check off."
            )


@np.errstate(all="ignore")
def _look_like_magnitudes(flux: np.ndarray) -> bool:
    """Whether values are such as magnitudes are, in nearly all bands (99 and the like left out)."""
    values = np.where((flux > 5) & (flux < 40), flux, np.nan)
    share = np.isfinite(values).sum() / max(np.isfinite(flux).sum(), 1)
    counts = np.isfinite(values).sum(axis=0)
    used = counts >= 10
    if share < 0.5 or not used.any():
        return False
    low, high = np.nanquantile(values[:, used], [0.05, 0.95], axis=0)
    # They differ from galaxy to galaxy, but not by much.
    narrow = (high < _RANGE_OF_MAGNITUDES * low) & (high > low + 0.3)
    middles = np.nanmedian(values[:, used], axis=0)
    return bool(
        narrow.mean() > 0.8
        and middles.max() < _RANGE_OF_MAGNITUDES * middles.min()
        and len(flux) >= 10
    )


@np.errstate(all="ignore")
def _problem_of_errors(flux: np.ndarray, error: np.ndarray) -> str | None:
    """Say what is wrong with errors, if they are none."""
    relative = np.array(
        [
            np.nanmedian(e / np.abs(f))
            for f, e in zip(flux.T, error.T, strict=True)
            if np.isfinite(e).any()
        ]
    )
    if len(relative) and np.median(relative) > 1e3:
        return f"in most bands the typical one is {np.median(relative):.1g} times the flux."
    correlations = []
    for f, e in zip(flux.T, error.T, strict=True):
        known = (f > 0) & np.isfinite(e)
        if known.sum() >= FEWEST and np.ptp(e[known]) > 0:
            correlations.append(float(spearmanr(f[known], e[known]).statistic))
    falling = [c for c in correlations if c < -0.5]
    if len(falling) * 2 > len(correlations):
        return (
            f"in {len(falling)} of {len(correlations)} bands they are the smaller, the brighter "
            "the galaxy."
        )
    return None


def _logs(flux: np.ndarray) -> np.ndarray:
    """Decimal logarithm of the positive fluxes, NaN for the others."""
    out = np.full(flux.shape, np.nan)
    np.log10(flux, out=out, where=flux > 0)
    return out


def _mean(values: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Mean of each row's known values; NaN where there is none."""
    known = np.isfinite(values)
    weights = np.where(known, 1.0 if weight is None else weight, 0)
    total = weights.sum(axis=1)
    summed = (weights * np.where(known, values, 0)).sum(axis=1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1), np.nan)


def _range(values: np.ndarray, margin: float) -> tuple[float, float]:
    """Where nearly all values lie, and a margin more; everywhere if there are too few."""
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return -np.inf, np.inf
    low, high = np.quantile(known, [_TAIL, 1 - _TAIL])
    return float(low) - margin, float(high) + margin


def _quantiles(values: np.ndarray, level: float) -> np.ndarray:
    """Compute a quantile of each column's known values; NaN where there is none."""
    known = [column[np.isfinite(column)] for column in values.T]
    return np.array([np.quantile(column, level) if len(column) else np.nan for column in known])
