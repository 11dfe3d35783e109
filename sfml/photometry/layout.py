"""Which column of an array of photometry is what: said once, by the selection, and handed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sfml.bands import BandSet
from sfml.photometry.photometry import Photometry

REDSHIFT_COLUMNS = {
    "none": (),
    "spectroscopic": ("redshift",),
    "photometric": ("redshift", "redshift_error"),
}
"""Columns after the fluxes and errors, by what is known of the redshift."""


@dataclass(frozen=True)
class Layout:
    """The columns of an array of photometry: fluxes, errors if any, and redshift.

    Without a BandSet there are `n_bands` fluxes without errors, then a redshift. `redshift` is
    "spectroscopic", "photometric" (it has an error) or "none".
    """

    bands: BandSet | None
    errors: bool = True
    redshift: str = "spectroscopic"
    n_bands: int | None = None

    def __post_init__(self) -> None:
        if self.bands is not None:
            object.__setattr__(self, "n_bands", len(self.bands))

    @property
    def band_names(self) -> list[str]:
        """Names of the bands; x0, x1, ... where they have none."""
        if self.bands is not None:
            return list(self.bands.names)
        return [f"x{i}" for i in range(self.n_bands or 0)]

    @property
    def names(self) -> list[str]:
        """Names of the columns, whatever the catalogue calls them."""
        fluxes = [f"{band}_flux" for band in self.band_names]
        errors = [f"{band}_fluxerr" for band in self.band_names] if self.errors else []
        return [*fluxes, *errors, *REDSHIFT_COLUMNS[self.redshift]]

    @property
    def catalogue_columns(self) -> list[str]:
        """Names of the same columns in the survey's catalogue."""
        bands = self.bands
        assert bands is not None
        errors = bands.error_columns if self.errors else ()
        redshift = {"redshift": bands.redshift, "redshift_error": bands.redshift_error}
        return [
            *bands.flux_columns,
            *errors,
            *(str(redshift[name]) for name in REDSHIFT_COLUMNS[self.redshift]),
        ]

    def with_errors(self, errors: bool) -> Layout:
        """Give the same layout with or without flux errors."""
        return Layout(self.bands, errors, self.redshift, self.n_bands)

    def split(self, values: np.ndarray) -> Photometry:
        """Tell the columns of one array apart."""
        names = self.names
        if values.shape[1] != len(names):
            raise ValueError(
                f"X has {values.shape[1]} columns, but {len(names)} are needed: the fluxes of "
                f"{self.n_bands} bands, {'their errors, ' if self.errors else ''}and "
                f"{' and '.join(REDSHIFT_COLUMNS[self.redshift]) or 'no redshift'}."
            )
        n = int(self.n_bands or 0)
        end = 2 * n if self.errors else n
        last: list[Any] = [values[:, end + i] for i in range(len(REDSHIFT_COLUMNS[self.redshift]))]
        redshift, redshift_error = [*last, None, None][:2]
        return Photometry(
            values[:, :n], values[:, n:end] if self.errors else None, redshift, redshift_error
        )
