"""The report's figures, each with words for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sfml import displays
from sfml.displays.base import CALIBRATION_LEVELS, plain_name
from sfml.displays.galaxy import draw_sed
from sfml.report.outcome import Outcome
from sfml.report.page import figure


def draw(
    size: tuple[float, float], alt: str, drawing: Callable[[Any], object], n_panels: int = 1
) -> str:
    """Draw on axes of a figure of this size in inches that pyplot knows nothing of."""
    from matplotlib.figure import Figure

    made = Figure(size, layout="constrained")
    axes = made.subplots(1, n_panels)
    drawing(axes)
    return figure(made, alt)


def grid(figures: list[str]) -> str:
    """Put figures side by side, as many as there is room for."""
    return f'<div class="figures">{"".join(figures)}</div>'


def predictions(labels: np.ndarray, outcome: Outcome, targets: list[str]) -> str:
    """Draw predicted against actual values of each target."""
    drawn = []
    for i, target in enumerate(targets):
        known = np.isfinite(labels[:, i]) & np.isfinite(outcome.medians[:, i])
        if not known.any():
            continue
        residual = (outcome.medians - labels)[known, i]
        alt = (
            f"Predicted against actual {plain_name(target)} of {known.sum():,} galaxies: standard "
            f"deviation of the residuals {residual.std():.3f} dex."
        )

        def drawing(ax: Any, target: str = target) -> None:
            displays.PredictionDisplay.from_predictions(
                labels, outcome.medians, targets=targets, target=target, truth="label", ax=ax
            )

        drawn.append(draw((5.2, 6.0), alt, drawing))
    return grid(drawn)


def trends(
    labels: np.ndarray, outcome: Outcome, targets: list[str], by: Mapping[str, np.ndarray]
) -> str:
    """Draw residuals and coverage of each target against each quantity."""
    drawn = []
    for i, target in enumerate(targets):
        for name, values in by.items():
            known = np.isfinite(labels[:, i]) & outcome.predicted & np.isfinite(values)
            if not known.any():
                continue

            def drawing(
                ax: Any, target: str = target, name: str = name, values: np.ndarray = values
            ) -> None:
                displays.BinnedResidualDisplay.from_predictions(
                    labels,
                    outcome.medians,
                    values,
                    lower=outcome.lower,
                    upper=outcome.upper,
                    coverage=0.68,
                    targets=targets,
                    target=target,
                    by_name=name,
                    ax=ax,
                )

            alt = f"Residuals and coverage of {plain_name(target)} in bins of {plain_name(name)}."
            drawn.append(draw((5.2, 4.6), alt, drawing))
    return grid(drawn)


def calibration(labels: np.ndarray, outcome: Outcome, targets: list[str]) -> str:
    """Draw the coverage of intervals, and the PIT."""
    some = labels[outcome.quantile_rows]
    given = (some, outcome.quantiles, CALIBRATION_LEVELS)

    def covered(ax: Any) -> None:
        displays.CoverageDisplay.from_predictions(*given, targets=targets, ax=ax)

    def pit(ax: Any) -> None:
        displays.PITDisplay.from_predictions(*given, targets=targets, ax=ax)

    alt = "Histogram of the probability integral transform of each target"
    return grid(
        [draw((4.8, 5.8), "Share of the labels within intervals, against nominal", covered)]
    ) + draw((3.4 * len(targets), 3.4), alt, pit, len(targets))


def learning_curves(history: Mapping[str, pd.DataFrame]) -> str:
    """Draw the losses of each network once, whatever number of targets it has."""
    drawn: list[str] = []
    shown: list[pd.DataFrame] = []
    for target, losses in history.items():
        if any(losses.equals(other) for other in shown):
            continue
        shown.append(losses)
        shared = [plain_name(name) for name, other in history.items() if losses.equals(other)]

        def drawing(ax: Any, target: str = target, shared: list[str] = shared) -> None:
            displays.LossCurveDisplay.from_estimator(_History(history), target=target, ax=ax)
            ax.set_title(", ".join(shared))

        alt = f"Losses of the network of {', '.join(shared)} over {len(losses)} epochs."
        drawn.append(draw((6.0, 4.0), alt, drawing))
    return grid(drawn)


class _History:
    """Losses, where a Display looks for them."""

    def __init__(self, history: Mapping[str, pd.DataFrame]) -> None:
        self.history_ = dict(history)


def spectral_energy_distribution(
    wavelengths: np.ndarray, flux: np.ndarray, error: np.ndarray | None, unit: str, name: str
) -> str:
    """Draw the fluxes of one galaxy."""

    def drawing(ax: Any) -> None:
        draw_sed(ax, wavelengths, flux, error, unit)
        ax.set_title(name)

    alt = (
        f"Fluxes of {name} against wavelength; {np.isfinite(flux).sum()} of {len(flux)} bands are "
        "measured."
    )
    return draw((4.6, 3.4), alt, drawing)
