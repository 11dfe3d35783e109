"""One regressor to train: from which rows, with which seed, and telling of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import get_tags


class Job(NamedTuple):
    """One regressor to train: its target's values, and the rows to learn from."""

    name: str
    estimator: Any
    target: np.ndarray
    rows: np.ndarray


def check_outputs(estimator: Any, target: np.ndarray) -> None:
    if target.ndim > 1 and not get_tags(estimator).target_tags.multi_output:
        raise ValueError(
            f"joint=True needs a regressor with several outputs; {type(estimator).__name__} has "
            "one. Use joint=False, or another regressor."
        )


def usable_rows(X: np.ndarray, estimator: Any) -> np.ndarray:
    """Rows that a regressor can take: without NaN, or not all NaN if it copes with some."""
    missing = np.isnan(X)
    if get_tags(estimator).input_tags.allow_nan:
        return ~missing.all(axis=1)
    return ~missing.any(axis=1)


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


def fit_one(name: str, estimator: Any, X: np.ndarray, y: np.ndarray, verbose: int) -> Any:
    if not verbose:
        return estimator.fit(X, y)
    with _told(name, estimator, len(X)):
        return estimator.fit(X, y)


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
