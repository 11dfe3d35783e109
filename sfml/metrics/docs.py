"""Parameters that many metrics and displays share, each described once."""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeVar

Documented = TypeVar("Documented", bound=Any)

_PER_GALAXY = "array-like of shape (n_galaxies,)"
_PER_TARGET = "array-like of shape (n_galaxies,) or (n_galaxies, n_targets)"

PARAMETERS = {
    "y_true": (_PER_TARGET, "Labels, in dex, matched by name. NaN is left out."),
    "y_pred": (_PER_TARGET, "Predictions, in dex. NaN is left out."),
    "lower": (_PER_TARGET, "Lower ends of the intervals, in dex."),
    "upper": (_PER_TARGET, "Upper ends of the intervals, in dex."),
    "y_quantiles": (
        "array-like of shape (n_galaxies, n_levels) or (n_galaxies, n_targets, n_levels)",
        "Predicted quantiles, in dex.",
    ),
    "levels": (
        "sequence of float of length n_levels",
        "Levels of the quantiles, growing, between 0 and 1, at least two.",
    ),
    "targets": (
        "sequence of str, default=None",
        "Targets of the columns without names, in order.",
    ),
    "sample_weight": (f"{_PER_GALAXY}, default=None", "Weights of the galaxies."),
    "multioutput": (
        '{"uniform_average", "raw_values"}, default="uniform_average"',
        "Mean over the targets, or one value per target.",
    ),
    "z_true": (_PER_GALAXY, "True (spectroscopic) redshifts. NaN is left out."),
    "z_pred": (_PER_GALAXY, "Predicted redshifts. NaN is left out."),
    "estimator": ("estimator", "A fitted regressor or Pipeline."),
    "X": ("array-like of shape (n_galaxies, n_features)", "Input of the estimator."),
    "y": (
        _PER_TARGET,
        "Labels, in dex. Columns are matched with the estimator's targets by name.",
    ),
    "by": (_PER_GALAXY, "The quantity, one value per galaxy. NaN is left out."),
    "by_name": (
        "str, default=None",
        "The quantity, for the axis label; by default the name of `by`, if it has one.",
    ),
    "target": (
        "str or int, default=None",
        "The target to draw, by name or position; needed if there are several.",
    ),
    "truth": ('str, default="actual"', 'What made the labels, for the axis label: "MAGPHYS", say.'),
    "ax": ("Axes or array-like of Axes, default=None", "Axes to draw on, as for `plot`."),
    "ax_": ("Axes or ndarray of Axes", "The panel, or the panels from left to right."),
    "figure_": ("Figure", "The figure."),
}


def describe_shared(documented: Documented) -> Documented:
    """Fill in a docstring: a line that only lists names stands for their descriptions here."""
    lines: list[str] = []
    for line in inspect.cleandoc(documented.__doc__ or "").splitlines():
        names = re.split(r", ", line)
        if not set(names) <= set(PARAMETERS):
            lines.append(line)
            continue
        for name in names:
            kind, text = PARAMETERS[name]
            lines += [f"{name} : {kind}", f"    {text}"]
    documented.__doc__ = "\n".join(lines) + "\n"
    return documented
