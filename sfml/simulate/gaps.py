"""What a survey leaves out: bands off its footprint, and fluxes that it does not report."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sfml import tables
from sfml.bands import BandSet

# A catalogue that reports no flux below some signal-to-noise ratio has many just above it.
_LEAST_CUT, _JUST_ABOVE, _SHARE_ABOVE = 1.5, 1.5, 0.01
# Noise about nothing makes one half of the fluxes within one error of 0 negative, and about a
# faint galaxy a fifth or more; far fewer mean that negative fluxes are not kept.
_FEWEST_FAINT, _FEW_NEGATIVE = 20, 0.05


class Gaps(NamedTuple):
    """Which measurements a survey does not have, or not as they were made."""

    patterns: np.ndarray  # (n_patterns, n_bands), True where a band was not observed
    shares: np.ndarray  # (n_patterns,), how often each pattern occurs
    least_snr: np.ndarray  # (n_bands,), below which a flux is not reported; -inf: all are
    negatives: np.ndarray  # (n_bands,), the share of negative fluxes that is kept as such
    code: float  # what stands for "not measured"

    @classmethod
    def learn(cls, flux: np.ndarray, error: np.ndarray, code: float) -> Gaps:
        """Learn from fluxes and errors, (n, n_bands), NaN where not measured."""
        missing = np.isnan(flux)
        snr = flux / error
        columns = range(flux.shape[1])
        least = np.array([_least_snr(snr[:, j]) for j in columns])
        negatives = np.array([_share_of_negatives(snr[:, j]) for j in columns])
        unobserved = _unobserved(missing, np.isfinite(least))
        patterns, counts = np.unique(unobserved, axis=0, return_counts=True)
        return cls(patterns, counts / counts.sum(), least, negatives, code)

    @classmethod
    def none(cls, n_bands: int, code: float) -> Gaps:
        """Make the gaps of a survey that has every band of every galaxy."""
        everything = np.zeros((1, n_bands), dtype=bool)
        return cls(everything, np.ones(1), np.full(n_bands, -np.inf), np.ones(n_bands), code)

    def apply(
        self, flux: np.ndarray, error: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Report measurements, (n, n_bands), as the survey does, NaN where it has none."""
        pattern = rng.choice(len(self.patterns), size=len(flux), p=self.shares)
        folded = (flux < 0) & (rng.random(flux.shape) >= self.negatives)
        flux = np.where(folded, -flux, flux)
        missing = self.patterns[pattern] | (flux < self.least_snr * error)
        return np.where(missing, np.nan, flux), np.where(missing, np.nan, error)


def code_of(X: Any, bands: BandSet) -> float:
    """Find what stands for "not measured" in a catalogue: its commonest code, or NaN."""
    values = tables.extract(
        X, bands.flux_columns, missing_codes=bands.missing_codes, codes="keep"
    ).ravel()
    counts = {float(code): int((values == code).sum()) for code in bands.missing_codes}
    commonest = max(counts, key=lambda code: counts[code], default=np.nan)
    n_nan = int(np.isnan(values).sum())
    return np.nan if n_nan >= counts.get(commonest, 0) and n_nan else commonest


def _least_snr(snr: np.ndarray) -> float:
    """Find the signal-to-noise ratio, if any, below which a band is blanked."""
    measured = snr[~np.isnan(snr)]
    if len(measured) == len(snr) or not len(measured):
        return -np.inf
    least = float(measured.min())
    just_above = (measured < _JUST_ABOVE * least).mean()
    return least if least >= _LEAST_CUT and just_above >= _SHARE_ABOVE else -np.inf


def _share_of_negatives(snr: np.ndarray) -> float:
    faint = snr[np.abs(snr) < 1]
    if len(faint) < _FEWEST_FAINT:
        return 1.0
    share = float((faint < 0).mean())
    return 1.0 if share >= _FEW_NEGATIVE else 2 * share


def _unobserved(missing: np.ndarray, is_cut: np.ndarray) -> np.ndarray:
    """Tell bands that were not observed from those that were blanked for being faint.

    A band with a cut counts as not observed where its neighbour was not observed either:
    instruments miss galaxies band after band.
    """
    unobserved = missing & ~is_cut
    n_bands = missing.shape[1]
    for order in (range(1, n_bands), range(n_bands - 2, -1, -1)):
        step = 1 if order.step > 0 else -1
        for j in order:
            if is_cut[j]:
                unobserved[:, j] |= missing[:, j] & unobserved[:, j - step]
    return unobserved
