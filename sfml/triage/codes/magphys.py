"""Input files of MAGPHYS: observations.dat and filters.dat."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfml.bands import GAMA, BandSet
from sfml.triage.codes.filters import filters_of
from sfml.triage.codes.photometry import Photometry, as_table, read_photometry
from sfml.triage.codes.text import (
    check_free,
    existing_file,
    numbers,
    put,
    read_rows,
    render_rows,
)
from sfml.triage.identifiers import check_names

__all__ = ["MAGPHYS_FILTER_IDS", "read_magphys_input", "write_magphys"]

OBSERVATIONS, FILTERS = "observations.dat", "filters.dat"

MAGPHYS_FILTER_IDS: Mapping[str, int] = {
    **{"FUV": 123, "NUV": 124, "u": 115, "g": 116, "r": 117, "i": 118, "z": 119},
    **{"X": 318, "Y": 319, "J": 320, "H": 321, "K": 322},
    **{"W1": 280, "W2": 281, "W3": 282, "W4": 283},
    **{"P100": 170, "P160": 171, "S250": 172, "S350": 173, "S500": 174},
}
"""Numbers of GAMA's 21 bands in the filter file (FILTERBIN.RES) of MAGPHYS, as GAMA's own runs had
them (Driver et al. 2016; filters.dat of run 11 in the ICRAR repository gama-magphys). Other
distributions number filters otherwise: compare with the file filters.log beside FILTERBIN.RES."""

_MISSING = -99.0
# Sizes of arrays in MAGPHYS's fit_sed.f: galmax, nmax, filt_name and gal_name.
_MOST_GALAXIES, _MOST_BANDS, _LONGEST_BAND, _LONGEST_NAME = 5000, 50, 12, 8


def write_magphys(
    X: Any,
    directory: str | os.PathLike[str],
    *,
    bands: BandSet = GAMA,
    ids: Iterable[Any] | None = None,
    filter_ids: Mapping[str, int] | None = None,
    longest_name: int = _LONGEST_NAME,
    overwrite: bool = False,
) -> Path:
    """Write galaxies as input for MAGPHYS.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes, errors and the redshift, in the columns of `bands`: the rows that were chosen.
    directory : path
        Folder to write ``observations.dat`` and ``filters.dat`` to; made if it is not there.
    bands : BandSet, default=GAMA
        Bands to write, with the layout, unit and missing codes of X.
    ids : iterable of length n_galaxies, default=None
        Names of the galaxies. By default the index of a DataFrame, else 0, 1, 2, ...
    filter_ids : mapping of str to int, default=None
        Number of each band's filter in MAGPHYS's ``FILTERBIN.RES``. GAMA's own bands, by name and
        wavelength, have those of `MAGPHYS_FILTER_IDS` unless they are in it.
    longest_name : int, default=8
        Characters of a name that your MAGPHYS reads (``gal_name`` in ``fit_sed.f``): 8 in that
        of 2010, 15 in the high-redshift one, 40 in GAMA's.
    overwrite : bool, default=False
        Whether to replace the two files if they are there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If a file is there and `overwrite` is False.
    ValueError
        If a band has no filter number, a name cannot be read by MAGPHYS or repeats, a redshift is
        not positive, or there are more than 5,000 galaxies or 50 bands.

    Notes
    -----
    ``observations.dat`` has a header line, which MAGPHYS skips, then a galaxy a line: name,
    redshift, and flux and 1-sigma error in Jy of band after band. ``filters.dat`` has a header
    line, then a band a line: name, effective wavelength in micron, number of the filter, and 1, for
    a band to be fitted. Bands stand in order of wavelength, since MAGPHYS takes the first ones for
    starlight and the last ones for dust.

    A band that was not measured has flux and error -99: MAGPHYS fits positive fluxes only. A
    measured negative flux stays: the MAGPHYS of 2010 ignores it, while that of GAMA and the
    high-redshift one take a flux <= 0 with a positive error as an upper limit.

    The MAGPHYS of 2010 keeps 10 characters of the name of a file, ``.fit`` included, so that
    names of 7 or 8 characters lose the end of that suffix.

    References
    ----------
    .. [1] da Cunha, Charlot & Elbaz 2008, MNRAS 388, 1595, and ``fit_sed.f`` of their code.
    .. [2] Driver et al. 2016, MNRAS 455, 3911 (MAGPHYS on GAMA).

    Examples
    --------
    >>> import tempfile
    >>> from sfml import BandSet, triage
    >>> bands = BandSet(["r", "W1"], [0.6176, 3.3526])
    >>> X = [[2.1e-4, -999.0, 2.0e-6, -999.0, 0.05]]
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = triage.write_magphys(X, f"{parent}/hand-over", bands=bands, ids=[6802])
    ...     print((folder / "observations.dat").read_text(), end="")
    # name redshift r r_err W1 W1_err
    6802 0.05 0.00021 2e-06 -99.0 -99.0
    """
    photometry = read_photometry(X, bands, ids, "Jy")
    check_names(
        photometry.ids,
        rf"[A-Za-z0-9_.+-]{{1,{longest_name}}}",
        f"MAGPHYS reads up to {longest_name} letters, digits and the signs _ . + - of a name, and "
        "gives files of that name back. Pass shorter names as ids, or raise longest_name if your "
        "version reads longer ones.",
    )
    _check_sizes(photometry, bands)
    numbers_of_filters = filters_of(
        bands,
        MAGPHYS_FILTER_IDS,
        filter_ids,
        parameter="filter_ids",
        advice="MAGPHYS's file filters.log lists the numbers.",
    )
    folder = Path(directory)
    paths = folder / OBSERVATIONS, folder / FILTERS
    check_free(paths, overwrite=overwrite)
    order = np.argsort(bands.wavelengths, kind="stable")
    observations = _render_observations(photometry, bands, order)
    filters = _render_filters(bands, numbers_of_filters, order)
    for path, text in zip(paths, (observations, filters), strict=True):
        put(path, lambda temporary, text=text: temporary.write_text(text))  # type: ignore[misc]
    return folder


def read_magphys_input(directory: str | os.PathLike[str], *, bands: BandSet = GAMA) -> pd.DataFrame:
    """Read galaxies back from the input files of MAGPHYS.

    Parameters
    ----------
    directory : path
        Folder with ``observations.dat`` and ``filters.dat``.
    bands : BandSet, default=GAMA
        Layout and unit wanted; its names must be those of ``filters.dat``, in any order.

    Returns
    -------
    DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Columns ``bands.columns`` in ``bands.unit``, NaN for a flux or error of -99, indexed by
        name, which is text.

    Raises
    ------
    FileNotFoundError
        If one of the two files is not there.
    ValueError
        If a file is malformed, or holds other bands.
    """
    folder = Path(directory)
    filters = existing_file(folder / FILTERS, "It names the bands of observations.dat.")
    observations = existing_file(folder / OBSERVATIONS, "It holds the fluxes.")
    names = [row[0] for row in read_rows(filters).rows]
    if sorted(names) != sorted(bands.names):
        raise ValueError(
            f"{str(filters)!r} has the bands {', '.join(names)}; expected those of `bands`: "
            f"{', '.join(bands.names)}."
        )
    header, rows = read_rows(observations)
    if len(header) != 2 + 2 * len(names):
        raise ValueError(
            f"{str(observations)!r} has {len(header)} columns; expected a name, a redshift, and "
            f"flux and error of {len(names)} bands."
        )
    values = numbers(observations, header[1:], [row[1:] for row in rows])
    values[:, 1:][values[:, 1:] == _MISSING] = np.nan
    order = [names.index(name) for name in bands.names]
    flux, error = values[:, 1::2][:, order], values[:, 2::2][:, order]
    photometry = Photometry([row[0] for row in rows], values[:, 0], flux, error)
    return as_table(photometry, bands, "Jy")


def _check_sizes(photometry: Photometry, bands: BandSet) -> None:
    if len(photometry.ids) > _MOST_GALAXIES:
        raise ValueError(
            f"MAGPHYS reads up to {_MOST_GALAXIES} galaxies from a file; got "
            f"{len(photometry.ids)}. Write them to several folders."
        )
    if len(bands) > _MOST_BANDS:
        raise ValueError(f"MAGPHYS reads up to {_MOST_BANDS} bands; got {len(bands)}.")
    check_names(
        bands.names,
        rf"[^\s,;/'\"*]{{1,{_LONGEST_BAND}}}",
        f"these are names of bands, of which MAGPHYS reads {_LONGEST_BAND} characters without "
        "spaces, commas, slashes, stars and quotes.",
    )


def _render_observations(photometry: Photometry, bands: BandSet, order: np.ndarray) -> str:
    words = ["# name redshift", *(f"{bands.names[i]} {bands.names[i]}_err" for i in order)]
    values = np.empty((len(photometry.ids), 1 + 2 * len(bands)))
    values[:, 0] = photometry.redshift
    values[:, 1::2] = photometry.flux[:, order]
    values[:, 2::2] = photometry.error[:, order]
    return render_rows(" ".join(words), photometry.ids, np.nan_to_num(values, nan=_MISSING))


def _render_filters(bands: BandSet, filter_ids: list[int], order: np.ndarray) -> str:
    lines = ["#name lambda_eff filter_id fit?"]
    for i in order:
        lines.append(f"{bands.names[i]} {bands.wavelengths[i]:g} {int(filter_ids[i])} 1")
    return "\n".join(lines) + "\n"
