"""Distributions of redshift and targets, with the selection limits (Figs. 1, 2 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.displays.base import BLUE, VERMILLION, Display, axis_label
from sfml.tables.extraction import column_names, extract

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch
    from matplotlib.text import Text

Limits = tuple[float | None, float | None]


@dataclass(kw_only=True, eq=False, repr=False)
class DistributionDisplay(Display):
    """Histograms of columns of a catalogue, with the limits of a selection as vertical lines.

    Make one with `from_catalogue`.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_galaxies,)
        The values of each column, finite.
    limits : dict of str to (low, high), default=None
        Limits of a selection. Both ends are inside; None is no limit.

    Attributes
    ----------
    ax_ : ndarray of Axes, of shape (n_columns,)
        The panels.
    figure_
    histograms_ : dict of str to StepPatch
        The histogram of each column.
    limit_lines_ : dict of str to list of Line2D
        The lines at the limits of each column.
    texts_ : dict of str to Text
        The fraction inside the limits, for each column that has limits.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml.displays import DistributionDisplay
    >>> catalogue = pd.DataFrame({"Z": [0.1, 0.2, 0.5, 0.7]})
    >>> display = DistributionDisplay.from_catalogue(catalogue, limits={"Z": (0, 0.5)})
    >>> display.fraction_inside("Z")
    0.75
    """

    values: Mapping[str, np.ndarray]
    limits: Mapping[str, Limits] | None = None

    panel_size = (4.2, 3.6)

    def fraction_inside(self, name: str) -> float:
        """Fraction of a column's values within its limits, both ends included.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        float
            Between 0 and 1; 1 for a column without limits.
        """
        low, high = (self.limits or {}).get(name, (None, None))
        values = self.values[name]
        inside = np.full(values.shape, True)
        if low is not None:
            inside &= values >= low
        if high is not None:
            inside &= values <= high
        return float(inside.mean())

    @classmethod
    def from_catalogue(
        cls,
        catalogue: Any,
        columns: Sequence[str] | None = None,
        *,
        limits: Mapping[str, Limits] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw columns of a catalogue, or of a table of targets.

        Parameters
        ----------
        catalogue : table of shape (n_galaxies, n_columns)
            The values. NaN is left out of the histogram and of the fraction; a code that stands
            for a missing value is not known here and must be NaN.
        columns : sequence of str, default=None
            The columns to draw; by default all.
        limits : dict of str to (low, high), default=None
            Limits of a selection. Both ends are inside; None is no limit.
        ax

        Returns
        -------
        DistributionDisplay

        Raises
        ------
        ValueError
            If a column is lacking, has no finite value, or has an infinite one, or if limits are
            given for a column that is not drawn.
        """
        columns = [columns] if isinstance(columns, str) else columns
        columns = list(column_names(catalogue) or () if columns is None else columns)
        if not columns:
            raise ValueError("No columns to draw: catalogue has no column names, or columns=[].")
        unknown = [name for name in limits or {} if name not in columns]
        if unknown:
            raise ValueError(f"limits has columns that are not drawn: {', '.join(unknown)}.")
        table = extract(catalogue, columns)
        values = {name: _finite(table[:, k], name) for k, name in enumerate(columns)}
        return cls(values=values, limits=limits).plot(ax=ax)

    def _n_panels(self) -> int:
        return len(self.values)

    def _draw(self, axes: np.ndarray) -> None:
        self.ax_ = axes
        self.histograms_: dict[str, StepPatch] = {}
        self.limit_lines_: dict[str, list[Line2D]] = {}
        self.texts_: dict[str, Text] = {}
        for panel, (name, values) in zip(self.ax_, self.values.items(), strict=True):
            counts, edges = np.histogram(values, bins=60)
            self.histograms_[name] = panel.stairs(counts, edges, fill=True, color=BLUE)
            panel.set_xlabel(axis_label(name))
            self._draw_limits(panel, name)
        self.ax_[0].set_ylabel("galaxies")

    def _draw_limits(self, panel: Axes, name: str) -> None:
        ends = [end for end in ((self.limits or {}).get(name) or ()) if end is not None]
        self.limit_lines_[name] = [panel.axvline(end, color=VERMILLION, ls="--") for end in ends]
        if ends:
            self.texts_[name] = panel.set_title(f"{self.fraction_inside(name):.1%} within limits")


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    kept = values[~np.isnan(values)]
    if not len(kept) or np.isinf(kept).any():
        raise ValueError(
            f"Column {name!r} must hold at least one number and no infinite one; of its "
            f"{len(values)} values, {len(kept)} are not NaN and {int(np.isinf(kept).sum())} are "
            "infinite."
        )
    return kept
