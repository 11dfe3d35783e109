"""Private interfaces of scikit-learn and Keras that sfml relies on, in one place.

When one of them moves, it is mended here. Each is named with what it is needed for.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

# What scorers are: those of this class share one prediction, and take part in metadata routing.
from sklearn.metrics._scorer import _Scorer as Scorer

# Declarative checks of parameters, as scikit-learn's own estimators have them.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_params,
)

# The container that `set_output` asks for, for arrays that are made outside of `transform`.
from sklearn.utils._set_output import _wrap_data_with_container as wrap_output

# Parameters of nested estimators by name, as Pipeline and VotingRegressor have them.
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

# Names of the inputs, or x0, x1, ... where they have none.
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

# Weights as scikit-learn checks them.
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "Scorer",
    "StrOptions",
    "check_feature_names_in",
    "check_sample_weight",
    "configured_keras_backend",
    "has_keras_metrics",
    "in_float32",
    "step_params",
    "validate_params",
    "wrap_output",
]


def step_params(pipe: Any, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort parameters of a Pipeline's `fit` by the step whose `fit` they are for."""
    from sklearn import get_config

    last = pipe.steps[-1][0]
    if not get_config()["enable_metadata_routing"]:
        names = [name for name, _ in pipe.steps]
        unknown = [key for key in params if "__" in key and key.split("__")[0] not in names]
        if unknown:
            raise ValueError(
                f"fit was given {', '.join(unknown)}, but the steps are {', '.join(names)}."
            )
        params = {
            f"{last}__{name}" if name in ("sample_weight", "groups") else name: value
            for name, value in params.items()
        }
    routed = pipe._check_method_params(method="fit", props=params)
    return {name: dict(routed.get(name, {}).get("fit", {})) for name, _ in pipe.steps}


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
