"""Checks of the parameters of `KerasMLPRegressor`."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from sfml.neural.forward import ACTIVATIONS

SCHEDULES = ("constant", "one_cycle")


def check_params(mlp: Any) -> None:
    """Raise a ValueError which names the first parameter that is out of range."""
    sizes = mlp.hidden_layer_sizes
    if isinstance(sizes, str) or not np.iterable(sizes) or not all(map(_is_count, sizes)):
        raise ValueError(
            "hidden_layer_sizes must be a sequence of positive integers, such as "
            f"(44, 66, 66); got {sizes!r}."
        )
    if not isinstance(mlp.activation, str) or mlp.activation not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATIONS)}; got {mlp.activation!r}."
        )
    if mlp.schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}; got {mlp.schedule!r}.")
    for name in ("batch_size", "epochs", "patience", "n_networks"):
        value = getattr(mlp, name)
        if not (_is_count(value) or (name == "patience" and value is None)):
            raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    if mlp.weight_decay is not None and not _is_number(mlp.weight_decay, 0, np.inf):
        raise ValueError(f"weight_decay must be None or >= 0; got {mlp.weight_decay!r}.")
    if not (_is_number(mlp.learning_rate, 0, np.inf) and mlp.learning_rate > 0):
        raise ValueError(f"learning_rate must be positive and finite; got {mlp.learning_rate!r}.")
    if not _is_number(mlp.validation_fraction, 0, 1):
        raise ValueError(
            f"validation_fraction must lie in [0, 1); got {mlp.validation_fraction!r}."
        )
    _check_quantiles(mlp.quantiles, mlp.loss)


def _check_quantiles(quantiles: Any, loss: Any) -> None:
    if quantiles is None:
        return
    levels = np.asarray(quantiles if isinstance(quantiles, Sequence | np.ndarray) else [], float)
    good = levels.ndim == 1 and len(levels) and np.all((levels > 0) & (levels < 1))
    if not good or np.any(np.diff(levels) <= 0) or 0.5 not in levels:
        raise ValueError(
            "quantiles must be None or growing levels between 0 and 1, the median 0.5 among them, "
            f"such as (0.16, 0.5, 0.84); got {quantiles!r}."
        )
    if loss != "mean_absolute_error":
        raise ValueError(
            "quantiles are learnt with the pinball loss, which for the median is the mean absolute "
            f"error: leave loss='mean_absolute_error', or quantiles=None; got loss={loss!r}."
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def _is_number(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number from `low`, included, to `high`, excluded."""
    return isinstance(value, Real) and low <= float(value) < high
