"""The rows that a `fit` learns from or validates on, with their weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from sklearn.utils import gen_batches

from sfml.neural.inputs import InputColumns

# Rows copied at a time, so that no second copy of all of them is made.
CHUNK = 4096
# Rows that tell an input's quantiles well enough.
ENOUGH = 50_000


class Rows:
    """Rows chosen from the samples given to `fit`, and their weights.

    `versions` are the samples as they are, then their variants, each (n_samples, n_features) in
    float32. `chosen` are positions, by default of all rows whose weight is greater than 0.
    """

    def __init__(
        self,
        versions: list[np.ndarray],
        y: np.ndarray,
        weights: np.ndarray | None,
        chosen: np.ndarray | None = None,
    ) -> None:
        if chosen is None:
            chosen = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
        self.versions, self.y, self.chosen = versions, y, chosen
        self._all_weights = weights
        self.weights = None if weights is None else _relative(weights[chosen])

    def __len__(self) -> int:
        return len(self.chosen)

    def split(self, fraction: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Choose rows to learn from, and rows for the validation loss."""
        n = len(self)
        order = self.chosen[rng.permutation(n)]
        n_validation = round(fraction * n)
        if fraction > 0:
            n_validation = min(max(n_validation, 1), n - 1)
        learnt, aside = order[n_validation:], order[:n_validation]
        weights = self._all_weights
        return (
            Rows(self.versions, self.y, weights, learnt),
            Rows(self.versions[:1], self.y, weights, aside),
        )

    def sample(self) -> np.ndarray:
        """Give enough rows, as they are and as their first variant, to tell their ranges."""
        few = self.chosen[:: max(1, len(self) // ENOUGH)]
        return np.concatenate([X[few] for X in self.versions[:2]])

    def targets(self, inputs: InputColumns) -> np.ndarray:
        """Take the offset of each version from the targets: (n_versions, n_rows, n_outputs)."""
        offsets = [inputs.offsets(X)[self.chosen] for X in self.versions]
        return self.y[self.chosen] - np.stack(offsets)

    def inputs(self, inputs: InputColumns) -> Iterator[np.ndarray]:
        """Make the inputs of each version, one at a time, of shape (n_rows, n_inputs), float32."""
        for X in self.versions:
            out = np.empty((len(self), len(inputs.columns)), np.float32)
            for some in gen_batches(len(self), CHUNK):
                inputs.write(X[self.chosen[some]], out[some])
            yield out


class RowChunks(Protocol):
    """Rows that do not fit in memory: they are given chunk after chunk, in another order each time.

    `n_rows` is about how many there are in all, and `chunk_rows` the most in one chunk.
    """

    n_rows: int
    chunk_rows: int

    def chunks(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give X, (n, n_features), and y, (n, n_outputs), of each chunk, once through all rows."""
        ...


def check_weights(name: str, weights: Any, n_rows: int) -> np.ndarray | None:
    """Check weights, given by the argument of that name; equal ones are no weights, None."""
    if weights is None:
        return None
    checked = np.asarray(weights, dtype=np.float64)
    if checked.shape != (n_rows,):
        raise ValueError(
            f"{name} must hold one weight per row, {n_rows} in all; got shape {checked.shape}."
        )
    bad = np.flatnonzero(~(np.isfinite(checked) & (checked >= 0)))
    if len(bad):
        raise ValueError(
            f"{name} must be finite and not negative: row {bad[0]} has {checked[bad[0]]}, one of "
            f"{len(bad)}. Give rows that are not to count a weight of 0."
        )
    if not checked.any():
        raise ValueError(f"{name} is zero for all {n_rows} rows: at least one weight must not be.")
    return checked


def _relative(weights: np.ndarray) -> np.ndarray | None:
    """Give weights a mean of 1, so that the learning rate keeps its meaning."""
    if not len(weights) or (weights == weights[0]).all():
        return None  # equal weights are exactly none at all
    return weights / weights.mean()
