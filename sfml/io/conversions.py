"""What catalogues hold in place of fluxes and their errors, and how it becomes these.

The unit of a column says what it is: a flux density, a magnitude, or an inverse variance. Nothing
is concluded from its values or from its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sfml.tables.extraction import is_code
from sfml.tables.units import AB_ZERO_POINT, conversion_factor, has_unit

SDSS_SOFTENING = {"u": 1.4e-10, "g": 0.9e-10, "r": 1.2e-10, "i": 1.8e-10, "z": 7.4e-10}
"""Softening of SDSS's asinh magnitudes (Lupton, Gunn & Szalay 1999), for unit="SDSS mag"."""

_PER_MAGNITUDE = np.log(10) / 2.5
# No galaxy has such a magnitude: it is a code (99, -99, 99.99, 128, 1e20).
_FAINTEST = 50.0

_AB = re.compile(r"ab|ab[ _-]?mags?|ab[ _-]magnitudes?|mags?\s*\(\s*ab\s*\)", re.IGNORECASE)
_MAGNITUDE = re.compile(r"mags?|magnitudes?", re.IGNORECASE)
_ASINH = re.compile(r"asinh[ _-]mags?\s*\(\s*b\s*=\s*([0-9.]+(?:e[-+]?\d+)?)\s*\)", re.IGNORECASE)
_SDSS = re.compile(r"sdss[ _-]mags?", re.IGNORECASE)
_INVERSE_VARIANCE = re.compile(
    r"1(?:\.0)?\s*/\s*\(?(?P<below>[^()^*\d]+)\)?\s*(?:\^|\*\*)?\s*\(?2\)?"
    r"|\(?(?P<power>[^()^*\d]+?)\)?\s*(?:\^|\*\*)?\s*\(?-2\)?"
)


class Scaled(NamedTuple):
    """Fluxes, or errors, in a unit of flux density. Missing codes stay as they are."""

    factor: float
    unit: str

    def describe(self, wanted: str) -> str:
        """Say what is done."""
        return f"{self.unit} -> {wanted} (times {self.factor:.6g})"

    def apply(
        self, values: np.ndarray, codes: Iterable[float], flux: np.ndarray | None = None
    ) -> np.ndarray:
        """Convert, in float64."""
        scaled = np.asarray(values, dtype=np.float64) * self.factor
        for code in codes:
            scaled[is_code(values, [code])] = code
        return scaled


class Magnitude(NamedTuple):
    """AB magnitudes, or asinh magnitudes if they have a softening."""

    factor: float
    """From Jy to the unit wanted."""
    softening: float | None = None

    def describe(self, wanted: str) -> str:
        """Say what is done."""
        if self.softening is None:
            return f"AB magnitudes -> {wanted}"
        return f"asinh magnitudes (b = {self.softening:g}) -> {wanted}"

    def apply(
        self, values: np.ndarray, codes: Iterable[float], flux: np.ndarray | None = None
    ) -> np.ndarray:
        """Convert, in float64; a code becomes NaN, as it would have a flux otherwise."""
        magnitudes = without_codes(values, codes)
        if self.softening is None:
            return AB_ZERO_POINT * self.factor * 10 ** (-0.4 * magnitudes)
        b = self.softening
        scaled = np.sinh(-_PER_MAGNITUDE * magnitudes - np.log(b))
        return AB_ZERO_POINT * self.factor * 2 * b * scaled


class MagnitudeError(NamedTuple):
    """Errors of magnitudes, which are relative errors of the fluxes."""

    factor: float = 1.0
    softening: float | None = None

    def describe(self, wanted: str) -> str:
        """Say what is done."""
        return f"errors of magnitudes -> {wanted}"

    def apply(
        self, values: np.ndarray, codes: Iterable[float], flux: np.ndarray | None = None
    ) -> np.ndarray:
        """Convert, for fluxes in the unit wanted."""
        if flux is None:
            raise ValueError("errors of magnitudes need the fluxes that they belong to")
        errors = without_codes(values, codes)
        scale = np.abs(flux)
        if self.softening is not None:
            scale = np.hypot(flux, 2 * self.softening * AB_ZERO_POINT * self.factor)
        return scale * _PER_MAGNITUDE * errors


class InverseVariance(NamedTuple):
    """Inverse variances of fluxes in a unit of flux density."""

    factor: float
    unit: str

    def describe(self, wanted: str) -> str:
        """Say what is done."""
        return f"inverse variances in {self.unit}^-2 -> errors in {wanted}, 1 / sqrt(ivar)"

    def apply(
        self, values: np.ndarray, codes: Iterable[float], flux: np.ndarray | None = None
    ) -> np.ndarray:
        """Convert, in float64; what is not positive says that nothing was measured: NaN."""
        inverse = np.asarray(values, dtype=np.float64)
        known = (inverse > 0) & ~is_code(values, codes)
        out = np.full(inverse.shape, np.nan)
        np.divide(self.factor, np.sqrt(inverse, where=known, out=out), where=known, out=out)
        return out


Conversion = Scaled | Magnitude | MagnitudeError | InverseVariance


def without_codes(values: np.ndarray, codes: Iterable[float]) -> np.ndarray:
    """Write NaN for codes and for what no magnitude can be, in float64."""
    out = np.array(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        out[is_code(values, codes) | (np.abs(out) >= _FAINTEST)] = np.nan
    return out


def flux_conversion(unit: str | None, wanted: str, band: str) -> Conversion | None:
    """How a column becomes fluxes in the unit wanted; None if it states no unit, or has that one.

    Raises ValueError where the unit is none of flux density, and says what to state.
    """
    if not has_unit(unit) or unit is None:
        return None
    unit = unit.strip()
    from_jy = _from_jy(wanted)
    if _AB.fullmatch(unit):  # before astropy, to which AB is a flux density
        return Magnitude(from_jy)
    factor = conversion_factor(unit, wanted)
    if factor is not None:
        return None if factor == 1 else Scaled(factor, unit)
    softening = _softening(unit, band)
    if softening is not None:
        return Magnitude(from_jy, softening)
    if _MAGNITUDE.fullmatch(unit):
        raise ValueError(
            "is in magnitudes, of which system is not said. Give its unit as 'AB mag', or as "
            "'asinh mag(b=1.2e-10)' or 'SDSS mag' for asinh magnitudes; convert others first"
        )
    raise ValueError(f"is in {unit!r}, which is no unit of flux density and no kind of magnitude")


def error_conversion(
    unit: str | None,
    wanted: str,
    flux: Conversion | None,
    flux_unit: str | None,
    has_flux: bool = True,
) -> Conversion | None:
    """How a column becomes errors of fluxes in the unit wanted; None if it is in that unit.

    `flux` is what is done to the fluxes, and `flux_unit` the unit that those have in the file.
    """
    if not has_unit(unit) or unit is None:
        if isinstance(flux, Magnitude):
            raise ValueError(
                "states no unit, and the fluxes are magnitudes. Give its unit as 'mag', or as one "
                "of flux density"
            )
        return None
    unit = unit.strip()
    if any(kind.fullmatch(unit) for kind in (_MAGNITUDE, _AB, _ASINH, _SDSS)):
        if not has_flux:
            raise ValueError(
                "is an error of a magnitude, and the flux that it belongs to is absent"
            )
        softening = flux.softening if isinstance(flux, Magnitude) else None
        return MagnitudeError(_from_jy(wanted), softening)
    factor = conversion_factor(unit, wanted)
    if factor is not None:
        return None if factor == 1 else Scaled(factor, unit)
    squared = _unit_of_inverse_variance(unit, flux_unit, wanted)
    if squared is not None:
        return InverseVariance(_factor(squared, wanted), squared)
    raise ValueError(
        f"is in {unit!r}, which is no unit of flux density, of its inverse square, nor 'mag'"
    )


def _from_jy(wanted: str) -> float:
    return _factor("Jy", wanted)


def _factor(unit: str, wanted: str) -> float:
    factor = conversion_factor(unit, wanted)
    assert factor is not None
    return factor


def _softening(unit: str, band: str) -> float | None:
    if match := _ASINH.fullmatch(unit):
        return float(match[1])
    if _SDSS.fullmatch(unit):
        if band not in SDSS_SOFTENING:
            raise ValueError(
                f"is said to be in SDSS's magnitudes, which has no band {band!r}; write "
                "'asinh mag(b=...)' with its softening"
            )
        return SDSS_SOFTENING[band]
    return None


def _unit_of_inverse_variance(unit: str, flux_unit: str | None, wanted: str) -> str | None:
    """Find the unit of flux density of which inverse variances are in the inverse square."""
    if unit.lower() in ("ivar", "inverse variance"):
        return flux_unit if has_unit(flux_unit) and flux_unit is not None else wanted
    match = _INVERSE_VARIANCE.fullmatch(unit)
    if not match:
        return None
    squared = (match["below"] or match["power"]).strip()
    return squared if conversion_factor(squared, "Jy") is not None else None
