"""Calibrated intervals of several targets, as an object that a regressor holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sfml.uncertainty.calibrator import QuantileCalibrator, interpolate_quantiles
from sfml.uncertainty.expected import HeldBack, ResidualModel

# A width that all but one in a hundred held-back galaxies stay below is no cause for a flag.
USUAL_WIDTHS = 0.99
# Neighbouring quantiles of the tails change places by little where there are few galaxies to learn
# from; by more than this share of the 16-84 interval they contradict each other.
CROSSING = 0.1
# Intervals widen by 4 times what the networks' disagreement is above that of 90 % of the held-back
# galaxies, and by a galaxy's strangeness: docs/uncertainty.md says how these were found.
USUAL_DISAGREEMENT = 0.9
DISAGREEMENT = 4.0
STRANGENESS = 1.0
MOST_WIDENED = 5.0
LEAST_WIDTH = 0.001  # dex


class RawQuantiles(NamedTuple):
    """Quantiles of one target as its regressor gives them, and what they are calibrated by."""

    values: np.ndarray  # (n_galaxies, n_levels)
    levels: tuple[float, ...]
    X: np.ndarray  # (n_galaxies, n_features), the inputs
    spread: np.ndarray | None = None  # (n_galaxies,), by how much several networks differ
    strangeness: np.ndarray | None = None  # (n_galaxies,), 0 for galaxies like those of training

    @property
    def median(self) -> np.ndarray:
        """The median of each galaxy."""
        return self.values[:, list(self.levels).index(0.5)]

    def width(self) -> np.ndarray:
        """Compute the 16-84 interval of each galaxy."""
        return np.ptp(interpolate_quantiles(self.values, self.levels, (0.16, 0.84)), axis=1)

    def disagreement(self) -> np.ndarray:
        """Compute by how much the networks differ, in units of half of the 16-84 interval."""
        assert self.spread is not None
        return self.spread / np.maximum(self.width() / 2, LEAST_WIDTH)

    def widened(self, usual_disagreement: float | None) -> RawQuantiles:
        """Move quantiles away from the median where the networks know less than they say."""
        factor = np.ones(len(self.values))
        if usual_disagreement:
            factor += DISAGREEMENT * np.maximum(0, self.disagreement() / usual_disagreement - 1)
        if self.strangeness is not None:
            factor *= 1 + STRANGENESS * self.strangeness
        factor = np.minimum(factor, MOST_WIDENED)
        median = self.median[:, np.newaxis]
        return self._replace(values=median + factor[:, np.newaxis] * (self.values - median))

    def shifted(self, by: float) -> RawQuantiles:
        """Add a number of dex to all quantiles."""
        return self._replace(values=self.values + by) if by else self

    def rows(self, chosen: Any) -> RawQuantiles:
        """Choose galaxies."""
        some = {
            name: value[chosen]
            for name, value in self._asdict().items()
            if isinstance(value, np.ndarray)
        }
        return self._replace(**some)

    def cross(self) -> np.ndarray:
        """Say where one lies below a lower one by more than a tenth of the 16-84 interval."""
        return np.diff(self.values, axis=1).min(axis=1) < -CROSSING * self.width()


class IntervalModel:
    """What held-back galaxies say of each target's quantiles.

    Where the networks disagree, or a galaxy is strange, quantiles are widened first: so intervals
    grow outside of the domain, and cover inside what they claim.

    Intervals cover what they claim in bins of the prediction, of its uncertainty, of the number of
    inputs that are known, and of further inputs.
    """

    def __init__(self, conditions: Sequence[int] = ()) -> None:
        self.conditions = list(conditions)
        self.calibrators: dict[str, QuantileCalibrator] = {}
        self.usual_widths: dict[str, float] = {}
        self.usual_disagreements: dict[str, float] = {}
        self.residuals: dict[str, ResidualModel] = {}
        self.held_back: dict[str, HeldBack] = {}

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
        if raw.spread is not None:
            usual = np.quantile(raw.disagreement(), USUAL_DISAGREEMENT)
            self.usual_disagreements[target] = float(usual)
        raw = raw.widened(self.usual_disagreements.get(target))
        conditions = self._conditions(raw)
        calibrator = QuantileCalibrator(raw.levels).fit(
            raw.values, y, conditions, sample_weight=sample_weight, galaxy=galaxy
        )
        calibrated = calibrator.predict(raw.values, conditions)
        low, high = interpolate_quantiles(calibrated, raw.levels, (0.16, 0.84)).T
        width, residual, covered = high - low, raw.median - y, (y >= low) & (y <= high)
        self.calibrators[target] = calibrator
        self.usual_widths[target] = float(np.quantile(width, USUAL_WIDTHS))
        self.residuals[target] = ResidualModel.learn(
            np.maximum(width, LEAST_WIDTH), residual, covered, sample_weight
        )
        self.held_back[target] = HeldBack.measure(residual, covered, sample_weight, galaxy)

    def predict(self, target: str, raw: RawQuantiles) -> np.ndarray:
        """Calibrate the quantiles of other galaxies, to (n_galaxies, n_levels)."""
        raw = raw.widened(self.usual_disagreements.get(target))
        return self.calibrators[target].predict(raw.values, self._conditions(raw))

    def expected_scores(self, target: str, width: np.ndarray) -> tuple[float, float, float]:
        """Expect sigma, NMAD and coverage of galaxies whose 16-84 intervals are so wide."""
        return self.residuals[target].scores(np.maximum(width, LEAST_WIDTH))

    def n_rows(self, targets: Sequence[str]) -> float:
        """Count the galaxies that calibrate the target that has fewest; 0 if one has none."""
        if self.lacking(targets):
            return 0
        return float(min(self.calibrators[target].n_rows_ for target in targets))

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

    def supported(self, levels: Sequence[float]) -> tuple[float, ...]:
        """Keep the levels that the held-back galaxies can tell, of every target."""
        calibrators = self.calibrators.values()
        return tuple(q for q in levels if all(each.supports(q) for each in calibrators))

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
        n_known = (~np.isnan(raw.X)).sum(axis=1)
        return np.column_stack([raw.X[:, self.conditions], raw.median, raw.width(), n_known])
