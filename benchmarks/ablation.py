"""What each part of recipe "sfml" buys: taken away one at a time, scored on validation rows.

Test rows play no part: of the first 80 % of the galaxies, those that are not for testing, the last
fifth is scored; the rest is learnt from, or held back for the intervals. All galaxies are complete.
Beside sigma stands the mean width of the 68 % intervals, which are calibrated alike for all.

    python benchmarks/ablation.py bagpipes_survey.parquet
    python benchmarks/ablation.py --quick          # a small mock survey and few epochs
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from catalogues import HELP, load_complete, split
from sklearn.pipeline import Pipeline

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
    "redshift grid of the labels followed": lambda pipe: pipe.set_params(
        features__redshift_grid="follow"
    ),
    "targets, not their ratio to a luminosity": networks(offset_feature=None),
    "no flux errors as inputs": lambda pipe: pipe.set_params(select__keep_errors=False),
    "ReLU instead of SiLU": networks(activation="relu"),
    "medians alone, no other quantiles": networks(quantiles=(0.5,)),
    "squared instead of absolute error": networks(loss="mean_squared_error", quantiles=None),
    "constant learning rate 0.001": networks(schedule="constant", learning_rate=0.001),
    "no bands taken away in training": lambda pipe: pipe.set_params(select__missing="reject"),
    "highest learning rate 0.003": networks(learning_rate=0.003),
    "targets not scaled": networks(scale_target=False),
    "no weight decay": networks(weight_decay=None),
    "networks of its own for each target": lambda pipe: pipe.set_params(
        regress__share_networks=False
    ),
    "no noise added in training": lambda pipe: pipe.set_params(select__noise_factor=1),
    "inputs that do not saturate": networks(saturation=None),
    "128-128-128": networks(hidden_layer_sizes=(128, 128, 128)),
    "batches of 1024": networks(batch_size=1024),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--quick", action="store_true", help="few galaxies and epochs")
    args = parser.parse_args()
    X, _, y, _ = load_complete(args.catalogue, quick=args.quick)
    X_train, X_val, y_train, y_val = split(X, y)
    print(f"{len(X_train):,} galaxies to learn from, {len(X_val):,} to score")
    print("| change | stellar mass | SFR | dust luminosity | widths | fit |")
    print("|---|---|---|---|---|---|")
    for name, change in CHANGES.items():
        pipe = sfml.make_star_formation_pipeline(random_state=0)
        pipe = change(networks(n_networks=2, **({"epochs": 2} if args.quick else {}))(pipe))
        start = time.perf_counter()
        pipe.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        sigma = metrics.error(y_val, pipe.predict(X_val), multioutput="raw_values")
        width = np.diff(pipe.predict_interval(X_val, 0.68), axis=2).mean(axis=(0, 2))
        sigmas, widths = " | ".join(f"{s:.4f}" for s in sigma), ", ".join(f"{w:.3f}" for w in width)
        print(f"| {name} | {sigmas} | {widths} | {seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
