"""The paper's Table 3 on a simulated survey: its networks, a random forest and an SVR.

Trains recipe "surana2020" in full, once per method, on 80 % of the galaxies (the networks hold a
fifth of those aside for early stopping: 64-16-20 overall) and scores it on the other 20 %.

    python benchmarks/table3.py CATALOGUE.parquet [--methods mlp random_forest svr] [--recipe sfml]
    python benchmarks/table3.py --quick          # a small mock survey and few epochs

A catalogue needs GAMA's columns: fluxes, errors, Z and the three MagPhys percentile50 columns.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
from sklearn.model_selection import train_test_split

import sfml
from sfml.targets import GAMA_TARGET_COLUMNS

QUICK_EPOCHS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help="Parquet file; default: a mock survey")
    parser.add_argument("--methods", nargs="+", default=["mlp", "random_forest", "svr"])
    parser.add_argument("--recipe", default="surana2020", help="surana2020 or sfml")
    parser.add_argument("--quick", action="store_true", help="few galaxies and epochs")
    args = parser.parse_args()
    X, y = load(args.catalogue, quick=args.quick)
    print(sfml.GamaSampleSelector().fit(X, y).report_, "\n")
    X, y = sfml.GamaSampleSelector().select(X, y)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    for method in args.methods:
        # Networks need the galaxies held back for their validation loss; others learn from all.
        pipe = sfml.make_star_formation_pipeline(
            args.recipe,
            method=method,
            calibration_fraction=0.2 if method == "mlp" else None,
            random_state=0,
            verbose=1,
        )
        if args.quick and method == "mlp":
            pipe.set_params(**{f"regress__{target}__epochs": QUICK_EPOCHS for target in y})
        start = time.perf_counter()
        pipe.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        table = sfml.metrics.score_table(y_test, pipe.predict(X_test))
        print(f"\n{method}: {seconds:.0f} s for the three targets, one after the other")
        print(table.to_string(float_format="{:.4f}".format))
        for target, history in pipe["regress"].history_.items():
            best = pipe["regress"].named_estimators_[target].best_epoch_
            print(f"{target}: {len(history)} epochs, best {best}")


def load(path: str | None, *, quick: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read or make a catalogue: fluxes, errors and redshift, and the targets."""
    if path is None:
        n_galaxies = 2_000 if quick else 50_000
        return sfml.make_mock_survey(n_galaxies, random_state=0, return_X_y=True)
    X = pd.read_parquet(path)
    y = X[list(GAMA_TARGET_COLUMNS.values())].set_axis(list(GAMA_TARGET_COLUMNS), axis=1)
    return X[list(sfml.GAMA.columns)], y


if __name__ == "__main__":
    main()
