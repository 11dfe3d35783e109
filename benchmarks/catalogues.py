"""What the benchmarks measure on: a catalogue, its complete galaxies, and how it is divided."""

from __future__ import annotations

import pandas as pd

import sfml
from sfml.targets import GAMA_TARGET_COLUMNS

HELP = "Parquet file with GAMA's columns; default: a mock survey"
TRUTH = dict(zip(sfml.TARGETS, ("true_log_mass", "true_log_sfr", "true_log_ldust"), strict=True))


def load(
    path: str | None, *, quick: bool, labels: str = "medians"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read or make a catalogue: fluxes, errors and redshift, and the targets.

    A file needs GAMA's columns: fluxes, errors, Z and the three MagPhys percentile50 columns;
    for labels="percentiles", which adds them to the medians, percentile16 and percentile84 too;
    for labels="truth" those of the simulation. The mock survey has medians and percentiles.
    """
    if path is None:
        n_galaxies, n_templates = (2_000, 3_000) if quick else (50_000, 30_000)
        return sfml.make_mock_survey(
            n_galaxies,
            n_templates=n_templates,
            random_state=0,
            return_X_y=True,
            percentiles=labels == "percentiles",
        )
    X = pd.read_parquet(path)
    columns = TRUTH if labels == "truth" else dict(GAMA_TARGET_COLUMNS)
    if labels == "percentiles":
        for target, median in GAMA_TARGET_COLUMNS.items():
            columns |= {f"{target}_p{p}": median.replace("50", str(p)) for p in (16, 84)}
    y = X[list(columns.values())].set_axis(list(columns), axis=1)
    return X[list(sfml.GAMA.columns)], y


def select_complete(X: pd.DataFrame, y: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the galaxies measured in every band, negative fluxes and all."""
    selector = sfml.GamaSampleSelector(
        z_range=None, stellar_mass_range=None, negative="allow", min_bands=3
    )
    return selector.select(X, y)


def split(
    X: pd.DataFrame, y: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Divide by rows: the first 80 % to learn from, the last 20 % to test."""
    n = round(0.8 * len(X))
    return X[:n], X[n:], y[:n], y[n:]


def load_complete(
    path: str | None, *, quick: bool, labels: str = "medians"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Load and divide a catalogue, and keep the complete galaxies of both parts."""
    X_train, X_test, y_train, y_test = split(*load(path, quick=quick, labels=labels))
    X_train, y_train = select_complete(X_train, y_train)
    X_test, y_test = select_complete(X_test, y_test)
    return X_train, X_test, y_train, y_test
