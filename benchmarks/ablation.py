"""What each part of recipe "sfml" buys: taken away one at a time, scored on validation rows.

Test rows play no part: of the 80 % of the galaxies that are not for testing, a fifth is scored
and the rest learnt from.

    python benchmarks/ablation.py CATALOGUE.parquet
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

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
    "squared instead of absolute error": networks(loss="mean_squared_error"),
    "constant learning rate 0.001": networks(schedule="constant", learning_rate=0.001),
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
    print("| change | stellar mass | SFR | dust luminosity | fit |\n|---|---|---|---|---|")
    for name, change in CHANGES.items():
        pipe = sfml.make_star_formation_pipeline(random_state=0)
        pipe = change(networks(validation_fraction=0.0, n_networks=2)(pipe))
        start = time.perf_counter()
        pipe.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        sigma = metrics.error(y_val, pipe.predict(X_val), multioutput="raw_values")
        print(f"| {name} | " + " | ".join(f"{s:.4f}" for s in sigma) + f" | {seconds:.0f} s |")


if __name__ == "__main__":
    main()
