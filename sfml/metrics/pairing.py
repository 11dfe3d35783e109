"""Labels and predictions, matched by the names of the targets, checked and paired."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from sfml import tables
from sfml.tables.extraction import column_names, extract
from sfml.targets import TARGETS, canonical_name, read_targets, without_percentiles
from sfml.uncertainty.distribution import check_levels
from sfml.weights import read_weights

Average = Literal["uniform_average", "raw_values"]

# Where a meta-estimator of scikit-learn keeps the estimator that it fitted.
_FITTED_INSIDE = ("best_estimator_", "regressor_", "estimator_")


class Pair(NamedTuple):
    """One target's labels and predictions, of the galaxies that have both and a weight.

    `predicted` holds values (n_kept,), ends of intervals (n_kept, 2), infinite where open, or
    quantiles (n_kept, n_levels) of `levels`, which do not decrease. `kept` of shape (n_galaxies,)
    marks the galaxies. All values are in dex, labels and quantiles finite, weights positive.
    """

    name: str
    y_true: np.ndarray
    predicted: np.ndarray
    weight: np.ndarray | None
    kept: np.ndarray
    levels: np.ndarray = np.empty(0)

    @property
    def n(self) -> float:
        """Number of galaxies, each counted as often as its weight says."""
        return len(self.y_true) if self.weight is None else float(self.weight.sum())

    def mean(self, values: np.ndarray) -> Any:
        """Weighted mean over the galaxies."""
        return np.average(values, axis=0, weights=self.weight)


def learnt(estimator: Any, attribute: str) -> Any:
    """Find what a fitted estimator learnt, or None.

    The last step of a Pipeline is searched too, as are the `best_estimator_` of a search and the
    `regressor_` of a `TransformedTargetRegressor`.
    """
    value = getattr(estimator, attribute, None)
    if value is not None:
        return value
    if getattr(estimator, "steps", None):
        return learnt(estimator.steps[-1][1], attribute)
    inside = (getattr(estimator, name, None) for name in _FITTED_INSIDE)
    return next((learnt(each, attribute) for each in inside if each is not None), None)


def targets_of(estimator: Any) -> tuple[str, ...] | None:
    """Names of the targets that an estimator predicts, in order; None if it does not know."""
    targets = learnt(estimator, "targets_")
    return None if targets is None else tuple(targets)


def read_labels(
    estimator: Any, X: Any, y: Any, targets: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read y, and the names of its targets, in the order in which an estimator predicts them.

    An estimator that does not know its targets predicts `targets` or, without these, what y names,
    in the order of y. An error if y has other targets, or the rows of X in another order.
    """
    tables.check_same_rows(X, y)
    known = targets_of(estimator)
    given = _as_list(targets)
    if known is not None and given is not None and given != list(known):
        raise ValueError(
            f"The estimator predicts {', '.join(known)}, in this order; got targets={given}. "
            "Leave targets out."
        )
    labels, names = read_targets(y, known or given or read_values(y, "y")[1])
    if tables.n_rows(X) != len(labels):
        raise ValueError(
            f"X and y must have as many rows, one per galaxy; got {tables.n_rows(X)} and "
            f"{len(labels)}."
        )
    return labels, names


def predict_with(estimator: Any, X: Any) -> np.ndarray:
    """Predict, without a warning for galaxies that have no prediction."""
    return getattr(estimator, "predict_quietly", estimator.predict)(X)


def match_columns(
    columns: Mapping[str, list[str] | None], targets: Sequence[str] | None, n_targets: int
) -> tuple[list[str], list[list[int]]]:
    """Match the columns of several arguments by name.

    `columns` holds the names of each argument's columns, None for a bare array; labels come first.
    `targets` names the columns of bare arrays. By default these are `TARGETS`, if the other
    arguments have these names in any order, or if there are three columns and no names; else as the
    others are named. Returns the targets in the order of bare columns, and each argument's column
    of each.
    """
    given = next((names for names in list(columns.values())[::-1] if names is not None), None)
    names = _as_list(targets)
    if names is not None and len(names) != n_targets:
        raise ValueError(
            f"targets must name every column: got {len(names)} names ({', '.join(names)}) "
            f"for {n_targets} columns."
        )
    if names is None:
        names = given or default_names(n_targets)
        if sorted(names) == sorted(TARGETS):
            names = list(TARGETS)
    elif n_targets == 1:  # a lone column may be renamed, but not from one target to another
        alone = {key: have for key, have in columns.items() if have and have[0] in TARGETS}
        columns = {key: alone.get(key) for key in columns}
    if len(set(names)) < len(names):
        raise ValueError(f"Target names must be unique; got {', '.join(names)}.")
    named = {key: have for key, have in columns.items() if have is not None}
    if any(sorted(have) != sorted(names) for have in named.values()):
        given_names = named if targets is None else named | {"targets": names}
        listed = "; ".join(f"{key} has {', '.join(have)}" for key, have in given_names.items())
        raise ValueError(
            f"Targets are matched by name, in any order, but the names differ: {listed}. Rename or "
            "select columns, or give an array without names."
        )
    every = range(n_targets)
    return names, [
        list(every) if have is None else [have.index(name) for name in names]
        for have in columns.values()
    ]


def default_names(n_targets: int) -> list[str]:
    """Names of the columns of a bare array."""
    return list(TARGETS) if n_targets == len(TARGETS) else [f"target_{k}" for k in range(n_targets)]


def position_of(names: Sequence[str], target: str | int) -> int:
    """Position of a target, given by its name or its position."""
    if isinstance(target, str) and target in names:
        return list(names).index(target)
    if isinstance(target, (int, np.integer)) and 0 <= target < len(names):
        return int(target)
    raise ValueError(
        f"target={target!r} is none of the targets, {', '.join(names)}, nor a position from 0 to "
        f"{len(names) - 1}."
    )


def read_values(
    values: Any, argument: str, *, ends: bool = False
) -> tuple[np.ndarray, list[str] | None]:
    """Read values as float64 of shape (n, n_columns), and the targets that the columns name.

    Ends of intervals may be infinite, and columns of theirs may be called as percentiles are.
    """
    table = tables.as_table(values)
    is_bare = isinstance(table, np.ndarray) and table.dtype.names is None
    if is_bare and (table.ndim != 2 or table.shape[1] == 0):
        raise ValueError(
            f"{argument} must have shape (n_galaxies,) or (n_galaxies, n_targets); "
            f"got {np.shape(values)}."
        )
    columns = column_names(table)
    if columns is not None and not ends:
        columns = without_percentiles(columns)  # of the SPS code's posterior, beside its medians
    labels = columns or [f"{argument}[:, {k}]" for k in range(np.shape(table)[1])]
    array = extract(table, labels)
    n_infinite = int(np.isinf(array).sum())
    if n_infinite and not ends:
        raise ValueError(
            f"{argument} holds {n_infinite} infinite values, such as the log10 of zero. Set "
            "them to NaN, and they are left out."
        )
    if columns is not None and ends:
        columns = [re.sub(r"_percentile\d+$", "_percentile50", name) for name in columns]
        columns = [re.sub(r"_p\d+$", "", name) for name in columns]
    return array, columns and [canonical_name(name) for name in columns]


def read_quantiles(y_quantiles: Any, levels: np.ndarray) -> np.ndarray:
    """Read predicted quantiles as float64 of shape (n_galaxies, n_targets, n_levels).

    All are NaN for a galaxy and target of which any is. An error if they cross or are infinite.
    """
    quantiles = np.array(y_quantiles, dtype=np.float64)
    if quantiles.ndim not in (2, 3) or quantiles.shape[-1] != len(levels):
        raise ValueError(
            "y_quantiles must have shape (n_galaxies, n_levels) or (n_galaxies, n_targets, "
            f"n_levels), as predict_quantiles returns it; got {quantiles.shape} for {len(levels)} "
            "levels."
        )
    if quantiles.ndim == 2:
        quantiles = quantiles[:, None, :]
    if np.isinf(quantiles).any():
        raise ValueError(
            f"y_quantiles holds {int(np.isinf(quantiles).sum())} infinite values. Set them to "
            "NaN, and their galaxies are left out."
        )
    crossed = (np.diff(quantiles, axis=2) < 0).any(axis=2)
    if crossed.any():
        galaxy, target = np.argwhere(crossed)[0]
        raise ValueError(
            f"y_quantiles must not decrease along the levels, but cross in {int(crossed.sum())} "
            f"of {crossed.size} rows; that of galaxy {galaxy}, target {target}, is "
            f"{quantiles[galaxy, target].tolist()}. Sort them with np.sort(y_quantiles, axis=-1)."
        )
    quantiles[np.isnan(quantiles).any(axis=2)] = np.nan
    return quantiles


def pair_targets(y_true: Any, y_pred: Any, **options: Any) -> list[Pair]:
    """Pair labels with predicted values; see `_pairs` for the options."""
    return _pairs(y_true, {"y_pred": (y_pred, *read_values(y_pred, "y_pred"))}, **options)


def pair_quantiles(
    y_true: Any, y_quantiles: Any, levels: Any, *, least: int = 2, **options: Any
) -> list[Pair]:
    """Pair labels with predicted quantiles of at least so many levels; see `_pairs`."""
    at = check_levels(levels, least=least, growing=True, name="levels")
    quantiles = read_quantiles(y_quantiles, at)
    pairs = _pairs(y_true, {"y_quantiles": (y_quantiles, quantiles, None)}, **options)
    return [pair._replace(levels=at) for pair in pairs]


def pair_intervals(y_true: Any, lower: Any, upper: Any, **options: Any) -> list[Pair]:
    """Pair labels with predicted intervals; see `_pairs` for the options."""
    given = {"lower": lower, "upper": upper}
    read = {name: (end, *read_values(end, name, ends=True)) for name, end in given.items()}
    pairs = _pairs(y_true, read, **options)
    for pair in pairs:
        swapped = int((pair.predicted[:, 0] > pair.predicted[:, 1]).sum())
        if swapped:
            raise ValueError(
                f"lower must not exceed upper, but does so for {pair.name!r} in {swapped} of "
                f"{len(pair.y_true)} rows. Were they given in the order lower, upper?"
            )
    return pairs


def over_targets(
    metric: Callable[[Pair], Any], pairs: Sequence[Pair], multioutput: Average
) -> float | np.ndarray:
    """Evaluate a metric of one target for each, and average over them if that is asked for."""
    if multioutput not in ("uniform_average", "raw_values"):
        raise ValueError(
            f"multioutput must be 'uniform_average' or 'raw_values'; got {multioutput!r}."
        )
    values = np.array([metric(pair) for pair in pairs])
    return values if multioutput == "raw_values" else float(values.mean())


def _pairs(
    y_true: Any,
    predictions: Mapping[str, tuple[Any, np.ndarray, list[str] | None]],
    *,
    targets: Sequence[str] | None = None,
    only: str | int | None = None,
    sample_weight: Any = None,
) -> list[Pair]:
    """Pair labels with predictions: targets by name, rows by position.

    `predictions` holds for each argument what was given, its values (n_galaxies, n_targets, ...)
    and the names of its columns or None. `targets` says what the columns without names are (see
    `match_columns`); `only` keeps one target, by name or position. Galaxies of weight 0 are left
    out. The pairs have the order of predictions without names.
    """
    true, columns = read_values(y_true, "y_true")
    given = [each for each, _, _ in predictions.values()]
    arrays = [values for _, values, _ in predictions.values()]
    if any(values.shape[:2] != true.shape for values in arrays):
        raise ValueError(
            f"{_and('y_true', *predictions)} must have one row per galaxy and the same targets; "
            f"got shapes {_and(*(str(np.shape(each)) for each in (y_true, *given)))}."
        )
    for argument, each in zip(
        (*predictions, "sample_weight"), (*given, sample_weight), strict=True
    ):
        tables.check_same_rows(y_true, each, f"y_true and {argument}")
    named = {"y_true": columns} | {name: names for name, (_, _, names) in predictions.items()}
    names, (place, *places) = match_columns(named, targets, true.shape[1])
    weight = read_weights(sample_weight, true)
    chosen = range(len(names)) if only is None else [position_of(names, only)]
    # Labels that are not in dex, such as a code of -999, are an error here as they are in fit.
    # Predictions are not checked so: a wild one is what a metric is to show.
    read_targets(true[:, [place[k] for k in chosen]], [names[k] for k in chosen])
    pairs = []
    for k in chosen:
        columns_of_k = [values[:, each[k]] for values, each in zip(arrays, places, strict=True)]
        predicted = columns_of_k[0] if len(columns_of_k) == 1 else np.stack(columns_of_k, axis=-1)
        pairs.append(
            _pair(names[k], true[:, place[k]], predicted, weight, " or ".join(predictions))
        )
    return pairs


def _pair(
    name: str, true: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None, argument: str
) -> Pair:
    no_label = np.isnan(true)
    not_predicted = np.isnan(predicted).any(axis=tuple(range(1, predicted.ndim)))
    kept = ~(no_label | not_predicted)
    if weight is not None:
        kept &= weight > 0
    if not kept.any():
        no_weight = "" if weight is None else f", and {int((weight == 0).sum())} a weight of 0"
        raise ValueError(
            f"No galaxy has both a label and a prediction of {name!r}: of {len(true)} rows, "
            f"{int(no_label.sum())} have NaN in y_true and {int(not_predicted.sum())} in "
            f"{argument}{no_weight}. The selection may have rejected them all."
        )
    return Pair(name, true[kept], predicted[kept], None if weight is None else weight[kept], kept)


def _as_list(targets: Sequence[str] | None) -> list[str] | None:
    return [targets] if isinstance(targets, str) else targets if targets is None else list(targets)


def _and(*words: str) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
