"""The real GAMA tables from the survey's site, and from a TAP service."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import Any

from sfml.bands import GAMA, BandSet
from sfml.datasets.download import USER_AGENT, data_folder, fetch_file, needed
from sfml.datasets.gama import load_gama
from sfml.datasets.labels import gama_columns

_SITE = "https://www.gama-survey.org/dr4/data/cat/"
# Folder of the data management unit, then of its version.
_FILES = {
    "LambdarCatv01": "LambdarPhotometry/v01/LambdarCatv01.fits",
    "MagPhysv06": "MagPhys/v06/MagPhysv06.fits",
}
_FITS = (b"SIMPLE  =", b"\x1f\x8b")  # plain, or zipped by the server
_SERVICE = "https://datacentral.org.au/vo/tap"
_ID = "CATAID"


def fetch_gama(
    *,
    bands: BandSet = GAMA,
    return_X_y: bool = True,
    percentiles: bool = False,
    data_home: str | os.PathLike[str] | None = None,
    known_hash: Mapping[str, str] | None = None,
    site: str = _SITE,
    timeout: float = 60.0,
) -> Any:
    """Download GAMA's tables LambdarCatv01 and MagPhysv06 of DR4, and join them on CATAID.

    They are downloaded once, to the folder `data_home`, and read from there afterwards.

    Parameters
    ----------
    bands : BandSet, default=GAMA
        Bands to read, with their column names, unit and missing codes.
    return_X_y : bool, default=True
        If False, return all columns of both tables in one DataFrame.
    percentiles : bool, default=False
        Whether y has MagPhys's 16th and 84th percentiles too.
    data_home : path, default=None
        Folder of the files. By default that of the environment variable ``SFML_DATA_DIR``, or
        ``sfml`` in the user's cache. Files that you put there yourself, as ``LambdarCatv01.fits``
        and ``MagPhysv06.fits``, are used as they are.
    known_hash : mapping of str to str, default=None
        Hash that the file of ``"LambdarCatv01"`` or ``"MagPhysv06"`` must have: a SHA-256, or
        ``"md5:..."``. GAMA publishes none. Without it, the SHA-256 of the first time is written
        to ``<file>.sha256`` beside the file (if the folder can be written to), and must be the
        same from then on.
    site : str, default="https://www.gama-survey.org/dr4/data/cat/"
        Address under which the files are: GAMA's own, or that of a mirror of it.
    timeout : float, default=60.0
        Seconds to wait for an answer, and for each further part of a file.

    Returns
    -------
    X : DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes and errors in ``bands.unit``, and the redshift, indexed by CATAID.
    y : DataFrame of shape (n_galaxies, 3 or 9)
        Labels in dex, indexed by CATAID; both are as `load_gama` returns them.
    joined : DataFrame
        Only if ``return_X_y=False``: every column of both tables.

    Raises
    ------
    ImportError
        If pooch is not installed.
    ConnectionError
        If a file is not there and cannot be downloaded, or what comes is no FITS file. The message
        says how to do it by hand.
    ValueError
        If a file is not the one with its `known_hash`, has changed since it was first used, or is
        not such a table (see `load_gama`).

    See Also
    --------
    load_gama : The same for files or tables that are at hand.
    query_gama : Some of the galaxies, without the files.

    Notes
    -----
    A download that breaks off leaves ``<file>.part``, and the next call asks the server for the
    rest of that version of the file. A file has its name only when it is complete. Processes that
    ask for it at the same time wait for the one that came first.

    The addresses are made of the names of GAMA's data management units; they were not tried from
    where this was written. If GAMA moves its files, the message names the one that was asked for.

    References
    ----------
    .. [1] Driver et al. 2022, MNRAS 513, 439 (GAMA DR4).
    .. [2] Wright et al. 2016, MNRAS 460, 765 (LAMBDAR).
    .. [3] Driver et al. 2016, MNRAS 455, 3911 (MAGPHYS on GAMA).

    Examples
    --------
    >>> from sfml import fetch_gama
    >>> X, y = fetch_gama()                                            # doctest: +SKIP
    """
    hashes = known_hash if known_hash is not None else {}
    if not isinstance(hashes, Mapping) or not hashes.keys() <= _FILES.keys():
        raise ValueError(
            f"known_hash must be a mapping of {' or '.join(map(repr, _FILES))} to a hash; got "
            f"{known_hash!r}."
        )
    folder = data_folder(data_home)
    lambdar, magphys = (
        fetch_file(
            f"{site.rstrip('/')}/{path}",
            folder,
            known_hash=hashes.get(name),
            timeout=timeout,
            beginnings=_FITS,
        )
        for name, path in _FILES.items()
    )
    return load_gama(lambdar, magphys, bands=bands, return_X_y=return_X_y, percentiles=percentiles)


def query_gama(
    where: str | None = None,
    *,
    maxrec: int | None = None,
    bands: BandSet = GAMA,
    percentiles: bool = False,
    service: str = _SERVICE,
    timeout: float = 600.0,
) -> Any:
    """Ask a TAP service for galaxies of GAMA DR4 with fluxes and MAGPHYS labels.

    Parameters
    ----------
    where : str, default=None
        Condition in ADQL on the columns of LambdarCat (``l``) and MagPhys (``m``), such as
        ``"m.Z < 0.1 AND l.r_flux > 1e-4"``. None: all galaxies.
    maxrec : int, default=None
        Number of galaxies to return at most. None: all, or an error if the service returns fewer.
    bands : BandSet, default=GAMA
        Bands to ask for, with their column names, unit and missing codes.
    percentiles : bool, default=False
        Whether y has MagPhys's 16th and 84th percentiles too.
    service : str, default="https://datacentral.org.au/vo/tap"
        Address of the TAP service: that of Data Central, which serves GAMA.
    timeout : float, default=600.0
        Seconds to wait for an answer.

    Returns
    -------
    X : DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes and errors in ``bands.unit``, and the redshift, indexed by CATAID.
    y : DataFrame of shape (n_galaxies, 3 or 9)
        Labels in dex, indexed by CATAID; both are as `load_gama` returns them.

    Raises
    ------
    ImportError
        If pyvo is not installed.
    ConnectionError
        If the service does not answer, or not with a table.
    ValueError
        If the service refuses the query, finds no galaxy, or leaves some out (OVERFLOW) although
        `maxrec` does not ask for that.

    See Also
    --------
    fetch_gama : All galaxies, from the survey's files.

    Notes
    -----
    The tables asked for are ``gama_dr4.LambdarCatv01`` and ``gama_dr4.MagPhysv06``. Data Central
    has others of DR4 under names of this form; that these two are there was not tried from where
    this was written.

    Examples
    --------
    >>> from sfml import query_gama
    >>> X, y = query_gama("m.Z < 0.1", maxrec=1000)                    # doctest: +SKIP
    """
    if maxrec is not None and maxrec < 1:
        raise ValueError(f"maxrec must be a number of galaxies, at least 1, or None; got {maxrec}.")
    of_lambdar = [_ID, *bands.flux_columns, *bands.error_columns]
    of_magphys = [bands.redshift, *gama_columns(percentiles=percentiles).values()]
    selected = [*(f"l.{_quoted(c)}" for c in of_lambdar), *(f"m.{_quoted(c)}" for c in of_magphys)]
    query = (
        f"SELECT {', '.join(selected)} FROM gama_dr4.LambdarCatv01 AS l "
        f"JOIN gama_dr4.MagPhysv06 AS m ON l.{_ID} = m.{_ID}"
    )
    if where:
        query += f" WHERE {where}"
    table = _run(query, service, maxrec, timeout)
    _rename(table, [*of_lambdar, *of_magphys])
    lambdar, magphys = (
        table[[name for name in names if name in table.colnames]]
        for names in (of_lambdar, [_ID, *of_magphys])
    )
    return load_gama(lambdar, magphys, bands=bands, percentiles=percentiles)


def _quoted(column: str) -> str:
    """Quote a name that is no plain one in ADQL."""
    return column if re.fullmatch(r"[A-Za-z]\w*", column, re.ASCII) else f'"{column}"'


def _run(query: str, service: str, maxrec: int | None, timeout: float) -> Any:
    """Run a query; raise if the table lacks rows that were asked for."""
    dal = needed("pyvo").dal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dal.DALOverflowWarning)  # it is an error below
            tap = dal.TAPService(service, session=_session(timeout))
            results = tap.run_sync(query, maxrec=maxrec)
    except dal.DALQueryError as error:
        raise ValueError(f"{service!r} refuses the query {query!r}: {error}") from error
    except dal.DALAccessError as error:
        raise ConnectionError(
            f"{service!r} does not answer as a TAP service should: {error}. It may be down, or the "
            f"query take longer than timeout={timeout:g} seconds: ask for fewer galaxies with "
            "`where`, or use fetch_gama."
        ) from error
    n_rows = len(results)
    if results.status[0].upper() == "OVERFLOW" and (maxrec is None or n_rows < maxrec):
        raise ValueError(
            f"{service!r} returns {n_rows} galaxies and leaves others out (OVERFLOW). Ask for "
            "fewer with `where`, for more with a larger `maxrec`, or say with maxrec="
            f"{n_rows} that these will do."
        )
    if not n_rows:
        raise ValueError(f"{service!r} finds no galaxy: the query is {query!r}.")
    return results.to_table()


def _session(timeout: float) -> Any:
    import requests  # which pyvo needs

    class Session(requests.Session):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            return super().request(*args, **{"timeout": timeout, **kwargs})

    session = Session()
    session.headers["User-Agent"] = USER_AGENT
    return session


def _rename(table: Any, names: list[str]) -> None:
    """Give columns the names that were asked for; services may change capitals."""
    by_lower = {name.lower(): name for name in names}
    for name in table.colnames:
        wanted = by_lower.get(name.lower(), name)
        if wanted != name:
            table.rename_column(name, wanted)
