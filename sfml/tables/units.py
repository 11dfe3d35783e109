"""Units of flux density, and the factors between them; astropy is imported for rare ones only."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from functools import lru_cache
from typing import Any

_PREFIXES = {"nano": 10**9, "n": 10**9, "milli": 10**3, "m": 10**3, "": 1}
_PREFIXES |= dict.fromkeys(("micro", "u", "\u00b5", "\u03bc"), 10**6)
# Case matters in janskys, where M is a million, and not in maggies' name.
_SPELLING = re.compile(
    f"(?P<prefix>{'|'.join(_PREFIXES)})(?:(?P<jansky>Jy|[Jj]anskys?)|(?i:maggy|maggies|mgy))"
    "|(?i:(?P<capitals>nano|micro|milli)(?:maggy|maggies))"
)
AB_ZERO_POINT = 3631  # Jy, the flux density of an AB magnitude of 0: one maggy


def has_unit(unit: Any) -> bool:
    """Whether a column states a unit: blanks and dashes stand for none in FITS files."""
    return unit is not None and not (isinstance(unit, str | bytes) and _text(unit) in _NONE)


_NONE = ("", "-", "--", "none", "None")


@lru_cache(maxsize=256)
def conversion_factor(unit: Any, wanted: Any) -> float | None:
    """Factor that converts values from one unit to another; None if there is none.

    Units are astropy's, or maggies (3631 Jy) in any usual spelling. There is no factor between
    different quantities, nor for a unit that is logarithmic (mag, dex), unknown or blank.

    >>> conversion_factor("nanomaggies", "uJy")
    3.631
    """
    janskys = [_janskys(_text(each)) for each in (unit, wanted)]
    if janskys[0] and janskys[1]:
        return float(janskys[0] / janskys[1])
    if not (has_unit(unit) and has_unit(wanted)):
        return None
    from astropy import units as u

    with warnings.catch_warnings():
        # Two slashes in a unit are clear enough: "erg/s/cm2/Hz".
        warnings.simplefilter("ignore", u.UnitsWarning)
        one, other = (
            u.Unit(float(known) * u.Jy if known else _text(each), parse_strict="silent")
            for each, known in zip((unit, wanted), janskys, strict=True)
        )
    maggies = u.zero_point_flux(AB_ZERO_POINT * u.Jy)
    # A logarithmic unit is no factor away from a linear one.
    linear = isinstance(one, u.UnitBase) and isinstance(other, u.UnitBase)
    if not linear or not one.is_equivalent(other, maggies):
        return None
    return float(one.to(other, equivalencies=maggies))


def flux_density_factor(unit: Any, wanted: Any, name: str = "The unit of bands") -> float:
    """Factor between two units of flux density, or a ValueError that calls `unit` by `name`."""
    factors = [conversion_factor(each, "Jy") for each in (unit, wanted)]
    if None in factors:
        wrong = unit if factors[0] is None else wanted
        raise ValueError(
            f"{name} must be one of flux density, such as 'Jy', 'mJy', 'nanomaggy' or "
            f"'erg / (s cm2 Hz)'; got {wrong!r}. Magnitudes must be converted to fluxes first."
        )
    factor = conversion_factor(unit, wanted)
    assert factor is not None
    return factor


def _text(unit: Any) -> str:
    return (unit.decode() if isinstance(unit, bytes) else str(unit)).strip()


def _janskys(text: str) -> Fraction | None:
    """How many janskys a unit is, for those that are spelt out here; exact, so that 1e-3 is."""
    match = _SPELLING.fullmatch(text)
    if not match:
        return None
    prefix = match["prefix"] if match["capitals"] is None else match["capitals"].lower()
    return Fraction(1 if match["jansky"] else AB_ZERO_POINT, _PREFIXES[prefix])
