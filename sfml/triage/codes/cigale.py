"""Input file of CIGALE: identifiers, redshifts and fluxes in mJy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.triage.codes.filters import filters_of
from sfml.triage.codes.photometry import Photometry, as_table, read_photometry
from sfml.triage.codes.text import check_free, existing_file, numbers, put, read_rows, render_rows
from sfml.triage.identifiers import as_text, check_names

__all__ = ["CIGALE_FILTERS", "open_table", "read_cigale_input", "write_cigale"]

CIGALE_FILTERS: Mapping[str, str] = {
    **{"FUV": "galex.FUV", "NUV": "galex.NUV"},
    **{"u": "sdss.up", "g": "sdss.gp", "r": "sdss.rp", "i": "sdss.ip", "z": "sdss.zp"},
    **{"X": "WFCAM_Z", "Y": "vista.vircam.Y", "J": "vista.vircam.J"},
    **{"H": "vista.vircam.H", "K": "vista.vircam.Ks"},
    **{"W1": "WISE1", "W2": "WISE2", "W3": "WISE3", "W4": "WISE4"},
    **{"P100": "herschel.pacs.100", "P160": "herschel.pacs.160"},
    **{"S250": "PSW", "S350": "PMW", "S500": "PLW"},
}
"""Names of GAMA's 21 bands in the filter database of CIGALE, about versions 2018 to 2020. The names
change between versions: SPIRE's are ``herschel.spire.PSW``, ... in later ones. Those of yours are
listed by ``pcigale-filters list``. VIKING Z (X) stands under UKIRT's Z, the nearest filter there;
VISTA's own can be added by ``pcigale-filters add``."""

_SUFFIXES = (".txt", ".dat", ".fits")
_UNIT = "mJy"


class CigaleTable(NamedTuple):
    """A table which CIGALE reads or wrote."""

    path: Path
    names: list[str]
    ids: list[str]
    table: Any  # an astropy table, or a dict of columns of words

    def columns(self, names: list[str]) -> np.ndarray:
        """Columns of numbers, of shape (n_rows, n_columns); an error names those absent."""
        if message := tables.absent_message(names, self.names, str(self.path)):
            raise ValueError(message)
        if not isinstance(self.table, dict):
            return tables.extract(self.table, names)
        words = [self.table[name] for name in names] if self.ids else []
        return numbers(self.path, names, [list(row) for row in zip(*words, strict=True)])


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
        of `CIGALE_FILTERS` unless they are in it.
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
        or have spaces, or a redshift is not positive.

    Notes
    -----
    The columns are ``id``, ``redshift``, then ``<filter>`` and ``<filter>_err`` of each band, in
    mJy. A band that was not measured is NaN in both. Negative fluxes are measurements, to CIGALE
    (since version 0.12) as to this library. Name the file as ``data_file`` in ``pcigale.ini``.

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
    # id redshift sdss.rp sdss.rp_err WISE1 WISE1_err
    6802 0.05 0.25 0.002 nan nan
    """
    path = Path(path)
    _check_suffix(path)
    filters = _filters(bands, filter_names)
    photometry = read_photometry(X, bands, ids, _UNIT, upper_limits=upper_limits)
    check_names(
        photometry.ids,
        r"[^\s#\"]\S*",
        "CIGALE separates columns by spaces. Pass identifiers without spaces as ids.",
    )
    check_free([path], overwrite=overwrite)
    columns = ["redshift", *(name + end for name in filters for end in ("", "_err"))]
    values = np.empty((len(photometry.ids), len(columns)))
    values[:, 0] = photometry.redshift
    values[:, 1::2], values[:, 2::2] = photometry.flux, photometry.error
    if path.suffix.lower() == ".fits":
        return put(path, lambda temporary: _write_fits(temporary, columns, photometry.ids, values))
    text = render_rows(" ".join(["# id", *columns]), photometry.ids, values)
    return put(path, lambda temporary: temporary.write_text(text))


def read_cigale_input(
    path: str | os.PathLike[str],
    *,
    bands: BandSet = GAMA,
    filter_names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Read galaxies back from the input file of CIGALE.

    Parameters
    ----------
    path : path
        File of `write_cigale`, or one like it: ``.txt``, ``.dat`` or ``.fits``.
    bands : BandSet, default=GAMA
        Bands to read, with the layout and unit wanted.
    filter_names : mapping of str to str, default=None
        Name of each band's filter in the file, as for `write_cigale`.

    Returns
    -------
    DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Columns ``bands.columns`` in ``bands.unit``, NaN where not measured, indexed by id, which is
        text. The negative errors of upper limits stay as they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is malformed or lacks columns.
    """
    path = existing_file(Path(path), "`write_cigale` writes such a file.")
    _check_suffix(path)
    filters = _filters(bands, filter_names)
    columns = ["redshift", *filters, *(f"{name}_err" for name in filters)]
    table = open_table(path)
    values, n = table.columns(columns), len(bands)
    photometry = Photometry(table.ids, values[:, 0], values[:, 1 : n + 1], values[:, n + 1 :])
    return as_table(photometry, bands, _UNIT)


def open_table(path: Path) -> CigaleTable:
    """Open a text or FITS table of CIGALE, which must have a column ``id``."""
    ids: list[Any]
    if path.suffix.lower() == ".fits":
        from astropy.table import Table

        table = Table.read(path, format="fits", unit_parse_strict="silent")
        names, ids = list(table.colnames), list(table["id"]) if "id" in table.colnames else []
    else:
        names, rows = read_rows(path)
        table = dict(zip(names, zip(*rows, strict=True), strict=False))
        ids = list(table.get("id", ()))
    if message := tables.absent_message(["id"], names, str(path)):
        raise ValueError(message)
    return CigaleTable(path, names, as_text(ids), table)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"Cannot tell the format of {str(path)!r}: its name must end in one of "
            f"{', '.join(_SUFFIXES)}."
        )


def _filters(bands: BandSet, filter_names: Mapping[str, str] | None) -> list[str]:
    filters = filters_of(
        bands,
        CIGALE_FILTERS,
        filter_names,
        parameter="filter_names",
        advice="`pcigale-filters list` lists the names.",
    )
    repeated = sorted({name for name in filters if filters.count(name) > 1})
    if repeated:
        raise ValueError(f"Each band needs a filter of its own; these repeat: {repeated}.")
    return filters


def _write_fits(path: Path, columns: list[str], ids: list[str], values: np.ndarray) -> None:
    from astropy.table import Table

    table = Table({"id": np.array(ids, dtype=str)})
    for name, column in zip(columns, values.T, strict=True):
        table[name] = column
        if name != "redshift":
            table[name].unit = _UNIT
    table.write(path, format="fits")
