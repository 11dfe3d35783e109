"""Residuals, and the coverage of intervals, in bins of any quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from sfml import tables
from sfml.displays.base import BLUE, Display, axis_label, names_for, only_one, plain_name, split
from sfml.metrics.intervals import inside
from sfml.metrics.pairing import pair_intervals, pair_targets, read_labels
from sfml.metrics.tables import bin_edges, bin_of, read_by
from sfml.uncertainty.distribution import check_coverage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = {"fmt": "o", "color": BLUE, "ms": 4.5, "lw": 1.2}


@dataclass(kw_only=True, eq=False, repr=False)
class BinnedResidualDisplay(Display):
    """Residuals of one target in bins of a quantity, and the coverage of its intervals below.

    Above: the median residual, predicted minus actual, and the 16th to 84th percentiles, in bins
    with equal numbers of galaxies. Below: the fraction of labels inside their intervals, with one
    standard deviation of what calibrated intervals would show for as many galaxies as the bin has.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    by : ndarray of shape (n_galaxies,)
        The quantity.
    residual : ndarray of shape (n_galaxies,)
        Predicted minus actual, in dex, finite.
    covered : ndarray of bool, shape (n_galaxies,)
        Whether the label lies inside its interval.
    coverage : float
        Nominal coverage of the intervals.
    target : str, default="target_0"
        The target.
    by_name : str, default="by"
        The quantity, for the axis label; columns of GAMA's tables are labelled with their unit.
    n_bins : int, default=10
        Number of bins.

    Attributes
    ----------
    ax_, coverage_ax_ : Axes
        The panels.
    figure_
    median_ : ErrorbarContainer
        The median residuals; the bars along the axis are the widths of the bins.
    band_ : StepPatch
        The 16th to 84th percentiles.
    coverage_ : ErrorbarContainer
        The coverage in each bin.
    expected_ : StepPatch
        The nominal coverage, give or take its sampling error.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.displays import BinnedResidualDisplay
    >>> y_true, y_pred = np.array([9.0, 10.0, 11.0, 12.0]), np.array([9.1, 9.9, 11.0, 12.5])
    >>> display = BinnedResidualDisplay.from_predictions(
    ...     y_true, y_pred, [0.1, 0.2, 0.3, 0.4], lower=y_pred - 0.2, upper=y_pred + 0.2,
    ...     coverage=0.68, target="stellar_mass", by_name="Z", n_bins=2)
    >>> display.coverage_ax_.get_xlabel()
    'redshift'
    """

    by: np.ndarray
    residual: np.ndarray
    covered: np.ndarray
    coverage: float
    target: str = "target_0"
    by_name: str = "by"
    n_bins: int = 10

    panel_size = (5.6, 5.0)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        by: Any,
        *,
        coverage: float = 0.68,
        **options: Any,
    ) -> Self:
        """Predict the median and the central interval, then draw one target.

        Parameters
        ----------
        estimator, X, y, by
        coverage : float, default=0.68
            Nominal coverage of the interval, between 0 and 1.
        **options : dict
            As for `from_predictions`.

        Returns
        -------
        BinnedResidualDisplay
        """
        lower, upper = check_coverage(coverage)
        labels, targets = read_labels(estimator, X, y)
        tables.check_same_rows(X, by, "X and by")
        quantiles = np.asarray(estimator.predict_quantiles(X, (lower, 0.5, upper)))
        return cls.from_predictions(
            labels,
            quantiles[..., 1],
            by,
            lower=quantiles[..., 0],
            upper=quantiles[..., 2],
            coverage=coverage,
            targets=targets,
            **options,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        by: Any,
        *,
        lower: Any,
        upper: Any,
        coverage: float,
        target: str | int | None = None,
        targets: Sequence[str] | None = None,
        by_name: str | None = None,
        n_bins: int = 10,
        ax: Axes | None = None,
    ) -> Self:
        """Draw one target of given predictions.

        Parameters
        ----------
        y_true, y_pred, by, lower, upper
        coverage : float
            Nominal coverage of the intervals, between 0 and 1.
        target, targets, by_name
        n_bins : int, default=10
            Number of bins; fewer are drawn where many values are equal.
        ax

        Returns
        -------
        BinnedResidualDisplay

        Raises
        ------
        ValueError
            If there is no such target, if none is chosen of several, or if no galaxy is left.
        """
        check_coverage(coverage)
        tables.check_same_rows(y_true, by, "y_true and by")
        targets = names_for(y_true, target, targets)
        point = only_one(pair_targets(y_true, y_pred, targets=targets, only=target))
        (pair,) = pair_intervals(y_true, lower, upper, targets=targets, only=target)
        value = read_by(by, len(pair.kept))
        kept = point.kept & pair.kept & ~np.isnan(value)
        if not kept.any():
            raise ValueError(
                f"No galaxy of {len(kept)} has a label, a prediction and an interval of "
                f"{pair.name!r}, and a value of by."
            )
        display = cls(
            by=value[kept],
            residual=(point.predicted - point.y_true)[kept[point.kept]],
            covered=inside(pair)[kept[pair.kept]],
            coverage=float(coverage),
            target=pair.name,
            by_name=str(getattr(by, "name", None) or "by") if by_name is None else by_name,
            n_bins=n_bins,
        )
        return display.plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        self.coverage_ax_ = split(self.ax_, (3, 2))
        bins = _Bins.of(self.by, self.n_bins)
        self._draw_residuals(bins)
        self._draw_coverage(bins)

    def _draw_residuals(self, bins: _Bins) -> None:
        percentiles = [np.percentile(self.residual[here], [16, 50, 84]) for here in bins.members]
        low, middle, high = np.transpose(percentiles)
        self.ax_.axhline(0, color="black", lw=1)
        self.band_ = self.ax_.stairs(
            bins.spread(high),
            bins.edges,
            baseline=bins.spread(low),
            fill=True,
            color=BLUE,
            alpha=0.25,
            lw=0,
            label="16th to 84th percentile",
        )
        self.median_ = self.ax_.errorbar(
            bins.centre, middle, xerr=bins.reach, label="median", **_POINTS
        )
        # A StepPatch does not widen the limits to its baseline; and the legend needs room on top.
        height = high.max() - low.min() or 1.0
        self.ax_.set_ylim(low.min() - 0.08 * height, high.max() + 0.25 * height)
        self.ax_.set_ylabel(f"{plain_name(self.target)}\npred. − actual / dex")
        self.ax_.tick_params(labelbottom=False)
        self.ax_.legend(loc="upper left", frameon=False, ncols=2)

    def _draw_coverage(self, bins: _Bins) -> None:
        n = np.array([here.sum() for here in bins.members])
        covered = np.array([self.covered[here].mean() for here in bins.members])
        error = np.sqrt(self.coverage * (1 - self.coverage) / n)
        self.expected_ = self.coverage_ax_.stairs(
            bins.spread(self.coverage + error),
            bins.edges,
            baseline=bins.spread(self.coverage - error),
            fill=True,
            color="0.85",
            lw=0,
            zorder=0,
        )
        self.coverage_ax_.axhline(self.coverage, color="black", lw=1)
        self.coverage_ = self.coverage_ax_.errorbar(
            bins.centre, covered, xerr=bins.reach, **_POINTS
        )
        low = min(covered.min(), (self.coverage - error).min())
        high = max(covered.max(), (self.coverage + error).max())
        self.coverage_ax_.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
        self.coverage_ax_.set(
            xlabel=axis_label(self.by_name), ylabel=f"coverage\n(nominal {self.coverage:g})"
        )


class _Bins(NamedTuple):
    """Bins of a quantity, and which galaxies are in those that have any."""

    edges: np.ndarray
    filled: np.ndarray
    members: list[np.ndarray]
    centre: np.ndarray
    reach: np.ndarray

    @classmethod
    def of(cls, by: np.ndarray, n_bins: int) -> _Bins:
        edges = bin_edges(by, n_bins)
        index = bin_of(by, edges)
        # A gap between distinct values may leave a bin without a galaxy.
        filled = np.unique(index)
        members = [index == k for k in filled]
        centre = np.array([np.median(by[here]) for here in members])
        reach = np.array([centre - edges[filled], edges[filled + 1] - centre])
        return cls(edges, filled, members, centre, reach)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the filled bins, with NaN for the others."""
        spread = np.full(len(self.edges) - 1, np.nan)
        spread[self.filled] = values
        return spread
