"""Scores to expect of a catalogue that has no labels, from the widths of its intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from sfml.weights import nmad

# Held-back galaxies in each bin of the width, at least, and bins at most.
IN_BIN, MOST_BINS = 50, 20
# Residuals that stand for those of a bin.
RESIDUAL_LEVELS = (np.arange(200) + 0.5) / 200
# Galaxies that tell the median absolute deviation of a catalogue well enough.
ENOUGH = 20_000


class ResidualModel(NamedTuple):
    """Residuals of held-back galaxies, in units of the width of their intervals, by width."""

    edges: np.ndarray  # (n_bins - 1,), of the width
    mean_square: np.ndarray  # (n_bins,), of the residual, over that of the width
    mean: np.ndarray  # (n_bins,), of the residual, over that of the width
    shape: np.ndarray  # (n_bins, n_levels), quantiles of the residual over the width
    covered: np.ndarray  # (n_bins,), share of the labels within the intervals

    @classmethod
    def learn(
        cls,
        width: np.ndarray,
        residual: np.ndarray,
        covered: np.ndarray,
        weight: np.ndarray | None,
    ) -> ResidualModel:
        """Learn from the galaxies that calibrated the intervals.

        All are of shape (n_galaxies,); `covered` says which intervals hold the label.
        """
        n_bins = int(np.clip(len(width) // IN_BIN, 1, MOST_BINS))
        edges = np.unique(np.quantile(width, np.arange(1, n_bins) / n_bins))
        place = np.searchsorted(edges, width, side="right")
        relative = residual / width
        weight = np.ones(len(width)) if weight is None else weight
        kept = [np.flatnonzero((place == k) & (weight > 0)) for k in range(len(edges) + 1)]
        filled = [rows if len(rows) else np.flatnonzero(weight > 0) for rows in kept]
        return cls(
            edges,
            # Ratios of means: one galaxy far off a narrow interval would rule a mean of ratios.
            np.array([_mean(residual, r, weight, 2) / _mean(width, r, weight, 2) for r in filled]),
            np.array([_mean(residual, r, weight, 1) / _mean(width, r, weight, 1) for r in filled]),
            np.array([np.quantile(relative[r], RESIDUAL_LEVELS) for r in filled]),
            np.array([np.average(covered[r], weights=weight[r]) for r in filled]),
        )

    def scores(self, width: np.ndarray) -> tuple[float, float, float]:
        """Expect sigma and NMAD, in dex, and coverage of galaxies whose intervals are so wide."""
        if not len(width):
            return np.nan, np.nan, np.nan
        place = np.searchsorted(self.edges, width, side="right")
        variance = np.mean(width**2 * self.mean_square[place])
        variance -= np.mean(width * self.mean[place]) ** 2
        some = np.linspace(0, len(width) - 1, min(len(width), ENOUGH)).astype(int)
        residuals = width[some, np.newaxis] * self.shape[place[some]]
        sigma = float(np.sqrt(max(variance, 0)))
        return sigma, nmad(residuals.ravel()), float(self.covered[place].mean())


def _mean(values: np.ndarray, rows: np.ndarray, weight: np.ndarray, power: int) -> float:
    return float(np.average(values[rows] ** power, weights=weight[rows]))


class HeldBack(NamedTuple):
    """How well one target of the galaxies held back from training was predicted."""

    n_galaxies: int
    bias: float  # dex, mean of predicted minus actual
    sigma: float  # dex, root mean square about the bias
    nmad: float  # dex, 1.4826 times the median absolute deviation
    coverage: float  # share of the labels within calibrated 16-84 intervals

    @classmethod
    def measure(
        cls,
        residual: np.ndarray,
        covered: np.ndarray,
        weight: np.ndarray | None,
        galaxy: np.ndarray | None,
    ) -> HeldBack:
        """Measure on galaxies as they were observed: of rows of one galaxy, on the first.

        All are of shape (n_rows,); `galaxy` numbers the galaxy that each row is a version of.
        """
        rows = np.unique(np.arange(len(residual)) if galaxy is None else galaxy, return_index=True)
        residual, covered = residual[rows[1]], covered[rows[1]]
        weight = np.ones(len(residual)) if weight is None else weight[rows[1]]
        residual, covered, weight = (a[weight > 0] for a in (residual, covered, weight))
        bias = np.average(residual, weights=weight)
        return cls(
            len(residual),
            float(bias),
            float(np.sqrt(np.average((residual - bias) ** 2, weights=weight))),
            nmad(residual, weight),
            float(np.average(covered, weights=weight)),
        )


class ExpectedScores(NamedTuple):
    """What to expect of the predictions for a catalogue without labels.

    Attributes
    ----------
    scores : DataFrame of shape (n_targets, 4), indexed by target
        Columns `sigma` and `nmad`, in dex; `coverage`, the share of the labels that 16-84 intervals
        are expected to hold, which is what such intervals held of the galaxies held back from
        training; and `width`, their mean width, in dex.
    n_galaxies : int
        Galaxies that have a prediction.
    n_without : int
        Galaxies that have none.
    out_of_domain : float
        Share of the galaxies with a prediction that are unlike those of training.
    reasons : Series
        Share of the catalogue's galaxies that each flag is raised for, by the flag's name.
    """

    scores: pd.DataFrame
    n_galaxies: int
    n_without: int
    out_of_domain: float
    reasons: pd.Series

    def __str__(self) -> str:
        """Write all of it as text."""
        lines = [
            f"{self.n_galaxies:,} galaxies have a prediction, {self.n_without:,} have none.",
            self.scores.round(3).to_string(),
            f"{self.out_of_domain:.1%} are unlike those of training.",
        ]
        lines += [f"  {name}: {share:.1%}" for name, share in self.reasons.items() if share > 0]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *_ = str(self).splitlines()
        shares = self.reasons[self.reasons > 0].map("{:.1%}".format).to_frame("share of galaxies")
        return (
            f"<p>{first}</p>{self.scores.round(3).to_html()}"
            f"<p>{self.out_of_domain:.1%} are unlike those of training.</p>"
            f"{shares.to_html() if len(shares) else ''}"
        )
