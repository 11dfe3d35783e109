"""In which bands and colours a simulated survey covers the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from sfml.displays.base import BLUE, VERMILLION, Display


@dataclass(kw_only=True, eq=False, repr=False)
class SurveyCoverageDisplay(Display):
    """Share of real galaxies that a simulated survey does not cover, by band and by colour.

    Bands and colours that are not covered are drawn in another colour, with the offset of their
    medians.

    Make one with `from_report`.

    Parameters
    ----------
    bands, colours : DataFrame
        As of `sfml.simulate.CoverageReport`.
    threshold : float
        Share outside beyond which a band or colour counts as not covered.

    Attributes
    ----------
    ax_ : ndarray of Axes, of shape (2,)
        The panels: bands, colours.
    figure_
    bars_ : list of BarContainer
        The bars of each panel.

    Examples
    --------
    >>> from sfml import GAMA, make_mock_survey
    >>> from sfml.displays import SurveyCoverageDisplay
    >>> from sfml.simulate import coverage_report
    >>> bands = GAMA.only("g", "r", "i")
    >>> X = make_mock_survey(1200, bands=bands, n_templates=1000, random_state=0)
    >>> report = coverage_report(X[:600], X[600:], bands, random_state=0)
    >>> display = SurveyCoverageDisplay.from_report(report)
    >>> [panel.get_title() for panel in display.ax_]
    ['bands: all are covered', 'colours: all are covered']
    """

    bands: pd.DataFrame
    colours: pd.DataFrame
    threshold: float

    panel_size = (5.0, 5.0)

    @classmethod
    def from_report(cls, report: Any, *, ax: Any = None) -> Self:
        """Draw a report.

        Parameters
        ----------
        report : CoverageReport
            What `sfml.simulate.coverage_report` returns.
        ax

        Returns
        -------
        SurveyCoverageDisplay
        """
        tables = {"bands": report.bands, "colours": report.colours}
        return cls(**tables, threshold=report.threshold).plot(ax=ax)

    def _n_panels(self) -> int:
        return 2

    def _draw(self, axes: np.ndarray) -> None:
        self.ax_ = axes
        tables = {"bands": self.bands, "colours": self.colours}
        self.bars_ = [
            self._draw_one(panel, kind, table)
            for panel, (kind, table) in zip(axes, tables.items(), strict=True)
        ]

    def _draw_one(self, panel: Any, kind: str, table: pd.DataFrame) -> Any:
        outside = 100 * table["outside"].to_numpy()
        is_out = table["outside"].to_numpy() > self.threshold
        places = np.arange(len(table))
        bars = panel.barh(places, outside, color=np.where(is_out, VERMILLION, BLUE))
        for place, share, offset in zip(
            places[is_out], outside[is_out], table["offset"].to_numpy()[is_out], strict=True
        ):
            panel.annotate(
                f"{offset:+.2f} mag",
                (share, place),
                (3, 0),
                textcoords="offset points",
                va="center",
            )
        panel.axvline(100 * self.threshold, color="0.4", ls="--", lw=1)
        panel.set_yticks(places, list(table.index))
        panel.invert_yaxis()
        worst = table["outside"].idxmax() if is_out.any() else None
        panel.set(
            xlabel="real galaxies outside of the simulated range, %",
            title=f"{kind}: " + ("all are covered" if worst is None else f"worst is {worst}"),
            xlim=(0, max(1.35 * np.nanmax(outside, initial=0), 130 * self.threshold)),
        )
        return bars
