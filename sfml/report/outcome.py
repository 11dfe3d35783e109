"""What a model says of a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from sfml import tables
from sfml.displays.base import CALIBRATION_LEVELS
from sfml.pipeline import StarFormationPipeline

# Galaxies to calibrate on that the outermost levels drawn, 2.5 and 97.5 %, need.
FEWEST_FOR_LEVELS = 40
# Galaxies whose quantiles are drawn: enough to tell coverage to a fifth of a per cent.
MOST_WITH_QUANTILES = 50_000


class Outcome(NamedTuple):
    """Predictions for n galaxies, NaN where there is none; None for what a model cannot say."""

    medians: np.ndarray  # (n, n_targets), dex
    flags: np.ndarray  # (n,)
    lower: np.ndarray | None  # (n, n_targets), 16th percentile, dex
    upper: np.ndarray | None  # (n, n_targets), 84th percentile, dex
    quantile_rows: np.ndarray  # (n_some,), the galaxies that `quantiles` are of
    quantiles: np.ndarray | None  # (n_some, n_targets, n_levels), at CALIBRATION_LEVELS, dex

    @property
    def predicted(self) -> np.ndarray:
        """Which galaxies have a prediction, (n,)."""
        return np.isfinite(self.medians).all(axis=1)


def predict_outcome(pipe: StarFormationPipeline, X: Any) -> Outcome:
    """Predict a catalogue, with as much uncertainty as the pipeline was calibrated for."""
    regress, n = pipe[-1], tables.n_rows(X)
    targets = list(regress.targets_)
    some = np.unique(np.linspace(0, n - 1, min(n, MOST_WITH_QUANTILES)).astype(int))
    chosen = np.isin(np.arange(n), some)
    n_calibrating = regress.intervals_.n_rows(targets)
    if not n_calibrating:
        return Outcome(pipe.predict_quietly(X), pipe[0].flag(X), None, None, some, None)
    table = pipe.predict_table(X)
    medians, lower, upper = (
        table[[f"{target}{end}" for target in targets]].to_numpy() for end in ("", "_p16", "_p84")
    )
    quantiles = None
    if n_calibrating >= FEWEST_FOR_LEVELS:
        quantiles = pipe.predict_quantiles(tables.take_rows(X, chosen), CALIBRATION_LEVELS)
    return Outcome(medians, table["flag"].to_numpy(), lower, upper, some, quantiles)


def cross_validated_outcome(
    pipe: StarFormationPipeline,
    X: Any,
    y: Any,
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    advance: Callable[[], object],
) -> tuple[Outcome, StarFormationPipeline]:
    """Predict each galaxy by a clone that has not learnt from it; give the last clone, too."""
    rows, outcomes = [], []
    number = np.arange(tables.n_rows(X))
    for train, test in folds:
        learnt, tested = np.isin(number, train), np.isin(number, test)
        fitted = clone(pipe).fit(tables.take_rows(X, learnt), tables.take_rows(y, learnt))
        rows.append(np.flatnonzero(tested))
        outcomes.append(predict_outcome(fitted, tables.take_rows(X, tested)))
        advance()
    row = np.concatenate(rows)
    order = np.argsort(row)
    if not np.array_equal(row[order], number):
        raise ValueError(
            "cv must put each galaxy into exactly one test set, as KFold does, so that each is "
            "predicted once."
        )
    medians, flags, lower, upper = (
        _joined([getattr(each, name) for each in outcomes], order)
        for name in ("medians", "flags", "lower", "upper")
    )
    assert medians is not None
    assert flags is not None
    some = np.concatenate([r[each.quantile_rows] for r, each in zip(rows, outcomes, strict=True)])
    by_row = np.argsort(some)
    quantiles = _joined([each.quantiles for each in outcomes], by_row)
    return Outcome(medians, flags, lower, upper, some[by_row], quantiles), fitted


def _joined(parts: list[np.ndarray | None], order: np.ndarray) -> np.ndarray | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there)[order] if len(there) == len(parts) else None
