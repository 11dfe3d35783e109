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

__all__ = [
    "LEVELS",
    "QuantileCalibrator",
    "add_posterior",
    "check_coverage",
    "check_levels",
    "interpolate_quantiles",
    "uncross",
]
