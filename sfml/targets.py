"""The star-formation properties that are predicted: names, units, ranges, and how a y is read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from sfml import tables

__all__ = ["GAMA_TARGET_COLUMNS", "REDSHIFT", "TARGETS", "Target", "declare_target", "known_target"]

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
"""Name of the redshift where it is a target: not in dex."""


class Target(NamedTuple):
    """A target's unit, such as "dex (Msun)", and the range beyond which a label is a mistake.

    Parameters
    ----------
    name : str
        Name, as in y's columns.
    unit : str
        Unit.
    low, high : float
        The range, in that unit.

    Examples
    --------
    >>> from sfml.targets import known_target
    >>> known_target("sfr")
    Target(name='sfr', unit='dex (Msun/yr)', low=-12, high=8)
    """

    name: str
    unit: str
    low: float
    high: float


_REGISTRY = {
    target.name: target
    for target in (
        Target("stellar_mass", "dex (Msun)", 0, 17),
        Target("sfr", "dex (Msun/yr)", -12, 8),
        Target("ssfr", "dex (1/yr)", -25, -5),
        Target("dust_luminosity", "dex (Lsun)", 0, 20),
        Target("dust_mass", "dex (Msun)", 0, 12),
        Target("A_V", "mag", -0.1, 30),
        Target("metallicity", "solar", 0, 20),
        Target("mass_weighted_age", "Gyr", 0, 20),
        Target(REDSHIFT, "", -0.01, 30),
    )
}
# What stands for "no label" in catalogues; some are in the range of a target in dex.
_CODES = (-9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)
_RESERVED = ("flag", "reasons")
_CANONICAL = {column: target for target, column in GAMA_TARGET_COLUMNS.items()}


def declare_target(name: str, *, unit: str, low: float, high: float) -> Target:
    """Declare a target of one's own, so that its labels are checked and its plots have a unit.

    Parameters
    ----------
    name : str
        Name, as in y's columns.
    unit : str
        Unit, such as "dex (Msun)".
    low, high : float
        Labels outside are refused by `fit`.

    Returns
    -------
    Target

    Raises
    ------
    ValueError
        If the name cannot be one of a target, or the range is empty.

    Examples
    --------
    >>> from sfml.targets import declare_target
    >>> declare_target("gas_mass", unit="dex (Msun)", low=4, high=13).unit
    'dex (Msun)'
    """
    check_target_names([name])
    check_limits(f"the range of {name!r}", (low, high))
    _REGISTRY[name] = Target(name, unit, low, high)
    return _REGISTRY[name]


def known_target(name: str) -> Target | None:
    """Look a target up: one of sfml's, or one that `declare_target` was told of.

    Parameters
    ----------
    name : str
        Name of a target, or GAMA's name of its column.

    Returns
    -------
    Target or None

    Examples
    --------
    >>> from sfml.targets import known_target
    >>> known_target("L_dust_percentile50").name
    'dust_luminosity'
    >>> known_target("shoe_size") is None
    True
    """
    return _REGISTRY.get(canonical_name(name))


def canonical_name(column: str) -> str:
    """Give the name of the target that a column holds: GAMA's names are translated."""
    return _CANONICAL.get(column, column)


def check_target_names(names: Sequence[str]) -> None:
    """Refuse names that would hide another column of `predict_table`: flag, reasons, sfr_p16."""
    taken = {f"{name}_{end}" for name in names for end in ("p16", "p84")}
    wrong = [n for n in names if n in _RESERVED or n in taken or "__" in n or not n]
    if wrong or len(set(names)) < len(names):
        raise ValueError(
            f"Targets must have names of their own; got {', '.join(map(repr, names))}. 'flag' and "
            "'reasons' are columns of predict_table, <target>_p16 and <target>_p84 a target's "
            "percentiles, and '__' parts the names of parameters: rename the targets."
        )


def implausible(values: np.ndarray, name: str) -> np.ndarray:
    """Say which labels cannot be right: codes, and values outside of the target's range.

    A target that nobody declared may have any value but a code. NaN, no label, is right.
    """
    target = known_target(name)
    if target is None:
        return np.isin(values, _CODES[1:4])
    with np.errstate(invalid="ignore"):
        return np.isin(values, _CODES) | (values < target.low) | (values > target.high)


def read_targets(
    y: Any, targets: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read y as an array with one column per target.

    Parameters
    ----------
    y : array-like or table of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels, in dex for those of `TARGETS`; NaN where a galaxy has none. Columns that have names
        are found by them, in whatever order they stand. A table's columns of percentiles, which
        `read_posterior` reads, are left alone.
    targets : sequence of str or None, default=None
        The targets wanted, in order. None: as y names them, but the three of `TARGETS` always in
        that order; three columns without names are `TARGETS`, other numbers of them "target_0",
        "target_1", ...

    Returns
    -------
    values : ndarray of shape (n_galaxies, n_targets), float64
    names : tuple of str

    Raises
    ------
    ValueError
        If y has other columns, or holds infinity, text, a code for a missing label, or a value
        beyond the target's range.
    """
    if y is None:
        raise ValueError("This method requires y to be passed, but the target y is None.")
    table = tables.as_table(y)
    columns = tables.column_names(table)
    if columns is not None:
        columns = without_percentiles(columns)
    values = np.asarray(table) if columns is None else tables.extract(table, columns)
    known = None if columns is None else [canonical_name(name) for name in columns]
    names = tuple(targets) if targets is not None else _default_names(known, values.shape[1])
    if values.shape[1] != len(names):
        received = "" if columns is None else f": {', '.join(columns)}"
        raise ValueError(
            f"y must have {len(names)} columns, one each for {', '.join(names)}; got "
            f"{values.shape[1]}{received}. The pipeline's targets are make_star_formation_pipeline("
            "targets=[...]); of a galaxy that lacks some labels, y has NaN for them."
        )
    if known is not None:
        values = values[:, _order(known, names)]
    values = check_array(
        values, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0, input_name="y"
    )
    _check_labels(values, names)
    return values, names


def read_one_target(y: Any, target: str, targets: Sequence[str] = TARGETS) -> np.ndarray | None:
    """Read one target from y, (n_galaxies,); None if y does not say which of its columns it is.

    `targets` are what the columns of a y without names are; a table may have any columns besides.
    """
    table = tables.as_table(y)
    columns = tables.column_names(table)
    if columns is None:
        values = np.asarray(table)
        if target not in targets or values.shape[1] != len(targets):
            return None
        values = values[:, [list(targets).index(target)]]
    else:
        columns = [name for name in columns if canonical_name(name) == target][:1]
        if not columns:
            return None
        values = tables.extract(table, columns)
    return read_targets(values, [target])[0].ravel()


def read_posterior(y: Any, targets: Sequence[str]) -> np.ndarray | None:
    """Read the widths of the SPS code's posterior, if y has its percentiles, else None.

    Of shape (n_galaxies, n_targets, 2): from the 16th percentile to the median and from there to
    the 84th, NaN for targets without. Their columns are named ``sfr_p16``, ``sfr_p84``, or as
    GAMA names them.
    """
    table = tables.as_table(y)
    columns = tables.column_names(table) or []
    named = {place: name for name, place in _percentiles_of(columns).items()}
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
        _check_labels(ends, [target, target])
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
    """Leave out the names of columns that hold a percentile of a target beside its median."""
    percentiles = _percentiles_of(columns)
    return [name for name in columns if name not in percentiles]


def label_columns(columns: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Find the columns that hold labels of these targets, or their percentiles."""
    percentiles = _percentiles_of(columns)
    of = {column: percentiles[column][0] if column in percentiles else column for column in columns}
    return [column for column in columns if canonical_name(of[column]) in targets]


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
    """Check that limits are a growing pair of numbers, None for an open end."""
    is_pair = isinstance(limits, Sequence) and len(limits) == 2 and not isinstance(limits, str)
    if not is_pair or not all(isinstance(end, Real | None) for end in limits):
        raise ValueError(
            f"{name} must be a pair such as (0, 0.5), with None for no limit; got {limits!r}."
        )
    low, high = open_ends(limits)
    if not low < high:
        raise ValueError(f"{name} must be a pair of growing limits; got {limits!r}.")


def open_ends(limits: tuple[float | None, float | None]) -> tuple[float, float]:
    """Write infinities for the open ends of a pair of limits."""
    low, high = limits
    return (-np.inf if low is None else low), (np.inf if high is None else high)


def is_one_column(y: Any) -> bool:
    """Whether y is a single column, such as a Series, rather than a table."""
    frame = nw.from_native(y, allow_series=True, eager_only=True, pass_through=True)
    if isinstance(frame, nw.Series | nw.DataFrame):
        return isinstance(frame, nw.Series)
    if tables.column_names(tables.as_table(y)) is not None:
        return False
    return np.asarray(y).ndim == 1


def _default_names(known: list[str] | None, n_columns: int) -> tuple[str, ...]:
    if known is not None:
        return TARGETS if sorted(known) == sorted(TARGETS) else tuple(known)
    if n_columns == len(TARGETS):
        return TARGETS
    return tuple(f"target_{i}" for i in range(n_columns))


def _order(known: list[str], names: tuple[str, ...]) -> list[int]:
    """Column of each target, by name; by position only if no column has a target's name."""
    if set(names) <= set(known):
        return [known.index(name) for name in names]
    meant = [name for name in known if name in names or name in TARGETS]
    if meant:
        absent = [name for name in names if name not in known]
        raise ValueError(
            f"y has no column for {', '.join(absent)}: its columns are {', '.join(known)}. Name "
            f"them as the targets, in whatever order: {', '.join(names)}."
        )
    if len(names) > 1:
        warnings.warn(
            f"y's columns {', '.join(known)} are none of the targets' names: they are taken to be "
            f"{', '.join(names)}, in this order. Rename them to be sure.",
            UserWarning,
            stacklevel=4,
        )
    return list(range(len(names)))


def _check_labels(values: np.ndarray, names: Sequence[str]) -> None:
    for name, column in zip(names, values.T, strict=True):
        n_infinite = int(np.isinf(column).sum())
        if n_infinite:
            raise ValueError(
                f"y holds {n_infinite} infinite values in {name!r}, such as the log10 of zero, "
                f"first in row {int(np.isinf(column).argmax())}. Write NaN for galaxies that have "
                "no such label, or a floor, such as np.log10(np.maximum(sfr, 1e-4))."
            )
        wrong = implausible(column, name)
        if wrong.any():
            known = known_target(name)
            expected = (
                f"{known.unit}, from {known.low:g} to {known.high:g}" if known else "any unit"
            )
            raise ValueError(
                f"{name} must be in {expected}, with NaN for a missing label; got "
                f"{column[wrong][0]:g} in {int(wrong.sum())} of {len(column)} rows, first in row "
                f"{int(wrong.argmax())}. Linear values need np.log10 (GAMA's percentiles are "
                "in dex, its best_fit columns are linear); codes such as -9 must become NaN."
            )
