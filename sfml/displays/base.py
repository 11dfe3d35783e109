"""What all displays share: how they are made and drawn, colours, labels and axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import Pair, read_labels
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


class Display:
    """Arrays that can be drawn, again and on other axes if wanted."""

    panel_size: ClassVar[tuple[float, float]]
    figure_: Any
    ax_: Any

    def __init_subclass__(cls) -> None:
        """Describe in the docstrings what displays share."""
        super().__init_subclass__()
        made_by = [each.__func__ for each in vars(cls).values() if isinstance(each, classmethod)]
        for documented in (cls, *made_by):
            if documented.__doc__:
                describe_shared(documented)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            Axes to draw on, one per panel; by default those of a new figure. Displays with a lower
            panel split the axes, which must then belong to a grid, as those made by
            ``plt.subplots`` do.

        Returns
        -------
        self
        """
        self.figure_, axes = panels(ax, self._n_panels(), self.panel_size)
        self._draw(axes)
        return self

    def _n_panels(self) -> int:
        return 1

    def _draw(self, axes: np.ndarray) -> None:
        raise NotImplementedError


class QuantileDisplay(Display):
    """A display of predicted quantiles of all targets."""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        levels: Sequence[float] = CALIBRATION_LEVELS,
        targets: Sequence[str] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Predict quantiles, then draw.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``predict_quantiles(X, levels)``.
        X, y
        levels : sequence of float, default=(0.025, 0.05, ..., 0.975)
            Levels of the quantiles to predict, growing, between 0 and 1.
        targets : sequence of str, default=None
            What the estimator predicts, in order, if it has no `targets_`.
        ax
        **options : dict
            As for `from_predictions`.

        Returns
        -------
        Display
        """
        labels, names = read_labels(estimator, X, y, targets)
        y_quantiles = estimator.predict_quantiles(X, levels)
        return cls.from_predictions(labels, y_quantiles, levels, targets=names, ax=ax, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_quantiles: Any,
        levels: Sequence[float],
        *,
        targets: Sequence[str] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw given quantiles.

        Parameters
        ----------
        y_true, y_quantiles, levels, targets, ax
        **options : dict
            `coverages` of a `CoverageDisplay`, as for `sfml.metrics.coverage_curve`; `n_bins` of a
            `PITDisplay`.

        Returns
        -------
        Display
        """
        display = cls._of_quantiles(y_true, y_quantiles, levels, targets, **options)
        return display.plot(ax=ax)

    @classmethod
    def _of_quantiles(
        cls, y_true: Any, y_quantiles: Any, levels: Any, targets: Any, **options: Any
    ) -> Self:
        raise NotImplementedError


def names_for(
    y_true: Any, target: str | int | None, targets: Sequence[str] | None
) -> Sequence[str] | None:
    """Names of the targets, of which a lone one without a name is called `target`."""
    unnamed = targets is None or list(targets) == ["target_0"]
    is_alone = np.shape(y_true)[1:] in ((), (1,))
    return [target] if isinstance(target, str) and unnamed and is_alone else targets


def only_one(pairs: list[Pair]) -> Pair:
    """Return the one target, or ask for a choice."""
    if len(pairs) > 1:
        raise ValueError(f"Choose target= of {', '.join(pair.name for pair in pairs)}.")
    return pairs[0]


def axis_label(name: str) -> str:
    """Label of a quantity with its unit; the name itself where it is not known."""
    return _LABELS.get(name, name)


def plain_name(name: str) -> str:
    """Name of a target in a legend or title, without its unit."""
    return {"sfr": "SFR"}.get(name, name.replace("_", " "))


def panels(ax: Any, n_panels: int, panel_size: tuple[float, float]) -> tuple[Any, np.ndarray]:
    """Figure and axes to draw on, side by side: new ones of this size in inches, or those given."""
    if ax is None:
        width, height = panel_size
        figure, axes = _pyplot().subplots(
            1, n_panels, figsize=(width * n_panels, height), layout="constrained", squeeze=False
        )
        return figure, axes[0]
    axes = np.array([ax] if not isinstance(ax, Iterable) else ax, dtype=object).ravel()
    if len(axes) != n_panels:
        raise ValueError(f"ax must hold {n_panels} axes, one per panel; got {len(axes)}.")
    return axes[0].figure, axes


def grid_of_panels(n_panels: int, n_columns: int, panel_size: tuple[float, float]) -> list[Any]:
    """Axes of a new figure, in rows of so many; those that are not needed are removed."""
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    width, height = panel_size
    _, axes = _pyplot().subplots(
        n_rows,
        n_columns,
        figsize=(width * n_columns, height * n_rows),
        layout="constrained",
        squeeze=False,
    )
    for spare in axes.ravel()[n_panels:]:
        spare.remove()
    return list(axes.ravel()[:n_panels])


def split(ax: Any, heights: tuple[float, float] = (3, 1)) -> Any:
    """Shrink axes that belong to a grid to the upper part of their place; return axes below them.

    The new axes share the horizontal axis. `heights` are those of both parts, relative.
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
