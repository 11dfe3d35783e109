"""Models of an SPS code, read from any table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sfml import tables
from sfml.bands import BandSet
from sfml.io import open_catalogue
from sfml.io.catalogue import CatalogueReader
from sfml.targets import canonical_name, known_target


def read_models(
    table: Any,
    bands: BandSet,
    columns: Mapping[str, Any] | None,
    parameters: Mapping[str, str] | None,
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, dict[str, str]]:
    """Read fluxes (in the band set's unit), redshifts, parameters and the units they state."""
    reader = _open(table, bands, columns)
    found = dict(parameters) if parameters is not None else _known_parameters(reader, bands)
    if not found:
        raise ValueError(
            "No column is named as a parameter that sfml knows (stellar_mass, sfr, ...). Name "
            f"them: parameters={{'stellar_mass': 'logmass'}}. There are {', '.join(reader.names)}."
        )
    wanted = [*bands.flux_columns, bands.redshift, *found.values()]
    if message := tables.absent_message(wanted, reader.names, "The table of models"):
        raise ValueError(message)
    frame = reader.only(*dict.fromkeys(wanted)).read()
    fluxes = tables.extract(frame, [*bands.flux_columns, bands.redshift])
    values = tables.extract(frame, list(found.values()))
    stated = {name: reader.units[c] for name, c in found.items() if reader.units.get(c)}
    return fluxes[:, :-1], fluxes[:, -1], pd.DataFrame(values, columns=list(found)), stated


def _open(table: Any, bands: BandSet, columns: Mapping[str, Any] | None) -> CatalogueReader:
    """Open a table of models: it has no errors, and must have every band."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*has no columns of.*bands")
        reader = open_catalogue(table, bands, {"{band}_fluxerr": None, **(columns or {})})
    if absent := reader.report.absent_bands:
        raise ValueError(
            f"The table of models lacks {len(absent)} of {len(bands)} bands: {', '.join(absent)}. "
            "Say with `columns` what they are called, or leave them out with bands.without(...)."
        )
    return reader


def _known_parameters(reader: CatalogueReader, bands: BandSet) -> dict[str, str]:
    return {
        canonical_name(name): name
        for name in reader.names
        if known_target(name) is not None and name != bands.redshift
    }
