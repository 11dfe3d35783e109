"""How well predictions agree with the labels, in dex.

Every metric takes ``y_true`` and ``y_pred``, of shape (n_galaxies,) or (n_galaxies, n_targets) and
in dex, as arrays, lists, pandas or polars objects. The conventions are the same for all:

- A residual is predicted minus actual: a positive `bias` means values predicted too high.
- Galaxies whose label or prediction is NaN (unlabelled, or rejected by the selection) are left out,
  for each target by itself. If none is left, that is an error, and so is an infinite value.
- Rows are matched by position, never by index label.
- ``multioutput="uniform_average"``, the default, gives one number, the mean over the targets;
  ``multioutput="raw_values"`` gives an array with one entry a target.

Cross-validate with `get_scorer` or `SCORERS`. The metrics of scikit-learn itself, as in
``scoring="r2"``, refuse the NaN which the selection leaves for a rejected galaxy.
"""

from sfml.metrics._regression import (
    adjusted_r2,
    bias,
    error,
    mad,
    nmad,
    outlier_fraction,
    r2,
    rmse,
)
from sfml.metrics._scorers import SCORERS, get_scorer
from sfml.metrics._table import score_table

__all__ = [
    "SCORERS",
    "adjusted_r2",
    "bias",
    "error",
    "get_scorer",
    "mad",
    "nmad",
    "outlier_fraction",
    "r2",
    "rmse",
    "score_table",
]
