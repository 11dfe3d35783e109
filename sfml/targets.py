"""The star-formation properties that are predicted: names, units, and how a y is read."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from sfml import tables

TARGETS = ("stellar_mass", "sfr", "dust_luminosity")
"""Names of the paper's three targets: log10 of stellar mass (Msun), of star-formation rate
(Msun/yr, averaged over the last 0.1 Gyr) and of dust luminosity (Lsun)."""

GAMA_TARGET_COLUMNS = {
    "stellar_mass": "mass_stellar_percentile50",
    "sfr": "SFR_0_1Gyr_percentile50",
    "dust_luminosity": "L_dust_percentile50",
}
"""The column of GAMA's MagPhys table which holds each target, already in dex."""

REDSHIFT = "redshift"
"""Name of the redshift where it is a target: the only one that is not in dex."""

# No galaxy comes near 1e30 Msun, Msun/yr or Lsun, nor below 1e-30 of them.
LARGEST_DEX = 30.0


def read_targets(
    y: Any, targets: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read y as an array with one column a target.

    Parameters
    ----------
    y : array-like or table of shape (n_galaxies,) or (n_galaxies, n_targets)
        Values in dex; NaN where a galaxy has no label. A table's columns of percentiles, which
        `read_posterior` reads, are left alone.
    targets : sequence of str or None, default=None
        The targets wanted, in order. None: as y names them; three columns without names are
        `TARGETS`, other numbers of them "target_0", "target_1", ...

    Returns
    -------
    values : ndarray of shape (n_galaxies, n_targets), float64
    names : tuple of str

    Raises
    ------
    ValueError
        If y has another number of columns, names a target in another's place, holds infinity or
        text, or if a target of `TARGETS` is not in dex.
    """
    if y is None:
        raise ValueError("This method requires y to be passed, but the target y is None.")
    table = as_table(y)
    columns = tables.column_names(table)
    if columns is not None:
        columns = without_percentiles(columns)
    values = np.asarray(table) if columns is None else tables.extract(table, columns)
    known = None if columns is None else [_CANONICAL.get(name, name) for name in columns]
    names = tuple(targets) if targets is not None else _default_names(known, values.shape[1])
    if values.shape[1] != len(names):
        received = "" if columns is None else f": {', '.join(columns)}"
        raise ValueError(
            f"y must have {len(names)} columns, one each for {', '.join(names)}; got "
            f"{values.shape[1]}{received}."
        )
    if known is not None:
        values = values[:, _order(known, names)]
    values = check_array(
        values,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
        input_name="y",
    )
    _check_dex(values, names)
    return values, names


def read_one_target(y: Any, target: str, targets: Sequence[str] = TARGETS) -> np.ndarray | None:
    """Read one target from y, if y has it.

    Parameters
    ----------
    y : array-like or table
        As for `read_targets`, but a table may have any columns besides.
    target : str
        The target wanted.
    targets : sequence of str, default=TARGETS
        What the columns of a y without names are.

    Returns
    -------
    ndarray of shape (n_galaxies,), float64, or None
        None if y does not say which of its columns is this target.
    """
    table = as_table(y)
    columns = tables.column_names(table)
    if columns is None:
        values = np.asarray(table)
        if target not in targets or values.shape[1] != len(targets):
            return None
        values = values[:, [list(targets).index(target)]]
    else:
        columns = [name for name in columns if _CANONICAL.get(name, name) == target][:1]
        if not columns:
            return None
        values = tables.extract(table, columns)
    return read_targets(values, [target])[0].ravel()


_CANONICAL = {column: target for target, column in GAMA_TARGET_COLUMNS.items()}
PERCENTILE_COLUMN = "{target}_p{percentile}"
"""How columns with a target's 16th and 84th percentiles are called, if not as GAMA calls them."""


def read_posterior(y: Any, targets: Sequence[str]) -> np.ndarray | None:
    """Read the widths of the SPS code's posterior, if y has its percentiles.

    Parameters
    ----------
    y : array-like or table
        With columns such as ``stellar_mass_p16`` and ``stellar_mass_p84``, or as GAMA calls them,
        ``mass_stellar_percentile16`` and ``mass_stellar_percentile84``, in dex.
    targets : sequence of str
        The targets.

    Returns
    -------
    ndarray of shape (n_galaxies, n_targets, 2), or None
        From the 16th percentile to the median and from there to the 84th, in dex; NaN for
        targets without percentiles. None if none has them.

    Raises
    ------
    ValueError
        If a target has one percentile without the other, or percentiles that are out of order or
        not in dex.
    """
    table = as_table(y)
    columns = tables.column_names(table) or []
    percentiles = _percentiles_of(columns)
    named = {place: name for name, place in percentiles.items()}
    if not any((target, "16") in named or (target, "84") in named for target in targets):
        return None
    values, _ = read_targets(y, targets)
    widths = np.full((*values.shape, 2), np.nan)
    for k, target in enumerate(targets):
        names = [named.get((target, percentile)) for percentile in ("16", "84")]
        if names == [None, None]:
            continue
        if None in names:
            raise ValueError(
                f"{target} needs both of its percentiles, 16 and 84, or neither; y has "
                f"{next(filter(None, names))!r} alone."
            )
        ends = tables.extract(table, [name for name in names if name])
        _check_dex(ends, [target, target])
        low, high = ends.T
        wrong = (low > values[:, k] + 1e-6) | (high < values[:, k] - 1e-6)
        if wrong.any():
            raise ValueError(
                f"The percentiles of {target} must grow from the 16th over the median to the 84th; "
                f"they do not in {wrong.sum()} of {len(wrong)} rows, first in row "
                f"{int(wrong.argmax())}: {low[wrong][0]:g}, {values[wrong, k][0]:g}, "
                f"{high[wrong][0]:g}."
            )
        widths[:, k] = np.column_stack([values[:, k] - low, high - values[:, k]])
    return np.maximum(widths, 0)


def without_percentiles(columns: Sequence[str]) -> list[str]:
    """Leave out the names of columns that hold a percentile of a target beside its median.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns of y.

    Returns
    -------
    list of str
    """
    percentiles = _percentiles_of(columns)
    return [name for name in columns if name not in percentiles]


def _percentiles_of(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Columns that hold a percentile of a target, with the target and which."""
    found = {}
    for column in columns:
        stem, _, percentile = column.rpartition("_p")
        if percentile in ("16", "84") and stem in columns:
            found[column] = (stem, percentile)
        stem, _, percentile = column.rpartition("_percentile")
        target = _CANONICAL.get(f"{stem}_percentile50")
        if percentile in ("16", "84") and target:
            found[column] = (target, percentile)
    return found


def check_limits(name: str, limits: Any) -> None:
    """Check that limits are a growing pair of numbers, None for an open end.

    Parameters
    ----------
    name : str
        What the limits are called in the error.
    limits : object
        What was given.

    Raises
    ------
    ValueError
        If they are not.
    """
    is_pair = isinstance(limits, Sequence) and len(limits) == 2 and not isinstance(limits, str)
    if not is_pair or not all(isinstance(end, Real | None) for end in limits):
        raise ValueError(
            f"{name} must be a pair such as (0, 0.5), with None for no limit; got {limits!r}."
        )
    low, high = open_ends(limits)
    if not low < high:
        raise ValueError(f"{name} must be a pair of growing limits; got {limits!r}.")


def open_ends(limits: tuple[float | None, float | None]) -> tuple[float, float]:
    """Write infinities for the open ends of a pair of limits.

    Parameters
    ----------
    limits : (float or None, float or None)
        A pair that `check_limits` accepts.

    Returns
    -------
    low, high : float
    """
    low, high = limits
    return (-np.inf if low is None else low), (np.inf if high is None else high)


def as_table(y: Any) -> Any:
    """Give a one-dimensional y, of whatever kind, one column; leave a table as it is.

    Parameters
    ----------
    y : array-like or table

    Returns
    -------
    table or ndarray of shape (n_galaxies, n_targets)
    """
    if isinstance(y, np.ma.MaskedArray) and y.dtype.names is None:  # astropy's columns too
        y = np.ma.filled(y.astype(np.float64), np.nan)
    frame = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    if isinstance(frame, nw.Series):
        return frame.to_frame().to_native() if frame.name else frame.to_numpy().reshape(-1, 1)
    if isinstance(frame, nw.DataFrame) or np.asarray(y).dtype.names is not None:
        return y
    values = np.asarray(y)
    return values.reshape(-1, 1) if values.ndim == 1 else values


def is_one_column(y: Any) -> bool:
    """Whether y is a single column, such as a Series, rather than a table.

    Parameters
    ----------
    y : array-like or table

    Returns
    -------
    bool
    """
    frame = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    if isinstance(frame, nw.Series | nw.DataFrame):
        return isinstance(frame, nw.Series)
    values = np.asarray(y)
    return values.ndim == 1 and values.dtype.names is None


def _default_names(known: list[str] | None, n_columns: int) -> tuple[str, ...]:
    if known is not None:
        return tuple(known)
    if n_columns == len(TARGETS):
        return TARGETS
    return tuple(f"target_{i}" for i in range(n_columns))


def _order(known: list[str], names: tuple[str, ...]) -> list[int]:
    """Column of each target: by name where one is known, by position otherwise."""
    order = []
    for place, name in enumerate(names):
        column = known.index(name) if name in known else place
        meant = known[column]
        if meant != name and (meant in names or meant in TARGETS):
            raise ValueError(
                f"y has no column for {name!r}: column {column} is named as {meant!r}. Name its "
                f"columns, or order them, as the targets: {', '.join(names)}."
            )
        order.append(column)
    return order


def _check_dex(values: np.ndarray, names: Sequence[str]) -> None:
    for name, column in zip(names, values.T, strict=True):
        if name not in TARGETS:
            continue
        wrong = column[np.abs(column) > LARGEST_DEX]  # NaN compares false
        if len(wrong):
            raise ValueError(
                f"{name} must be in dex (log10 of Msun, Msun/yr or Lsun), with NaN for a missing "
                f"label; got {wrong[0]:g} in {len(wrong)} of {len(column)} rows. Linear values "
                "need np.log10. GAMA's percentile columns are in dex already, its best_fit "
                "columns are linear; a code such as -999 must become NaN."
            )
