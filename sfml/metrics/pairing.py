"""Labels and predictions, checked and paired target by target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from sfml.tables.extraction import column_names, extract
from sfml.targets import (
    GAMA_TARGET_COLUMNS,
    TARGETS,
    as_table,
    read_targets,
    without_percentiles,
)

MultiOutput = Literal["uniform_average", "raw_values"]

_TARGET_OF_COLUMN = {column: target for target, column in GAMA_TARGET_COLUMNS.items()}


class TargetPair(NamedTuple):
    """One target's labels and predictions, for the galaxies which have both.

    Attributes
    ----------
    name : str
        The target.
    y_true, y_pred : ndarray of shape (n_kept,)
        In dex, all finite.
    kept : ndarray of bool, shape (n_galaxies,)
        Which galaxies these are; the label or prediction of the others is NaN.
    """

    name: str
    y_true: np.ndarray
    y_pred: np.ndarray
    kept: np.ndarray


def pair_targets(
    y_true: Any,
    y_pred: Any,
    *,
    targets: Sequence[str] | None = None,
    only: str | int | None = None,
) -> list[TargetPair]:
    """Pair labels with predictions by position, target by target.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
        Labels and predictions, in dex.
    targets : sequence of str, default=None
        Names of the targets. By default those of the columns or, of three columns without names,
        `TARGETS`.
    only : str or int, default=None
        Keep this target alone, given by its name or its position.

    Returns
    -------
    list of TargetPair
        In the order of the columns.

    Raises
    ------
    ValueError
        If the shapes disagree, a value is infinite or not a number, labels are not in dex, or a
        target has no galaxy left.
    """
    true, true_names = read_values(y_true, "y_true")
    pred, pred_names = read_values(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(
            "y_true and y_pred must have one row a galaxy and the same targets; got shapes "
            f"{np.shape(y_true)} and {np.shape(y_pred)}."
        )
    check_same_order(true_names, pred_names)
    names = target_names(targets, true_names or pred_names, true.shape[1])
    chosen = list(range(len(names))) if only is None else [target_position(names, only)]
    # Labels which are no dex, such as a code of -999, are an error here as they are in fit.
    # Predictions are not checked so: a wild one is what a metric is to show.
    read_targets(true[:, chosen], [names[k] for k in chosen])
    return [_pair(names[k], true[:, k], pred[:, k]) for k in chosen]


def over_targets(
    metric: Callable[[Any], Any], pairs: Sequence[Any], multioutput: MultiOutput
) -> float | np.ndarray:
    """Evaluate a metric of one target for each, and average them if that is asked for.

    Parameters
    ----------
    metric : callable
        Takes a pair and gives a number.
    pairs : sequence
        One pair a target, as `pair_targets` makes them.
    multioutput : {"uniform_average", "raw_values"}
        The mean over the targets, or one value a target.

    Returns
    -------
    float or ndarray of shape (n_targets,)
    """
    if multioutput not in ("uniform_average", "raw_values"):
        raise ValueError(
            f"multioutput must be 'uniform_average' or 'raw_values'; got {multioutput!r}."
        )
    values = np.array([metric(pair) for pair in pairs])
    return values if multioutput == "raw_values" else float(values.mean())


def read_values(
    values: Any, argument: str, *, allow_infinite: bool = False
) -> tuple[np.ndarray, list[str] | None]:
    """Values as float64 of shape (n, n_columns), and the names of the columns if they have any."""
    table = as_table(values)
    is_bare = isinstance(table, np.ndarray) and table.dtype.names is None
    if is_bare and (table.ndim != 2 or table.shape[1] == 0):
        raise ValueError(
            f"{argument} must have shape (n_galaxies,) or (n_galaxies, n_targets); "
            f"got {np.shape(values)}."
        )
    columns = column_names(table)
    if columns is not None:
        columns = without_percentiles(columns)  # of the SPS code's posterior, beside its medians
    labels = columns or [f"{argument}[:, {k}]" for k in range(np.shape(table)[1])]
    array = extract(table, labels)
    n_infinite = int(np.isinf(array).sum())
    if n_infinite and not allow_infinite:
        raise ValueError(
            f"{argument} holds {n_infinite} infinite values, such as the log10 of zero. Set "
            "them to NaN, and they are left out."
        )
    return array, columns and [_TARGET_OF_COLUMN.get(name, name) for name in columns]


def target_names(
    targets: Sequence[str] | None, given: list[str] | None, n_targets: int
) -> list[str]:
    if targets is None and given is not None:
        return given
    if targets is None and n_targets == len(TARGETS):
        return list(TARGETS)
    if targets is None:
        return [f"target_{k}" for k in range(n_targets)]
    names = [targets] if isinstance(targets, str) else list(targets)
    if len(names) != n_targets:
        raise ValueError(
            f"targets must name every column: got {len(names)} names ({', '.join(names)}) "
            f"for {n_targets} columns."
        )
    return names


def check_same_order(true_names: list[str] | None, pred_names: list[str] | None) -> None:
    if true_names is None or pred_names is None or true_names == pred_names:
        return
    if set(true_names) & set(pred_names):
        raise ValueError(
            "Columns are matched by position, but those of y_true and y_pred are not in the same "
            f"order: {', '.join(true_names)} against {', '.join(pred_names)}. Reorder one of them."
        )


def target_position(names: list[str], target: str | int) -> int:
    if isinstance(target, str) and target in names:
        return names.index(target)
    if isinstance(target, (int, np.integer)) and 0 <= target < len(names):
        return int(target)
    raise ValueError(
        f"target={target!r} is none of the targets, {', '.join(names)}, nor a position from 0 to "
        f"{len(names) - 1}."
    )


def _pair(name: str, true: np.ndarray, pred: np.ndarray) -> TargetPair:
    kept = ~(np.isnan(true) | np.isnan(pred))
    if not kept.any():
        raise ValueError(
            f"No galaxy has both a label and a prediction of {name!r}: of {len(true)} rows, "
            f"{int(np.isnan(true).sum())} have NaN in y_true and {int(np.isnan(pred).sum())} in "
            "y_pred. The selection may have rejected them all."
        )
    return TargetPair(name, true[kept], pred[kept], kept)
