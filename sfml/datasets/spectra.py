"""The rest-frame wavelength grid that all the mock's spectra share, and black bodies on it.

A spectrum is an array of luminosity per unit ln(wavelength), lambda L_lambda = nu L_nu, in solar
luminosities: its integral is a plain sum times `CELL`.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

CELL = 0.02
"""Width of a cell of the grid, in ln(wavelength)."""

WAVELENGTHS = np.exp(np.arange(np.log(0.05), np.log(1500.0), CELL))
"""Centres of the cells, in micron, from the far ultraviolet to the submillimetre."""

LYMAN_LIMIT = 0.0912
"""Wavelength, in micron, short of which hydrogen lets no starlight out of a galaxy."""

# BLAS may add in another order with another number of threads; with one, rows repeat.
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")

_HC_OVER_K = 14_387.77  # micron K


def black_body(temperature: np.ndarray, *, emissivity: float = 0.0) -> np.ndarray:
    """Spectra of black or grey bodies, nu L_nu of unit integral: (n, n_wavelengths).

    Temperatures are in kelvin. The emissivity falls as wavelength to the power of minus
    `emissivity`; the integral is that over all wavelengths for black bodies, over the grid's for
    grey ones.
    """
    frequency = _HC_OVER_K / (WAVELENGTHS * np.asarray(temperature, dtype=float)[:, None])
    # Beyond 500 the exponential is nought to any precision, and np.expm1 would overflow at 709.
    frequency = np.minimum(frequency, 500.0)
    planck = 15.0 / np.pi**4 * frequency**4 / np.expm1(frequency)
    if emissivity == 0.0:
        return planck
    grey = planck * WAVELENGTHS**-emissivity
    return grey / (grey.sum(axis=1, keepdims=True) * CELL)
