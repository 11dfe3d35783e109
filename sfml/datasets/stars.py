"""Simple stellar populations from scaling relations: how starlight depends on age and metals.

Every star is a black body with the two breaks that shape a galaxy's spectrum. Good to the tenths
of a magnitude that a mock needs; no substitute for a stellar population synthesis code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sfml.datasets.spectra import LYMAN_LIMIT, WAVELENGTHS, black_body

AGE_EDGES = np.concatenate(
    (
        [0.0],
        np.geomspace(1e-3, 1e-2, 6),
        np.geomspace(1e-2, 1e-1, 8)[1:],
        np.geomspace(1e-1, 13.8, 26)[1:],
    )
)
"""Edges of the age bins, in Gyr; 10 Myr (birth clouds) and 0.1 Gyr (recent SFR) are among them."""

METALLICITIES = np.array([-1.0, -0.5, 0.0, 0.4])
"""Nodes in log10(Z / Zsun)."""

_MASSES = np.geomspace(0.1, 100.0, 4001)
_TEMPERATURES = np.geomspace(2_000.0, 80_000.0, 160)
_SUN_TEMPERATURE = 5772.0
# Renzini & Buzzoni (1986): a star that burns F Msun of hydrogen yields 9.75e10 F Lsun yr.
_LUMINOSITY_OF_FUEL = 9.75e10


class StellarPopulations(NamedTuple):
    """Light and mass of populations of one age and metallicity, for 1 Msun of stars formed."""

    spectra: np.ndarray
    """nu L_nu in Lsun, of shape (n_metallicities, n_ages, n_wavelengths)."""
    surviving_mass: np.ndarray
    """Stars and remnants, in Msun, of shape (n_ages,)."""


@lru_cache(maxsize=1)
def stellar_populations() -> StellarPopulations:
    """Spectra and surviving mass in every bin of age and metallicity, read-only, computed once."""
    spectra = np.stack(
        [
            _light_by_temperature(metallicity) @ _star_spectra(metallicity)
            for metallicity in METALLICITIES
        ]
    ).astype(np.float32)
    surviving_mass = _surviving_mass()
    for array in (spectra, surviving_mass):
        array.setflags(write=False)
    return StellarPopulations(spectra, surviving_mass)


def _mid_ages() -> np.ndarray:
    return np.sqrt(np.maximum(AGE_EDGES[:-1], 0.5 * AGE_EDGES[1]) * AGE_EDGES[1:])


@lru_cache(maxsize=1)
def _star_counts() -> np.ndarray:
    """Stars in each cell of ln(mass) of `_MASSES`, for 1 Msun formed."""
    # Chabrier (2003), table 1: log-normal below 1 Msun, a power law above.
    log_normal = np.exp(-0.5 * (np.log10(_MASSES / 0.079) / 0.69) ** 2)
    at_one = np.exp(-0.5 * (np.log10(1.0 / 0.079) / 0.69) ** 2)
    counts = np.where(_MASSES < 1.0, log_normal, at_one * _MASSES**-1.3)
    return counts / np.sum(counts * _MASSES)


def _zero_age_luminosity(mass: np.ndarray) -> np.ndarray:
    # Tout et al. (1996), equation 1 at solar metallicity; Lsun.
    return (0.39704170 * mass**5.5 + 8.52762600 * mass**11) / (
        0.00025546
        + mass**3
        + 5.43288900 * mass**5
        + 5.56357900 * mass**7
        + 0.78866060 * mass**8
        + 0.00586685 * mass**9.5
    )


def _zero_age_radius(mass: np.ndarray) -> np.ndarray:
    # Tout et al. (1996), equation 2 at solar metallicity; Rsun.
    return (
        1.71535900 * mass**2.5
        + 6.59778800 * mass**6.5
        + 10.08855000 * mass**11
        + 1.01249500 * mass**19
        + 0.07490166 * mass**19.5
    ) / (
        0.01077422
        + 3.08223400 * mass**2
        + 17.84778000 * mass**8.5
        + mass**18.5
        + 0.00022582 * mass**19.5
    )


def _lifetime(mass: np.ndarray) -> np.ndarray:
    # Hurley et al. (2000), equation 4 at solar metallicity: time to the giant branch; Gyr.
    return (
        (1593.890 + 2706.708 * mass**4 + 146.6143 * mass**5.5 + mass**7)
        / (0.04141960 * mass**2 + 0.3426349 * mass**7)
        * 1e-3
    )


def _light_by_temperature(metallicity: float) -> np.ndarray:
    """Luminosity, in Lsun, of each age bin at each of `_TEMPERATURES`, for 1 Msun formed."""
    light = np.stack([_main_sequence(age, metallicity) for age in _mid_ages()])
    return light + _evolved_stars(metallicity)


def _main_sequence(age: float, metallicity: float) -> np.ndarray:
    spent = age / _lifetime(_MASSES)
    alive = spent < 1.0
    mass, spent = _MASSES[alive], spent[alive]
    # Growth on the main sequence, scaled to the Sun's present luminosity and radius and to the
    # turn-off in Hurley et al. (2000).
    luminosity = _zero_age_luminosity(mass) * 10 ** (0.4 * spent)
    radius = _zero_age_radius(mass) * 10 ** (0.3 * spent**2)
    temperature = _SUN_TEMPERATURE * luminosity**0.25 / radius**0.5
    # Metal-poor dwarfs are hotter (Tout et al. 1996).
    temperature *= 10 ** (-0.03 * metallicity)
    return _spread(temperature, luminosity * _star_counts()[alive])


def _evolved_stars(metallicity: float) -> np.ndarray:
    """Light of the stars past the main sequence, by their fuel (Renzini & Buzzoni 1986)."""
    lifetime = _lifetime(_MASSES)
    younger = np.cumsum(_star_counts()[::-1])
    deaths = np.diff(np.interp(AGE_EDGES, lifetime[::-1], younger, left=0.0))
    luminosity = _LUMINOSITY_OF_FUEL * deaths / (np.diff(AGE_EDGES) * 1e9)
    mass = np.log10(np.interp(_mid_ages(), lifetime[::-1], _MASSES[::-1]))
    # Fuel in Msun against log10 turn-off mass, read off Renzini & Buzzoni (1986) and Maraston
    # (2005): the red giant branch ends where helium ignites gently (2 Msun), the asymptotic
    # branch peaks at 2 to 3 Msun, and massive stars burn on as red and blue supergiants.
    red_giants = np.interp(mass, [0.0, 0.25, 0.4], [0.35, 0.30, 0.03])
    helium_core = np.interp(mass, [0.0, 0.3, 0.8, 1.3, 2.0], [0.12, 0.13, 0.45, 1.0, 3.0])
    asymptotic = np.interp(mass, [0.0, 0.35, 0.5, 0.9], [0.12, 0.25, 0.25, 0.0])
    hot_remnants = np.full_like(mass, 0.004)
    blue = np.interp(mass, [0.4, 0.9], [0.0, 0.6])
    # The giant branch cools with metals, about 0.06 dex a dex (Girardi et al. 2000).
    cooling = 10 ** (-0.06 * metallicity)
    phases = (
        (4200.0 * cooling, red_giants),
        (4800.0 * cooling, helium_core * (1.0 - blue)),
        (15_000.0, helium_core * blue),
        (3300.0 * cooling, asymptotic),
        (25_000.0, hot_remnants),
    )
    return sum(
        (luminosity * fuel)[:, None] * _spread(np.array([temperature]), np.ones(1))
        for temperature, fuel in phases
    )


def _spread(temperature: np.ndarray, luminosity: np.ndarray) -> np.ndarray:
    """Share luminosities between the two nearest of `_TEMPERATURES`."""
    last = len(_TEMPERATURES) - 1
    step = np.log(_TEMPERATURES[-1] / _TEMPERATURES[0]) / last
    position = np.clip(np.log(temperature / _TEMPERATURES[0]) / step, 0.0, last)
    lower = np.minimum(position.astype(int), last - 1)
    share = position - lower
    return np.bincount(lower, luminosity * (1 - share), last + 1) + np.bincount(
        lower + 1, luminosity * share, last + 1
    )


def _star_spectra(metallicity: float) -> np.ndarray:
    """Spectra of stars of `_TEMPERATURES`, for 1 Lsun; the ionising light is lost to the gas."""
    light = np.where(WAVELENGTHS >= LYMAN_LIMIT, black_body(_TEMPERATURES), 0.0)
    blanketed = light * np.exp(-_line_blanketing(metallicity))
    # What the lines absorb comes out again at wavelengths where the star is more transparent.
    return blanketed * (light.sum(axis=1) / blanketed.sum(axis=1))[:, None]


def _line_blanketing(metallicity: float) -> np.ndarray:
    """Optical depth of the metal lines short of 4000 A and of hydrogen short of 3646 A."""
    temperature = _TEMPERATURES[:, None]
    # Scaled to the Sun's spectrum against a black body: 0.6 at 3500 A, 3.7 at 2000 A.
    metals = 0.4 * (0.40 / WAVELENGTHS) ** 3.2 * 10 ** (0.3 * metallicity)
    metals = metals * np.clip((8500.0 - temperature) / 2700.0, 0.0, 1.4)
    hydrogen = 0.8 * (WAVELENGTHS / 0.3646) ** 3
    hydrogen = hydrogen * np.exp(-((np.log(temperature / 9500.0) / 0.35) ** 2))
    return np.minimum(
        np.where(WAVELENGTHS < 0.40, metals, 0.0) + np.where(WAVELENGTHS < 0.3646, hydrogen, 0.0),
        50.0,
    )


def _surviving_mass() -> np.ndarray:
    """Living stars, white dwarfs, neutron stars and black holes, for 1 Msun formed."""
    # Renzini & Ciotti (1993): remnants by initial mass.
    remnants = np.select(
        [_MASSES < 8.5, _MASSES < 40.0],
        [np.minimum(0.077 * _MASSES + 0.48, _MASSES), 1.4],
        0.5 * _MASSES,
    )
    alive = _lifetime(_MASSES) > _mid_ages()[:, None]
    return np.where(alive, _MASSES, remnants) @ _star_counts()
