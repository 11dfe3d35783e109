"""Predicted against actual values, with their residuals (Figs. 8 to 10 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.displays.base import (
    BLUE,
    VERMILLION,
    Display,
    axis_label,
    names_for,
    only_one,
    split,
)
from sfml.metrics import error, nmad
from sfml.metrics.pairing import pair_targets, predict_with, read_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 1000  # from here on, points hide each other and are coloured by their density


@dataclass(kw_only=True, eq=False, repr=False)
class PredictionDisplay(Display):
    """Predicted against actual values of one target, and the residuals below.

    The solid line is where predictions equal the labels, the dashed line the least-squares fit of
    the predictions to the labels. From 1000 galaxies on, points are coloured by their number in a
    small cell of label and residual.

    Make one with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_galaxies,)
        Labels and predictions, in dex, finite.
    target : str, default="target_0"
        The target; those of `sfml.TARGETS` are labelled with their unit.
    truth : str, default="actual"
        What made the labels, for the axis label: "MAGPHYS", say.
    n_left_out : int, default=0
        Number of galaxies that are not shown, as their label or prediction is NaN.

    Attributes
    ----------
    ax_, residual_ax_ : Axes
        The panels.
    figure_
    points_, residual_points_ : PathCollection
        The galaxies, in both panels.
    identity_, best_fit_ : Line2D
        The lines. `best_fit_` is None if all labels are equal.
    text_ : Text
        The scatter, NMAD and number of galaxies.
    colorbar_ : Colorbar or None
        The scale of the density, where there is one.

    Examples
    --------
    >>> from sfml.displays import PredictionDisplay
    >>> display = PredictionDisplay.from_predictions(
    ...     [9.0, 10.0, 11.0], [9.1, 9.9, 11.0], target="stellar_mass", truth="MAGPHYS")
    >>> display.text_.get_text().splitlines()[-1]
    'n = 3'
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    target: str = "target_0"
    truth: str = "actual"
    n_left_out: int = 0

    panel_size = (5.6, 6.4)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, **options: Any) -> Self:
        """Predict, then draw one target.

        Parameters
        ----------
        estimator, X, y
        **options : dict
            `target`, `truth` and `ax`, as for `from_predictions`.

        Returns
        -------
        PredictionDisplay
        """
        labels, targets = read_labels(estimator, X, y)
        y_pred = predict_with(estimator, X)
        return cls.from_predictions(labels, y_pred, targets=targets, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        target: str | int | None = None,
        targets: Sequence[str] | None = None,
        truth: str = "actual",
        ax: Axes | None = None,
    ) -> Self:
        """Draw one target of given predictions.

        Parameters
        ----------
        y_true, y_pred, target, targets, truth, ax

        Returns
        -------
        PredictionDisplay

        Raises
        ------
        ValueError
            If there is no such target, if none is chosen of several, or if no galaxy is left.
        """
        targets = names_for(y_true, target, targets)
        pair = only_one(pair_targets(y_true, y_pred, targets=targets, only=target))
        display = cls(
            y_true=pair.y_true,
            y_pred=pair.predicted,
            target=pair.name,
            truth=truth,
            n_left_out=int((~pair.kept).sum()),
        )
        return display.plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        self.residual_ax_ = split(self.ax_)
        self._draw_points()
        self._draw_lines()
        self._annotate()

    def _draw_points(self) -> None:
        # Densest last, so that the few far from the crowd do not hide it.
        density = _density(self.y_true, self.y_pred)
        many = len(density) >= _MANY
        order = np.argsort(density, kind="stable")
        true, pred = self.y_true[order], self.y_pred[order]
        style: dict[str, Any] = {"color": BLUE, "s": 14, "linewidths": 0}
        if many:
            style = {"c": density[order], "norm": "log", "cmap": "viridis", "s": 4}
            style |= {"linewidths": 0, "rasterized": True}
        self.points_ = self.ax_.scatter(true, pred, **style)
        self.residual_points_ = self.residual_ax_.scatter(true, pred - true, **style)
        self.colorbar_ = None
        if many:
            self.colorbar_ = self.figure_.colorbar(
                self.points_, ax=[self.ax_, self.residual_ax_], aspect=40, pad=0.02, format="%g"
            )
            self.colorbar_.set_label("galaxies per cell")

    def _draw_lines(self) -> None:
        low = min(self.y_true.min(), self.y_pred.min())
        high = max(self.y_true.max(), self.y_pred.max())
        margin = 0.04 * (high - low) or 0.5
        limits = (low - margin, high + margin)
        (self.identity_,) = self.ax_.plot(limits, limits, color="black", lw=1, label="one to one")
        self.best_fit_ = None
        if np.ptp(self.y_true) > 0:
            line = np.polynomial.Polynomial.fit(self.y_true, self.y_pred, 1)
            ends = np.array([self.y_true.min(), self.y_true.max()])
            label = f"best fit, slope {line.deriv()(0.0):.3f}"
            (self.best_fit_,) = self.ax_.plot(
                ends, line(ends), color=VERMILLION, lw=1.8, ls="--", label=label
            )
        self.ax_.set(xlim=limits, ylim=limits)
        self.residual_ax_.axhline(0.0, color="black", lw=1)

    def _annotate(self) -> None:
        label = axis_label(self.target)
        self.ax_.set_ylabel(f"{label} (predicted)")
        self.residual_ax_.set_xlabel(f"{label} ({self.truth})")
        self.residual_ax_.set_ylabel("pred. − actual / dex", size="small")
        self.ax_.tick_params(labelbottom=False)
        lines = [
            rf"$\sigma$ = {error(self.y_true, self.y_pred):.4f} dex",
            f"NMAD = {nmad(self.y_true, self.y_pred):.4f} dex",
            f"n = {len(self.y_true):,}",
        ]
        if self.n_left_out:
            lines.append(f"{self.n_left_out:,} left out (NaN)")
        self.text_ = self.ax_.text(
            0.04, 0.96, "\n".join(lines), transform=self.ax_.transAxes, va="top"
        )
        self.ax_.legend(loc="lower right", frameon=False)


def _density(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Count, for each galaxy, the galaxies in its cell of a grid in label and residual."""
    points = np.column_stack([y_true, y_pred - y_true])
    low, high = np.percentile(points, [1, 99], axis=0)
    # Cells are sized by the central 98 %, so that a few outliers do not make them coarse.
    n_cells = np.sqrt(len(points)) / 3
    size = np.where(high > low, (high - low) / n_cells, 1.0)
    cells = np.floor((points - low) / size).astype(np.int64)
    _, index, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    return counts[index]
