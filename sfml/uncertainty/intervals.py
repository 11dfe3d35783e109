"""Calibrated intervals of several targets, as an object that a regressor holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sfml.uncertainty.calibrator import QuantileCalibrator, interpolate_quantiles

# A width that all but one in a hundred held-back galaxies stay below is no cause for a flag.
USUAL_WIDTHS = 0.99
# Neighbouring quantiles of the tails change places by little where there are few galaxies to learn
# from; by more than this share of the 16-84 interval they contradict each other.
CROSSING = 0.1


class RawQuantiles(NamedTuple):
    """Quantiles of one target as its regressor gives them, and what they are calibrated by."""

    values: np.ndarray  # (n_galaxies, n_levels)
    levels: tuple[float, ...]
    X: np.ndarray  # (n_galaxies, n_features), the inputs

    def rows(self, chosen: Any) -> RawQuantiles:
        """Choose galaxies."""
        return self._replace(values=self.values[chosen], X=self.X[chosen])

    def cross(self) -> np.ndarray:
        """Say where one lies below a lower one by more than a tenth of the 16-84 interval."""
        width = np.ptp(interpolate_quantiles(self.values, self.levels, (0.16, 0.84)), axis=1)
        return np.diff(self.values, axis=1).min(axis=1) < -CROSSING * width


class IntervalModel:
    """What held-back galaxies say of each target's quantiles.

    Intervals cover what they claim in bins of the prediction, of its uncertainty, of the number of
    inputs that are known, and of further inputs.
    """

    def __init__(self, conditions: Sequence[int] = ()) -> None:
        self.conditions = list(conditions)
        self.calibrators: dict[str, QuantileCalibrator] = {}
        self.usual_widths: dict[str, float] = {}

    def calibrate(
        self,
        target: str,
        raw: RawQuantiles,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        galaxy: np.ndarray | None = None,
    ) -> None:
        """Learn what the quantiles of a target lack, from galaxies that were not learnt from.

        `galaxy` numbers the galaxy that each row is a version of, if there are several.
        """
        conditions = self._conditions(raw)
        calibrator = QuantileCalibrator(raw.levels).fit(
            raw.values, y, conditions, sample_weight=sample_weight, galaxy=galaxy
        )
        calibrated = calibrator.predict(raw.values, conditions)
        width = np.ptp(interpolate_quantiles(calibrated, raw.levels, (0.16, 0.84)), axis=1)
        self.calibrators[target] = calibrator
        self.usual_widths[target] = float(np.quantile(width, USUAL_WIDTHS))

    def predict(self, target: str, raw: RawQuantiles) -> np.ndarray:
        """Calibrate the quantiles of other galaxies, to (n_galaxies, n_levels)."""
        return self.calibrators[target].predict(raw.values, self._conditions(raw))

    def lacking(self, targets: Sequence[str]) -> list[str]:
        """Name the targets that are not calibrated."""
        return [target for target in targets if target not in self.calibrators]

    def check_levels(self, q: Sequence[float]) -> None:
        """Raise a ValueError for levels that the held-back galaxies cannot tell."""
        for target, calibrator in self.calibrators.items():
            beyond = [float(level) for level in q if not calibrator.supports(level)]
            if beyond:
                n = calibrator.n_rows_
                raise ValueError(
                    f"{n:.0f} galaxies held back cannot tell the quantiles {beyond} of {target}: "
                    f"ask for levels of at least {1 / (n + 1):.2g} from 0 and 1, or hold back more."
                )

    def widest(self, targets: Sequence[str], max_width: Any, *, usual: bool) -> np.ndarray:
        """Read the widest 16-84 intervals that are not flagged, one per target, in dex."""
        if max_width is None:
            limits: Mapping[str, float] = self.usual_widths if usual else {}
        elif isinstance(max_width, Mapping):
            unknown = set(max_width) - set(targets)
            if unknown:
                raise ValueError(
                    f"max_width names {sorted(unknown)}; targets are {', '.join(targets)}."
                )
            limits = max_width
        else:
            limits = dict.fromkeys(targets, float(max_width))
        return np.array([limits.get(target, np.inf) for target in targets])

    def _conditions(self, raw: RawQuantiles) -> np.ndarray:
        median = raw.values[:, list(raw.levels).index(0.5)]
        width = np.ptp(interpolate_quantiles(raw.values, raw.levels, (0.16, 0.84)), axis=1)
        n_known = (~np.isnan(raw.X)).sum(axis=1)
        return np.column_stack([raw.X[:, self.conditions], median, width, n_known])
