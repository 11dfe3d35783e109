"""Numbers that tell rows apart, and random numbers that belong to a row whatever its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array


def row_keys(X: Any) -> np.ndarray:
    """Compute one number per row, from the row's values alone: equal rows have equal keys.

    Values are rounded to single precision: fluxes converted from another unit differ in their
    last bits.
    """
    X = check_array(X, ensure_all_finite=False, ensure_min_samples=0, dtype=None)
    factors = np.random.default_rng(0).integers(1, 2**63, X.shape[1], dtype=np.uint64)
    keys = np.zeros(len(X), dtype=np.uint64)
    with np.errstate(all="ignore"):
        for column, factor in zip(X.T, factors, strict=True):
            # The sum of the values' bits, each times an odd random number, modulo 2^64.
            rounded = column.astype(np.float32) + np.float32(0)  # -0 becomes 0
            bits = rounded.view(np.uint32).astype(np.uint64)
            keys += (bits ^ (bits >> np.uint64(29))) * (factor | np.uint64(1))
        return _mix(keys)


def group_keys(groups: Any, n_rows: int) -> np.ndarray:
    """Compute one number per row, from the value of its group alone, whatever holds it.

    Parameters
    ----------
    groups : array-like of shape (n_rows,)
        Numbers, strings or dates. A whole number is the same in all types of numbers.
    n_rows : int
        How many are expected.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of unsigned 64-bit integers.

    Raises
    ------
    ValueError
        If there is not one group per row, some have no value, or they are of several kinds.
    """
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise ValueError(
            f"groups must hold one value per galaxy, shape ({n_rows},); got shape {values.shape}."
        )
    masked = np.ma.getmaskarray(groups) if isinstance(groups, np.ma.MaskedArray) else False
    missing = int((pd.isna(values) | masked).sum())
    if missing:
        raise ValueError(
            f"groups must name a group for every galaxy; {missing} of {n_rows} are missing. Give "
            "galaxies that belong to no group a group each."
        )
    return _hash(values)


def _hash(values: np.ndarray) -> np.ndarray:
    """Hash each value, whole numbers alike in all types, whatever the others are."""
    kind = pd.api.types.infer_dtype(values, skipna=False)
    if kind in ("integer", "boolean"):
        if values.dtype == object:
            values = np.array([int(value) % 2**64 for value in values], dtype=np.uint64)
        whole = values if values.dtype.kind == "u" else values.astype(np.int64)
        return pd.util.hash_array(whole.astype(np.uint64))
    if kind == "floating":
        numbers = values.astype(np.float64)
        is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < 2.0**53)
        whole = np.where(is_whole, numbers, 0).astype(np.int64)
        return np.where(is_whole, _hash(whole), pd.util.hash_array(numbers))
    if kind == "bytes":
        values = np.array([value.decode(errors="replace") for value in values.tolist()], dtype=str)
    elif kind in ("datetime64", "datetime", "date"):
        return _hash(values.astype("datetime64[ns]").astype(np.int64))
    elif kind != "string":
        raise ValueError(
            f"groups must be numbers, strings or dates, all of one kind; got {kind} values, such "
            f"as {values[0]!r}."
        )
    return pd.util.hash_array(values.astype(str).astype(object))


def draw_numbers(keys: np.ndarray, seed: int) -> np.ndarray:
    """Draw one random number per row, from the seed and the row's key alone.

    A galaxy keeps its number when others are added, or change places; two equal rows have the
    same, so that one is not learnt from while the other is held back.
    """
    offset = np.random.default_rng(seed).integers(1, 2**63, dtype=np.uint64)
    with np.errstate(over="ignore"):
        return _mix(keys + offset)


def draw_uniform(keys: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one number between 0 and 1 per row, as `draw_numbers` does."""
    numbers = draw_numbers(keys, int(rng.integers(2**63)))
    return (np.right_shift(numbers, np.uint64(11)) + 0.5) / 2.0**53


def _mix(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return values ^ (values >> np.uint64(29))
