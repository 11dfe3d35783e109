"""Coverage after calibration, by number of held-back galaxies, and what calibrating costs.

Raw quantiles are wrong by up to a factor of four, each galaxy's by its own factor, which depends
on two of five conditions; the errors are normal or, with heavier tails, Student's t of 4 degrees
of freedom. Every repetition calibrates on other galaxies. The last column is the largest deviation
of any fifth of any condition, averaged over repetitions first and over no intervals.

    python benchmarks/bench_calibration.py [--quick]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sfml.uncertainty import LEVELS, QuantileCalibrator

COVERAGES = (0.5, 0.68, 0.9, 0.95, 0.98)
OUTER = tuple(sorted({0.25, 0.75, *LEVELS}))
N_CONDITIONS = 5
N_TEST = 20_000
GALAXIES = 50_000
"""Galaxies to calibrate on at each size, in as many repetitions as that makes, 100 at most."""


def simulate(
    n_galaxies: int, rng: np.random.Generator, *, heavy: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make raw quantiles, labels and conditions."""
    conditions = rng.uniform(size=(n_galaxies, N_CONDITIONS))
    sigma = 0.05 + 0.4 * conditions[:, 0]
    errors = rng.standard_t(4, n_galaxies) if heavy else rng.normal(size=n_galaxies)
    claimed = sigma * (0.4 + 1.2 * conditions[:, 1]) * (0.7 + 0.6 * conditions[:, 2])
    return claimed[:, np.newaxis] * ndtri(OUTER), sigma * errors, conditions


def covered(calibrator: QuantileCalibrator, test: tuple[np.ndarray, ...]) -> np.ndarray:
    """Share in each interval: of all, and of each fifth of each condition."""
    quantiles, y, conditions = test
    calibrated = calibrator.predict(quantiles, conditions)
    n_levels = len(OUTER)
    lower = np.array([OUTER.index(round((1 - coverage) / 2, 6)) for coverage in COVERAGES])
    label = y[:, np.newaxis]
    inside = (calibrated[:, lower] < label) & (label < calibrated[:, n_levels - 1 - lower])
    fifths = np.minimum((conditions * 5).astype(int), 4)
    groups = [inside[fifths[:, k] == f].mean(axis=0) for k in range(N_CONDITIONS) for f in range(5)]
    return np.array([inside.mean(axis=0), *groups])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    args = parser.parse_args()
    rows = []
    for heavy in (False, True):
        test = simulate(N_TEST, np.random.default_rng(0), heavy=heavy)
        for n_galaxies in (100, 200, 300, 500, 1000, 4000):
            shares, seconds = [], 0.0
            for repetition in range(2 if args.quick else min(100, GALAXIES // n_galaxies)):
                rng = np.random.default_rng([n_galaxies, repetition])
                quantiles, y, conditions = simulate(n_galaxies, rng, heavy=heavy)
                start = time.perf_counter()
                calibrator = QuantileCalibrator(OUTER).fit(quantiles, y, conditions)
                seconds += time.perf_counter() - start
                shares.append(covered(calibrator, test))
            mean = np.mean(shares, axis=0)
            row = {"errors": "t4" if heavy else "normal", "held back": n_galaxies}
            row |= {f"{c:.0%}": f"{100 * m:.1f}" for c, m in zip(COVERAGES, mean[0], strict=True)}
            row["worst fifth, points"] = f"{100 * np.abs(mean[1:] - COVERAGES).max():.1f}"
            row["fit, ms"] = f"{1e3 * seconds / len(shares):.0f}"
            rows.append(row)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
