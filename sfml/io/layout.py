"""Which column of a catalogue is which of a band set's, and what has to be done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from sfml.bands import BandSet
from sfml.io.conversions import Conversion, error_conversion, flux_conversion
from sfml.io.guess import guess_columns
from sfml.io.source import check_unique
from sfml.tables.extraction import abbreviate, absent_message
from sfml.tables.units import conversion_factor, has_unit

ColumnOption = Mapping[str, str | Sequence[str] | None]
"""What `columns=` is."""


class Origin(NamedTuple):
    """Where a column comes from: a column of the file, and the unit that the user says it has."""

    column: str | None
    unit: str | None = None
    of_all_bands: bool = False
    """Whether it was stated for all bands at once: then the file may lack some."""


class Reading(NamedTuple):
    """How one column of a band set is read."""

    name: str
    column: str
    unit: str | None = None
    """That of the file, or stated in its place; None if there is none."""
    conversion: Conversion | None = None
    flux: str | None = None
    """Of errors: the name of the flux that they belong to."""


class Layout(NamedTuple):
    """How a catalogue is read."""

    readings: list[Reading]
    names: dict[str, str]
    """Names of all columns: those of the file, and those that they get."""
    absent_bands: list[str]


def stated_columns(columns: ColumnOption | None, bands: BandSet | None) -> dict[str, Origin]:
    """Check and expand `columns=`: one entry for each column that it says something of."""
    if columns is not None and not isinstance(columns, Mapping):
        raise TypeError(
            "columns must map names of the band set to the catalogue's, as in {'r_flux': "
            f"'FLUX_R'}}; got {columns!r}. A reader's `only` takes a list of columns to read."
        )
    stated: dict[str, Origin] = {}
    single: dict[str, Origin] = {}
    for key, value in (columns or {}).items():
        origin = _origin(key, value)
        if bands is None:
            if origin.column is None or origin.unit is not None:
                raise ValueError(
                    f"columns={{{key!r}: {value!r}}} says what a band set's column is: pass bands "
                    "too, or the name of a column alone, to rename it."
                )
            single[key] = origin
        elif key in (bands.flux, bands.error):
            for band in bands.names:
                name = key.format(band=band)
                column = origin.column and origin.column.format(band=band, BAND=band.upper())
                stated[name] = Origin(column, origin.unit, of_all_bands=True)
        elif key in _needed(bands):
            single[key] = origin
        else:
            close = get_close_matches(key, _needed(bands), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"columns has the key {key!r}, which is no column of the band set.{hint} Keys are "
                f"the band set's names ({bands.flux_columns[0]!r}, {bands.error_columns[0]!r}, "
                f"{bands.redshift!r}, ...), or {bands.flux!r} and {bands.error!r} for all bands; "
                "values are the names of the file."
            )
    return stated | single


def _origin(key: str, value: Any) -> Origin:
    if value is None or isinstance(value, str):
        return Origin(value)
    if isinstance(value, tuple | list) and len(value) == 2:
        column, unit = value
        if isinstance(column, str) and isinstance(unit, str):
            return Origin(column, unit)
    raise ValueError(
        f"columns must give, for {key!r}, a name of a column, a pair of name and unit such as "
        f"('MAG_R', 'AB mag'), or None if there is no such column; got {value!r}."
    )


def _needed(bands: BandSet) -> list[str]:
    """Name all columns of a band set."""
    return [*bands.columns, *([bands.redshift_error] if bands.redshift_error else [])]


def wanted_columns(stated: Mapping[str, Origin], bands: BandSet | None) -> list[str]:
    """Name the columns of the file that are looked for."""
    names = list(stated) if bands is None else _needed(bands)
    origins = (stated.get(name, Origin(name)) for name in names)
    return [origin.column for origin in origins if origin.column is not None]


def plan(
    names: Sequence[str],
    units: Mapping[str, str],
    stated: Mapping[str, Origin],
    bands: BandSet | None,
    what: str,
) -> Layout:
    """Find the columns of a band set among those of a file, or say which are absent.

    Raises ValueError for absent columns, with those that may be meant. Bands of which there is
    nothing are left out.
    """
    try:
        check_unique(names)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    _check_stated(stated, names, what)
    if bands is None:
        origins = {name: origin for name, origin in stated.items() if origin.column}
        absent: list[str] = []
    else:
        origins, absent = _find(names, stated, bands, what)
    columns = [str(origin.column) for origin in origins.values()]
    if repeated := sorted({column for column in columns if columns.count(column) > 1}):
        raise ValueError(f"{what}: these columns are asked for more than once: {repeated}.")
    readings = [] if bands is None else _readings(origins, units, bands, what)
    return Layout(readings, _new_names(names, origins), absent)


def _check_stated(stated: Mapping[str, Origin], names: Sequence[str], what: str) -> None:
    alone = [origin for origin in stated.values() if not origin.of_all_bands]
    columns = [origin.column for origin in alone if origin.column is not None]
    if message := absent_message(columns, names, what):
        raise ValueError(f"{message} They are named in `columns`.")


def _find(
    names: Sequence[str], stated: Mapping[str, Origin], bands: BandSet, what: str
) -> tuple[dict[str, Origin], list[str]]:
    """Find where each column comes from, and the bands of which there is nothing."""
    there = set(names)
    needed = [name for name in _needed(bands) if stated.get(name, Origin(name)).column is not None]
    origins = {name: stated.get(name, Origin(name)) for name in needed}
    origins = {name: origin for name, origin in origins.items() if origin.column in there}
    lacking = [name for name in needed if name not in origins]
    used = {origin.column for origin in origins.values()}
    guesses = guess_columns(lacking, [name for name in names if name not in used], bands)
    pairs = list(zip(bands.names, bands.flux_columns, bands.error_columns, strict=True))
    some = any(flux in origins for _, flux, _ in pairs)
    absent = [
        band
        for band, *pair in pairs
        if some and not {*pair} & {*origins, *guesses} and {*pair} & {*lacking}
    ]
    columns = {column for band, *pair in pairs if band in absent for column in pair}
    if lacking := [name for name in lacking if name not in columns]:
        raise ValueError(_absent(lacking, len(needed), names, guesses, what))
    return origins, absent


def _absent(
    lacking: list[str], n_needed: int, names: Sequence[str], guesses: Mapping[str, Any], what: str
) -> str:
    """Say which columns are absent, and what to write in `columns`."""
    advice = f" Perhaps they have other names here: columns={dict(guesses)}." if guesses else ""
    unknown = next((name for name in lacking if name not in guesses), None)
    if unknown is not None:
        advice += (
            f" Say what a column is called by columns={{{unknown!r}: 'NAME'}}, or that there is "
            f"none by columns={{{unknown!r}: None}}."
        )
    return (
        f"{what} lacks {len(lacking)} of the {n_needed} columns needed: {abbreviate(lacking)}. It "
        f"has {len(names)} columns: {abbreviate(names)}.{advice}"
    )


def _readings(
    origins: Mapping[str, Origin], units: Mapping[str, str], bands: BandSet, what: str
) -> list[Reading]:
    """Choose the conversion of each column, fluxes before their errors."""
    readings: dict[str, Reading] = {}
    problems = []
    fluxes = dict(zip(bands.flux_columns, bands.names, strict=True))
    errors = dict(zip(bands.error_columns, bands.flux_columns, strict=True))
    for name, origin in origins.items():
        column = str(origin.column)
        unit = origin.unit or units.get(column)
        unit = unit if has_unit(unit) else None
        try:
            if name in fluxes:
                conversion = flux_conversion(unit, bands.unit, fluxes[name])
                readings[name] = Reading(name, column, unit, conversion)
            elif name in errors:
                flux = readings.get(errors[name])
                conversion = error_conversion(
                    unit, bands.unit, flux and flux.conversion, flux and flux.unit, flux is not None
                )
                readings[name] = Reading(name, column, unit, conversion, errors[name])
            else:
                _check_redshift(unit)
                readings[name] = Reading(name, column, unit)
        except ValueError as error:
            problems.append((name, f"{column!r} {error}"))
    if problems:
        name, _ = problems[0]
        shown = "; ".join(text for _, text in problems[:4])
        more = f"; ... and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise ValueError(
            f"{what}: units cannot be converted to {bands.unit}: {shown}{more}. A unit is given "
            f"as in columns={{{name!r}: ({origins[name].column!r}, 'AB mag')}}."
        )
    return list(readings.values())


def _check_redshift(unit: str | None) -> None:
    if unit is not None and conversion_factor(unit, "km/s") is not None:
        raise ValueError(f"is in {unit!r}: a velocity. A redshift is needed")


def _new_names(names: Sequence[str], origins: Mapping[str, Origin]) -> dict[str, str]:
    """Give each column of the file its name: the band set's in place of the file's own."""
    new = {str(origin.column): name for name, origin in origins.items()}
    taken = set(new.values())
    given = {}
    for name in names:
        given[name] = new.get(name, f"{name}_original" if name in taken else name)
    if len(set(given.values())) < len(given):
        both = [name for name in given.values() if list(given.values()).count(name) > 1]
        raise ValueError(f"Two columns would be called {both[0]!r}. Rename one of them first.")
    return given
