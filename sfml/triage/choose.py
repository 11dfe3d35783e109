"""Choose the galaxies to hand to an SPS code: the doubtful, from which most can be learnt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Flag as EnumFlag
from functools import reduce
from numbers import Integral
from operator import or_
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from sfml import tables

_LOW, _HIGH = "_p16", "_p84"
# More kinds of galaxy than this take long to separate; several are then chosen per kind.
_MOST_KINDS = 500
_BATCH = 4096


def choose(
    table: pd.DataFrame,
    n: int,
    *,
    by: Literal["flag", "width", "gain"] = "flag",
    target: str | Sequence[str] | None = None,
    features: Any = None,
    exclude_flags: int | EnumFlag | Iterable[int | EnumFlag] = 0,
    random_state: int | np.random.RandomState | None = 0,
) -> np.ndarray:
    """Choose the galaxies to hand to an SPS code.

    Parameters
    ----------
    table : DataFrame of shape (n_galaxies, n_columns)
        What `predict_table` returned: columns ``<target>_p16`` and ``<target>_p84`` in dex, and
        the bit mask ``flag``, 0 for a galaxy without any reservation. Others are not read.
    n : int
        How many to choose at most.
    by : {"flag", "width", "gain"}, default="flag"
        "flag": galaxies with most flags, and of these the widest; one without a prediction is it.
        "width": the widest intervals, each target's divided by their median, summed over targets.
        "gain": uncertain galaxies of frequent and of different kinds (see Notes); needs `features`.
    target : str, sequence of str or None, default=None
        Targets whose widths count. None: all that the table has intervals of.
    features : array-like of shape (n_galaxies, n_features), default=None
        For "gain": the network's inputs, by which galaxies are alike or not, one row per row of
        `table`. Each is standardised here; NaN, as of a band not observed, counts as its mean.
        Rows with nothing but NaN are never chosen.
    exclude_flags : int, Flag or iterable of these, default=0
        Bits of ``flag`` which keep a galaxy from being chosen, such as `Flag.REDSHIFT`: no SPS
        code can fit a galaxy without a redshift.
    random_state : int, RandomState instance or None, default=0
        For "gain": start of the clustering.

    Returns
    -------
    ndarray of int, shape (n_chosen,)
        Positions (never index labels) in the table, most worth asking about first. There are
        fewer than n only if fewer can be chosen; "width" and "gain" leave out galaxies without an
        interval.

    Raises
    ------
    TypeError
        If table is no DataFrame, or `exclude_flags` holds something else than integers.
    ValueError
        If columns are absent or repeat, `n` is not a positive integer, `by` is unknown, or
        `features` are not given, of the wrong shape or in another order than `table`.

    Notes
    -----
    "gain" is a heuristic, no calculation of what a network would learn. A wide interval alone is
    a poor reason to ask: it may belong to a galaxy unlike all others, whose label helps none
    [1]_, and the widest galaxies are often all alike, so that the second teaches little that the
    first did not [2]_. So the galaxies are divided into kinds by k-means in which each galaxy
    is weighted by its width [3]_; a kind is worth the summed widths of its members, and its m-th
    chosen galaxy that worth divided by m. Within a kind, those are taken first which are both wide
    and near its centre: width times ``exp(-d**2 / (2 s**2))``, where d is the distance from the
    centre and s its root mean square in the kind.
    An interval is also wide where the photometry is poor, and there a label teaches little.

    References
    ----------
    .. [1] Settles 2009, Active Learning Literature Survey, Univ. of Wisconsin-Madison TR 1648,
       section 3.6 (information density).
    .. [2] Sener & Savarese 2018, ICLR, arXiv:1708.00489 (core sets).
    .. [3] Zhdanov 2019, arXiv:1901.05954 (weighted k-means for diverse batches).

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml import triage
    >>> table = pd.DataFrame({
    ...     "sfr_p16": [0.0, -0.5, 0.1, -0.2],
    ...     "sfr_p84": [0.3, 0.5, 0.2, 0.4],
    ...     "flag": [1, 0, 0, 3],
    ... })
    >>> triage.choose(table, 2).tolist()
    [3, 0]
    >>> triage.choose(table, 2, by="width").tolist()
    [1, 3]
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"table must be the DataFrame of predict_table; got {type(table)!r}.")
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise ValueError(f"n must be a positive integer; got {n!r}.")
    if by not in ("flag", "width", "gain"):
        raise ValueError(f"by must be 'flag', 'width' or 'gain'; got {by!r}.")
    if not table.columns.is_unique:
        raise ValueError(f"table has columns of the same name: {list(table.columns)}.")
    eligible = _not_excluded(table, exclude_flags)
    if by == "flag":
        return _by_flag(table, eligible, target)[:n]
    width = _relative_width(table, target)
    eligible &= np.isfinite(width)
    if by == "width":
        return _first(np.flatnonzero(eligible), -width)[:n]
    inputs = _read_features(features, table)
    eligible &= ~np.isnan(inputs).all(axis=1)
    return _by_gain(np.flatnonzero(eligible), width, inputs, int(n), random_state)


def _first(rows: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Sort rows by increasing keys, the first of which counts most; ties by position."""
    return rows[np.lexsort([key[rows] for key in reversed(keys)])]


def _flags(table: pd.DataFrame) -> np.ndarray:
    if "flag" not in table:
        raise ValueError(
            f"table lacks the column 'flag', which predict_table gives; it has "
            f"{', '.join(map(str, table.columns))}."
        )
    flag = table["flag"].to_numpy()
    if flag.dtype.kind not in "iu" or (flag < 0).any():
        raise ValueError(
            f"'flag' must hold integers, 0 or a sum of bits; got dtype {flag.dtype}: "
            f"{flag[:5].tolist()}."
        )
    return flag.astype(np.int64)


def _not_excluded(table: pd.DataFrame, exclude_flags: Any) -> np.ndarray:
    flags = exclude_flags.ravel() if isinstance(exclude_flags, np.ndarray) else exclude_flags
    if isinstance(flags, Integral | EnumFlag | str) or not isinstance(flags, Iterable):
        flags = [flags]
    mask = reduce(or_, map(_bits, flags), 0)
    if not mask:
        return np.ones(len(table), dtype=bool)
    return (_flags(table) & mask) == 0


def _bits(flag: Any) -> int:
    value = flag.value if isinstance(flag, EnumFlag) else flag
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise TypeError(
            f"exclude_flags must be members of sfml.flags.Flag or sums of them; got {flag!r}."
        )
    return int(value)


def _by_flag(
    table: pd.DataFrame, eligible: np.ndarray, target: str | Sequence[str] | None
) -> np.ndarray:
    flag = _flags(table)
    rows = np.flatnonzero(eligible & (flag != 0))
    has_intervals = target is not None or bool(_targets_of(table))
    width = _relative_width(table, target) if has_intervals else np.zeros(len(table))
    width = np.where(np.isnan(width), np.inf, width)
    return _first(rows, -np.bitwise_count(flag).astype(int), -width)


def _targets_of(table: pd.DataFrame) -> list[str]:
    ends = [name.removesuffix(_LOW) for name in map(str, table.columns) if name.endswith(_LOW)]
    return [name for name in ends if name + _HIGH in table]


def _relative_width(table: pd.DataFrame, target: str | Sequence[str] | None) -> np.ndarray:
    """Sum the targets' widths, each in units of its median; NaN without an interval."""
    known = _targets_of(table)
    wanted = known if target is None else [target] if isinstance(target, str) else list(target)
    absent = [name for name in wanted if name not in known]
    if absent or not wanted:
        raise ValueError(
            f"table has no intervals of {', '.join(absent) or 'any target'}: these are columns "
            f"such as 'sfr_p16' and 'sfr_p84'. It has those of {', '.join(known) or 'no target'}; "
            "predict_table gives them where the regressor predicts quantiles."
        )
    total = np.zeros(len(table))
    for name in wanted:
        width = (table[name + _HIGH] - table[name + _LOW]).to_numpy(dtype=float)
        width = np.maximum(width, 0.0)
        finite = width[np.isfinite(width)]
        median = np.median(finite) if len(finite) else 1.0
        total += width / (median if median > 0 else 1.0)
    return total


def _read_features(features: Any, table: pd.DataFrame) -> np.ndarray:
    if features is None:
        raise ValueError(
            "by='gain' needs features=, the inputs of the network (n_galaxies, n_features): "
            "pipe[:-1].transform(X) of a fitted pipeline gives them."
        )
    tables.check_same_rows(table, features, "table and features")
    inputs = np.asarray(features, dtype=np.float32)
    if inputs.ndim != 2 or len(inputs) != len(table):
        raise ValueError(
            f"features must have shape ({len(table)}, n_features), one row per row of table; got "
            f"{inputs.shape}."
        )
    return inputs


def _by_gain(
    rows: np.ndarray,
    width: np.ndarray,
    inputs: np.ndarray,
    n: int,
    random_state: int | np.random.RandomState | None,
) -> np.ndarray:
    if not len(rows):
        return rows
    width, inputs = width[rows], inputs[rows]
    known = ~np.isnan(inputs)
    mean = np.where(known, inputs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    inputs = np.where(known, inputs - mean, 0)
    spread = inputs.std(axis=0)
    inputs = inputs / np.where(spread > 0, spread, 1.0)
    kind, distance = _divide_into_kinds(inputs, width, min(n, _MOST_KINDS, len(rows)), random_state)
    members, worth = np.bincount(kind), np.bincount(kind, weights=width)
    scale = np.bincount(kind, weights=distance**2) / np.maximum(members, 1)
    nearness = np.exp(-0.5 * distance**2 / np.where(scale > 0, scale, 1.0)[kind])
    order = np.lexsort((-width * nearness, kind))
    first_of_kind = np.cumsum(members) - members
    rank = np.empty(len(rows), dtype=int)
    rank[order] = np.arange(len(rows)) - first_of_kind[kind[order]]
    return rows[np.lexsort((rank, -worth[kind] / (rank + 1)))][:n]


def _divide_into_kinds(
    inputs: np.ndarray,
    width: np.ndarray,
    n_kinds: int,
    random_state: int | np.random.RandomState | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the kind of each galaxy, and its distance from that kind's centre."""
    clusters = MiniBatchKMeans(
        n_kinds, batch_size=_BATCH, max_iter=10, n_init=1, random_state=random_state
    )
    # Threads would have to wait for each other after every small batch.
    with threadpool_limits(limits=1):
        # k-means needs a positive weight, even of a galaxy of width 0.
        kind = clusters.fit(inputs, sample_weight=np.maximum(width, 1e-6)).predict(inputs)
    return kind, np.linalg.norm(inputs - clusters.cluster_centers_[kind], axis=1)
