"""Input file of CIGALE: identifiers, redshifts and fluxes in mJy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml import surveys, tables
from sfml.bands import GAMA, BandSet
from sfml.tables.writing import write_files
from sfml.triage.codes.filters import filters_of
from sfml.triage.codes.photometry import Galaxies, as_table, read_galaxies
from sfml.triage.codes.text import existing_file, numbers, read_named_rows, render_rows
from sfml.triage.identifiers import as_text, check_names, examples

CIGALE_FILTERS: Mapping[str, str] = surveys.filters("GAMA", "cigale")
"""Names of GAMA's 21 bands in the filter database of CIGALE since version 2025.0: those of the
Spanish Virtual Observatory, as facility, instrument and filter. The package FRBs/FRB changed to
them for that version (``frb/galaxies/cigale.py``). SPIRE's are for point sources.
``pcigale-filters list`` lists the names of your version."""

CIGALE_FILTERS_2020: Mapping[str, str] = surveys.filters("GAMA", "cigale_2020")
"""Names of GAMA's 21 bands in CIGALE from about 2018 to 2020, to be passed as ``filter_names``.
Versions 2022 have most of them still, and SPIRE's as in `CIGALE_FILTERS`. VIKING Z (X) stands under
UKIRT's Z, the nearest filter there."""

_SUFFIXES = (".txt", ".dat", ".fits")
_UNIT = "mJy"
# At or below this, CIGALE takes a flux as not measured (threshold in managers/observations.py).
_THRESHOLD = -9990.0


class CigaleTable(NamedTuple):
    """A table which CIGALE reads or wrote."""

    path: Path
    names: list[str]
    ids: list[str]
    table: Any  # an astropy table, or a dict of columns of words

    def columns(self, names: list[str], unit: str | None = None) -> np.ndarray:
        """Read columns of numbers, of shape (n_rows, n_columns); an error names those absent."""
        if message := tables.absent_message(names, self.names, str(self.path)):
            raise ValueError(message)
        if isinstance(self.table, dict):
            words = [self.table[name] for name in names] if self.ids else []
            return numbers(self.path, names, list(zip(*words, strict=True)))
        values = tables.extract(self.table, names)
        if unit and not np.array_equal(
            values, tables.extract(self.table, names, unit=unit), equal_nan=True
        ):
            raise ValueError(
                f"{str(self.path)!r} has fluxes in another unit than {unit}, which CIGALE takes to "
                f"be in {unit} all the same. Convert them, or correct their unit."
            )
        return values


def write_cigale(
    X: Any,
    path: str | os.PathLike[str],
    *,
    bands: BandSet = GAMA,
    ids: Iterable[Any] | None = None,
    filter_names: Mapping[str, str] | None = None,
    upper_limits: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write galaxies as input for CIGALE.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes, errors and the redshift, in the columns of `bands`: the rows that were chosen.
    path : path
        File to write: ``.txt`` or ``.dat`` (columns separated by spaces), or ``.fits``.
    bands : BandSet, default=GAMA
        Bands to write, with the layout, unit and missing codes of X.
    ids : iterable of length n_galaxies, default=None
        Identifiers. By default the index of a DataFrame, else 0, 1, 2, ...
    filter_names : mapping of str to str, default=None
        Name of each band's filter in CIGALE. GAMA's own bands, by name and wavelength, have those
        of `CIGALE_FILTERS` unless they are in it. `CIGALE_FILTERS_2020` has older names.
    upper_limits : bool, default=False
        Whether a negative error, unless it is a missing code, marks an upper limit, as it does
        in CIGALE. Otherwise such a band counts as not measured, as everywhere in this library.
    overwrite : bool, default=False
        Whether to replace the file if it is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If the file is there and `overwrite` is False.
    ValueError
        If a band has no filter name, two have the same, the suffix is unknown, identifiers repeat
        or would be changed by CIGALE, a redshift is not positive, or CIGALE would take a
        measurement as missing, since it is -9990 mJy or less.

    Notes
    -----
    The columns are ``id``, ``redshift``, then ``<filter>`` and ``<filter>_err`` of each band, in
    mJy. A band that was not measured is NaN in both. Negative fluxes are measurements, to CIGALE
    (since version 0.12) as to this library. In an upper limit, the flux is the limit and the
    absolute value of the error its 1-sigma width. Name the file as ``data_file`` in
    ``pcigale.ini``.

    References
    ----------
    Boquien et al. 2019, A&A 622, A103 (CIGALE).

    Examples
    --------
    >>> import tempfile
    >>> from sfml import BandSet, triage
    >>> bands = BandSet(["r", "W1"], [0.6176, 3.3526])
    >>> X = [[2.5e-4, -999.0, 2.0e-6, -999.0, 0.05]]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = triage.write_cigale(X, f"{folder}/galaxies.txt", bands=bands, ids=[6802])
    ...     print(path.read_text(), end="")
    # id redshift sloan.sdss.r sloan.sdss.r_err wise.W1 wise.W1_err
    6802 0.05 0.25 0.002 nan nan
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"Cannot tell the format of {str(path)!r}: its name must end in one of "
            f"{', '.join(_SUFFIXES)}."
        )
    filters = _filters(bands, filter_names)
    galaxies = read_galaxies(X, bands, ids, _UNIT, upper_limits=upper_limits)
    _check_thresholds(galaxies)
    is_fits = path.suffix.lower() == ".fits"
    if not is_fits:
        _check_ids(galaxies.ids)
    columns = ["redshift", *(name + end for name in filters for end in ("", "_err"))]
    values = np.empty((len(galaxies.ids), len(columns)))
    values[:, 0] = galaxies.redshift
    values[:, 1::2], values[:, 2::2] = galaxies.flux, galaxies.error
    content: Any = render_rows(" ".join(["# id", *columns]), galaxies.ids, values)
    if is_fits:
        content = partial(_write_fits, columns=columns, ids=galaxies.ids, values=values)
    return write_files({path: content}, overwrite=overwrite)[0]


def read_cigale_input(
    path: str | os.PathLike[str],
    *,
    bands: BandSet = GAMA,
    filter_names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Read galaxies back from an input file of CIGALE, as CIGALE itself reads it.

    Parameters
    ----------
    path : path
        File of `write_cigale`, or another that CIGALE reads: text with spaces, tabs or commas
        between columns (the header with or without #), FITS or VOTable.
    bands : BandSet, default=GAMA
        Bands to read, with the layout and unit wanted.
    filter_names : mapping of str to str, default=None
        Name of each band's filter in the file, as for `write_cigale`. GAMA's own bands are found
        under their names of today and of 2020, too.

    Returns
    -------
    DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Columns ``bands.columns`` in ``bands.unit``, NaN where not measured, indexed by id, which is
        text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is malformed, lacks columns, has a column or a band twice, or has fluxes in
        another unit than mJy.

    Notes
    -----
    A band is not measured where the flux or its error is not finite or is -9990 or less, or where
    the error is 0. A negative error above that marks an upper limit: the flux is the limit, and the
    absolute value of the error its 1-sigma width. Such errors stay negative. Columns of other
    bands, of physical properties and of the distance are not read.

    Examples
    --------
    >>> import tempfile
    >>> from sfml import BandSet, triage
    >>> bands = BandSet(["r", "W1"], [0.6176, 3.3526])
    >>> X = [[2.5e-4, -999.0, 2.0e-6, -999.0, 0.05]]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = triage.write_cigale(X, f"{folder}/galaxies.txt", bands=bands, ids=[6802])
    ...     table = triage.read_cigale_input(path, bands=bands)
    >>> table.loc["6802"].to_dict()
    {'r_flux': 0.00025, 'W1_flux': nan, 'r_fluxerr': 2e-06, 'W1_fluxerr': nan, 'Z': 0.05}
    """
    path = existing_file(Path(path), "`write_cigale` writes such a file.")
    table = open_table(path)
    filters = _filters_in(table, bands, filter_names)
    redshift = table.columns(["redshift"])[:, 0]
    fluxes = table.columns([*filters, *(f"{name}_err" for name in filters)], _UNIT)
    flux, error = np.hsplit(fluxes, 2)
    known = np.isfinite(flux) & np.isfinite(error) & (error != 0)
    known &= (flux > _THRESHOLD) & (error > _THRESHOLD)
    galaxies = Galaxies(
        table.ids,
        np.where(redshift > _THRESHOLD, redshift, np.nan),
        np.where(known, flux, np.nan),
        np.where(known, error, np.nan),
    )
    return as_table(galaxies, bands, _UNIT)


def open_table(path: Path) -> CigaleTable:
    """Open a text, FITS or VOTable file of CIGALE, which must have a column ``id``."""
    with path.open("rb") as file:
        start = file.read(1024)
    ids: Any
    table: Any
    is_fits = start.startswith(b"SIMPLE")
    if is_fits or b"<VOTABLE" in start.upper():
        from astropy.table import Table

        options = {"format": "fits", "unit_parse_strict": "silent"} if is_fits else {}
        table = Table.read(path, **{"format": "votable", **options})
        names, ids = list(table.colnames), table["id"] if "id" in table.colnames else []
    else:
        names, rows, _ = read_named_rows(path)
        table = dict(zip(names, zip(*rows, strict=True), strict=False))
        ids = table.get("id", ())
    if message := tables.absent_message(["id"], names, str(path)):
        raise ValueError(message)
    return CigaleTable(path, names, as_text(ids), table)


def _filters(bands: BandSet, filter_names: Mapping[str, str] | None) -> list[str]:
    return filters_of(
        bands,
        CIGALE_FILTERS,
        filter_names,
        parameter="filter_names",
        advice="`pcigale-filters list` lists the names.",
    )


def _filters_in(
    table: CigaleTable, bands: BandSet, filter_names: Mapping[str, str] | None
) -> list[str]:
    """Find the name under which the file has each band: the one given, today's or that of 2020."""
    found = []
    for band, name in zip(bands.names, _filters(bands, filter_names), strict=True):
        known = {name}
        if bands.is_gama_band(band) and band not in (filter_names or {}):
            known |= {CIGALE_FILTERS[band], CIGALE_FILTERS_2020[band]}
        present = sorted(known & set(table.names))
        if len(present) > 1:
            raise ValueError(
                f"{str(table.path)!r} has the band {band!r} more than once: {', '.join(present)}. "
                f"Say which with filter_names={{{band!r}: ...}}."
            )
        found.append(present[0] if present else name)
    return found


def _check_thresholds(galaxies: Galaxies) -> None:
    low = ((galaxies.flux <= _THRESHOLD) | (galaxies.error <= _THRESHOLD)).any(axis=1)
    if low.any():
        names = [galaxies.ids[row] for row in np.flatnonzero(low)]
        raise ValueError(
            f"CIGALE takes fluxes and errors of {_THRESHOLD:g} mJy or less as not measured; "
            f"{len(names)} galaxies have such ones, for example {examples(names)}. Set them to NaN "
            "if they are, or declare their code in missing_codes of `bands`."
        )


def _check_ids(ids: list[str]) -> None:
    """Raise where CIGALE would return other identifiers than it was given."""
    check_names(
        ids,
        r"[^\s#\",]\S*",
        "CIGALE separates columns by spaces. Pass identifiers without spaces as ids.",
    )
    try:
        changed = [text for text in ids if str(int(text)) != text]
    except ValueError:  # a column of text, which CIGALE leaves as it is
        return
    if changed:
        raise ValueError(
            f"CIGALE reads a column of numbers as numbers: {changed[0]!r} would become "
            f"{str(int(changed[0]))!r}. Write a .fits file, or pass other ids."
        )


def _write_fits(path: Path, columns: list[str], ids: list[str], values: np.ndarray) -> None:
    from astropy.table import Table

    table = Table({"id": np.array(ids, dtype=str)})
    for name, column in zip(columns, values.T, strict=True):
        table[name] = column
        if name != "redshift":
            table[name].unit = _UNIT
    table.write(path, format="fits")
