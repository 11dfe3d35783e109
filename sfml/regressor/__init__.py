"""One regressor per target, with calibrated intervals."""

from sfml.regressor.regressor import StarFormationRegressor

__all__ = ["StarFormationRegressor"]
