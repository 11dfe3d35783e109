"""Distances and ages in a flat universe of matter and a cosmological constant."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["age", "comoving_volume_element", "log_distance_factor", "luminosity_distance"]

# The cosmology of GAMA's MagPhys catalogue (Driver et al. 2016, MNRAS 455, 3911).
_HUBBLE = 70.0  # km/s/Mpc
_MATTER = 0.3
_LIGHT_SPEED = 299_792.458  # km/s
_HUBBLE_TIME = 977.792 / _HUBBLE  # Gyr

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def luminosity_distance(redshift: np.ndarray) -> np.ndarray:
    """Luminosity distance in Mpc, of redshifts from 0 to 1000; to 1e-6, without radiation."""
    redshift = np.asarray(redshift, dtype=float)
    return (1.0 + redshift) * _comoving_distance(redshift)


def log_distance_factor(log_redshift: np.ndarray) -> np.ndarray:
    """Twice the log10 of the luminosity distance in Mpc: from a flux to a luminosity, in dex.

    Interpolated, to 1e-6 dex. `log_redshift` lies between -5 and 3; others, and NaN, give NaN.
    """
    return np.interp(log_redshift, *_distance_table(), left=np.nan, right=np.nan)


@lru_cache(maxsize=1)
def _distance_table() -> tuple[np.ndarray, np.ndarray]:
    log_redshift = np.linspace(-5, 3, 8001)
    return log_redshift, 2 * np.log10(luminosity_distance(10**log_redshift))


def comoving_volume_element(redshift: np.ndarray) -> np.ndarray:
    """Comoving volume of the sky per unit redshift, in Mpc^3."""
    redshift = np.asarray(redshift, dtype=float)
    depth = _LIGHT_SPEED / _HUBBLE / _expansion(redshift)
    return 4.0 * np.pi * _comoving_distance(redshift) ** 2 * depth


def age(redshift: np.ndarray) -> np.ndarray:
    """Age of the universe in Gyr, at redshifts that are not negative."""
    ratio = (1.0 - _MATTER) / _MATTER / (1.0 + np.asarray(redshift, dtype=float)) ** 3
    return _HUBBLE_TIME * 2.0 / (3.0 * np.sqrt(1.0 - _MATTER)) * np.arcsinh(np.sqrt(ratio))


def _comoving_distance(redshift: np.ndarray) -> np.ndarray:
    # In ln(1 + z), in which the integrand is smooth to the highest redshifts.
    end = np.log1p(redshift)
    stretch = np.exp(0.5 * end[..., None] * (_NODES + 1.0))
    integral = 0.5 * end * (_WEIGHTS * stretch / _expansion(stretch - 1.0)).sum(axis=-1)
    return _LIGHT_SPEED / _HUBBLE * integral


def _expansion(redshift: np.ndarray) -> np.ndarray:
    return np.sqrt(_MATTER * (1.0 + redshift) ** 3 + 1.0 - _MATTER)
