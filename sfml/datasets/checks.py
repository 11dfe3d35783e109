"""Checks of what the mock's functions are given."""

from __future__ import annotations

from numbers import Integral

from sfml.bands import BandSet

__all__ = ["check_bands", "check_count"]

FEWEST_TEMPLATES = 1000
_SHORTEST, _LONGEST = 0.1, 1000.0  # micron: the band sets that the model's spectra can serve


def check_count(name: str, value: object, smallest: int) -> None:
    """Raise an error unless `value` is an integer, and large enough."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}; got {value}.")


def check_bands(bands: object) -> None:
    """Raise an error unless `bands` is a band set that the mock's spectra cover."""
    if not isinstance(bands, BandSet):
        raise TypeError(
            f"bands must be a sfml.BandSet, such as sfml.GAMA or GAMA.without('X', 'Y'); "
            f"got {bands!r}."
        )
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
