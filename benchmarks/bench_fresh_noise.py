"""What fresh noise in every epoch is worth: `fit_library` against a survey that is drawn once.

The library is divided by models: some to learn from, the last fifth to test on, observed once with
the noise of a catalogue. Networks learn from one draw of each model, from five, or from fresh draws
in each epoch, for as many steps. Scores are of the true parameters.

    python benchmarks/bench_fresh_noise.py library.parquet bagpipes_survey.parquet [--models 5000]
    python benchmarks/bench_fresh_noise.py --quick        # the mock library, few models and epochs
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from bench_peers import LEVELS

import sfml
from sfml.simulate import (
    ModelLibrary,
    SurveyNoise,
    fit_library,
    make_training_survey,
    mock_library,
)

TIMES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", nargs="?", help="file that ModelLibrary.save wrote")
    parser.add_argument("catalogue", nargs="?", help="file with GAMA's columns, for its noise")
    parser.add_argument("--models", type=int, nargs="+", default=[3_000, 10_000, 24_000])
    parser.add_argument("--quick", action="store_true", help="few models and epochs")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Fewer than 100 galaxies are detected")
    if args.catalogue is None:
        library = mock_library(1_000 if args.quick else 30_000, random_state=1)
        survey = sfml.make_mock_survey(1_000, n_templates=1_000, random_state=0)
    else:
        library = ModelLibrary.load(args.library)
        survey = sfml.read_catalogue(args.catalogue)[:32_000]
    noise = SurveyNoise.fit(survey, sfml.GAMA)
    order = np.random.default_rng(0).permutation(len(library))
    n_test = len(library) // 5
    test = library.take(order[:n_test])
    X, y = make_training_survey(test, noise, n_test, random_state=0)
    rows = []
    for n in [800] if args.quick else args.models:
        learn = library.take(order[n_test:][:n])
        for name in ("drawn once", f"drawn {TIMES} times", "fresh in each epoch"):
            started = time.perf_counter()
            pipe = train(name, learn, noise, epochs=2 if args.quick else None)
            seconds = time.perf_counter() - started
            rows.append({"models": n, "noise": name, **score(pipe, X, y), "fit_s": seconds})
            print(pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1), flush=True)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.4f}".format))


def train(name: str, library: ModelLibrary, noise: SurveyNoise, epochs: int | None) -> Any:
    """Fit, with as many steps of gradient descent in each way."""
    pipe = sfml.make_star_formation_pipeline(random_state=0)
    epochs = epochs or pipe.get_params()["regress__sfr__epochs"]
    n, times = len(library), TIMES if str(TIMES) in name else 1
    each = max(1, round(epochs / times))
    pipe.set_params(**{f"regress__{target}__epochs": each for target in sfml.TARGETS})
    if name.startswith("fresh"):
        return fit_library(pipe, library, noise, n, random_state=0)
    X, y = make_training_survey(library, noise, times * n, random_state=0)
    return pipe.fit(X, y, groups=X.index)


def score(pipe: Any, X: pd.DataFrame, y: pd.DataFrame) -> dict[str, float]:
    """Sigma, mean pinball loss and coverage of 68 % intervals, by target."""
    known = np.isfinite(pipe.predict_quietly(X)).all(axis=1)
    truth = y.to_numpy()[known]
    quantiles = pipe.predict_quantiles(X[known], [*LEVELS, 0.5])
    error = truth - quantiles[:, :, -1]
    below = truth[:, :, np.newaxis] - quantiles[:, :, :-1]
    losses = np.maximum(LEVELS * below, (LEVELS - 1) * below).mean(axis=(0, 2))
    low, high = np.moveaxis(pipe.predict_interval(X[known], 0.68), 2, 0)
    inside = ((truth >= low) & (truth <= high)).mean(axis=0)
    return {
        f"{what}_{target}": float(value)
        for what, values in (("std", error.std(axis=0)), ("pinball", losses), ("held", inside))
        for target, value in zip(sfml.TARGETS, values, strict=True)
    }


if __name__ == "__main__":
    main()
