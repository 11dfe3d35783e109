"""Calibrated quantiles and intervals, and galaxies unlike those of training."""

from sfml.uncertainty.calibrator import (
    LEVELS,
    QuantileCalibrator,
    add_posterior,
    check_coverage,
    check_levels,
    interpolate_quantiles,
    uncross,
)
from sfml.uncertainty.copula import combine_draws

__all__ = [
    "LEVELS",
    "QuantileCalibrator",
    "add_posterior",
    "check_coverage",
    "check_levels",
    "combine_draws",
    "interpolate_quantiles",
    "uncross",
]
