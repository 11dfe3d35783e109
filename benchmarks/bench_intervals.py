"""Do the intervals hold what they claim, and are they narrow? Beside CatBoost's quantiles.

Both learn from the same galaxies, hold the same ones back, and are calibrated on these by the
same `QuantileCalibrator` with the same conditions; then both are scored on test galaxies, overall
and in every fifth of signal-to-noise ratio, redshift and predicted mass. Coverages are given with
the standard error that so many test galaxies leave to a perfect method.

    python benchmarks/bench_intervals.py bagpipes_survey.parquet [--methods mlp catboost]

All galaxies are complete. "mlp" is recipe "sfml" as it is, which learns from galaxies without some
of their bands too; the other methods learn from the complete ones alone. CatBoost is skipped where
it is not installed: `pip install "sfml[bench]"` brings it.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from catalogues import HELP, load_complete
from sklearn.base import BaseEstimator, RegressorMixin

import sfml
from sfml import metrics
from sfml.uncertainty import LEVELS

COVERAGES = (0.68, 0.9)


class CatBoostQuantiles(RegressorMixin, BaseEstimator):
    """CatBoost's quantile regression of several levels, with its defaults."""

    def __init__(self, quantiles: tuple[float, ...] = LEVELS, iterations: int = 1000) -> None:
        self.quantiles = quantiles
        self.iterations = iterations

    def fit(self, X: np.ndarray, y: np.ndarray) -> CatBoostQuantiles:
        """Learn the ratio to the last feature, the brightness in dex, as the networks do."""
        from catboost import CatBoostRegressor

        levels = ",".join(map(str, self.quantiles))
        self.model_ = CatBoostRegressor(
            loss_function=f"MultiQuantile:alpha={levels}",
            iterations=self.iterations,
            verbose=False,
            allow_writing_files=False,
            random_seed=0,
        ).fit(X, y - X[:, -1])
        return self

    def predict_quantiles(self, X: np.ndarray) -> np.ndarray:
        """Give all levels."""
        return self.model_.predict(X) + X[:, [-1]]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Give the median."""
        return self.predict_quantiles(X)[:, list(self.quantiles).index(0.5)]


def make_catboost(quick: bool) -> sfml.StarFormationPipeline:
    pipe = sfml.make_star_formation_pipeline(missing="reject", random_state=0)
    iterations = 50 if quick else 1000
    trees = {f"regress__{t}": CatBoostQuantiles(iterations=iterations) for t in sfml.TARGETS}
    # Trees need no scaling, and the brightness stays in dex.
    return pipe.set_params(scale="passthrough", **trees)


def make_family(method: str, **options: Any) -> Callable[[bool], sfml.StarFormationPipeline]:
    def make(quick: bool) -> sfml.StarFormationPipeline:
        sample = 2_000 if quick else 10_000
        return sfml.make_star_formation_pipeline(
            method=method,
            random_state=0,
            max_train_samples=sample if method == "svr" else None,
            **options,
        )

    return make


METHODS: dict[str, Callable[[bool], sfml.StarFormationPipeline]] = {
    "mlp": make_family("mlp"),
    "mlp_complete": make_family("mlp", missing="reject"),
    "catboost": make_catboost,
    "random_forest": make_family("random_forest", missing="reject"),
    "svr": make_family("svr", missing="reject"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["mlp", "catboost"])
    parser.add_argument("--quick", action="store_true", help="a small mock survey")
    parser.add_argument("--figure", help="draw the first method's calibration into this PNG file")
    args = parser.parse_args()
    quick = args.quick or args.catalogue is None
    X_train, X_test, y_train, y_test = load_complete(args.catalogue, quick=quick)
    print(f"{len(X_train):,} galaxies to learn from and calibrate on, {len(X_test):,} to score\n")
    for method in args.methods:
        if method == "catboost" and importlib.util.find_spec("catboost") is None:
            print("catboost is not installed: skipped\n")
            continue
        pipe = METHODS[method](args.quick)
        start = time.perf_counter()
        pipe.fit(X_train, y_train)
        print(f"## {method}: fitted in {time.perf_counter() - start:.0f} s\n")
        report(pipe, X_test, y_test)
        if args.figure and method == args.methods[0]:
            draw(pipe, X_test, y_test, args.figure)


def draw(pipe: sfml.StarFormationPipeline, X: pd.DataFrame, y: pd.DataFrame, path: str) -> None:
    """Draw coverage, PIT and residuals of the test galaxies."""
    import matplotlib.pyplot as plt

    from sfml import displays

    figure = plt.figure(figsize=(12, 9), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=(3, 2))
    left, right = figure.add_subplot(grid[0, :3]), figure.add_subplot(grid[0, 3:])
    below = [figure.add_subplot(grid[1, 2 * k : 2 * k + 2]) for k in range(3)]
    displays.CoverageDisplay.from_estimator(pipe, X, y, levels=LEVELS, ax=left)
    displays.PITDisplay.from_estimator(pipe, X, y, levels=LEVELS, ax=below)
    displays.BinnedResidualDisplay.from_estimator(
        pipe, X, y, X["Z"].to_numpy(), target="stellar_mass", by_name="Z", ax=right
    )
    figure.savefig(path, dpi=110)


def report(pipe: sfml.StarFormationPipeline, X: pd.DataFrame, y: pd.DataFrame) -> None:
    """Print coverage and width overall, and the worst of the bins."""
    quantiles = pipe.predict_quantiles(X, LEVELS)
    table = metrics.interval_table(y, quantiles, LEVELS, COVERAGES)
    print(table.to_string(float_format="{:.4f}".format), "\n")
    predicted = pipe.predict(X)
    by = {
        "signal-to-noise ratio": mean_log_snr(X),
        "redshift": X["Z"].to_numpy(),
        "predicted stellar mass": predicted[:, 0],
    }
    rows: list[dict[str, Any]] = []
    for coverage in COVERAGES:
        interval = pipe.predict_interval(X, coverage)
        for name, values in by.items():
            bins = metrics.binned_coverage(y, interval[..., 0], interval[..., 1], values)
            deviation = (bins["coverage"] - coverage).abs().groupby(bins["target"]).max()
            rows.append({"coverage": coverage, "in fifths of": name, **(100 * deviation).to_dict()})
    print(
        "Largest deviation of a fifth's coverage, in points; a perfect method's standard error is"
    )
    errors = [100 * np.sqrt(c * (1 - c) / (len(X) / 5)) for c in COVERAGES]
    print(", ".join(f"{e:.1f} at {c:.0%}" for c, e in zip(COVERAGES, errors, strict=True)))
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.1f}".format), "\n")


def mean_log_snr(X: pd.DataFrame) -> np.ndarray:
    """Mean over the bands of the logarithm of flux over error."""
    ratios = [
        X[flux] / X[error]
        for flux, error in zip(sfml.GAMA.flux_columns, sfml.GAMA.error_columns, strict=True)
    ]
    return np.mean(np.log10(np.maximum(ratios, 0.1)), axis=0)


if __name__ == "__main__":
    main()
