"""Dust in balance: what birth clouds and the diffuse medium absorb, they re-emit.

Attenuation follows Charlot & Fall (2000), emission da Cunha, Charlot & Elbaz (2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sfml.datasets.spectra import CELL, WAVELENGTHS, black_body

# Slopes of the attenuation curves (da Cunha et al. 2008, equations 3 and 4).
_BIRTH_CLOUD_SLOPE = -1.3
_DIFFUSE_SLOPE = -0.7
# Temperatures, in kelvin, at which grey bodies are tabulated: warm dust, then cold dust.
_WARM_TEMPERATURES = np.linspace(30.0, 60.0, 31)
_COLD_TEMPERATURES = np.linspace(15.0, 25.0, 21)
# The diffuse medium's warm dust is at 45 K, and its hotter parts share what the cold dust leaves
# as in the Milky Way (da Cunha et al. 2008, section 2.2.1): PAHs, mid-infrared, warm dust.
_DIFFUSE_WARM_TEMPERATURE = 45.0
_DIFFUSE_SHARES = (0.550, 0.275, 0.175)
# Strongest PAH features: wavelength, width over wavelength and share of the PAH light, rounded
# from Smith et al. (2007, ApJ 656, 770; 3.3 micron: Tokunaga et al. 1991, ApJ 380, 452).
_PAH_FEATURES = (
    (3.29, 0.02, 0.03),
    (6.22, 0.030, 0.11),
    (7.70, 0.080, 0.44),
    (8.61, 0.039, 0.09),
    (11.30, 0.032, 0.13),
    (12.62, 0.042, 0.09),
    (17.00, 0.065, 0.11),
)


@dataclass(frozen=True)
class DustPriors:
    """Ranges from which dust is drawn; pairs are the limits of a uniform distribution."""

    depth_scatter: float  # of the optical depth about its median, in dex
    diffuse_share: tuple[float, float]  # of the V-band optical depth seen by young stars
    cloud_mix: tuple[float, float, float]  # Dirichlet's, of PAHs, mid-infrared and warm dust
    cold_share: tuple[float, float]  # of the diffuse emission


@dataclass(frozen=True)
class Dust:
    """Dust of n galaxies: arrays of shape (n,) unless said otherwise."""

    depth: np.ndarray  # V-band optical depth seen by stars in birth clouds
    diffuse_share: np.ndarray  # the part of `depth` that is in the diffuse medium, dims all stars
    cloud_mix: np.ndarray  # (n, 3), of PAHs, mid-infrared and warm dust in birth clouds' emission
    cold_share: np.ndarray  # of the diffuse medium's emission
    warm_temperature: np.ndarray  # of birth clouds, in kelvin
    cold_temperature: np.ndarray  # of the diffuse medium, in kelvin

    @classmethod
    def draw(cls, rng: np.random.Generator, priors: DustPriors, median_depth: np.ndarray) -> Dust:
        """Draw the dust of one galaxy for each median V-band optical depth, of shape (n,)."""
        n = len(median_depth)
        return cls(
            depth=median_depth * 10 ** (priors.depth_scatter * rng.standard_normal(n)),
            diffuse_share=rng.uniform(*priors.diffuse_share, n),
            cloud_mix=rng.dirichlet(priors.cloud_mix, n),
            cold_share=rng.uniform(*priors.cold_share, n),
            warm_temperature=rng.uniform(_WARM_TEMPERATURES[0], _WARM_TEMPERATURES[-1], n),
            cold_temperature=rng.uniform(_COLD_TEMPERATURES[0], _COLD_TEMPERATURES[-1], n),
        )

    def attenuate(
        self, young: np.ndarray, old: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Dim the spectra, (n, n_wavelengths), of stars in birth clouds and of the others.

        Returns the spectra that leave the galaxies, and the energies absorbed in birth clouds and
        in the diffuse medium, of shape (n,), in the spectra's unit.
        """
        in_clouds = _transmission(self.depth * (1.0 - self.diffuse_share), _BIRTH_CLOUD_SLOPE)
        in_diffuse = _transmission(self.depth * self.diffuse_share, _DIFFUSE_SLOPE)
        out_of_clouds = young * in_clouds
        cloud_luminosity = (young - out_of_clouds).sum(axis=1, dtype=float) * CELL
        entering = out_of_clouds + old
        starlight = entering * in_diffuse
        diffuse_luminosity = (entering - starlight).sum(axis=1, dtype=float) * CELL
        return starlight, cloud_luminosity, diffuse_luminosity

    def emit(self, cloud_luminosity: np.ndarray, diffuse_luminosity: np.ndarray) -> np.ndarray:
        """Spectra of the dust, (n, n_wavelengths), for the energies that `attenuate` returned."""
        not_cold = (1.0 - self.cold_share)[:, None] * np.array(_DIFFUSE_SHARES)
        hot_energy = (
            cloud_luminosity[:, None] * self.cloud_mix + diffuse_luminosity[:, None] * not_cold
        )
        warm_clouds = cloud_luminosity * self.cloud_mix[:, 2]
        diffuse_warm = np.full_like(self.warm_temperature, _DIFFUSE_WARM_TEMPERATURE)
        components = np.hstack(
            (
                hot_energy[:, :2],
                _table_weights(_WARM_TEMPERATURES, self.warm_temperature, warm_clouds)
                + _table_weights(
                    _WARM_TEMPERATURES, diffuse_warm, diffuse_luminosity * not_cold[:, 2]
                ),
                _table_weights(
                    _COLD_TEMPERATURES, self.cold_temperature, diffuse_luminosity * self.cold_share
                ),
            )
        )
        return components.astype(np.float32) @ _emission_table()


def _transmission(depth: np.ndarray, slope: float) -> np.ndarray:
    curve = ((WAVELENGTHS / 0.55) ** slope).astype(np.float32)
    return np.exp(-depth.astype(np.float32)[:, None] * curve)


@lru_cache(maxsize=1)
def _emission_table() -> np.ndarray:
    """Spectra of unit integral: PAHs, mid-infrared, warm dust and cold dust by temperature."""
    # Mid-infrared: two grey bodies of equal luminosity, 130 K and 250 K; emissivity indices 1
    # for the hot, 1.5 for the warm and 2 for the cold dust (da Cunha et al. 2008, section 2.2.1).
    mid_infrared = black_body(np.array([130.0, 250.0]), emissivity=1.0).mean(axis=0)
    table = np.vstack(
        (
            _pah_spectrum(),
            mid_infrared,
            black_body(_WARM_TEMPERATURES, emissivity=1.5),
            black_body(_COLD_TEMPERATURES, emissivity=2.0),
        )
    ).astype(np.float32)
    table.setflags(write=False)
    return table


def _pah_spectrum() -> np.ndarray:
    spectrum = np.zeros_like(WAVELENGTHS)
    for centre, width, share in _PAH_FEATURES:
        # Drude profiles, as in Smith et al. (2007), equation 3.
        offset = WAVELENGTHS / centre - centre / WAVELENGTHS
        drude = width**2 / (offset**2 + width**2) / WAVELENGTHS
        # Far from their centres the wings would pass for submillimetre dust.
        drude[(WAVELENGTHS < 2.5) | (WAVELENGTHS > 25.0)] = 0.0
        spectrum += share * drude / (drude.sum() * CELL)
    return spectrum / (spectrum.sum() * CELL)


def _table_weights(nodes: np.ndarray, temperature: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Share each energy between the two nodes next to its temperature; (n, n_nodes)."""
    position = (temperature - nodes[0]) / (nodes[1] - nodes[0])
    lower = np.clip(position.astype(int), 0, len(nodes) - 2)
    share = position - lower
    weights = np.zeros((len(temperature), len(nodes)))
    rows = np.arange(len(temperature))
    weights[rows, lower] = energy * (1.0 - share)
    weights[rows, lower + 1] += energy * share
    return weights
