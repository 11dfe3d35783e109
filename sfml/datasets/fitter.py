"""Labels as MAGPHYS makes them: percentiles of a chi^2 fit against a library of templates.

Da Cunha, Charlot & Elbaz (2008, MNRAS 388, 1595), section 3: every template is scaled to the
photometry, weighted by exp(-chi^2 / 2), and the weights are summed in bins of each property.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from sfml.bands import BandSet
from sfml.datasets.dust import DustPriors
from sfml.datasets.galaxies import GalaxyModels, GalaxyPriors
from sfml.datasets.histories import HistoryPriors
from sfml.datasets.photometry import flux_per_luminosity, smooth
from sfml.datasets.spectra import CELL, WAVELENGTHS, one_blas_thread
from sfml.features.cosmology import age

PERCENTILES = (16, 50, 84)
FEWEST_TEMPLATES = 1000

_LIBRARY_SEED = 20_080_901
_PRIORS = GalaxyPriors(
    history=HistoryPriors(
        formation=(0.46, 1.0),
        decline=(-0.15, 0.6),
        burst_probability=0.3,
        burst_mass=(-2.5, -0.5),
        quench_age=(-0.5, 0.95),
        quench_factor=(-3.5, -0.3),
    ),
    dust=DustPriors(
        depth_scatter=0.4,
        diffuse_share=(0.1, 0.7),
        cloud_mix=(1.5, 3.0, 10.0),
        cold_share=(0.5, 0.95),
    ),
    metallicity=(-0.5, 0.4),
)
_QUENCHED_FRACTION = 0.5
_MEDIAN_DEPTH = 0.7
_UNIVERSE_AGE = 13.4  # Gyr, at the nearest galaxies
_BLOCK_TEMPLATES = 2000

# A library holds a template near every galaxy, not at it: its own error, as a fraction of the
# flux, keeps the posterior from collapsing onto one template (Brammer et al. 2008, ApJ 686, 1503).
_TEMPLATE_ERROR = 0.05
_REDSHIFT_STEP = 0.005
_BLOCK_GALAXIES = 32
# Templates worse than the best by more than this have no weight worth its counting.
_CHI2_RANGE = 20.0
# Bins of each property, in dex.
_BIN = 0.01
_RANGES = ((5.0, 14.0), (-9.0, 6.0), (3.0, 15.0))


class _Library(NamedTuple):
    spectra: np.ndarray  # (n_wavelengths, n_templates), smoothed, for 1 Msun; sorted by age
    formation_age: np.ndarray  # Gyr
    properties: np.ndarray  # (3, n_templates): log10 of mass, SFR, dust luminosity for 1 Msun


@lru_cache(maxsize=1)
@one_blas_thread
def _library(n_templates: int) -> _Library:
    rng = np.random.default_rng(_LIBRARY_SEED)
    spectra = np.empty((len(WAVELENGTHS), n_templates), dtype=np.float32)
    formation_age = np.empty(n_templates)
    properties = np.zeros((3, n_templates))
    for start in range(0, n_templates, _BLOCK_TEMPLATES):
        block = slice(start, min(start + _BLOCK_TEMPLATES, n_templates))
        models = _draw_models(rng, block.stop - block.start)
        spectra[:, block] = smooth(models.spectra()).T
        formation_age[block] = models.formation_age
        properties[1, block] = np.log10(models.specific_sfr)
        properties[2, block] = np.log10(models.dust_luminosity)
    order = np.argsort(formation_age)
    library = _Library(spectra[:, order], formation_age[order], properties[:, order])
    for array in library:
        array.setflags(write=False)
    return library


def _draw_models(rng: np.random.Generator, n: int) -> GalaxyModels:
    quenched = rng.random(n) < _QUENCHED_FRACTION
    return GalaxyModels.draw(
        rng,
        _PRIORS,
        universe_age=np.full(n, _UNIVERSE_AGE),
        quenched=quenched,
        median_depth=np.full(n, _MEDIAN_DEPTH),
    )


@one_blas_thread
def fit_percentiles(
    redshift: np.ndarray,
    flux: np.ndarray,
    error: np.ndarray,
    bands: BandSet,
    *,
    n_templates: int,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Percentiles of stellar mass, SFR and dust luminosity given the photometry, in dex.

    Takes redshifts (n,), and fluxes and errors (n, n_bands) in Jy, NaN where missing. Returns an
    array (3, n, 3): targets, galaxies, `PERCENTILES`. It does not depend on `n_jobs`, the number of
    threads.
    """
    library = _library(n_templates)
    wavelengths = np.array(bands.wavelengths)
    luminosity, weight = _weighted_luminosities(redshift, flux, error, wavelengths)
    bins = np.floor(redshift / _REDSHIFT_STEP).astype(int)
    members = [np.flatnonzero(bins == value) for value in np.unique(bins)]
    result = np.empty((3, len(redshift), len(PERCENTILES)))

    def fit_bin(rows: np.ndarray) -> None:
        centre = (bins[rows[0]] + 0.5) * _REDSHIFT_STEP
        templates = _templates_at(library, centre, wavelengths)
        for block in np.array_split(rows, -(-len(rows) // _BLOCK_GALAXIES)):
            result[:, block] = _fit_block(
                luminosity[block], weight[block], templates, library.properties
            )

    Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(fit_bin)(rows) for rows in members)
    return result


def _weighted_luminosities(
    redshift: np.ndarray, flux: np.ndarray, error: np.ndarray, wavelengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Luminosities, in Lsun, and their inverse variances; both 0 where missing."""
    per_luminosity = flux_per_luminosity(redshift, wavelengths)
    luminosity = flux / per_luminosity
    variance = (error / per_luminosity) ** 2 + (_TEMPLATE_ERROR * luminosity) ** 2
    missing = np.isnan(luminosity)
    return np.where(missing, 0.0, luminosity), np.where(missing, 0.0, 1.0 / variance)


def _templates_at(library: _Library, redshift: float, wavelengths: np.ndarray) -> np.ndarray:
    """Band luminosities, (n_bands, n_young_enough), of the templates younger than the Universe."""
    position = np.log(wavelengths / (1.0 + redshift) / WAVELENGTHS[0]) / CELL
    lower = position.astype(int)
    share = (position - lower).astype(np.float32)[:, None]
    n_young = np.searchsorted(library.formation_age, age(np.array(redshift)))
    spectra = library.spectra[:, :n_young]
    return spectra[lower] * (1 - share) + spectra[lower + 1] * share


def _fit_block(
    luminosity: np.ndarray, weight: np.ndarray, templates: np.ndarray, properties: np.ndarray
) -> np.ndarray:
    # With the best scale a = dm / mm, chi^2 = dd - dm^2 / mm, where dm sums d m / sigma^2 over
    # bands. Each galaxy is taken in units of its own total, so that single precision suffices.
    unit = np.abs(luminosity).sum(axis=1, keepdims=True)
    unit[unit == 0.0] = 1.0
    inverse_variance = weight * unit**2
    dm = ((luminosity / unit) * inverse_variance).astype(np.float32) @ templates
    mm = inverse_variance.astype(np.float32) @ (templates * templates)
    # No template matches what is not measured, or negative on the whole.
    possible = dm > 0.0
    gain = np.divide(dm * dm, mm, out=np.full_like(dm, -np.inf), where=possible)
    best = gain.max(axis=1, keepdims=True)
    row, column = np.nonzero(possible & (gain > best - _CHI2_RANGE))
    likelihood = np.exp(0.5 * (gain[row, column] - best[row, 0]).astype(float))
    log_scale = np.log10(dm[row, column] / mm[row, column] * unit[row, 0])
    return np.stack(
        [
            _percentiles(row, log_scale + values[column], likelihood, len(luminosity), limits)
            for values, limits in zip(properties, _RANGES, strict=True)
        ]
    )


def _percentiles(
    row: np.ndarray,
    value: np.ndarray,
    weight: np.ndarray,
    n_rows: int,
    limits: tuple[float, float],
) -> np.ndarray:
    """Percentiles of weighted values, row by row, from a histogram; (n_rows, n_percentiles)."""
    n_bins = round((limits[1] - limits[0]) / _BIN)
    position = np.clip(((value - limits[0]) / _BIN).astype(int), 0, n_bins - 1)
    counts = np.bincount(row * n_bins + position, weight, n_rows * n_bins)
    counts = counts.reshape(n_rows, n_bins)
    cumulative = np.cumsum(counts, axis=1)
    rows = np.arange(n_rows)
    result = np.empty((n_rows, len(PERCENTILES)))
    for i, percentile in enumerate(PERCENTILES):
        wanted = percentile / 100 * cumulative[:, -1]
        bin_ = np.argmax(cumulative >= wanted[:, None], axis=1)
        count = counts[rows, bin_]
        short = cumulative[rows, bin_] - wanted
        inside = 1.0 - np.divide(short, count, out=np.full(n_rows, np.nan), where=count > 0.0)
        result[:, i] = limits[0] + _BIN * (bin_ + inside)
    return result
