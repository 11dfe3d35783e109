"""What all displays share: colours, labels, and the axes to draw on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sfml.targets import GAMA_TARGET_COLUMNS

# Okabe & Ito (2008): colours that colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)

# What is asked of an estimator to judge its calibration: fine enough to need no interpolation.
CALIBRATION_LEVELS = tuple(np.round(np.linspace(0.025, 0.975, 39), 3).tolist())

_LABELS = {
    "Z": "redshift",
    "stellar_mass": r"log$_{10}$ stellar mass / M$_\odot$",
    "sfr": r"log$_{10}$ SFR / M$_\odot$ yr$^{-1}$",
    "dust_luminosity": r"log$_{10}$ dust luminosity / L$_\odot$",
}
_LABELS |= {column: _LABELS[target] for target, column in GAMA_TARGET_COLUMNS.items()}


def axis_label(name: str) -> str:
    """Label of a quantity with its unit; the name itself where it is not one we know."""
    return _LABELS.get(name, name)


def plain_name(name: str) -> str:
    """Name of a target as a legend or title has it, without its unit."""
    return {"sfr": "SFR"}.get(name, name.replace("_", " "))


def panels(ax: Any, n_panels: int, panel_size: tuple[float, float]) -> tuple[Any, np.ndarray]:
    """Figure and axes to draw on, side by side: new ones, or those given.

    Parameters
    ----------
    ax : Axes, array-like of Axes or None
        The axes given by the user.
    n_panels : int
        How many are needed.
    panel_size : tuple of float
        Width and height of a new panel, in inches.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes, of shape (n_panels,)
    """
    if ax is None:
        width, height = panel_size
        figure, axes = _pyplot().subplots(
            1, n_panels, figsize=(width * n_panels, height), layout="constrained", squeeze=False
        )
        return figure, axes[0]
    axes = np.array([ax] if not isinstance(ax, Iterable) else ax, dtype=object).ravel()
    if len(axes) != n_panels:
        raise ValueError(f"ax must hold {n_panels} axes, one a panel; got {len(axes)}.")
    return axes[0].figure, axes


def split(ax: Any, heights: tuple[float, float] = (3, 1)) -> Any:
    """Shrink the axes to the upper part of their place, and add axes in the lower part.

    Parameters
    ----------
    ax : Axes
        Axes which belong to a grid.
    heights : (float, float), default=(3, 1)
        Relative heights of both parts.

    Returns
    -------
    Axes
        The new ones, which share the horizontal axis.
    """
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must belong to a grid, such as plt.subplots() makes, to be split in two panels; "
            "got axes placed by hand."
        )
    grid = place.subgridspec(2, 1, height_ratios=heights, hspace=0.05)
    ax.set_subplotspec(grid[0])
    return ax.figure.add_subplot(grid[1], sharex=ax)


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as missing:
        raise ImportError(
            'Drawing needs matplotlib, which is not installed: pip install "sfml[plot]".'
        ) from missing
    return plt
