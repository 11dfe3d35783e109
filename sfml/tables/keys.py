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
    return pd.util.hash_array(_of_one_type(values))


def _of_one_type(values: np.ndarray) -> np.ndarray:
    """Hold equal values in the same way: whole numbers as int64, texts as str."""
    kind = pd.api.types.infer_dtype(values, skipna=False)
    if kind in ("integer", "boolean"):
        fits = all(-(2**63) <= int(limit) < 2**63 for limit in (values.min(), values.max()))
        return values.astype(np.int64) if fits else values.astype(str).astype(object)
    if kind == "floating":
        numbers = values.astype(np.float64)
        whole = (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < 2.0**53
        return numbers.astype(np.int64) if whole else numbers
    if kind == "bytes":
        return np.array([value.decode(errors="replace") for value in values.tolist()], dtype=object)
    if kind == "string":
        return values.astype(str).astype(object)
    if kind in ("datetime64", "datetime", "date"):
        return values.astype("datetime64[ns]").astype(np.int64)
    raise ValueError(
        f"groups must be numbers, strings or dates, all of one kind; got {kind} values, such as "
        f"{values[0]!r}."
    )


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
