"""One galaxy's page: its fluxes, what is predicted of it, and why."""

from __future__ import annotations

import operator
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sfml import tables
from sfml.displays.base import BLUE, COLOURS, VERMILLION, axis_label, plain_name
from sfml.flags import DESCRIPTIONS, Flag
from sfml.metrics.pairing import predict_with, read_labels, targets_of
from sfml.photometry import Photometry

_DETECTED = 3  # signal-to-noise ratio
_SENTENCE = 58  # characters in a line


def draw_sed(
    ax: Any, wavelengths: np.ndarray, flux: np.ndarray, error: np.ndarray | None, unit: str
) -> None:
    """Draw fluxes against wavelength (micron): limits as arrows, missing bands as ticks below."""
    error = np.zeros_like(flux) if error is None else np.nan_to_num(error)
    known = np.isfinite(flux)
    detected = known & (flux > _DETECTED * error) & (flux > 0)
    limits = known & ~detected
    ax.errorbar(wavelengths[detected], flux[detected], error[detected], fmt="o", color=BLUE, ms=4)
    highest = np.maximum(flux[limits], 0) + _DETECTED * error[limits]
    if limits.any():
        ax.plot(wavelengths[limits], highest, "v", color=VERMILLION, ms=5, label="3-sigma limit")
    missing = wavelengths[~known]
    if len(missing):
        low = np.full(len(missing), 0.03)
        ax.plot(missing, low, "|", transform=ax.get_xaxis_transform(), color="0.5", label="missing")
    ax.set(xscale="log", xlabel="wavelength / micron", ylabel=f"flux / {unit}")
    if detected.any() or (highest > 0).any():
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)


class Neighbours(NamedTuple):
    """The nearest training galaxies."""

    flux: np.ndarray
    labels: np.ndarray


@dataclass(kw_only=True, eq=False, repr=False)
class GalaxyDisplay:
    """One galaxy's page: fluxes, joint posterior, what each band contributes, and flags in words.

    Make one with `from_estimator`.

    Parameters
    ----------
    name : str
        Name of the galaxy.
    band_names : sequence of str
        Names of the bands.
    wavelengths, flux : ndarray of shape (n_bands,)
        Wavelengths in micron, and fluxes in `unit`, NaN where missing.
    error : ndarray of shape (n_bands,) or None
        Errors of the fluxes.
    unit : str
        Unit of the fluxes.
    targets : sequence of str
        What is predicted.
    median : ndarray of shape (n_targets,)
        Predictions in dex, NaN if there are none.
    draws : ndarray of shape (n_samples, n_targets) or None
        Draws of their joint distribution.
    truth : ndarray of shape (n_targets,) or None
        Labels, NaN where not known.
    sensitivities : ndarray of shape (n_targets, n_bands) or None
        Derivatives of the predictions by log10 of each band's flux.
    reasons : sequence of str
        Flags in words.
    neighbours : Neighbours or None
        The nearest training galaxies: their fluxes, (n_neighbors, n_bands), and labels,
        (n_neighbors, n_targets).

    Attributes
    ----------
    figure_
    sed_ax_, flags_ax_ : Axes
        The fluxes; the flags in words.
    corner_ax_ : ndarray of Axes of shape (n_targets, n_targets)
        Marginals on the diagonal, draws of pairs below, None above.
    bands_ax_ : Axes or None
        What each band contributes, for networks.

    Examples
    --------
    >>> import sfml
    >>> from sfml.displays import GalaxyDisplay
    >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> display = GalaxyDisplay.from_estimator(pipe.fit(X[:300], y[:300]), X[300:], 5)
    >>> display.corner_ax_.shape
    (3, 3)
    """

    name: str
    band_names: Sequence[str]
    wavelengths: np.ndarray
    flux: np.ndarray
    error: np.ndarray | None
    unit: str
    targets: Sequence[str]
    median: np.ndarray
    draws: np.ndarray | None
    truth: np.ndarray | None
    sensitivities: np.ndarray | None
    reasons: Sequence[str]
    neighbours: Neighbours | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        row: int,
        y: Any = None,
        *,
        X_train: Any = None,
        y_train: Any = None,
        n_neighbors: int = 5,
        n_samples: int = 2000,
        random_state: Any = 0,
        figure: Any = None,
    ) -> Self:
        """Draw one galaxy of a catalogue.

        Parameters
        ----------
        estimator : StarFormationPipeline
            Fitted pipeline. Without calibrated intervals the posterior is left out, and what bands
            contribute where the regressors are no networks.
        X : table of shape (n_galaxies, n_columns)
            Catalogue.
        row : int
            Position of the galaxy in X.
        y : table or array-like of shape (n_galaxies, n_targets), default=None
            Labels in dex, to be marked.
        X_train, y_train : tables, default=None
            The training catalogue and its labels in dex, to show the galaxies in it that this one
            resembles most: their fluxes, scaled to this galaxy's brightness, and their labels.
        n_neighbors : int, default=5
            How many of them (see `sfml.explain.nearest_galaxies`).
        n_samples : int, default=2000
            Draws of the posterior.
        random_state : int, RandomState or None, default=0
            Seed of the draws.
        figure : Figure or SubFigure, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        GalaxyDisplay

        Raises
        ------
        IndexError
            If there is no such row.
        TypeError
            If the estimator does not read the columns of a band set, or `row` is no whole number.
        ValueError
            If one of X_train and y_train is given without the other, or y or y_train does not have
            the rows of X or X_train.
        """
        check_is_fitted(estimator)
        steps = estimator if isinstance(estimator, Pipeline) else [None]
        bands = getattr(steps[0], "bands_", None)
        if bands is None or not hasattr(steps[-1], "intervals_"):
            raise TypeError(
                "estimator must be a pipeline that reads the columns of a band set and ends in a "
                "StarFormationRegressor, as make_star_formation_pipeline makes it; got "
                f"{type(estimator).__name__}."
            )
        n, row = tables.n_rows(X), operator.index(row)
        if not 0 <= row < n:
            raise IndexError(f"row must be from 0 to {n - 1}, a position in X; got {row}.")
        if (X_train is None) != (y_train is None):
            raise ValueError("X_train and y_train must be given together, or neither of them.")
        one, index = tables.take_rows(X, np.arange(n) == row), tables.row_index(X)
        flux, error, *_ = _photometry(estimator, one)
        regress = estimator[-1]
        calibrated = not regress.intervals_.lacking(regress.targets_)
        targets = targets_of(estimator) or ()
        display = cls(
            name=str(row if index is None else index[row]),
            band_names=list(bands.names),
            wavelengths=np.asarray(bands.wavelengths, dtype=float),
            flux=flux[0],
            error=None if error is None else error[0],
            unit=bands.unit,
            targets=list(targets),
            median=predict_with(estimator, one).reshape(-1),
            draws=(
                estimator.sample(one, n_samples, random_state)[0].reshape(n_samples, -1)
                if calibrated
                else None
            ),
            truth=None if y is None else read_labels(estimator, X, y)[0][row],
            sensitivities=_sensitivities(estimator, one, len(targets)),
            reasons=_reasons(estimator, one, calibrated=calibrated),
            neighbours=_neighbours(estimator, one, X_train, y_train, n_neighbors),
        )
        return display.plot(figure=figure)

    def plot(self, figure: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        figure : Figure or SubFigure, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        self
        """
        if figure is None:
            from matplotlib import pyplot as plt

            figure = plt.figure(figsize=(12.5, 7.5), layout="constrained")
        self.figure_ = figure
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.15))
        if self.sensitivities is None:
            self.sed_ax_, self.flags_ax_ = left.subplots(2, 1, height_ratios=(3, 1))
            self.bands_ax_ = None
        else:
            axes = left.subplots(3, 1, height_ratios=(3, 2.2, 1))
            self.sed_ax_, self.bands_ax_, self.flags_ax_ = axes
            self._draw_bands(self.bands_ax_)
        self._draw_neighbours(self.sed_ax_)
        draw_sed(self.sed_ax_, self.wavelengths, self.flux, self.error, self.unit)
        self.sed_ax_.set_title(f"galaxy {self.name}")
        self._draw_flags(self.flags_ax_)
        self._draw_corner(right)
        return self

    def _draw_neighbours(self, ax: Any) -> None:
        for k, flux in enumerate([] if self.neighbours is None else self.neighbours.flux):
            common = (self.flux > 0) & (flux > 0)
            if not common.any():
                continue
            scale = np.exp(np.median(np.log(self.flux[common] / flux[common])))
            known = flux > 0
            label = "nearest in training, scaled" if k == 0 else None
            ax.plot(self.wavelengths[known], scale * flux[known], color="0.7", lw=1, label=label)

    def _draw_bands(self, ax: Any) -> None:
        assert self.sensitivities is not None
        place, width = np.arange(len(self.band_names)), 0.8 / len(self.targets)
        for k, (target, values) in enumerate(zip(self.targets, self.sensitivities, strict=True)):
            ax.bar(
                place + (k + 0.5) * width - 0.4,
                np.nan_to_num(values),
                width,
                color=COLOURS[k % len(COLOURS)],
                label=plain_name(target),
            )
        ax.axhline(0, color="black", lw=0.8)
        ax.set_xticks(place, self.band_names, rotation=90)
        ax.set_ylabel("change in dex\nper dex of flux")
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0}
        ax.legend(frameon=False, ncols=3, fontsize="small", **above)

    def _draw_flags(self, ax: Any) -> None:
        ax.set_axis_off()
        said = self.reasons or ["No reservation."]
        lines = [textwrap.fill(reason, _SENTENCE, subsequent_indent="   ") for reason in said]
        ax.text(0, 1, "\n".join(lines), va="top", transform=ax.transAxes, fontsize="small")

    def _draw_corner(self, place: Any) -> None:
        n = len(self.targets)
        axes = place.subplots(n, n, squeeze=False)
        self.corner_ax_ = axes.astype(object)
        for i in range(n):
            for j in range(n):
                if j > i:
                    axes[i, j].remove()
                    self.corner_ax_[i, j] = None
                    continue
                (self._draw_marginal if i == j else self._draw_pair)(axes[i, j], i, j)
                if i == n - 1:
                    axes[i, j].set_xlabel(axis_label(self.targets[j]), fontsize="small")
                else:
                    axes[i, j].tick_params(labelbottom=False)
                axes[i, j].locator_params(nbins=4)

    def _draw_marginal(self, ax: Any, i: int, _: int) -> None:
        ax.set_yticks([])
        if not np.isfinite(self.median[i]):
            ax.set_title("no prediction", fontsize="small")
            return
        ax.axvline(self.median[i], color=BLUE)
        title = f"{self.median[i]:.2f}"
        if self.draws is not None:
            low, high = np.percentile(self.draws[:, i], [16, 84])
            ax.hist(self.draws[:, i], bins=40, color=BLUE, alpha=0.35)
            ax.axvspan(low, high, color="0.85", zorder=0)
            title += f" (+{high - self.median[i]:.2f}, −{self.median[i] - low:.2f})"
        if self.truth is not None and np.isfinite(self.truth[i]):
            ax.axvline(self.truth[i], color=VERMILLION, ls="--")
        ax.set_title(title, fontsize="small")

    def _draw_pair(self, ax: Any, i: int, j: int) -> None:
        if self.neighbours is not None:
            labels = self.neighbours.labels
            ax.plot(labels[:, j], labels[:, i], "D", ms=4, mfc="none", color="0.35")
        if self.draws is not None and np.isfinite(self.draws).all():
            ax.plot(self.draws[:, j], self.draws[:, i], ".", ms=1.5, alpha=0.4, color=BLUE)
        if np.isfinite(self.median[[i, j]]).all():
            ax.plot(self.median[j], self.median[i], "o", color="black", ms=4)
        if self.truth is not None and np.isfinite(self.truth[[i, j]]).all():
            ax.plot(self.truth[j], self.truth[i], "x", color=VERMILLION, ms=7, mew=2)
        if j == 0:
            ax.set_ylabel(axis_label(self.targets[i]), fontsize="small")
        else:
            ax.tick_params(labelleft=False)


def _photometry(estimator: Any, X: Any) -> Photometry:
    """Read what the pipeline learns from; what there is to warn of, its prediction has said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator[0].read(X)


def _neighbours(
    estimator: Any, one: Any, X_train: Any, y_train: Any, n_neighbors: int
) -> Neighbours | None:
    from sfml.explain import nearest_galaxies

    if X_train is None:
        return None
    labels, _ = read_labels(estimator, X_train, y_train)
    _, rows = nearest_galaxies(estimator, one, X_train, n_neighbors)
    if (rows < 0).any():
        return None
    return Neighbours(_photometry(estimator, X_train).flux[rows[0]], labels[rows[0]])


def _sensitivities(estimator: Any, one: Any, n_targets: int) -> np.ndarray | None:
    """Differentiate each target by each band, where the regressors are networks."""
    from sfml.explain import band_sensitivities

    try:
        table = band_sensitivities(estimator, one)
    except (TypeError, ValueError):  # no networks, or steps of another kind
        return None
    return table.to_numpy()[0].reshape(n_targets, -1)


def _reasons(estimator: Any, one: Any, *, calibrated: bool) -> list[str]:
    table = estimator.predict_table(one) if calibrated else None
    flags = int(estimator[0].flag(one)[0] if table is None else table["flag"].iloc[0])
    return [
        f"{str(flag.name).lower()}: {DESCRIPTIONS[flag]}" for flag in Flag if flags & flag.value
    ]
