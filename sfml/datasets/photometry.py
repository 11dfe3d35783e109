"""From spectra to fluxes: passbands, redshifts and distances.

Every passband is a top hat of the same relative width. A band's mean luminosity is then the
spectrum, smoothed once by that width, read at the band's rest-frame wavelength.
"""

from __future__ import annotations

import numpy as np

from sfml.bands import BandSet
from sfml.datasets.spectra import CELL, WAVELENGTHS
from sfml.features.cosmology import luminosity_distance

# An odd number, 22 per cent of the wavelength: typical of the broad bands from GALEX to SPIRE.
_CELLS_IN_PASSBAND = 11

# Bands, in micron, that the spectra can serve.
_SHORTEST, _LONGEST = 0.1, 1000.0

_SUN = 3.828e26  # W
_MEGAPARSEC = 3.085_677_581e22  # m
_MICRON_HERTZ = 2.997_924_58e14
_JANSKY = 1e-26  # W / m^2 / Hz


def smooth(spectra: np.ndarray) -> np.ndarray:
    """Mean nu L_nu seen by a band centred on each wavelength: (n, n_wavelengths), float32."""
    half = _CELLS_IN_PASSBAND // 2
    # Double precision: the submillimetre is 1e-6 of the sum, and a difference of two sums.
    padded = np.pad(np.asarray(spectra, dtype=float), ((0, 0), (half + 1, half)))
    total = np.cumsum(padded, axis=1)
    mean = (total[:, _CELLS_IN_PASSBAND:] - total[:, :-_CELLS_IN_PASSBAND]) / _CELLS_IN_PASSBAND
    return mean.astype(np.float32)


def band_luminosities(
    smoothed: np.ndarray, redshift: np.ndarray, wavelengths: np.ndarray
) -> np.ndarray:
    """Mean nu L_nu, (n, n_bands), of galaxies with `smooth` spectra in bands at observed micron."""
    rest = wavelengths / (1.0 + redshift[:, None])
    position = np.log(rest / WAVELENGTHS[0]) / CELL
    lower = np.clip(position.astype(int), 0, len(WAVELENGTHS) - 2)
    share = position - lower
    rows = np.arange(len(smoothed))[:, None]
    return smoothed[rows, lower] * (1.0 - share) + smoothed[rows, lower + 1] * share


def flux_per_luminosity(redshift: np.ndarray, wavelengths: np.ndarray) -> np.ndarray:
    """Flux in Jy for 1 Lsun of nu L_nu: (n, n_bands), at redshifts above 0, bands in micron."""
    sphere = 4.0 * np.pi * (luminosity_distance(redshift) * _MEGAPARSEC) ** 2
    frequency = _MICRON_HERTZ / np.asarray(wavelengths)
    return _SUN / _JANSKY / (sphere[:, None] * frequency)


def check_bands(bands: BandSet) -> None:
    """Raise an error unless the mock's spectra cover the bands."""
    outside = [
        f"{name} ({wavelength:g} micron)"
        for name, wavelength in zip(bands.names, bands.wavelengths, strict=True)
        if not _SHORTEST <= wavelength <= _LONGEST
    ]
    if outside:
        raise ValueError(
            f"The mock's spectra serve bands from {_SHORTEST:g} to {_LONGEST:g} micron; "
            f"leave out {', '.join(outside)}."
        )
