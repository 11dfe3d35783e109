"""Private interfaces of scikit-learn that sfml relies on, in one place.

When one of them moves, it is mended here. Each is named with what it is needed for.
"""

from __future__ import annotations

# Declarative checks of parameters, as scikit-learn's own estimators have them.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

__all__ = ["HasMethods", "Interval", "InvalidParameterError", "Options", "StrOptions"]
