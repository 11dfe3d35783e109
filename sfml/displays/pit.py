"""Histograms of the probability integral transform, which show how predictions are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import binom

from sfml.displays.base import BLUE, QuantileDisplay, plain_name
from sfml.metrics.pairing import pair_quantiles
from sfml.metrics.quantiles import pit_of


@dataclass(kw_only=True, eq=False, repr=False)
class PITDisplay(QuantileDisplay):
    """Histogram of the PIT values of each target, with the band expected of calibrated ones.

    PIT values are the predicted CDF at the labels, and uniform if the predictions are calibrated.
    A hump means intervals that are too wide, raised ends too narrow ones, a slope a bias. The grey
    band holds 95 % of what calibrated predictions would show, in each bin by itself.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_galaxies,)
        The PIT values of each target, between 0 and 1, without NaN.
    n_bins : int, default=20
        Number of bins.

    Attributes
    ----------
    ax_ : ndarray of Axes, of shape (n_targets,)
        The panels.
    figure_
    histograms_ : dict of str to StepPatch
        The histogram of each target, normalised to a mean of 1.
    bands_ : dict of str to Polygon
        The band of each target.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.displays import PITDisplay
    >>> y_quantiles = np.tile([9.9, 10.0, 10.1], (3, 1))
    >>> display = PITDisplay.from_predictions(
    ...     [10.0, 10.1, 9.9], y_quantiles, [0.16, 0.5, 0.84], targets="stellar_mass")
    >>> display.values["stellar_mass"].round(2).tolist()
    [0.5, 0.84, 0.16]
    """

    values: Mapping[str, np.ndarray]
    n_bins: int = 20

    panel_size = (3.6, 3.2)

    @classmethod
    def _of_quantiles(  # type: ignore[override]
        cls, y_true: Any, y_quantiles: Any, levels: Any, targets: Any, n_bins: int = 20
    ) -> Self:
        pairs = pair_quantiles(y_true, y_quantiles, levels, targets=targets)
        return cls(values={pair.name: pit_of(pair) for pair in pairs}, n_bins=n_bins)

    def _n_panels(self) -> int:
        return len(self.values)

    def _draw(self, axes: np.ndarray) -> None:
        self.ax_ = axes
        self.histograms_, self.bands_ = {}, {}
        edges = np.linspace(0, 1, self.n_bins + 1)
        for panel, (name, values) in zip(self.ax_, self.values.items(), strict=True):
            n, share = len(values), 1 / self.n_bins
            low, high = binom.ppf([0.025, 0.975], n, share) / (n * share)
            self.bands_[name] = panel.axhspan(low, high, color="0.85", lw=0, zorder=0)
            panel.axhline(1, color="black", lw=1)
            density = np.histogram(values, edges)[0] / (n * share)
            self.histograms_[name] = panel.stairs(density, edges, color=BLUE, lw=1.8)
            panel.set(xlim=(0, 1), xlabel="PIT", title=f"{plain_name(name)}, n = {n:,}")
            panel.set_ylim(0, 1.15 * max(density.max(), high))
        self.ax_[0].set_ylabel("density of galaxies")
