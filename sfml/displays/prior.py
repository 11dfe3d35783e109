"""What the models of a library are drawn from: the distribution of each parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from sfml.displays.base import BLUE, VERMILLION, Display, axis_label, grid_of_panels
from sfml.targets import known_target

_MOST_BINS = 40
_COLUMNS = 4


@dataclass(kw_only=True, eq=False, repr=False)
class PriorDisplay(Display):
    """The marginal distribution of each parameter, one panel per parameter.

    Make one with `from_prior` or `from_library`.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n_models,)
        Values of each parameter.
    units : mapping of str to str, default={}
        Units of the parameters, for the labels.
    derived : sequence of str, default=()
        Parameters that follow from the others, which are drawn in another colour.
    logarithmic : sequence of str, default=()
        Parameters with a logarithmic axis; all their values are above 0.

    Attributes
    ----------
    ax_ : ndarray of Axes, of shape (n_parameters,)
        The panels.
    figure_
    histograms_ : list of StepPatch
        The histogram of each parameter.

    Examples
    --------
    >>> from sfml.displays import PriorDisplay
    >>> from sfml.simulate import BagpipesPrior
    >>> display = PriorDisplay.from_prior(BagpipesPrior(), n=256, random_state=0)
    >>> len(display.ax_), display.ax_[1].get_xlabel()
    (12, 'log_mass_formed [dex (Msun)]')
    """

    values: Mapping[str, np.ndarray]
    units: Mapping[str, str] = field(default_factory=dict)
    derived: Sequence[str] = ()
    logarithmic: Sequence[str] = ()

    panel_size = (3.0, 2.4)

    @classmethod
    def from_prior(
        cls, prior: Any, *, n: int = 4096, random_state: Any = None, ax: Any = None
    ) -> Self:
        """Draw from a prior, and show what is drawn.

        Parameters
        ----------
        prior : BagpipesPrior
            A prior: it has `draw`, `free`, `units` and `describe`.
        n : int, default=4096
            How many models to draw.
        random_state : int, RandomState instance or None, default=None
            Which models.
        ax : array-like of Axes, default=None
            Axes, one per free parameter; by default those of a new figure.

        Returns
        -------
        PriorDisplay
        """
        drawn = prior.draw(n, random_state)
        values = {name: drawn[name].to_numpy() for name in prior.free}
        logarithmic = _logarithmic(prior.describe())
        return cls(values=values, units=prior.units, logarithmic=logarithmic).plot(ax=ax)

    @classmethod
    def from_library(
        cls, library: Any, *, derived: Sequence[str] | None = None, ax: Any = None
    ) -> Self:
        """Show the parameters of a library's models, those that follow from others among them.

        Parameters
        ----------
        library : ModelLibrary
            A library: it has `redshift`, `parameters` and `units`.
        derived : sequence of str, default=None
            Parameters in another colour. None: those that the library's prior does not name.
        ax : array-like of Axes, default=None
            Axes, one for the redshift and one per parameter; by default those of a new figure.

        Returns
        -------
        PriorDisplay
        """
        parameters = {str(name): column.to_numpy() for name, column in library.parameters.items()}
        if derived is None:
            derived = [name for name in parameters if name not in library.prior]
        values = {"redshift": np.asarray(library.redshift), **parameters}
        return cls(
            values=values,
            units=library.units,
            derived=derived,
            logarithmic=[name for name in _logarithmic(library.prior) if name in values],
        ).plot(ax=ax)

    def _n_panels(self) -> int:
        return len(self.values)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : array-like of Axes, default=None
            Axes, one per parameter; by default those of a new figure, in rows of four.

        Returns
        -------
        self
        """
        if ax is None:
            ax = grid_of_panels(self._n_panels(), _COLUMNS, self.panel_size)
        return super().plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        self.ax_ = axes
        self.histograms_ = [
            self._draw_one(panel, name, values)
            for panel, (name, values) in zip(axes, self.values.items(), strict=True)
        ]

    def _draw_one(self, panel: Any, name: str, values: np.ndarray) -> Any:
        low, high = float(values.min()), float(values.max())
        is_log = name in self.logarithmic
        n_bins = int(np.clip(np.sqrt(len(values)), 5, _MOST_BINS))
        if high <= low:
            low, high, n_bins = low - 0.5, high + 0.5, 1
        edges = (
            np.geomspace(low, high, n_bins + 1) if is_log else np.linspace(low, high, n_bins + 1)
        )
        edges[0], edges[-1] = low, high  # rounding may leave the ends out
        share = np.histogram(values, edges)[0] / len(values)
        colour = VERMILLION if name in self.derived else BLUE
        drawn = panel.stairs(share, edges, fill=True, color=colour, alpha=0.8)
        panel.set(xlabel=self._label(name), yticks=[], ylim=(0, None))
        if is_log:
            panel.set_xscale("log")
        return drawn

    def _label(self, name: str) -> str:
        if axis_label(name) != name:
            return axis_label(name)
        known = known_target(name)
        unit = known.unit if known is not None else self.units.get(name, "")
        return f"{name} [{unit}]" if unit else name


def _logarithmic(prior: Mapping[str, Any]) -> list[str]:
    """Parameters whose logarithm is uniform, by the words of a prior."""
    return [name for name, words in prior.items() if str(words).startswith("log-uniform")]
