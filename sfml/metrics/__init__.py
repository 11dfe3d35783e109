"""How well predictions agree with the labels, and how well their uncertainties are calibrated.

Every metric of predictions takes ``y_true`` and ``y_pred``, of shape (n_galaxies,) or
(n_galaxies, n_targets) and in dex, as arrays, lists, pandas or polars objects. The conventions are
the same for all:

- A residual is predicted minus actual: a positive `bias` means values predicted too high.
- Columns are matched by name, in any order; GAMA's names of the targets are known. Columns without
  names, such as those of ``predict``, are the ones that ``targets=`` names or, by default, in the
  order of `sfml.TARGETS` where the other table names these three; else in that of the other table.
  Results have that order too.
- Rows are matched by position. Two pandas objects that hold the same index labels in another order
  are an error.
- Galaxies whose label or prediction is NaN (unlabelled, or rejected by the selection) are left out,
  for each target by itself. If none is left, that is an error, and so is an infinite value.
- ``sample_weight`` holds one number per galaxy, not negative. A galaxy of weight 2 counts as two
  equal galaxies, one of weight 0 as none. Only numbers of galaxies (`n`), and what is computed from
  them (standard errors, the adjusted r2), depend on the scale of the weights: let weights that are
  no counts have a mean of 1.
- ``multioutput="uniform_average"``, the default, returns one number, the mean over the targets;
  ``multioutput="raw_values"`` returns an array with one entry per target.

Metrics of uncertainties take what the estimators predict:

- Quantiles, as ``predict_quantiles(X, levels)`` returns them, of shape (n_galaxies, n_levels) for
  one target or (n_galaxies, n_targets, n_levels), with their `levels`, growing numbers in (0, 1).
  Quantiles that cross are an error.
- Intervals, as ``lower`` and ``upper`` with the shape of `y_true`, both ends inside. An open end is
  infinite.

The same rules hold. Redshifts have metrics of their own, ``photoz_*``, in units of 1 + z.

Cross-validate with `get_scorer` or `SCORERS`, which match y with the estimator's targets by name.
The metrics of scikit-learn itself, as in ``scoring="r2"``, refuse the NaN that the selection leaves
for a rejected galaxy.
"""

from sfml.metrics.intervals import ace, coverage, interval_score, mean_width, pinaw
from sfml.metrics.joint import energy_score, sample_quantiles, sbc_ranks, tarp
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
from sfml.metrics.tables import binned_coverage, interval_table, score_table

__all__ = [
    "SCORERS",
    "ace",
    "adjusted_r2",
    "bias",
    "binned_coverage",
    "coverage",
    "coverage_curve",
    "crps",
    "energy_score",
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
    "sbc_ranks",
    "score_table",
    "tarp",
]
