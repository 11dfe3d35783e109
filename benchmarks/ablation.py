"""What each part of recipe "sfml" buys: taken away one at a time, scored on validation rows.

Test rows play no part: of the 80 % of the galaxies that are not for testing, a fifth is scored;
the rest is learnt from, or held back for the intervals. Beside sigma stands the mean width of the
68 % intervals, which are calibrated alike for all.

    python benchmarks/ablation.py CATALOGUE.parquet
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from table3 import load

import sfml
from sfml import metrics


def networks(**parameters: object) -> Callable[[Pipeline], Pipeline]:
    """Change the same parameters of every target's networks."""

    def change(pipe: Pipeline) -> Pipeline:
        return pipe.set_params(
            **{f"regress__{t}__{name}": v for t in sfml.TARGETS for name, v in parameters.items()}
        )

    return change


CHANGES: dict[str, Callable[[Pipeline], Pipeline]] = {
    "recipe, 2 networks": networks(),
    "1 network": networks(n_networks=1),
    "6 networks (the default)": networks(n_networks=6),
    "no redshift grid": lambda pipe: pipe.set_params(features__redshift_grid=None),
    "targets, not their ratio to a luminosity": networks(offset_feature=None),
    "no flux errors as inputs": lambda pipe: pipe.set_params(
        select__keep_errors=False, features__errors=False
    ),
    "ReLU instead of SiLU": networks(activation="relu"),
    "medians alone, no other quantiles": networks(quantiles=(0.5,)),
    "squared instead of absolute error": networks(loss="mean_squared_error", quantiles=None),
    "constant learning rate 0.001": networks(schedule="constant", learning_rate=0.001),
    "trained on galaxies without some bands too": lambda pipe: pipe.set_params(
        select__missing="allow", select__min_bands=3
    ),
    "highest learning rate 0.003": networks(learning_rate=0.003),
    "targets not scaled": networks(scale_target=False),
    "no weight decay (SFR)": lambda pipe: pipe.set_params(regress__sfr__weight_decay=None),
    "128-128-128": networks(hidden_layer_sizes=(128, 128, 128)),
    "batches of 1024": networks(batch_size=1024),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", help="Parquet file with GAMA's columns")
    args = parser.parse_args()
    X, y = sfml.GamaSampleSelector().select(*load(args.catalogue, quick=False))
    X, _, y, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=0)
    print(f"{len(X_train):,} galaxies to learn from, {len(X_val):,} to score")
    print("| change | stellar mass | SFR | dust luminosity | widths | fit |")
    print("|---|---|---|---|---|---|")
    for name, change in CHANGES.items():
        pipe = sfml.make_star_formation_pipeline(random_state=0)
        pipe = change(networks(n_networks=2)(pipe))
        start = time.perf_counter()
        pipe.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        sigma = metrics.error(y_val, pipe.predict(X_val), multioutput="raw_values")
        width = np.diff(pipe.predict_interval(X_val, 0.68), axis=2).mean(axis=(0, 2))
        sigmas, widths = " | ".join(f"{s:.4f}" for s in sigma), ", ".join(f"{w:.3f}" for w in width)
        print(f"| {name} | {sigmas} | {widths} | {seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
