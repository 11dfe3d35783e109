"""What a model library must be, and errors that name the models that are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sfml import tables
from sfml.bands import BandSet
from sfml.targets import check_target_names, implausible, known_target

REDSHIFT = "redshift"
# Of a galaxy that has stopped to form stars, as a fraction of its mass per year.
LOWEST_SSFR = 1e-13
DARK = 1e-30  # Jy: what a model emits beyond the Lyman limit
_MOST_SHOWN = 5


def check_fluxes(flux: Any, bands: BandSet) -> np.ndarray:
    """Return fluxes as an array (n_models, n_bands), or say which are not finite or positive."""
    flux = np.array(flux, dtype=float)
    if flux.ndim != 2 or flux.shape[1] != len(bands) or not len(flux):
        raise ValueError(
            f"flux must have the shape (n_models, {len(bands)}), one column per band, with at "
            f"least one model; got {flux.shape}."
        )
    problems = []
    for name, column in zip(bands.names, flux.T, strict=True):
        for bad, what in ((~np.isfinite(column), "not finite"), (column <= 0, "not positive")):
            if bad.any():
                problems.append(f"{name}: {bad.sum()} {what}, in rows {rows_of(bad)}")
    if problems:
        raise ValueError(
            f"Fluxes of models must be finite and positive. {'; '.join(problems)} (counted from "
            "0). Leave these models out, or the band if the filter does not overlap the spectra; "
            "where a model emits nothing, as beyond the Lyman limit, write a very small flux."
        )
    return flux


def check_redshifts(redshift: Any, n_models: int) -> np.ndarray:
    """Return redshifts as an array (n_models,), or say which are not above 0."""
    redshift = np.array(redshift, dtype=float)
    if redshift.shape != (n_models,):
        raise ValueError(f"redshift must have the shape ({n_models},); got {redshift.shape}.")
    wrong = ~(np.isfinite(redshift) & (redshift > 0))
    if wrong.any():
        raise ValueError(
            f"Redshifts of models must be finite and above 0; {wrong.sum()} of {n_models} are not, "
            f"in rows {rows_of(wrong)} (counted from 0)."
        )
    return redshift


def check_parameters(parameters: Any, n_models: int, bands: BandSet) -> pd.DataFrame:
    """Return parameters as a DataFrame, or say which are not finite or beyond their range."""
    is_empty = isinstance(parameters, Mapping) and not parameters
    names = None if is_empty else tables.column_names(parameters)
    if not names:
        raise ValueError("parameters must be a table or dict with one column per parameter.")
    check_target_names(names)
    taken = {REDSHIFT, *flux_names(bands)} & set(names)
    if taken:
        raise ValueError(
            f"Parameters must have names of their own; {', '.join(sorted(taken))} is taken by the "
            "redshift or a flux of the library."
        )
    values = tables.extract(parameters, names)
    if len(values) != n_models:
        raise ValueError(f"parameters have {len(values)} rows for {n_models} models.")
    for name, column in zip(names, values.T, strict=True):
        _check_parameter(name, column)
    return pd.DataFrame(values, columns=names)


def _check_parameter(name: str, values: np.ndarray) -> None:
    infinite = ~np.isfinite(values)
    if infinite.any():
        raise ValueError(
            f"Parameter {name!r} is not finite in {infinite.sum()} models, rows "
            f"{rows_of(infinite)} (counted from 0). Leave these out, or set a floor before the "
            "logarithm, such as np.log10(np.maximum(sfr, 1e-4))."
        )
    wrong = implausible(values, name)
    known = known_target(name)
    if wrong.any() and known is not None:
        raise ValueError(
            f"Parameter {name!r} must be in {known.unit or 'no unit'}, from {known.low:g} to "
            f"{known.high:g}; got {values[wrong][0]:g} and others in {wrong.sum()} models, rows "
            f"{rows_of(wrong)} (counted from 0). Linear values of a parameter in dex need np.log10."
        )


def units_of(names: Sequence[str], stated: Mapping[str, str]) -> dict[str, str]:
    """Find each parameter's unit: sfml's for the targets that it knows, else the one stated."""
    unknown = [name for name in stated if name not in names]
    if unknown:
        raise ValueError(f"units names {unknown}, but the parameters are {', '.join(names)}.")
    units = {}
    for name in names:
        known = known_target(name)
        if known is not None:
            _check_same_unit(name, stated.get(name), known.unit)
            units[name] = known.unit
        elif name in stated:
            units[name] = str(stated[name])
        else:
            raise ValueError(
                f"Parameter {name!r} needs a unit: units={{{name!r}: 'K'}}, or '' if it has none. "
                "`sfml.targets.declare_target` declares one for good."
            )
    return units


def _check_same_unit(name: str, stated: str | None, unit: str) -> None:
    """Refuse another unit; "dex(solMass)" and "log10 Msun" are spellings of "dex (Msun)"."""
    if stated is None or stated.replace(" ", "") == unit.replace(" ", ""):
        return
    if unit.startswith("dex") and any(word in stated.lower() for word in ("dex", "log")):
        return
    advice = " Take np.log10 of it first." if unit.startswith("dex") else " Convert it first."
    raise ValueError(f"Parameter {name!r} must be in {unit!r}; got {stated!r}.{advice}")


def flux_names(bands: BandSet) -> list[str]:
    """Names of the flux columns of a library's file."""
    return [f"{name}_flux" for name in bands.names]


def rows_of(bad: np.ndarray) -> str:
    """List the first rows that are marked, for a message."""
    rows = np.flatnonzero(bad)
    more = ", ..." if len(rows) > _MOST_SHOWN else ""
    return ", ".join(map(str, rows[:_MOST_SHOWN])) + more
