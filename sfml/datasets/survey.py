"""A GAMA-like survey of the model galaxies: who is selected, and how well each band measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sfml.bands import GAMA, BandSet
from sfml.datasets.dust import DustPriors
from sfml.datasets.galaxies import GalaxyModels, GalaxyPriors
from sfml.datasets.histories import HistoryPriors
from sfml.datasets.photometry import band_luminosities, flux_per_luminosity, smooth
from sfml.datasets.spectra import one_blas_thread
from sfml.features.cosmology import age, comoving_volume_element
from sfml.tables.units import AB_ZERO_POINT

# GAMA's main survey: r < 19.8 (AB), out to z of about 0.5 (Driver et al. 2011, MNRAS 413, 971).
_R_WAVELENGTH = np.array([GAMA.wavelengths[GAMA.names.index("r")]])
_FAINTEST_R = AB_ZERO_POINT * 10 ** (-0.4 * 19.8)  # Jy
_REDSHIFTS = np.linspace(0.002, 0.55, 549)
_LOG_MASSES = np.linspace(8.0, 12.2, 421)
# nu L_nu in r, in Lsun, for 1 Msun, that the priors below do not exceed: a galaxy too faint for
# the survey even so need not be drawn.
_BRIGHTEST_PER_MASS = 10.0

_PRIORS = GalaxyPriors(
    history=HistoryPriors(
        formation=(0.7, 0.98),
        decline=(-0.05, 0.45),
        burst_probability=0.2,
        burst_mass=(-2.5, -0.8),
        quench_age=(-0.3, 0.9),
        quench_factor=(-3.0, -0.5),
    ),
    dust=DustPriors(
        depth_scatter=0.25,
        diffuse_share=(0.2, 0.6),
        cloud_mix=(2.0, 4.0, 14.0),
        cold_share=(0.5, 0.9),
    ),
    metallicity=(-0.4, 0.3),
)

# Typical 1-sigma errors of faint galaxies in GAMA's LambdarCat, in Jy, rounded (Wright et al.
# 2016, MNRAS 460, 765). Bands that share an instrument are missing together.
_GAMA_DEPTHS = dict(
    zip(
        GAMA.names,
        (
            *(1.2e-6, 1.1e-6),  # GALEX
            *(3.5e-6, 2.0e-6, 3.0e-6, 4.5e-6, 1.2e-5),  # SDSS
            *(8.0e-6, 1.2e-5, 1.3e-5, 1.8e-5, 1.8e-5),  # VIKING
            *(2.0e-5, 2.8e-5, 2.5e-4, 2.0e-3),  # WISE
            *(3.0e-2, 3.0e-2, 8.5e-3, 9.0e-3, 9.5e-3),  # Herschel
        ),
        strict=True,
    )
)
_DEPTH_SCATTER = 0.35  # of ln(error), between galaxies: apertures differ


class _Instrument(NamedTuple):
    longest: float  # micron: bands up to this wavelength belong to it
    calibration: float  # error as a fraction of the flux (order of Driver et al. 2016)
    missing: float  # fraction of galaxies outside its footprint


# Missing fractions make the complete sample two thirds of the whole, as in Surana et al. (2020).
_INSTRUMENTS = {
    "GALEX": _Instrument(0.3, 0.05, 0.11),
    "SDSS": _Instrument(0.95, 0.03, 0.0),
    "VIKING": _Instrument(2.6, 0.03, 0.06),
    "WISE": _Instrument(40.0, 0.05, 0.03),
    "Herschel": _Instrument(np.inf, 0.08, 0.12),
}
# Of 120,114 galaxies 110 have a negative flux in LambdarCat (Surana et al. 2020, section 2):
# noise alone would make many thousands, so that almost all are stored as positive ones.
_NEGATIVES_KEPT = 4e-4


class Survey(NamedTuple):
    """n selected galaxies, as they are."""

    redshift: np.ndarray
    flux: np.ndarray
    """Without noise, in Jy, of shape (n, n_bands)."""
    log_mass: np.ndarray
    log_sfr: np.ndarray
    log_dust_luminosity: np.ndarray


@one_blas_thread
def select_galaxies(rng: np.random.Generator, n_galaxies: int, bands: BandSet) -> Survey:
    """Draw galaxies from the mass function and the volume until n are brighter than r = 19.8."""
    blocks, found = [], 0
    block_size = int(np.clip(3 * n_galaxies, 500, 4000))
    while found < n_galaxies:
        blocks.append(_selected_block(rng, block_size, np.array(bands.wavelengths)))
        found += len(blocks[-1].redshift)
    return Survey(*(np.concatenate(parts)[:n_galaxies] for parts in zip(*blocks, strict=True)))


def _selected_block(rng: np.random.Generator, n: int, wavelengths: np.ndarray) -> Survey:
    redshift, log_mass = _draw_redshift_and_mass(rng, n)
    models = _draw_models(rng, redshift, log_mass)
    mass = 10 ** log_mass[:, None]
    in_r = mass * band_luminosities(smooth(models.starlight), redshift, _R_WAVELENGTH)
    bright = (in_r * flux_per_luminosity(redshift, _R_WAVELENGTH))[:, 0] > _FAINTEST_R
    smoothed = smooth(models.spectra()[bright])
    luminosity = mass[bright] * band_luminosities(smoothed, redshift[bright], wavelengths)
    return Survey(
        redshift=redshift[bright],
        flux=luminosity * flux_per_luminosity(redshift[bright], wavelengths),
        log_mass=log_mass[bright],
        log_sfr=(log_mass + np.log10(models.specific_sfr))[bright],
        log_dust_luminosity=(log_mass + np.log10(models.dust_luminosity))[bright],
    )


def _draw_redshift_and_mass(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    # Baldry et al. (2012, MNRAS 421, 621): GAMA's mass function at z < 0.06.
    relative = 10 ** (_LOG_MASSES - 10.66)
    per_dex = np.exp(-relative) * (3.96 * relative**0.65 + 0.79 * relative**-0.47)
    unit_luminosity = _FAINTEST_R / flux_per_luminosity(_REDSHIFTS, _R_WAVELENGTH)
    can_pass = unit_luminosity < 10**_LOG_MASSES * _BRIGHTEST_PER_MASS
    chance = comoving_volume_element(_REDSHIFTS)[:, None] * per_dex * can_pass
    cumulative = np.cumsum(chance)
    cell = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
    row, column = np.unravel_index(cell, chance.shape)
    redshift_step, mass_step = _REDSHIFTS[1] - _REDSHIFTS[0], _LOG_MASSES[1] - _LOG_MASSES[0]
    return (
        _REDSHIFTS[row] + redshift_step * rng.uniform(-0.5, 0.5, n),
        _LOG_MASSES[column] + mass_step * rng.uniform(-0.5, 0.5, n),
    )


def _draw_models(
    rng: np.random.Generator, redshift: np.ndarray, log_mass: np.ndarray
) -> GalaxyModels:
    # The quenched fraction of field galaxies passes one half near 10.8 (Peng et al. 2010, ApJ
    # 721, 193); dust grows with mass (Garn & Best 2010, MNRAS 409, 421).
    quenched = rng.random(len(log_mass)) < 1.0 / (1.0 + np.exp(-2.5 * (log_mass - 10.8)))
    median_depth = 1.2 * 10 ** (0.25 * np.clip(log_mass - 10.5, -1.5, 0.6))
    return GalaxyModels.draw(
        rng,
        _PRIORS,
        universe_age=age(redshift),
        quenched=quenched,
        median_depth=np.where(quenched, 0.4 * median_depth, median_depth),
    )


def observe(
    rng: np.random.Generator, flux: np.ndarray, bands: BandSet
) -> tuple[np.ndarray, np.ndarray]:
    """Add noise to fluxes (n, n_bands) in Jy, and leave out what an instrument did not cover.

    Returns measured fluxes and errors of that shape in Jy, NaN where missing.
    """
    named = zip(bands.names, bands.wavelengths, strict=True)
    instruments = [_instrument(bands, name, wavelength) for name, wavelength in named]
    # Drawn first and for every instrument: which bands are asked for does not matter to it.
    outside = {
        name: rng.random(len(flux)) < instrument.missing
        for name, instrument in _INSTRUMENTS.items()
    }
    calibration = np.array([_INSTRUMENTS[name].calibration for name in instruments])
    depth = _depths(bands) * np.exp(_DEPTH_SCATTER * rng.standard_normal(flux.shape))
    error = np.hypot(depth, calibration * flux)
    noisy = flux + error * rng.standard_normal(flux.shape)
    measured = np.where(rng.random(flux.shape) < _NEGATIVES_KEPT, noisy, np.abs(noisy))
    missing = np.column_stack([outside[name] for name in instruments])
    return np.where(missing, np.nan, measured), np.where(missing, np.nan, error)


def _instrument(bands: BandSet, name: str, wavelength: float) -> str:
    # VIKING's Z, which GAMA calls X, is bluer than SDSS's z.
    if name == "X" and bands.is_gama_band(name):
        return "VIKING"
    return next(key for key, value in _INSTRUMENTS.items() if wavelength <= value.longest)


def _depths(bands: BandSet) -> np.ndarray:
    """1-sigma error of a faint galaxy in each band; interpolated where GAMA has no such band."""
    order = np.argsort(GAMA.wavelengths)
    known = np.log(np.array(GAMA.wavelengths)[order])
    errors = np.log([_GAMA_DEPTHS[GAMA.names[i]] for i in order])
    between = np.exp(np.interp(np.log(bands.wavelengths), known, errors))
    return np.array(
        [
            _GAMA_DEPTHS[name] if bands.is_gama_band(name) else depth
            for name, depth in zip(bands.names, between, strict=True)
        ]
    )
