"""Distributions of network inputs before and after standardising (Figs. 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.displays.base import COLOURS, Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_SHOWN = len(COLOURS)


@dataclass(kw_only=True, eq=False, repr=False)
class StandardisationDisplay(Display):
    """Histograms of inputs of a network, before and after they are standardised.

    Each panel shows the range from the 0.5th to the 99.5th percentile of its inputs. Where the
    widths of their distributions differ by more than a factor of 30, as those of fluxes do, its
    axis is an arcsinh, linear around zero and logarithmic far from it.

    Make one with `from_estimator` or `from_arrays`.

    Parameters
    ----------
    before, after : ndarray of shape (n_galaxies, n_inputs)
        The inputs, before and after. NaN is left out.
    names : sequence of str of length n_inputs
        Their names.

    Attributes
    ----------
    ax_ : ndarray of Axes, of shape (2,)
        The panels: before, after.
    figure_
    histograms_ : list of list of StepPatch
        For each panel, the histogram of each input.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.displays import StandardisationDisplay
    >>> before = np.array([[1.0, 20.0], [2.0, 40.0], [3.0, 60.0]])
    >>> after = (before - before.mean(axis=0)) / before.std(axis=0)
    >>> display = StandardisationDisplay.from_arrays(before, after, ["r", "S250"])
    >>> [panel.get_title() for panel in display.ax_]
    ['before standardising', 'after standardising']
    """

    before: np.ndarray
    after: np.ndarray
    names: Sequence[str]

    panel_size = (5.0, 3.8)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, features: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Draw the input and the output of a Pipeline's step ``scale``.

        Parameters
        ----------
        estimator : Pipeline
            A fitted Pipeline with a step called ``scale``. The steps up to it must give the names
            of their outputs (`get_feature_names_out`).
        X
        features : sequence of str, default=None
            Names of the inputs to draw; by default six, spread evenly over all.
        ax

        Returns
        -------
        StandardisationDisplay

        Raises
        ------
        ValueError
            If there is no step ``scale``, or no such feature.
        """
        steps = [name for name, _ in getattr(estimator, "steps", [])]
        if "scale" not in steps:
            raise ValueError(
                f"estimator must be a Pipeline with a step called 'scale'; got "
                f"{type(estimator).__name__} with steps {steps}."
            )
        position = steps.index("scale")
        before = estimator[:position].transform(X) if position else X
        after = estimator["scale"].transform(before)
        names = list(estimator[: position + 1].get_feature_names_out())
        chosen = _choose(names, features)
        return cls.from_arrays(
            np.asarray(before)[:, chosen],
            np.asarray(after)[:, chosen],
            [names[k] for k in chosen],
            ax=ax,
        )

    @classmethod
    def from_arrays(cls, before: Any, after: Any, names: Sequence[str], *, ax: Any = None) -> Self:
        """Draw given inputs.

        Parameters
        ----------
        before, after : array-like of shape (n_galaxies, n_inputs)
            The inputs, before and after. NaN is left out.
        names : sequence of str of length n_inputs
            Their names.
        ax

        Returns
        -------
        StandardisationDisplay

        Raises
        ------
        ValueError
            If the shapes disagree, or an input has no finite value or an infinite one.
        """
        before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
        if before.shape != after.shape or before.shape[1:] != (len(names),):
            raise ValueError(
                "before and after must have one row per galaxy and one column per name; got shapes "
                f"{before.shape} and {after.shape} for {len(names)} names."
            )
        for name, values in zip(names, before.T, strict=True):
            if np.isnan(values).all() or np.isinf(values).any():
                raise ValueError(
                    f"Input {name!r} must hold at least one number and no infinite one before it "
                    "is standardised."
                )
        return cls(before=before, after=after, names=names).plot(ax=ax)

    def _n_panels(self) -> int:
        return 2

    def _draw(self, axes: np.ndarray) -> None:
        self.ax_ = axes
        self.histograms_ = [
            _draw_histograms(panel, values, self.names)
            for panel, values in zip(self.ax_, (self.before, self.after), strict=True)
        ]
        self.ax_[0].set(
            title="before standardising", xlabel="input", ylabel="fraction of galaxies per bin"
        )
        self.ax_[1].set(title="after standardising", xlabel="standard deviations from the mean")
        self.ax_[1].legend(frameon=False)


def _choose(names: list[str], features: Sequence[str] | None) -> list[int]:
    if features is None:
        return sorted(set(np.linspace(0, len(names) - 1, _N_SHOWN).round().astype(int).tolist()))
    features = [features] if isinstance(features, str) else features
    unknown = [name for name in features if name not in names]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} are none of the inputs, {', '.join(names)}.")
    return [names.index(name) for name in features]


def _draw_histograms(panel: Axes, values: np.ndarray, names: Sequence[str]) -> list[Any]:
    low, high = np.nanpercentile(values, [16, 84], axis=0)
    widths = (high - low)[high > low]
    if len(widths) and widths.max() > 30 * widths.min():
        panel.set_xscale("asinh", linear_width=widths.min())
        panel.set_xticks(_decades(values, widths.min()))
    # Bins of equal width as seen on the axis, shared by all inputs.
    scale = panel.xaxis.get_transform()
    shown = scale.transform(values.ravel()).reshape(values.shape)
    start, stop = np.nanpercentile(shown, [0.5, 99.5])
    bins = np.linspace(start, stop, 81) if stop > start else np.array([start - 0.5, start + 0.5])
    edges = scale.inverted().transform(bins)
    histograms = []
    for k, name in enumerate(names):
        column = shown[:, k][~np.isnan(shown[:, k])]
        fractions = np.histogram(column, bins)[0] / len(column)
        colour = COLOURS[k % len(COLOURS)]
        histograms.append(panel.stairs(fractions, edges, color=colour, lw=1.5, label=name))
    return histograms


def _decades(values: np.ndarray, linear_width: float) -> list[float]:
    """Ticks of an arcsinh axis: zero, and powers of ten where the axis is logarithmic."""
    largest = np.nanmax(np.abs(values))
    powers = np.arange(np.ceil(np.log10(10 * linear_width)), np.floor(np.log10(largest)) + 1)
    ticks = [0.0, *10.0**powers]
    if np.nanmin(values) < -linear_width:
        ticks = [*-(10.0**powers), *ticks]
    return ticks
