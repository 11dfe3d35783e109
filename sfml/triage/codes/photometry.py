"""Redshifts and fluxes of the galaxies that are handed over, in the unit of the SPS code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml import tables
from sfml.bands import BandSet
from sfml.triage.identifiers import check_unique, examples, identifiers


class Photometry(NamedTuple):
    """Galaxies as an SPS code needs them."""

    ids: list[str]
    redshift: np.ndarray  # (n_galaxies,)
    flux: np.ndarray  # (n_galaxies, n_bands)
    error: np.ndarray  # NaN, like the flux, where a band was not measured


def read_photometry(
    X: Any,
    bands: BandSet,
    ids: Iterable[Any] | None,
    unit: str,
    *,
    upper_limits: bool = False,
) -> Photometry:
    """Read galaxies in the columns of `bands`, with fluxes and errors in `unit`.

    With `upper_limits`, a negative error that is no missing code stays, as the mark of an upper
    limit. Raises where the redshift is not positive, or a flux or error infinite.
    """
    texts = identifiers(X, ids)
    flux, error, redshift = _measurements(X, bands, upper_limits=upper_limits)
    _check_redshift(redshift, texts, bands.redshift)
    infinite = np.isinf(flux) | np.isinf(error)
    if infinite.any():
        rows = np.flatnonzero(infinite.any(axis=1))
        raise ValueError(
            f"Fluxes and errors must be finite, with NaN or a missing code where there is no "
            f"measurement; {len(rows)} galaxies have infinite ones, for example "
            f"{examples([texts[row] for row in rows])}."
        )
    factor = unit_factor(bands.unit, unit)
    return Photometry(texts, redshift, factor * flux, factor * error)


def _measurements(
    X: Any, bands: BandSet, *, upper_limits: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read flux, error and redshift in the unit of `bands`, NaN where missing."""
    n = len(bands)
    values = tables.extract(
        X,
        bands.columns,
        unit=[bands.unit] * (2 * n) + [None],
        missing_codes=bands.missing_codes,
    )
    values[bands.is_missing(values)] = np.nan
    flux, error = values[:, :n], values[:, n:-1]
    missing = np.isnan(flux) | np.isnan(error)
    missing |= error == 0 if upper_limits else error <= 0
    return np.where(missing, np.nan, flux), np.where(missing, np.nan, error), values[:, -1]


def as_table(photometry: Photometry, bands: BandSet, unit: str) -> pd.DataFrame:
    """Arrange galaxies, given in `unit`, as a catalogue in the layout and unit of `bands`."""
    check_unique(photometry.ids, "The ids in the file")
    # Dividing by 1000 undoes a multiplication by 1000; multiplying by 0.001 would not.
    factor = unit_factor(bands.unit, unit)
    values = (photometry.flux / factor, photometry.error / factor, photometry.redshift)
    index = pd.Index(photometry.ids, name="id", dtype=object)
    return pd.DataFrame(np.column_stack(values), index=index, columns=list(bands.columns))


def unit_factor(unit: str, wanted: str) -> float:
    """Compute the factor from one unit of flux density to another."""
    if unit == wanted:
        return 1.0
    from astropy import units

    try:
        return float(units.Unit(unit).to(wanted))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The unit of bands must be one of flux density, such as 'Jy' or 'mJy'; got {unit!r}."
        ) from error


def _check_redshift(redshift: np.ndarray, ids: list[str], column: str) -> None:
    wrong = np.flatnonzero(~(redshift > 0) | np.isinf(redshift))
    if len(wrong):
        raise ValueError(
            f"An SPS code needs a positive redshift; {column!r} is {redshift[wrong[0]]:g} in "
            f"{len(wrong)} of {len(redshift)} rows, for example those of "
            f"{examples([ids[row] for row in wrong])}. Leave these galaxies out: `choose` does so "
            "with exclude_flags."
        )
