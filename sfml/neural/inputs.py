"""Which columns of X a network reads, and which one is added to its output."""

from __future__ import annotations

import difflib
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

# Share of its range by which an input saturates beyond its quantiles in training.
MARGIN = 0.01


class InputColumns(NamedTuple):
    """The part that each column of X plays, found once in `fit`."""

    columns: tuple[int, ...]
    """The network's inputs."""
    offset: int | None
    """The column of which ``slope * column + intercept`` is added to the network's output."""
    slope: float
    intercept: float
    fill_missing: bool
    """Whether NaN among the inputs counts as 0."""
    extrapolated: tuple[int, ...] = ()
    """Columns that saturate later than others."""
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    """Where inputs saturate, of shape (n_inputs,); None if they do not."""

    @classmethod
    def resolve(
        cls, mlp: Any, names: list[str] | None, n_features: int, offset_map: Any
    ) -> InputColumns:
        """Find the columns that parameters of a `KerasMLPRegressor` name or number."""
        offset = None
        if mlp.offset_feature is not None:
            offset = _find("offset_feature", mlp.offset_feature, names, n_features)
        ignored = [_find("ignored_features", c, names, n_features) for c in mlp.ignored_features]
        extrapolated = mlp.extrapolated_features
        later = [_find("extrapolated_features", c, names, n_features) for c in extrapolated]
        columns = tuple(c for c in range(n_features) if c not in {offset, *ignored})
        if not columns:
            raise ValueError(
                f"No column of X is left as an input: offset_feature={mlp.offset_feature!r} and "
                f"ignored_features={mlp.ignored_features!r} take all {n_features}."
            )
        slope, intercept = _check_map(offset_map, mlp.offset_feature)
        return cls(columns, offset, slope, intercept, bool(mlp.fill_missing), tuple(later))

    def write(self, X: np.ndarray, out: np.ndarray) -> None:
        """Write the inputs of rows of X into `out`, of shape (n_samples, n_inputs)."""
        np.copyto(out, X if len(self.columns) == X.shape[1] else X[:, self.columns], "same_kind")
        if self.low is not None:
            np.clip(out, self.low, self.high, out=out)  # NaN stays
        if self.fill_missing:
            np.copyto(out, 0, where=np.isnan(out))

    def saturated(self, X: np.ndarray, share: float) -> InputColumns:
        """Hold each input constant beyond these rows' quantiles of `share` and ``1 - share``.

        An input of two values, such as whether a band was observed, keeps both. Those to
        extrapolate go as far again on each side.
        """
        low, high = np.zeros((2, len(self.columns)), dtype=np.float32)
        for place, column in enumerate(self.columns):
            values = X[:, column][~np.isnan(X[:, column])]
            if not len(values):
                continue
            ends = np.quantile(values, [share, 1 - share])
            between = (values > values.min()) & (values < values.max())
            if not between.any():
                ends = values.min(), values.max()
            # A little later, so that no galaxy of training lies just where inputs saturate.
            margin = np.ptp(ends) * (1 if column in self.extrapolated else MARGIN)
            low[place], high[place] = ends[0] - margin, ends[1] + margin
        if self.fill_missing:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        return self._replace(low=low, high=high)

    def slopes(self, X: np.ndarray) -> np.ndarray:
        """Differentiate the inputs by their columns: 0 where they saturate, else 1."""
        if self.low is None:
            return np.ones((len(X), len(self.columns)))
        values = X[:, self.columns]
        return 1.0 - ((values < self.low) | (values > self.high))

    def offsets(self, X: np.ndarray) -> np.ndarray:
        """Compute what is added to the network's output, of shape (n_samples, 1)."""
        if self.offset is None:
            return np.zeros((len(X), 1))
        return self.slope * X[:, [self.offset]].astype(np.float64) + self.intercept


def check_names(given: Any, of_table: Any, n_features: int) -> list[str] | None:
    """Return the names of the columns of X: those of a table, or those given to `fit`."""
    if given is None:
        return None if of_table is None else list(of_table)
    names = [given] if isinstance(given, str) else list(given)
    if len(names) != n_features or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"feature_names must hold one name per column of X, {n_features} in all; got {given!r}."
        )
    if of_table is not None and list(of_table) != names:
        raise ValueError(f"feature_names={names} differ from the columns of X, {list(of_table)}.")
    return names


def _find(parameter: str, wanted: Any, names: list[str] | None, n_features: int) -> int:
    if isinstance(wanted, str):
        if names is None:
            raise ValueError(
                f"{parameter} names {wanted!r}, but the columns of X have no names: fit a table, "
                "pass feature_names to fit, or give the column's number."
            )
        if names.count(wanted) != 1:
            close = difflib.get_close_matches(wanted, names, 1)
            hint = f"Did you mean {close[0]!r}? " if close and close[0] != wanted else ""
            raise ValueError(
                f"{parameter} names {wanted!r}, which is not one column of X. {hint}The columns "
                f"are {', '.join(names)}."
            )
        return names.index(wanted)
    if not isinstance(wanted, Integral) or isinstance(wanted, bool | np.bool_):
        raise ValueError(f"{parameter} must name or number columns of X; got {wanted!r}.")
    column = int(wanted)
    if not -n_features <= column < n_features:
        raise ValueError(f"{parameter} gives column {column} of X, which has {n_features}.")
    return column % n_features


def _check_map(offset_map: Any, offset_feature: Any) -> tuple[float, float]:
    if offset_map is None:
        return 1.0, 0.0
    if offset_feature is None:
        raise ValueError(f"offset_map={offset_map!r} needs offset_feature, which is None.")
    numbers = np.asarray(offset_map, dtype=np.float64)
    if numbers.shape != (2,) or not np.isfinite(numbers).all():
        raise ValueError(f"offset_map must be two numbers, (slope, intercept); got {offset_map!r}.")
    return float(numbers[0]), float(numbers[1])
