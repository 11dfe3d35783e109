"""Private interfaces of scikit-learn that sfml relies on, in one place.

When one of them moves, it is mended here. Each is named with what it is needed for.
"""

from __future__ import annotations

# What scorers are: those of this class share one prediction, and take part in metadata routing.
from sklearn.metrics._scorer import _Scorer as Scorer

# Declarative checks of parameters, as scikit-learn's own estimators have them.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

# The check of weights, with the messages that scikit-learn's users know.
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "Scorer",
    "StrOptions",
    "check_sample_weight",
]
