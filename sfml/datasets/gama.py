"""The real GAMA survey: LAMBDAR photometry joined with MAGPHYS properties."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from sfml.bands import GAMA, BandSet
from sfml.datasets.labels import gama_columns
from sfml.io.formats import is_path, open_source
from sfml.io.source import Source, named_in_errors
from sfml.tables.extraction import absent_message, column_names, extract
from sfml.tables.readers import Column, Table, wrap
from sfml.targets import known_target

_ID = "CATAID"
_LAMBDAR, _MAGPHYS = "LambdarCat", "MagPhys"

# None of these can be a stellar mass, SFR or luminosity in dex. -9 could: it is no code here.
_LABEL_CODES = (-99.0, -999.0, -9999.0)
# Copies rounded to five decimals, or to float32, still agree.
_REDSHIFT_TOLERANCE = 1e-5


def load_gama(
    lambdar: Any,
    magphys: Any,
    *,
    bands: BandSet = GAMA,
    return_X_y: bool = True,
    percentiles: bool = False,
) -> Any:
    """Join GAMA's tables LambdarCat and MagPhys on CATAID.

    Galaxies in both tables are kept, in LambdarCat's order. ``X.attrs["gama_join"]`` counts them
    and the others: ``n_lambdar``, ``n_magphys``, ``n_joined``, ``n_lambdar_only`` (many, normally)
    and ``n_magphys_only``, of which there is a warning too.

    Parameters
    ----------
    lambdar : path or table
        GAMA's LambdarCat (LambdarCatv01): CATAID, ``{band}_flux`` and ``{band}_fluxerr``. A file
        of any format that `sfml.open_catalogue` reads, a folder of Parquet files, or a table
        (pandas, polars, pyarrow, astropy, dict of columns).
    magphys : path or table
        GAMA's MagPhys (MagPhysv06): CATAID, redshift ``Z``, and ``mass_stellar_percentile50``,
        ``SFR_0_1Gyr_percentile50`` and ``L_dust_percentile50``, which are in dex already.
    bands : BandSet, default=GAMA
        Bands to read, with their column names, unit and missing codes.
    return_X_y : bool, default=True
        If False, return all columns of both tables in one DataFrame.
    percentiles : bool, default=False
        Whether y has MagPhys's 16th and 84th percentiles too, which must then be in `magphys`:
        ``mass_stellar_percentile16``, ``mass_stellar_percentile84`` and so on, in dex.

    Returns
    -------
    X : DataFrame of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes and errors in ``bands.unit``, and the redshift: the columns ``bands.columns``,
        indexed by CATAID. Missing codes (-999) stay as they are, masked entries are NaN.
    y : DataFrame of shape (n_galaxies, 3 or 9)
        Columns `sfml.TARGETS`, medians in dex, indexed by CATAID; then, if `percentiles`,
        ``stellar_mass_p16``, ``stellar_mass_p84`` and so on. Labels of exactly -99, -999 or -9999
        become NaN, with a warning.
    joined : DataFrame of shape (n_galaxies, n_columns)
        Only if ``return_X_y=False``: every column of LambdarCat, then those of MagPhys, as they
        stand but for fluxes and errors, which are in ``bands.unit``. The redshift is MagPhys's; its
        other columns whose names LambdarCat has too get the suffix ``_magphys``.

    Raises
    ------
    FileNotFoundError
        If a path is not a file.
    ValueError
        If columns are absent or not numeric, CATAID is not a unique integer, units cannot be
        converted, labels are not in dex, both tables have redshifts which differ by more than
        1e-5, or no galaxy is in both tables.

    Warns
    -----
    UserWarning
        If galaxies of MagPhys have no fluxes, or if labels hold missing codes.

    References
    ----------
    Driver et al. 2016, MNRAS 455, 3911 (GAMA's panchromatic data);
    Wright et al. 2016, MNRAS 460, 765 (LAMBDAR);
    da Cunha et al. 2008, MNRAS 388, 1595 (MAGPHYS).

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml import BandSet, load_gama
    >>> lambdar = pd.DataFrame({
    ...     "CATAID": [6802, 6806, 6808],
    ...     "r_flux": [2.1e-4, 8.0e-5, 3.3e-5],
    ...     "r_fluxerr": [2.0e-6, 1.5e-6, 1.1e-6],
    ... })
    >>> magphys = pd.DataFrame({
    ...     "CATAID": [6808, 6802],
    ...     "Z": [0.21, 0.05],
    ...     "mass_stellar_percentile50": [10.2, 9.4],
    ...     "SFR_0_1Gyr_percentile50": [0.3, -0.6],
    ...     "L_dust_percentile50": [10.4, 9.1],
    ... })
    >>> X, y = load_gama(lambdar, magphys, bands=BandSet(["r"], [0.6176]))
    >>> y
            stellar_mass  sfr  dust_luminosity
    CATAID
    6802             9.4 -0.6              9.1
    6808            10.2  0.3             10.4
    >>> X.attrs["gama_join"]["n_lambdar_only"]
    1
    """
    photometry = [*bands.flux_columns, *bands.error_columns]
    columns = gama_columns(percentiles=percentiles)
    labels = list(columns.values())
    left_name, right_name = _named(_LAMBDAR, lambdar), _named(_MAGPHYS, magphys)
    lambdar = _opened(lambdar, [_ID, *photometry])
    magphys = _opened(magphys, [_ID, bands.redshift, *labels])
    _check_columns(lambdar, magphys, [_ID, *photometry], [_ID, bands.redshift, *labels])

    left = _read(lambdar, [_ID, *photometry, bands.redshift] if return_X_y else None)
    right = _read(magphys, [_ID, bands.redshift, *labels] if return_X_y else None)
    left_ids, right_ids = _ids(left_name, left), _ids(right_name, right)
    rows, partners, record = _match(left_ids, right_ids)

    fluxes = _numbers(left_name, left, photometry, bands)
    properties = _numbers(right_name, right, [*labels, bands.redshift])
    _check_redshifts(left, bands.redshift, left_ids, rows, properties[partners, -1])
    _check_dex(properties[:, :-1], columns)

    if not return_X_y:
        plain = dict(zip(photometry, fluxes.T, strict=True))
        table = _to_pandas(left).assign(**{_ID: left_ids}, **plain)
        joined = _side_by_side(table.iloc[rows], _to_pandas(right).iloc[partners], bands.redshift)
        joined.attrs["gama_join"] = record
        return joined
    index = pd.Index(left_ids[rows], name=_ID)
    values = np.column_stack([fluxes[rows], properties[partners, -1]])
    X = pd.DataFrame(values, index=index, columns=list(bands.columns))
    y = pd.DataFrame(properties[partners, :-1], index=index, columns=list(columns))
    X.attrs["gama_join"] = record
    return X, _without_codes(y)


def _check_columns(
    lambdar: Any, magphys: Any, of_lambdar: list[str], of_magphys: list[str]
) -> None:
    """Raise one error for the absent columns of both tables."""
    messages = [
        message
        for label, source, columns in (
            (_LAMBDAR, lambdar, of_lambdar),
            (_MAGPHYS, magphys, of_magphys),
        )
        if (message := absent_message(columns, _names(label, source), label))
    ]
    if messages:
        raise ValueError(
            f"{' '.join(messages)} Fluxes and errors are columns of GAMA's LambdarCatv01, "
            "redshifts and properties of its MagPhysv06; another layout of fluxes is described "
            "by `bands`."
        )


def _ids(label: str, table: Any) -> np.ndarray:
    values = _numbers(label, table, [_ID])[:, 0]
    # Every integer below 2**53 is exact in float64.
    whole = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)
    if not whole.all():
        raise ValueError(
            f"{label}: {_ID} must be an integer in every row; {np.sum(~whole)} rows have others, "
            f"for example {_examples(values[~whole])}."
        )
    ids = pd.Index(values.astype(np.int64))
    repeated = ids[ids.duplicated()].unique()
    if len(repeated):
        raise ValueError(
            f"{label}: {_ID} must be unique; {len(repeated)} repeat, for example "
            f"{_examples(repeated)}. Keep one row per galaxy."
        )
    return ids.to_numpy()


def _match(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Rows of either table for the galaxies in both, in the order of the left one, and counts."""
    partners = pd.Index(right).get_indexer(pd.Index(left))
    rows = np.flatnonzero(partners >= 0)
    if not len(rows):
        raise ValueError(
            f"No galaxy is in both tables: {_LAMBDAR} has {len(left)} galaxies (CATAID "
            f"{_examples(left)}), {_MAGPHYS} {len(right)} ({_examples(right)})."
        )
    record = {
        "n_lambdar": len(left),
        "n_magphys": len(right),
        "n_joined": len(rows),
        "n_lambdar_only": len(left) - len(rows),
        "n_magphys_only": len(right) - len(rows),
    }
    if record["n_magphys_only"]:
        alone = right[~np.isin(right, left)]
        warnings.warn(
            f"{len(alone)} of the {len(right)} galaxies of {_MAGPHYS} have no fluxes in "
            f"{_LAMBDAR} and are left out, for example CATAID {_examples(alone)}.",
            UserWarning,
            stacklevel=3,
        )
    return rows, partners[rows], record


def _check_redshifts(
    left: Any, column: str, ids: np.ndarray, rows: np.ndarray, redshifts: np.ndarray
) -> None:
    """LambdarCat has no redshifts; where a copy of it does, they must be those of MagPhys."""
    if column not in (column_names(_as_table(left)) or ()):
        return
    other = _numbers(_LAMBDAR, left, [column])[rows, 0]
    same = np.isclose(other, redshifts, rtol=0, atol=_REDSHIFT_TOLERANCE, equal_nan=True)
    if not same.all():
        raise ValueError(
            f"{column!r} is in both tables and differs for {np.sum(~same)} of {len(same)} "
            f"galaxies, for example CATAID {_examples(ids[rows][~same])}. Drop or rename the one "
            "you do not want."
        )


def _check_dex(values: np.ndarray, columns: dict[str, str]) -> None:
    linear = []
    for (name, column), labels in zip(columns.items(), values.T, strict=True):
        target = known_target(re.sub(r"_p\d+$", "", name))
        largest = np.max(labels, initial=-np.inf, where=~np.isnan(labels))
        if target is not None and largest > target.high:
            linear.append(f"{column!r} reaches {largest:.3g}")
    if linear:
        raise ValueError(
            f"{_MAGPHYS}: properties must be in dex (log10), but {', '.join(linear)}, which looks "
            "linear. GAMA's `_percentile` columns are in dex, its `_best_fit` columns linear."
        )


def _without_codes(y: pd.DataFrame) -> pd.DataFrame:
    coded = y.isin(_LABEL_CODES)
    counts = {name: int(n) for name, n in coded.sum().items() if n}
    if not counts:
        return y
    warnings.warn(
        f"Labels which hold a missing code (one of {_LABEL_CODES}) are NaN in y: {counts}.",
        UserWarning,
        stacklevel=3,
    )
    return y.mask(coded)


def _side_by_side(left: pd.DataFrame, right: pd.DataFrame, redshift: str) -> pd.DataFrame:
    left = left.drop(columns=redshift, errors="ignore").reset_index(drop=True)
    right = right.drop(columns=_ID).reset_index(drop=True)
    return left.join(right.rename(columns={n: f"{n}_magphys" for n in right if n in left}))


def _numbers(
    label: str, table: Any, columns: Sequence[str], bands: BandSet | None = None
) -> np.ndarray:
    """`extract`, with the table named in its errors; in the unit of `bands` if given."""
    unit, codes = (bands.unit, bands.missing_codes) if bands else (None, ())
    try:
        return extract(_as_table(table), columns, unit=unit, missing_codes=codes, codes="keep")
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error


def _examples(values: Any) -> str:
    return ", ".join(f"{value:.16g}" for value in values[:5]) + (", ..." * (len(values) > 5))


class _File(NamedTuple):
    """A file that was opened, or columns of it that were read."""

    path: Path
    source: Source
    frame: pd.DataFrame | None = None


def _opened(source: Any, wanted: Sequence[str]) -> Any:
    """Open a file, whose table is the one with the columns wanted; make CATAID a column."""
    if not is_path(source):
        is_indexed = isinstance(source, pd.DataFrame) and source.index.name == _ID
        return source.reset_index() if is_indexed else source
    path = Path(source).expanduser()
    try:
        return _File(path, open_source(path, wanted))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error} GAMA's tables LambdarCatv01 and MagPhysv06 are on the survey's site, under "
            "dr4/data/cat/<DMU>/<vNN>/, to be downloaded with a browser."
        ) from None


def _names(label: str, table: Any) -> list[str]:
    names = table.source.names if isinstance(table, _File) else column_names(table)
    if names is None:
        raise ValueError(f"{label} must be a file or a table with column names; got an array.")
    return names


def _named(label: str, source: Any) -> str:
    return f"{label} ({str(source)!r})" if is_path(source) else label


def _read(table: Any, columns: list[str] | None) -> Any:
    """Read those of the columns that a file has, or all."""
    if not isinstance(table, _File):
        return table
    names = [name for name in table.source.names if columns is None or name in columns]
    with named_in_errors(repr(str(table.path))):
        return table._replace(frame=table.source.read(names))


def _as_table(table: Any) -> Any:
    """Give the columns that were read of a file their units."""
    if not isinstance(table, _File):
        return table
    plain, units = wrap(table.frame), table.source.units
    names = plain.names or []
    return Table(
        names,
        plain.n_rows,
        plain.n_columns,
        lambda i: Column(plain.column(i).data, None, units.get(names[i])),
    )


def _to_pandas(table: Any) -> pd.DataFrame:
    if isinstance(table, _File):
        assert table.frame is not None
        return table.frame
    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        # A pyarrow table written by pandas may give its CATAID back as the index.
        return _opened(frame.to_pandas(), [])
    from astropy.table import Table as AstropyTable

    table = AstropyTable(table, copy=False)
    table.convert_bytestring_to_unicode()
    return table.to_pandas(index=False)
