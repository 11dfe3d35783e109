"""Histograms of the probability integral transform, which show how predictions are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.stats import binom

from sfml.displays.base import BLUE, CALIBRATION_LEVELS, panels, plain_name
from sfml.metrics.predictive import check_levels, pair_quantiles
from sfml.metrics.quantiles import pit_of


class PITDisplay:
    """Histogram of the PIT values of each target, with the band expected of calibrated ones.

    PIT values are the predicted CDF at the labels, and uniform if the predictions are calibrated.
    A hump means intervals too wide, raised ends intervals too narrow, a slope a bias. The grey
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
    figure_ : Figure
        The figure.
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

    def __init__(self, *, values: Mapping[str, np.ndarray], n_bins: int = 20):
        self.values = values
        self.n_bins = n_bins

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        levels: Sequence[float] = CALIBRATION_LEVELS,
        n_bins: int = 20,
        targets: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Predict quantiles, then draw.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``predict_quantiles(X, levels)``.
        X : array-like of shape (n_galaxies, n_features)
            Its input.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Labels, in dex.
        levels : sequence of float, default=(0.025, 0.05, ..., 0.975)
            Levels of the quantiles to predict, growing, between 0 and 1.
        n_bins : int, default=20
            Number of bins.
        targets : sequence of str, default=None
            Names of the targets, by default those of the columns of `y`.
        ax : Axes or array-like of Axes, default=None
            Axes to draw on, one a target; by default those of a new figure.

        Returns
        -------
        PITDisplay
            The display, drawn.
        """
        y_quantiles = estimator.predict_quantiles(X, levels)
        return cls.from_predictions(y, y_quantiles, levels, n_bins=n_bins, targets=targets, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_quantiles: Any,
        levels: Sequence[float],
        *,
        n_bins: int = 20,
        targets: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the PIT values of given quantiles.

        Parameters
        ----------
        y_true : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)
            Labels, in dex. NaN is left out.
        y_quantiles : array-like of shape (n_galaxies, ..., n_levels)
            Predicted quantiles, in dex, of one target or, with an axis for them, of several. A
            galaxy with NaN is left out.
        levels : sequence of float of length n_levels
            Levels of the quantiles, growing, between 0 and 1, at least two.
        n_bins : int, default=20
            Number of bins.
        targets : sequence of str, default=None
            Names of the targets, by default those of the columns of `y_true`.
        ax : Axes or array-like of Axes, default=None
            Axes to draw on, one a target; by default those of a new figure.

        Returns
        -------
        PITDisplay
            The display, drawn.
        """
        at = check_levels(levels)
        pairs = pair_quantiles(y_true, y_quantiles, at, targets=targets)
        values = {pair.name: pit_of(pair, at) for pair in pairs}
        return cls(values=values, n_bins=n_bins).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            Axes to draw on, one a target; by default those of a new figure.

        Returns
        -------
        PITDisplay
            This display.
        """
        self.figure_, self.ax_ = panels(ax, len(self.values), (3.6, 3.2))
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
        return self
