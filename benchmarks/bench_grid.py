"""Wall time of a grid search: 8 architectures x 3 folds, all targets, recipe "sfml".

    python benchmarks/bench_grid.py bagpipes_survey.parquet [--networks 1] [--jobs 1] [--quick]

All galaxies are complete, and the pipeline asks for that: taking bands away doubles the time. The
grid changes the stellar-mass network; every candidate trains the three targets again, as
GridSearchCV does on any pipeline.
"""

from __future__ import annotations

import argparse
import time

from catalogues import HELP, load, select_complete
from sklearn.model_selection import GridSearchCV

import sfml

ARCHITECTURES = [
    *((32, 32), (64, 64), (128, 128), (32, 32, 32)),
    *((64, 64, 64), (96, 96, 96), (128, 64, 32), (64, 64, 64, 64)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--networks", type=int, default=1, help="networks per target")
    parser.add_argument("--jobs", type=int, default=1, help="candidates at the same time")
    parser.add_argument(
        "--quick", action="store_true", help="2 architectures x 2 folds, few epochs"
    )
    args = parser.parse_args()
    X, y = select_complete(*load(args.catalogue, quick=args.quick))
    pipe = sfml.make_star_formation_pipeline(missing="reject", random_state=0)
    settings = {"n_networks": args.networks} | ({"epochs": 5} if args.quick else {})
    pipe.set_params(
        **{f"regress__{target}__{n}": v for target in sfml.TARGETS for n, v in settings.items()}
    )
    architectures, folds = (ARCHITECTURES[:2], 2) if args.quick else (ARCHITECTURES, 3)
    search = GridSearchCV(
        pipe,
        {"regress__stellar_mass__hidden_layer_sizes": architectures},
        scoring=sfml.metrics.get_scorer("neg_error", target="stellar_mass"),
        cv=folds,
        n_jobs=args.jobs,
        refit=False,
    )
    start = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - start
    for sizes, score in zip(architectures, search.cv_results_["mean_test_score"], strict=True):
        print(f"{sizes!s:20} sigma {-score:.4f} dex")
    grid = f"{len(architectures)} architectures x {folds} folds"
    print(f"{len(X):,} galaxies, {grid}: {seconds:.0f} s")


if __name__ == "__main__":
    main()
