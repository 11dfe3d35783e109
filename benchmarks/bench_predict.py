"""Galaxies per second and peak memory: prediction of all three targets, without TensorFlow.

Beside the medians: calibrated intervals, and the table with flags and reasons.

A pipeline is fitted for one epoch (the speed does not depend on what the
weights are) and saved; a fresh process, in which importing TensorFlow fails, loads it and predicts.
All galaxies given to it pass the selection, since rejected ones cost no network; a fifth of those
of recipe "sfml" lack some bands.

    python benchmarks/bench_predict.py [--recipe sfml] [--rows 1000 100000 1000000] [--quick]

The last line is the rate of the whole pipeline, DataFrame in and array out, with the most rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

import sfml

ROWS = [1_000, 10_000, 100_000, 1_000_000]
QUICK_ROWS = [1_000, 100_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 50 s")
    parser.add_argument("--recipe", default="surana2020", help="surana2020 or sfml")
    args = parser.parse_args()
    rows = sorted(QUICK_ROWS if args.quick else args.rows)
    # A process apart for each: one without TensorFlow, and a peak memory that nothing else raised.
    with tempfile.TemporaryDirectory() as folder:
        call_in_new_process(fit, Path(folder), args.recipe)
        call_in_new_process(predict, Path(folder), rows)


def call_in_new_process(function: Callable[..., None], *args: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(function, *args).result()


def fit(folder: Path, recipe: str) -> None:
    """Save a fitted pipeline and galaxies that its selection keeps."""
    X, y = sfml.make_mock_survey(2_000, n_templates=3_000, random_state=0, return_X_y=True)
    pipe = sfml.make_star_formation_pipeline(recipe, random_state=0)
    pipe.set_params(**{f"regress__{target}__epochs": 1 for target in sfml.TARGETS})
    joblib.dump(pipe.fit(X, y), folder / "pipeline.joblib")
    pipe["select"].select(X).to_pickle(folder / "galaxies.pickle")


def predict(folder: Path, rows: list[int]) -> None:
    """Time the whole pipeline, and its last step alone, with ever more rows."""
    for module in ("tensorflow", "keras", "scikeras"):
        sys.modules[module] = None  # type: ignore[assignment]  # importing it fails
    pipe = joblib.load(folder / "pipeline.joblib")
    few = pd.read_pickle(folder / "galaxies.pickle")
    table = pd.DataFrame([measure(pipe, few, n) for n in rows]).set_index("rows")
    print(table.to_string(float_format=lambda v: f"{v:,.0f}" if v >= 100 else f"{v:.2f}"))
    print("the peak includes Python, its libraries and the catalogue itself")
    print(f"{table['pipeline, galaxies/s'].iloc[-1]:,.0f} galaxies/s")


def measure(pipe: Any, few: pd.DataFrame, n_rows: int) -> dict[str, float]:
    # Rows are repeated as they come, and the table is as a file's reader would leave it: a new one.
    X = few.iloc[np.resize(np.arange(len(few)), n_rows)].reset_index(drop=True)
    before = peak_memory()
    whole = fastest(lambda: pipe.predict(X))
    after = peak_memory()
    intervals = fastest(lambda: pipe.predict_interval(X))
    with_flags = fastest(lambda: pipe.predict_table(X))
    inputs = pipe[:-1].transform(X)
    alone = fastest(lambda: pipe[-1].predict(inputs))
    return {
        "rows": n_rows,
        "pipeline, galaxies/s": n_rows / whole,
        "time of intervals / of medians": intervals / whole,
        "time of table / of medians": with_flags / whole,
        "regressor alone, galaxies/s": n_rows / alone,
        "catalogue, MB": X.memory_usage().sum() / 2**20,
        "peak, MB": after,
        "of it prediction, MB": after - before,
    }


def fastest(call: Callable[[], Any], at_least: float = 1.0) -> float:
    """Seconds of the fastest call, out of three or more that take a second together."""
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < at_least:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_memory() -> float:
    """Largest resident size of this process until now, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
