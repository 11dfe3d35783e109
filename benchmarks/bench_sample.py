"""Joint draws: how many per second, and how well they hold.

A recipe "sfml" pipeline learns from the first 80 % of the rows and is judged by the last 20 %, all
of them complete galaxies. Energy score, TARP and the widths of two derived quantities are those of
its draws, of the same marginals taken to be independent, and of the same joined by one normal
copula that is learnt from the held-back galaxies' own cells.

    python benchmarks/bench_sample.py [bagpipes_survey.parquet] [--labels truth] [--quick]

The last line is the rate of `sample`, catalogue to draws, and of drawing alone.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from catalogues import HELP, load_complete

import sfml
from sfml import metrics
from sfml.uncertainty import LEVELS
from sfml.uncertainty.copula import EmpiricalCopula, draw_joint

DERIVED = {
    "SFR - mass": {"sfr": 1, "stellar_mass": -1},
    "L_dust - SFR": {"dust_luminosity": 1, "sfr": -1},
}
N_SAMPLES = 200
N_SCORED = 50
"""Draws of each galaxy whose energy score is computed, which takes the square of their number."""
RATE_SAMPLES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--labels", default="medians", help="medians or truth")
    parser.add_argument("--quick", action="store_true", help="few galaxies and epochs")
    args = parser.parse_args()
    X, X_test, y, y_test = load_complete(args.catalogue, quick=args.quick, labels=args.labels)
    pipe = sfml.make_star_formation_pipeline(random_state=0)
    if args.quick:
        pipe.set_params(**{f"regress__{target}__epochs": 2 for target in sfml.TARGETS})
    pipe.fit(X, y)
    print(f"{len(X):,} galaxies learnt from and calibrated on, {len(X_test):,} scored", flush=True)
    known = np.isfinite(pipe.predict_quietly(X_test)).all(axis=1)
    X_test, y_test = X_test[known], y_test[known]
    rows = [judge(name, y_test, draws) for name, draws in all_draws(pipe, X_test).items()]
    print(pd.DataFrame(rows).set_index("draws").T.to_string(float_format="{:.4f}".format))
    print(rate(pipe, X_test))


def all_draws(pipe: Any, X: pd.DataFrame) -> dict[str, np.ndarray]:
    """Draws by three copulas, of shape (n_galaxies, n_samples, n_targets)."""
    copula = pipe[-1].copula_
    chosen = [sfml.TARGETS[k] for k in copula.pair]
    print(f"{len(copula.edges) + 1} bins of the difference of {' and '.join(chosen) or 'nothing'}")
    nothing = EmpiricalCopula.learn(*np.empty((2, 0, len(sfml.TARGETS))))
    quantiles = pipe.predict_quantiles(X, LEVELS)
    # The mean over bins: all have as many galaxies.
    rank = 6 / np.pi * np.arcsin(copula.correlations().mean(axis=0) / 2)
    normal = metrics.sample_quantiles(quantiles, LEVELS, N_SAMPLES, rank, random_state=0)
    keys = np.arange(len(X), dtype=np.uint64)
    by_target = list(quantiles.swapaxes(0, 1))
    levels = [LEVELS] * len(sfml.TARGETS)
    return {
        "independent": draw_joint(by_target, levels, nothing, keys, N_SAMPLES, 0),
        "one normal copula": normal.swapaxes(0, 1),
        "sfml": pipe.sample(X, N_SAMPLES, random_state=0),
    }


def judge(name: str, y: pd.DataFrame, draws: np.ndarray) -> dict[str, Any]:
    samples = draws.swapaxes(0, 1)
    few = samples[:N_SCORED]
    curve = metrics.tarp(y, samples, random_state=0)
    row = {
        "draws": name,
        "energy score, dex": metrics.energy_score(y, few),
        "energy score, scaled": metrics.energy_score(y, few, scale=y.std()),
        "TARP, largest deviation, points": 100 * (curve.empirical - curve.nominal).abs().max(),
    }
    for derived, coefficients in DERIVED.items():
        drawn = sfml.uncertainty.combine_draws(draws, coefficients, sfml.TARGETS)
        actual = sum(by * y[target].to_numpy() for target, by in coefficients.items())
        low, high = np.quantile(drawn, [0.16, 0.84], axis=1)
        row[f"{derived}: 68 % interval holds, %"] = 100 * np.mean((low < actual) & (actual < high))
        ranks = np.sort(metrics.sbc_ranks(actual, drawn.T, random_state=0)[:, 0])
        uniform = (ranks + 0.5) / (drawn.shape[1] + 1)
        expected = (np.arange(len(ranks)) + 0.5) / len(ranks)
        row[f"{derived}: SBC ranks, largest deviation, points"] = (
            100 * np.abs(uniform - expected).max()
        )
        row[f"{derived}: median width, dex"] = np.median(high - low)
        row[f"{derived}: CRPS, dex"] = metrics.energy_score(actual, drawn.T[:N_SCORED])
    return row


def rate(pipe: Any, X: pd.DataFrame) -> str:
    """Time draws of a thousand galaxies, a thousand each."""
    some = X.iloc[np.resize(np.arange(len(X)), 1000)].reset_index(drop=True)
    quantiles = list(pipe.predict_quantiles(some, LEVELS).swapaxes(0, 1))
    keys, levels = np.arange(len(some), dtype=np.uint64), [LEVELS] * len(quantiles)
    whole = fastest(lambda: pipe.sample(some, RATE_SAMPLES, random_state=0))
    alone = fastest(lambda: draw_joint(quantiles, levels, pipe[-1].copula_, keys, RATE_SAMPLES, 0))
    n = len(some) * RATE_SAMPLES
    return f"{n / whole:,.0f} joint draws/s of three targets, {n / alone:,.0f} without the networks"


def fastest(call: Any) -> float:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
