"""From a catalogue to photometry: the one place where fluxes are read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from sfml import tables
from sfml.photometry.layout import REDSHIFT_COLUMNS, Layout
from sfml.photometry.missing import apply_upper_limits, find_missing, find_upper_limits
from sfml.photometry.photometry import Photometry


def read_photometry(
    X: Any,
    layout: Layout,
    *,
    upper_limits: float | Literal["keep"] | None = None,
    largest_error: np.ndarray | None = None,
    absent_bands: bool = False,
) -> Photometry:
    """Read fluxes, errors and redshifts of a catalogue, in the band set's unit.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, n_columns)
        A table's columns are found by name; an array must have exactly those of the layout.
    layout : Layout
        What to read, for a BandSet.
    upper_limits : float, "keep" or None, default=None
        How many sigma upper limits are, which a negative error marks. "keep": these errors stay
        negative; None: such a band is missing.
    largest_error : ndarray of shape (n_bands,), default=None
        As for `sfml.photometry.missing.find_missing`.
    absent_bands : bool, default=False
        Whether a table may lack both columns of some bands, which then count as missing, with a
        warning. It must have some.

    Returns
    -------
    Photometry
        NaN where not measured.

    Raises
    ------
    ValueError
        If columns are absent, not numeric, infinite, or in a unit that cannot be converted.
    """
    bands = layout.bands
    assert bands is not None
    columns = layout.catalogue_columns
    n_redshift = len(REDSHIFT_COLUMNS[layout.redshift])
    units = [bands.unit] * (len(columns) - n_redshift) + [None] * n_redshift
    optional = _absent_bands(X, layout) if absent_bands else ()
    values = tables.extract(
        X, columns, unit=units, missing_codes=bands.missing_codes, optional=optional
    )
    _check_finite(values, columns)
    photometry = layout.split(values)
    if photometry.error is None or upper_limits is None:
        return blank_missing(photometry, largest_error)
    if upper_limits != "keep":
        apply_upper_limits(photometry.flux, photometry.error, upper_limits)
        return blank_missing(photometry, largest_error)
    limit = find_upper_limits(photometry.flux, photometry.error)
    photometry.error[limit] *= -1
    blank_missing(photometry, largest_error)
    photometry.error[limit] *= -1
    return photometry


def blank_missing(photometry: Photometry, largest_error: np.ndarray | None = None) -> Photometry:
    """Write NaN where a measurement says nothing, in place: see `sfml.photometry.missing`."""
    missing = find_missing(photometry.flux, photometry.error, largest_error)
    photometry.flux[missing] = np.nan
    if photometry.error is not None:
        photometry.error[missing] = np.nan
    return photometry


def _absent_bands(X: Any, layout: Layout) -> Sequence[str]:
    """Columns of the bands of which a table has none, with a warning."""
    names = tables.column_names(X)
    bands = layout.bands
    assert bands is not None
    if names is None:
        return ()
    given = set(names)
    pairs = zip(bands.names, bands.flux_columns, bands.error_columns, strict=True)
    absent = [(band, flux, error) for band, flux, error in pairs if not {flux, error} & given]
    if not absent or len(absent) == len(bands):
        return ()
    warnings.warn(
        f"X has no columns of {len(absent)} of {len(bands)} bands, which count as missing: "
        f"{', '.join(band for band, *_ in absent)}.",
        UserWarning,
        stacklevel=6,
    )
    return [column for _, *columns in absent for column in columns]


def _check_finite(values: np.ndarray, columns: Sequence[str]) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        named = [name for name, bad in zip(columns, infinite.any(axis=0), strict=True) if bad]
        raise ValueError(
            f"Input X contains infinity in {infinite.sum()} places, in the columns "
            f"{', '.join(named)}: write NaN, or one of the band set's codes, for a missing value."
        )
