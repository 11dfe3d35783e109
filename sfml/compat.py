"""Private interfaces of scikit-learn and Keras that sfml relies on, in one place.

When one of them moves, it is mended here. Each is named with what it is needed for.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

# Declarative checks of parameters, as scikit-learn's own estimators have them.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "configured_keras_backend",
    "has_keras_metrics",
    "in_float32",
]


def configured_keras_backend() -> str | None:
    """Return the backend that Keras was told to use, even if its import failed for lack of it."""
    config = sys.modules.get("keras.src.backend.config")
    return None if config is None else config.backend()


def has_keras_metrics(model: Any) -> bool:
    """Whether a Keras model was compiled with metrics beside its loss."""
    metrics = model._compile_metrics
    return metrics is not None and bool(metrics._user_metrics or metrics._user_weighted_metrics)


def in_float32(loss: Any) -> Any:
    """Copy a Keras loss object to compute in float32, whatever `floatx` was when it was made."""
    import keras

    if not isinstance(loss, keras.losses.Loss):
        return loss
    copied = copy.copy(loss)
    copied._dtype_policy, copied._dtype = keras.DTypePolicy("float32"), "float32"
    return copied
