"""Random star-formation histories: an exponential, a sudden quenching and a burst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfml.datasets.stars import AGE_EDGES


@dataclass(frozen=True)
class HistoryPriors:
    """Ranges from which histories are drawn; pairs are the limits of a uniform distribution."""

    formation: tuple[float, float]  # age of the oldest stars over that of the Universe
    decline: tuple[float, float]  # rate of the exponential, in 1/Gyr
    burst_probability: float  # of a burst in the last 2 Gyr
    burst_mass: tuple[float, float]  # log10 of the mass formed in the burst over that before
    quench_age: tuple[float, float]  # log10 of the time since quenching, in Gyr
    quench_factor: tuple[float, float]  # log10 of what quenching multiplies the rate by


@dataclass(frozen=True)
class StarFormationHistories:
    """Histories of n galaxies, looked at backwards: every time is an age in Gyr, of shape (n,)."""

    formation_age: np.ndarray  # of the oldest stars
    decline: np.ndarray  # rate of the exponential decline, in 1/Gyr; negative for a rise
    quench_age: np.ndarray  # since when the exponential is multiplied by `quench_factor`
    quench_factor: np.ndarray
    burst_age: np.ndarray  # start of the burst
    burst_duration: np.ndarray
    burst_mass: np.ndarray  # over the mass of the exponential

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        priors: HistoryPriors,
        universe_age: np.ndarray,
        quenched: np.ndarray,
    ) -> StarFormationHistories:
        """Draw one history per galaxy, for ages of the Universe in Gyr; some are quenched."""
        n = len(universe_age)
        formation_age = universe_age * rng.uniform(*priors.formation, n)
        quench_age = np.minimum(10 ** rng.uniform(*priors.quench_age, n), 0.7 * formation_age)
        bursting = rng.random(n) < priors.burst_probability
        burst_mass = 10 ** rng.uniform(*priors.burst_mass, n)
        return cls(
            formation_age=formation_age,
            decline=rng.uniform(*priors.decline, n),
            quench_age=quench_age,
            quench_factor=np.where(quenched, 10 ** rng.uniform(*priors.quench_factor, n), 1.0),
            burst_age=np.minimum(rng.uniform(0.0, 2.0, n), formation_age),
            # da Cunha et al. (2008): bursts last 3e7 to 3e8 yr.
            burst_duration=10 ** rng.uniform(-1.5, -0.5, n),
            burst_mass=np.where(bursting, burst_mass, 0.0),
        )

    def mass_formed(self) -> np.ndarray:
        """Fraction of all stars formed in each age bin: (n, n_ages), rows sum to 1."""
        edges = AGE_EDGES[None, :]
        smooth = np.diff(self._exponential(edges), axis=1)
        smooth /= smooth.sum(axis=1, keepdims=True)
        end = np.maximum(self.burst_age - self.burst_duration, 0.0)[:, None]
        start = np.maximum(self.burst_age[:, None], end + 1e-3)
        burst = np.diff(np.clip((edges - end) / (start - end), 0.0, 1.0), axis=1)
        total = smooth + self.burst_mass[:, None] * burst
        return total / total.sum(axis=1, keepdims=True)

    def _exponential(self, age: np.ndarray) -> np.ndarray:
        """Mass of the quenched exponential formed later than `age` ago, unnormalised."""
        age = np.minimum(age, self.formation_age[:, None])
        quench_age = self.quench_age[:, None]
        recent = self._integral(np.minimum(age, quench_age))
        before = self._integral(np.maximum(age, quench_age)) - self._integral(quench_age)
        return self.quench_factor[:, None] * recent + before

    def _integral(self, age: np.ndarray) -> np.ndarray:
        # A decline of nought would divide by it; at 1e-6 / Gyr the two agree to 1e-5.
        decline = np.where(np.abs(self.decline) < 1e-6, 1e-6, self.decline)[:, None]
        return np.expm1(decline * age) / decline
