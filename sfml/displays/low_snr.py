"""How many galaxies have a low signal-to-noise ratio in each band (Fig. 3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.bands import GAMA, BandSet
from sfml.displays.base import BLUE, Display
from sfml.photometry import Layout, read_photometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(kw_only=True, eq=False, repr=False)
class LowSNRDisplay(Display):
    """Number of galaxies with a low signal-to-noise ratio, flux / error, in each band.

    A missing measurement is not counted as a low one. The label of a bar is its share of the
    measurements of that band.

    Make one with `from_catalogue`.

    Parameters
    ----------
    bands : sequence of str of length n_bands
        Band names.
    counts : ndarray of shape (n_bands,)
        Number of galaxies with a low signal-to-noise ratio.
    n_measured : ndarray of shape (n_bands,)
        Number of galaxies that were measured.
    min_snr : float, default=3
        Ratios below this are low.

    Attributes
    ----------
    ax_ : Axes
        The panel.
    figure_
    bars_ : BarContainer
        The bars, one per band.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml import BandSet
    >>> from sfml.displays import LowSNRDisplay
    >>> catalogue = pd.DataFrame({"r_flux": [1e-4, 2e-6, -999], "r_fluxerr": [1e-6, 1e-6, -999]})
    >>> display = LowSNRDisplay.from_catalogue(catalogue, BandSet(["r"], [0.62]))
    >>> display.counts, display.n_measured
    (array([1]), array([2]))
    """

    bands: Sequence[str]
    counts: np.ndarray
    n_measured: np.ndarray
    min_snr: float = 3

    panel_size = (8.0, 4.0)

    @classmethod
    def from_catalogue(
        cls,
        catalogue: Any,
        bands: BandSet = GAMA,
        *,
        min_snr: float = 3,
        ax: Axes | None = None,
    ) -> Self:
        """Count, then draw.

        Parameters
        ----------
        catalogue : table of shape (n_galaxies, n_columns)
            With the flux and error columns of the bands, in the unit of the band set.
        bands : BandSet, default=GAMA
            The bands.
        min_snr : float, default=3
            Ratios below this are low.
        ax

        Returns
        -------
        LowSNRDisplay

        Raises
        ------
        ValueError
            If the catalogue lacks a column, or one does not hold numbers.
        """
        flux, error, *_ = read_photometry(catalogue, Layout(bands, redshift="none"))
        assert error is not None
        measured = ~np.isnan(flux)
        low = measured & (flux < min_snr * error)
        display = cls(
            bands=bands.names,
            counts=low.sum(axis=0),
            n_measured=measured.sum(axis=0),
            min_snr=min_snr,
        )
        return display.plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        self.bars_ = self.ax_.bar(list(self.bands), self.counts, color=BLUE)
        shares = [
            f"{count / n:.0%}" if n else "none"
            for count, n in zip(self.counts, self.n_measured, strict=True)
        ]
        self.ax_.bar_label(self.bars_, shares, fontsize="small", padding=2)
        self.ax_.margins(x=0.01, y=0.08)
        self.ax_.tick_params(axis="x", rotation=45)
        self.ax_.yaxis.set_major_formatter("{x:,.0f}")
        self.ax_.set_xlabel("band (with the share of its measurements; missing ones do not count)")
        self.ax_.set_ylabel(f"galaxies with S/N < {self.min_snr:g}")
