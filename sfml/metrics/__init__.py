"""How well predictions agree with the labels, and how well their uncertainties are calibrated.

Every metric of predictions takes ``y_true`` and ``y_pred``, of shape (n_galaxies,) or
(n_galaxies, n_targets) and in dex, as arrays, lists, pandas or polars objects. The conventions are
the same for all:

- A residual is predicted minus actual: a positive `bias` means values predicted too high.
- Galaxies whose label or prediction is NaN (unlabelled, or rejected by the selection) are left out,
  for each target by itself. If none is left, that is an error, and so is an infinite value.
- Rows are matched by position, never by index label.
- ``multioutput="uniform_average"``, the default, gives one number, the mean over the targets;
  ``multioutput="raw_values"`` gives an array with one entry a target.

Metrics of uncertainties take what the estimators predict:

- Quantiles, as ``predict_quantiles(X, levels)`` gives them, of shape (n_galaxies, n_levels) for one
  target or (n_galaxies, n_targets, n_levels), with their `levels`, growing numbers in (0, 1).
  Quantiles which cross are an error.
- Intervals, as ``lower`` and ``upper`` with the shape of `y_true`, both ends inside.

The same rules hold. Redshifts have metrics of their own, ``photoz_*``, in units of 1 + z.

Cross-validate with `get_scorer` or `SCORERS`. The metrics of scikit-learn itself, as in
``scoring="r2"``, refuse the NaN which the selection leaves for a rejected galaxy.
"""

from sfml.metrics.interval_tables import binned_coverage, interval_table
from sfml.metrics.intervals import ace, coverage, interval_score, mean_width, pinaw
from sfml.metrics.joint import sample_quantiles, tarp
from sfml.metrics.photoz import photoz_bias, photoz_nmad, photoz_outlier_fraction, photoz_table
from sfml.metrics.quantiles import coverage_curve, crps, pinball_loss, pit
from sfml.metrics.regression import (
    adjusted_r2,
    bias,
    error,
    mad,
    nmad,
    outlier_fraction,
    r2,
    rmse,
)
from sfml.metrics.scorers import SCORERS, get_scorer
from sfml.metrics.tables import score_table

__all__ = [
    "SCORERS",
    "ace",
    "adjusted_r2",
    "bias",
    "binned_coverage",
    "coverage",
    "coverage_curve",
    "crps",
    "error",
    "get_scorer",
    "interval_score",
    "interval_table",
    "mad",
    "mean_width",
    "nmad",
    "outlier_fraction",
    "photoz_bias",
    "photoz_nmad",
    "photoz_outlier_fraction",
    "photoz_table",
    "pinaw",
    "pinball_loss",
    "pit",
    "r2",
    "rmse",
    "sample_quantiles",
    "score_table",
    "tarp",
]
