"""The paper's Table 3 on a simulated survey: its networks, a random forest and an SVR.

Trains recipe "surana2020" in full, once per method, on those of the first 80 % of the galaxies that
pass the paper's cuts (the networks hold a fifth of them aside for early stopping: 64-16-20
overall), and scores it on those of the last 20 %.

    python benchmarks/table3.py bagpipes_survey.parquet [--methods mlp random_forest svr]
    python benchmarks/table3.py bagpipes_survey.parquet --recipe sfml --galaxies complete
    python benchmarks/table3.py --quick          # a small mock survey and few epochs
"""

from __future__ import annotations

import argparse
import time

from catalogues import HELP, load, select_complete, split

import sfml

QUICK_EPOCHS = 20
SELECTIONS = {
    "paper": sfml.GamaSampleSelector().select,
    "complete": select_complete,
    "all": lambda X, y: (X, y),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--methods", nargs="+", default=["mlp", "random_forest", "svr"])
    parser.add_argument("--recipe", default="surana2020", help="surana2020 or sfml")
    parser.add_argument("--galaxies", choices=SELECTIONS, default="paper")
    parser.add_argument("--quick", action="store_true", help="few galaxies and epochs")
    args = parser.parse_args()
    X, y = load(args.catalogue, quick=args.quick)
    print(sfml.GamaSampleSelector().fit(X, y).report_, "\n")
    X_train, X_test, y_train, y_test = split(X, y)
    X_train, y_train = SELECTIONS[args.galaxies](X_train, y_train)
    X_test, y_test = SELECTIONS[args.galaxies](X_test, y_test)
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
        n_features = pipe["regress"].n_features_in_
        predicted = pipe.predict_quietly(X_test)
        table = sfml.metrics.score_table(y_test, predicted, n_features=n_features)
        print(f"\n{method}: {seconds:.0f} s for the three targets, one after the other")
        print(table.to_string(float_format="{:.4f}".format))
        for target, history in pipe["regress"].history_.items():
            best = pipe["regress"].named_estimators_[target].best_epoch_
            print(f"{target}: {len(history)} epochs, best {best}")


if __name__ == "__main__":
    main()
