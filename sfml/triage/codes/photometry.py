"""Redshifts and fluxes of the galaxies that are handed over, in the unit of the SPS code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml.bands import BandSet
from sfml.photometry import Layout, read_photometry
from sfml.tables.units import flux_density_factor
from sfml.triage.identifiers import check_unique, examples, identifiers


class Galaxies(NamedTuple):
    """Galaxies as an SPS code needs them; NaN where a band was not measured."""

    ids: list[str]
    redshift: np.ndarray  # (n_galaxies,)
    flux: np.ndarray  # (n_galaxies, n_bands)
    error: np.ndarray  # negative where the flux is an upper limit


def read_galaxies(
    X: Any, bands: BandSet, ids: Iterable[Any] | None, unit: str, *, upper_limits: bool = False
) -> Galaxies:
    """Read galaxies in the columns of `bands`, with fluxes and errors in `unit`.

    With `upper_limits`, negative errors that mark one stay; else such a band was not measured.
    Raises where a redshift is not positive.
    """
    texts = identifiers(X, ids)
    flux, error, redshift, _ = read_photometry(
        X, Layout(bands), upper_limits="keep" if upper_limits else None
    )
    assert error is not None
    assert redshift is not None
    wrong = np.flatnonzero(~(redshift > 0))
    if len(wrong):
        raise ValueError(
            f"An SPS code needs a positive redshift; {bands.redshift!r} is "
            f"{redshift[wrong[0]]:g} in {len(wrong)} of {len(redshift)} rows, for example those "
            f"of {examples([texts[row] for row in wrong])}. Leave these galaxies out: `choose` "
            "does so with exclude_flags."
        )
    factor = flux_density_factor(bands.unit, unit)
    return Galaxies(texts, redshift, factor * flux, factor * error)


def as_table(galaxies: Galaxies, bands: BandSet, unit: str) -> pd.DataFrame:
    """Arrange galaxies, given in `unit`, as a catalogue in the layout and unit of `bands`."""
    check_unique(galaxies.ids, "The ids in the file")
    # Dividing by 1000 undoes a multiplication by 1000; multiplying by 0.001 would not.
    factor = flux_density_factor(bands.unit, unit)
    values = (galaxies.flux / factor, galaxies.error / factor, galaxies.redshift)
    index = pd.Index(galaxies.ids, name="id", dtype=object)
    return pd.DataFrame(np.column_stack(values), index=index, columns=list(bands.columns))
