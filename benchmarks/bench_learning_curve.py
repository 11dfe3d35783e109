"""How far more galaxies help: sigma of the same test galaxies, by the number to learn from.

    python benchmarks/bench_learning_curve.py bagpipes_survey.parquet
    python benchmarks/bench_learning_curve.py --quick          # a small mock survey

Complete galaxies; the smaller samples are parts of the larger ones. A fifth of each sample is held
back to calibrate.
"""

from __future__ import annotations

import argparse

import pandas as pd
from bench_peers import METHODS, PERCENTILES, make_pipeline_of
from catalogues import HELP, load_complete

import sfml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    methods = [method for method in METHODS if method != PERCENTILES]
    parser.add_argument("--methods", nargs="+", choices=methods, default=["sfml", "sklearn HGB"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[3_000, 6_000, 12_000, 24_000])
    parser.add_argument("--quick", action="store_true", help="a small mock survey, few rounds")
    args = parser.parse_args()
    X_train, X_test, y_train, y_test = load_complete(args.catalogue, quick=args.quick)
    sizes = [300, 600] if args.quick else args.sizes
    order = X_train.sample(frac=1, random_state=0).index
    rows = []
    for method in args.methods:
        for size in sizes:
            few = order[:size]
            pipe = make_pipeline_of(method, quick=args.quick)
            predicted = pipe.fit(X_train.loc[few], y_train.loc[few]).predict(X_test)
            sigma = sfml.metrics.error(y_test, predicted, multioutput="raw_values")
            row = dict(zip(sfml.TARGETS, sigma, strict=True))
            rows.append({"method": method, "galaxies": len(few), **row})
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)


if __name__ == "__main__":
    main()
