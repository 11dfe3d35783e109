"""Galaxies that do not all fit in memory, chunk after chunk, as each regressor learns them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from sfml.regressor.emulators import usable_rows
from sfml.regressor.jobs import Job
from sfml.regressor.plan import within_limits
from sfml.targets import read_posterior, read_targets


class GalaxyChunks(Protocol):
    """Inputs, labels and keys of galaxies, in another order each time.

    `n_rows` is how many there are in all, and `chunk_rows` the most in one chunk.
    """

    n_rows: int
    chunk_rows: int

    def chunks(self, seed: int) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
        """Give X, (n, n_features), y and the keys of the rows or their groups, (n,), of each."""
        ...


class LearntChunks(NamedTuple):
    """The chunks of all galaxies, without those that are held back."""

    galaxies: GalaxyChunks
    targets: tuple[str, ...]
    limits: dict[str, tuple[float, float]]
    held_back_keys: np.ndarray
    n_sample: int
    """Galaxies of the sample, from which the shares of those that are learnt are known."""
    grouped: bool = False
    """Whether keys are of groups, of which there are more galaxies than those of the sample."""

    def of(self, job: Job) -> JobChunks:
        """Give the chunks as one regressor learns them."""
        return JobChunks(self, job)


class JobChunks:
    """Rows for `KerasMLPRegressor.fit`: a `sfml.neural.rows.RowChunks`."""

    def __init__(self, learnt: LearntChunks, job: Job) -> None:
        self._learnt = learnt
        self._job = job
        galaxies, n_held_back = learnt.galaxies, len(job.held_back)
        if learnt.grouped:
            X, y, keys = next(iter(galaxies.chunks(0)))
            n_rows = round(self._choose(X, y, keys)[0].mean() * galaxies.n_rows)
        else:
            share = (len(job.rows) + n_held_back) / learnt.n_sample
            n_rows = round(share * galaxies.n_rows) - n_held_back
        self.n_rows = max(1, n_rows)
        self.chunk_rows = galaxies.chunk_rows

    def chunks(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give X and y of the galaxies that can be learnt, of each chunk that has any."""
        for X, y, keys in self._learnt.galaxies.chunks(seed):
            chosen, target = self._choose(X, y, keys)
            if chosen.any():
                yield X[chosen], target[chosen]

    def _choose(self, X: np.ndarray, y: Any, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mark the galaxies of a chunk that can be learnt, and give the labels of all."""
        job, learnt = self._job, self._learnt
        Y, _ = read_targets(y, learnt.targets)
        target = job.labels(Y, read_posterior(y, learnt.targets))
        chosen = usable_rows(X, job.estimator) & job.known(target)
        chosen &= within_limits(Y, learnt.targets, learnt.limits)
        return chosen & ~np.isin(keys, learnt.held_back_keys), target
