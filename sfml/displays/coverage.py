"""Nominal against empirical coverage of predicted intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.stats import binom

from sfml.displays.base import COLOURS, QuantileDisplay, plain_name, split
from sfml.metrics import coverage_curve

if TYPE_CHECKING:
    import pandas as pd


@dataclass(kw_only=True, eq=False, repr=False)
class CoverageDisplay(QuantileDisplay):
    """Empirical against nominal coverage of central intervals, and their difference below.

    Calibrated predictions lie on the diagonal. Curves below it mean intervals that are too
    narrow. The grey band is where 95 % of calibrated predictions would lie, at each nominal
    coverage by itself, for as many galaxies as there are; where targets have unequal numbers,
    for the least of them.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    curve : DataFrame
        Columns `target`, `nominal`, `empirical` and `n`, as `sfml.metrics.coverage_curve` and
        `sfml.metrics.tarp` return them; several such tables may be concatenated.

    Attributes
    ----------
    ax_, difference_ax_ : Axes
        The panels.
    figure_
    lines_, difference_lines_ : dict of str to Line2D
        The curve of each target, in both panels.
    bands_ : list of FillBetweenPolyCollection
        Where calibrated predictions would lie, in both panels.
    diagonal_ : Line2D
        Where both coverages are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.displays import CoverageDisplay
    >>> y_quantiles = np.tile([9.9, 10.0, 10.1], (4, 1))
    >>> display = CoverageDisplay.from_predictions(
    ...     [9.95, 10.0, 10.05, 10.2], y_quantiles, [0.16, 0.5, 0.84], targets="stellar_mass")
    >>> list(display.lines_)
    ['stellar_mass']
    """

    curve: pd.DataFrame

    panel_size = (4.8, 5.8)

    @classmethod
    def _of_quantiles(  # type: ignore[override]
        cls, y_true: Any, y_quantiles: Any, levels: Any, targets: Any, coverages: Any = None
    ) -> Self:
        curve = coverage_curve(y_true, y_quantiles, levels, coverages, targets=targets)
        return cls(curve=curve)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        self.difference_ax_ = split(self.ax_, (5, 2))
        self._draw_expected()
        self.lines_, self.difference_lines_ = {}, {}
        for k, (name, rows) in enumerate(self.curve.groupby("target", sort=False)):
            style = {"color": COLOURS[k % len(COLOURS)], "marker": "o", "ms": 3.5, "lw": 1.5}
            nominal, empirical = rows["nominal"].to_numpy(), rows["empirical"].to_numpy()
            (self.lines_[name],) = self.ax_.plot(
                nominal, empirical, label=plain_name(str(name)), **style
            )
            (self.difference_lines_[name],) = self.difference_ax_.plot(
                nominal, empirical - nominal, **style
            )
        self.ax_.set(xlim=(0, 1), ylim=(0, 1), ylabel="empirical coverage")
        self.ax_.tick_params(labelbottom=False)
        self.ax_.legend(loc="upper left", frameon=False)
        self.difference_ax_.set(xlabel="nominal coverage", ylabel="emp. − nominal")
        self.difference_ax_.margins(y=0.15)

    def _draw_expected(self) -> None:
        n = int(self.curve["n"].min())
        nominal = np.linspace(0, 1, 201)
        low, high = (binom.ppf(level, n, nominal) / n for level in (0.025, 0.975))
        style = {"color": "0.85", "lw": 0, "zorder": 0}
        label = f"calibrated (95 %), n = {n:,}"
        self.bands_ = [
            self.ax_.fill_between(nominal, low, high, label=label, **style),
            self.difference_ax_.fill_between(nominal, low - nominal, high - nominal, **style),
        ]
        (self.diagonal_,) = self.ax_.plot([0, 1], [0, 1], color="black", lw=1)
        self.difference_ax_.axhline(0, color="black", lw=1)
