"""Model galaxies: stars, gas and dust put together, for 1 Msun of surviving stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfml.datasets.dust import Dust, DustPriors
from sfml.datasets.histories import HistoryPriors, StarFormationHistories
from sfml.datasets.stars import AGE_EDGES, METALLICITIES, stellar_populations

# Birth clouds disperse in 10 Myr (Charlot & Fall 2000); the SFR is a mean over 0.1 Gyr, as GAMA's.
_IN_BIRTH_CLOUDS = AGE_EDGES[1:] < 0.01 * 1.001
_RECENT = AGE_EDGES[1:] < 0.1 * 1.001
_RECENT_YEARS = 0.1e9


@dataclass(frozen=True)
class GalaxyPriors:
    """Ranges from which galaxies are drawn."""

    history: HistoryPriors
    dust: DustPriors
    metallicity: tuple[float, float]  # log10(Z / Zsun), uniform between two values


@dataclass(frozen=True)
class GalaxyModels:
    """n galaxies of 1 Msun of surviving stars and remnants: arrays of shape (n,)."""

    formation_age: np.ndarray  # of the oldest stars, in Gyr
    starlight: np.ndarray  # (n, n_wavelengths), nu L_nu of the attenuated stars, in Lsun
    specific_sfr: np.ndarray  # over the last 0.1 Gyr, in 1/yr
    cloud_luminosity: np.ndarray  # energy absorbed in birth clouds, in Lsun
    diffuse_luminosity: np.ndarray  # energy absorbed in the diffuse medium, in Lsun
    dust: Dust

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        priors: GalaxyPriors,
        *,
        universe_age: np.ndarray,
        quenched: np.ndarray,
        median_depth: np.ndarray,
    ) -> GalaxyModels:
        """Draw n galaxies, seen when the Universe has an age in Gyr, some of them quenched."""
        histories = StarFormationHistories.draw(rng, priors.history, universe_age, quenched)
        metallicity = rng.uniform(*priors.metallicity, len(universe_age))
        dust = Dust.draw(rng, priors.dust, median_depth)
        formed = histories.mass_formed()
        formed /= (formed @ stellar_populations().surviving_mass)[:, None]
        young, old = _starlight(formed, metallicity)
        starlight, cloud_luminosity, diffuse_luminosity = dust.attenuate(young, old)
        return cls(
            formation_age=histories.formation_age,
            starlight=starlight,
            specific_sfr=formed[:, _RECENT].sum(axis=1) / _RECENT_YEARS,
            cloud_luminosity=cloud_luminosity,
            diffuse_luminosity=diffuse_luminosity,
            dust=dust,
        )

    @property
    def dust_luminosity(self) -> np.ndarray:
        """All the energy absorbed by dust, in Lsun."""
        return self.cloud_luminosity + self.diffuse_luminosity

    def spectra(self) -> np.ndarray:
        """Stars and dust together: nu L_nu in Lsun, of shape (n, n_wavelengths)."""
        return self.starlight + self.dust.emit(self.cloud_luminosity, self.diffuse_luminosity)


def _starlight(formed: np.ndarray, metallicity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unattenuated spectra of the stars in birth clouds, and of the others."""
    upper = np.clip(np.searchsorted(METALLICITIES, metallicity), 1, len(METALLICITIES) - 1)
    below, above = METALLICITIES[upper - 1], METALLICITIES[upper]
    share = (metallicity - below) / (above - below)
    rows = np.arange(len(metallicity))
    metals = np.zeros((len(metallicity), len(METALLICITIES)))
    metals[rows, upper - 1], metals[rows, upper] = 1.0 - share, share
    weights = (metals[:, :, None] * formed[:, None, :]).astype(np.float32)
    spectra = stellar_populations().spectra

    def mix(ages: np.ndarray) -> np.ndarray:
        return weights[:, :, ages].reshape(len(rows), -1) @ spectra[:, ages].reshape(
            -1, spectra.shape[-1]
        )

    return mix(_IN_BIRTH_CLOUDS), mix(~_IN_BIRTH_CLOUDS)
