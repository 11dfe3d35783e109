"""One regressor to train: from which rows, with which seed, and telling of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sfml.uncertainty.intervals import usable_rows


class Job(NamedTuple):
    """One regressor to train: its target's values, the rows to learn from and those held back."""

    name: str
    estimator: Any
    target: np.ndarray
    rows: np.ndarray
    held_back: np.ndarray


def check_outputs(estimator: Any, target: np.ndarray) -> None:
    if target.ndim > 1 and not get_tags(estimator).target_tags.multi_output:
        raise ValueError(
            f"joint=True needs a regressor with several outputs; {type(estimator).__name__} has "
            "one. Use joint=False, or another regressor."
        )


def draw_lots(X: np.ndarray, seed: int) -> np.ndarray:
    """Draw a random number a row, from the seed and the row's values alone.

    A galaxy keeps its number when others are added, or change places; two equal rows have the
    same, so that one is not learnt from while the other is held back.
    """
    values = np.random.default_rng(seed).integers(1, 2**63, X.shape[1], dtype=np.uint64)
    # The sum of the values' bits, each times an odd random number, modulo 2^64.
    # Rounded to single precision: fluxes converted from another unit differ in their last bits.
    with np.errstate(over="ignore"):
        rounded = np.ascontiguousarray(X, dtype=np.float32) + np.float32(0)  # -0 becomes 0
    bits = rounded.view(np.uint32).astype(np.uint64)
    mixed = ((bits ^ (bits >> np.uint64(29))) * (values | np.uint64(1))).sum(
        axis=1, dtype=np.uint64
    )
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(29))


def seed(estimator: Any, rng: np.random.Generator) -> None:
    """Seed whatever is random in a regressor and was left without a seed."""
    for name, value in sorted(estimator.get_params(deep=True).items()):
        if value is None and (name == "random_state" or name.endswith("__random_state")):
            estimator.set_params(**{name: int(rng.integers(2**31 - 1))})


def nothing_left(name: str, usable: np.ndarray, labelled: np.ndarray, within: np.ndarray) -> str:
    return (
        f"No galaxy is left to train {name!r} on, of {len(usable)} given: "
        f"{np.sum(~usable)} have NaN inputs (in a pipeline: rejected by the selection, see "
        f"the selector's report_ and reasons), {np.sum(~labelled)} have no label, and "
        f"{np.sum(~within)} lie outside target_limits."
    )


def fit_one(job: Job, X: np.ndarray, variants: Sequence[np.ndarray], verbose: int) -> Any:
    """Train one regressor, on variants of the rows too.

    Our networks draw one of a galaxy's variants each epoch, and watch the loss of the rows held
    back; other regressors get the first variant as so many further rows.
    """
    rows, estimator = job.rows, job.estimator
    given: dict[str, Any] = {}
    x, y = X[rows], job.target[rows]
    if has_fit_parameter(estimator, "variants"):
        if len(job.held_back):
            given = {"X_val": X[job.held_back], "y_val": job.target[job.held_back]}
        if len(variants):
            given["variants"] = [variant[rows] for variant in variants]
    elif len(variants):
        more = variants[0][rows]
        more, y_more = more[usable := usable_rows(more, estimator)], y[usable]
        x, y = np.vstack([x, more]), np.concatenate([y, y_more])
    if not verbose:
        return estimator.fit(x, y, **given)
    with _told(job.name, estimator, len(rows)):
        return estimator.fit(x, y, **given)


@contextmanager
def _told(name: str, estimator: Any, n_galaxies: int) -> Iterator[None]:
    """Say what is trained while it is, and how long it took."""
    from rich.console import Console

    console = Console()
    what = f"{name}: {type(estimator).__name__} on {n_galaxies:,} galaxies"
    start = time.perf_counter()
    with console.status(f"training {what}"):
        yield
    device = getattr(estimator, "device_", "CPU")
    console.print(f"trained {what} in {time.perf_counter() - start:.1f} s on the {device}")
