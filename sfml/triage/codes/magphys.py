"""Input files of MAGPHYS: observations.dat, filters.dat and zlibs.dat."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfml import surveys
from sfml.bands import GAMA, BandSet
from sfml.tables.writing import write_files
from sfml.triage.codes.filters import filters_of
from sfml.triage.codes.photometry import Galaxies, as_table, read_galaxies
from sfml.triage.codes.text import Rows, existing_file, numbers, read_fortran_rows, render_rows
from sfml.triage.identifiers import check_names

OBSERVATIONS, FILTERS, LIBRARIES = "observations.dat", "filters.dat", "zlibs.dat"

MAGPHYS_FILTER_IDS: Mapping[str, int] = surveys.filters("GAMA", "magphys")
"""Numbers of GAMA's 21 bands in the filter file (FILTERBIN.RES) of MAGPHYS, as GAMA's own runs had
them (Driver et al. 2016; filters.dat of run 11 in the ICRAR repository gama-magphys). Other
distributions number filters otherwise: compare with the file filters.log beside FILTERBIN.RES."""

_MISSING = -99.0
# Sizes of arrays in MAGPHYS's fit_sed.f: galmax, nmax, filt_name and gal_name.
_MOST_GALAXIES, _MOST_BANDS, _LONGEST_BAND, _LONGEST_NAME = 5000, 50, 12, 8
# The step of make_zgrid.f. fit_sed.f refuses galaxies farther than half of it from a library.
_REDSHIFT_STEP = 0.01


def write_magphys(
    X: Any,
    directory: str | os.PathLike[str],
    *,
    bands: BandSet = GAMA,
    ids: Iterable[Any] | None = None,
    filter_ids: Mapping[str, int] | None = None,
    longest_name: int = _LONGEST_NAME,
    redshift_step: float | None = _REDSHIFT_STEP,
    overwrite: bool = False,
) -> Path:
    """Write galaxies as input for MAGPHYS.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes, errors and the redshift, in the columns of `bands`: the rows that were chosen.
    directory : path
        Folder to write ``observations.dat``, ``filters.dat`` and ``zlibs.dat`` to; made if it is
        not there.
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
    redshift_step : float or None, default=0.01
        Step of the redshifts in ``zlibs.dat``, at which MAGPHYS computes its models and of which
        each galaxy takes the nearest: at most 0.01, beyond half of which MAGPHYS refuses a galaxy.
        None: the galaxies' own redshifts, to four digits, each of which takes minutes to compute.
    overwrite : bool, default=False
        Whether to replace the three files if they are there: all of them, or none.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If a file is there and `overwrite` is False.
    ValueError
        If a band has no filter number or two have the same, a name cannot be read by MAGPHYS or
        repeats, a redshift is not positive, `redshift_step` is out of range, or there are more than
        5,000 galaxies or 50 bands.

    Notes
    -----
    Below a header line, ``observations.dat`` has one line per galaxy (name, redshift, and flux and
    1-sigma error in Jy of each band) and ``filters.dat`` one per band (name, effective wavelength
    in micron, number of the filter, and 1, for a band to be fitted). Bands stand in order of
    wavelength, since MAGPHYS takes the first ones for starlight and the last ones for dust.
    ``zlibs.dat`` has the redshifts of the models, as MAGPHYS's ``make_zgrid.f`` writes them.

    A band that was not measured has flux and error -99: MAGPHYS fits positive fluxes only. A
    measured negative flux stays: the MAGPHYS of 2010 ignores it, while that of GAMA and the
    high-redshift one take a flux <= 0 with a positive error as an upper limit.

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
    galaxies = read_galaxies(X, bands, ids, "Jy")
    check_names(
        galaxies.ids,
        rf"[A-Za-z0-9_.+-]{{1,{longest_name}}}",
        f"MAGPHYS reads up to {longest_name} letters, digits and the signs _ . + - of a name, and "
        "gives files of that name back. Pass shorter names as ids, or raise longest_name if your "
        "version reads longer ones.",
    )
    _check_sizes(galaxies, bands)
    numbers_of_filters = filters_of(
        bands,
        MAGPHYS_FILTER_IDS,
        filter_ids,
        parameter="filter_ids",
        advice="MAGPHYS's file filters.log lists the numbers.",
    )
    folder = Path(directory)
    order = np.argsort(bands.wavelengths, kind="stable")
    write_files(
        {
            folder / OBSERVATIONS: _render_observations(galaxies, bands, order),
            folder / FILTERS: _render_filters(bands, numbers_of_filters, order),
            folder / LIBRARIES: _render_libraries(galaxies.redshift, redshift_step),
        },
        overwrite=overwrite,
    )
    return folder


def read_magphys_input(directory: str | os.PathLike[str], *, bands: BandSet = GAMA) -> pd.DataFrame:
    """Read galaxies back from the input files of MAGPHYS, as MAGPHYS itself reads them.

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
        If a file is malformed, holds other bands or one of them twice, or the two do not agree.

    Warns
    -----
    UserWarning
        If the first line of ``observations.dat`` is a galaxy, which is skipped.

    Notes
    -----
    The first line of either file is skipped, whatever it says, and the order of the columns is that
    of the bands in ``filters.dat``. Numbers may have Fortran's exponents, such as ``1.5D-05``.
    Lines or ends of lines that start with # are comments here, which MAGPHYS does not know.

    Examples
    --------
    >>> import tempfile
    >>> from sfml import BandSet, triage
    >>> bands = BandSet(["r", "W1"], [0.6176, 3.3526])
    >>> X = [[2.1e-4, -999.0, 2.0e-6, -999.0, 0.05]]
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = triage.write_magphys(X, f"{parent}/hand-over", bands=bands, ids=[6802])
    ...     table = triage.read_magphys_input(folder, bands=bands)
    >>> table.loc["6802"].to_dict()
    {'r_flux': 0.00021, 'W1_flux': nan, 'r_fluxerr': 2e-06, 'W1_fluxerr': nan, 'Z': 0.05}
    """
    folder = Path(directory)
    filters = existing_file(folder / FILTERS, "It names the bands of observations.dat.")
    path = existing_file(folder / OBSERVATIONS, "It holds the fluxes.")
    names = _read_bands(filters, bands)
    observations = read_fortran_rows(path)
    _check_observations(path, observations, names)
    columns = ["redshift", *(name + end for name in names for end in ("", "_err"))]
    values = numbers(path, columns, [row[1:] for row in observations.rows])
    values[:, 1:][values[:, 1:] == _MISSING] = np.nan
    order = [names.index(name) for name in bands.names]
    flux, error = values[:, 1::2][:, order], values[:, 2::2][:, order]
    galaxies = Galaxies([row[0] for row in observations.rows], values[:, 0], flux, error)
    return as_table(galaxies, bands, "Jy")


def _read_bands(path: Path, bands: BandSet) -> list[str]:
    """Read the names in filters.dat, which must be those of `bands`."""
    _, rows, lines = read_fortran_rows(path)
    for row, line in zip(rows, lines, strict=True):
        if len(row) < 4:
            raise ValueError(
                f"{str(path)!r}, line {line}: expected the name of a band, its wavelength, its "
                f"filter's number and whether to fit it; got {len(row)} columns."
            )
    names, filters = [row[0] for row in rows], [row[2] for row in rows]
    for what, column in (("band", names), ("filter", filters)):
        if repeated := sorted({word for word in column if column.count(word) > 1}):
            raise ValueError(f"{str(path)!r} has one {what} more than once: {', '.join(repeated)}.")
    if sorted(names) != sorted(bands.names):
        raise ValueError(
            f"{str(path)!r} has the bands {', '.join(names)}; expected those of `bands`: "
            f"{', '.join(bands.names)}."
        )
    return names


def _check_observations(path: Path, observations: Rows, names: list[str]) -> None:
    header, rows, lines = observations
    for row, line in zip(rows, lines, strict=True):
        if len(row) != 2 + 2 * len(names):
            raise ValueError(
                f"{str(path)!r}, line {line}: expected {2 + 2 * len(names)} columns, which are a "
                f"name, a redshift, and flux and error of the {len(names)} bands of {FILTERS} "
                f"({', '.join(names)}); got {len(row)}. Either {FILTERS} is that of other "
                "observations, or the line is cut short."
            )
    # A header as `write_magphys` writes it names the bands, though MAGPHYS does not look at it.
    named = header[2::2]
    if named and header[3::2] == [f"{name}_err" for name in named] and named != names:
        raise ValueError(
            f"The header of {str(path)!r} names the bands {', '.join(named)}, but {FILTERS} has "
            f"{', '.join(names)}, by which MAGPHYS reads the columns. Correct the one or the other."
        )
    with suppress(ValueError):  # as it should be: the first line does not hold numbers
        if len(header) == 2 + 2 * len(names) and numbers(path, header, [header[1:]]).size:
            warnings.warn(
                f"The first line of {str(path)!r} is the galaxy {header[0]!r}, but the first line "
                "is skipped, here as by MAGPHYS: put a header above it.",
                stacklevel=3,
            )


def _check_sizes(galaxies: Galaxies, bands: BandSet) -> None:
    if len(galaxies.ids) > _MOST_GALAXIES:
        raise ValueError(
            f"MAGPHYS reads up to {_MOST_GALAXIES} galaxies from a file; got "
            f"{len(galaxies.ids)}. Write them to several folders."
        )
    if len(bands) > _MOST_BANDS:
        raise ValueError(f"MAGPHYS reads up to {_MOST_BANDS} bands; got {len(bands)}.")
    check_names(
        bands.names,
        rf"[^\s,;/'\"*#]{{1,{_LONGEST_BAND}}}",
        f"these are names of bands, of which MAGPHYS reads {_LONGEST_BAND} characters without "
        "spaces, commas, slashes, stars, # and quotes.",
    )


def _render_observations(galaxies: Galaxies, bands: BandSet, order: np.ndarray) -> str:
    words = ["# name redshift", *(f"{bands.names[i]} {bands.names[i]}_err" for i in order)]
    values = np.empty((len(galaxies.ids), 1 + 2 * len(bands)))
    values[:, 0] = galaxies.redshift
    values[:, 1::2] = galaxies.flux[:, order]
    values[:, 2::2] = galaxies.error[:, order]
    return render_rows(" ".join(words), galaxies.ids, np.nan_to_num(values, nan=_MISSING))


def _render_filters(bands: BandSet, filter_ids: list[int], order: np.ndarray) -> str:
    lines = ["#name lambda_eff filter_id fit?"]
    for i in order:
        lines.append(f"{bands.names[i]} {bands.wavelengths[i]:g} {int(filter_ids[i])} 1")
    return "\n".join(lines) + "\n"


def _render_libraries(redshift: np.ndarray, step: float | None) -> str:
    if step is None:
        at = np.unique(redshift.round(4))
    elif not 0 < step <= _REDSHIFT_STEP:
        raise ValueError(
            f"redshift_step must be None or lie between 0 and {_REDSHIFT_STEP}, as MAGPHYS refuses "
            f"galaxies farther than {_REDSHIFT_STEP / 2} from its models; got {step!r}."
        )
    else:
        # A redshift half-way between two takes the higher one, as in make_zgrid.f.
        at = np.unique(np.floor(redshift / step + 0.5)) * step
    return "".join(f"{i:6d}{z:8.4f}\n" for i, z in enumerate(at, start=1))
