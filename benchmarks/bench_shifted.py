"""Galaxies unlike those of training: errors, coverage, and what is expected without labels.

The truth is the target, on complete galaxies of a survey with GAMA's columns and those of the truth
(``true_log_mass``, ``true_log_sfr``, ``true_log_ldust``, ``Av``). Cases:

same       the first 80 % of the rows are learnt from, the last 20 % are the test
noisier    the same, with noise three times as large in the test galaxies, added and stated
fainter    learnt at r < 18.8, tested beyond
higher z   learnt at z < 0.25, tested beyond
dustier    learnt at A_V < 0.6, tested at A_V > 1
physics    learnt on `make_mock_survey`, tested on the survey, and back

    python benchmarks/bench_shifted.py bagpipes_survey.parquet
    python benchmarks/bench_shifted.py bagpipes_survey.parquet --development  # first 80 % alone
    python benchmarks/bench_shifted.py bagpipes_survey.parquet --catboost     # beside ours

Coverage is that of 68 % intervals; the worst slab is the fifth of the test galaxies, in order of
signal-to-noise ratio in r, of redshift or of the predicted target, with the lowest one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from catalogues import TRUTH, select_complete

import sfml

NOISE = 3.0
N_MOCK = 20_000
FLUXES, ERRORS = list(sfml.GAMA.flux_columns), list(sfml.GAMA.error_columns)


class Case(NamedTuple):
    """Galaxies to learn from, and others to be asked about."""

    name: str
    X: pd.DataFrame
    y: pd.DataFrame
    X_test: pd.DataFrame
    y_test: pd.DataFrame


def make_noisier(X: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Add noise to all fluxes, and state it."""
    rng = np.random.default_rng(5)
    errors = X[ERRORS].to_numpy()
    noise = rng.normal(size=errors.shape) * errors * np.sqrt(factor**2 - 1)
    return X.assign(
        **dict(zip(FLUXES, (X[FLUXES].to_numpy() + noise).T, strict=True)),
        **dict(zip(ERRORS, (factor * errors).T, strict=True)),
    )


def cases(path: str, *, development: bool) -> Iterator[Case]:
    table = pd.read_parquet(path)
    if development:
        table = table[: round(0.8 * len(table))]
    columns = list(sfml.GAMA.columns)
    X, _ = select_complete(table[columns], table[list(TRUTH.values())])
    table = table.loc[X.index]
    X, y = table[columns], table[list(TRUTH.values())].set_axis(list(TRUTH), axis=1)
    n = round(0.8 * len(X))
    yield Case("same", X[:n], y[:n], X[n:], y[n:])
    yield Case("noisier", X[:n], y[:n], make_noisier(X[n:], NOISE), y[n:])
    magnitude = 8.9 - 2.5 * np.log10(np.maximum(X["r_flux"], 1e-12))
    for name, value, edge, beyond in (
        ("fainter", magnitude, 18.8, 18.8),
        ("higher z", X["Z"], 0.25, 0.25),
        ("dustier", table["Av"], 0.6, 1),
    ):
        near, far = value < edge, value > beyond
        yield Case(name, X[near], y[near], X[far], y[far])
    mock = sfml.make_mock_survey(N_MOCK, random_state=3, return_X_y=True)
    yield Case("physics", *mock, X[n:], y[n:])
    yield Case("and back", X[:n], y[:n], *mock)


def measure(case: Case, pipe: sfml.StarFormationPipeline) -> pd.DataFrame:
    table = pipe.predict_table(case.X_test)
    expected = pipe.expected_scores(case.X_test)
    rows = {}
    for target in sfml.TARGETS:
        known = table[target].notna().to_numpy()
        truth = case.y_test[target].to_numpy()[known]
        predicted, low, high = (
            table[target + end].to_numpy()[known] for end in ("", "_p16", "_p84")
        )
        held = (truth >= low) & (truth <= high)
        residual = predicted - truth
        snr = (case.X_test["r_flux"] / case.X_test["r_fluxerr"]).to_numpy()[known]
        orders = (snr, case.X_test["Z"].to_numpy()[known], predicted)
        slabs = [s for order in orders for s in np.array_split(held[np.argsort(order)], 5)]
        sigma = expected.scores.loc[target, "sigma"]
        rows[target] = {
            "RMSE": np.sqrt(np.mean(residual**2)),
            "coverage": held.mean(),
            "worst slab": min(slab.mean() for slab in slabs),
            "mean width": np.mean(high - low),
            "expected / sigma": sigma / residual.std(),
            "expected / RMSE": sigma / np.sqrt(np.mean(residual**2)),
        }
    flagged = (table["flag"] != 0).mean()
    result = pd.DataFrame.from_dict(rows, orient="index")
    return result.assign(**{"out of domain": expected.out_of_domain, "flagged": flagged})


def catboost_rmse(case: Case) -> np.ndarray:
    """CatBoost as a user would run it: asinh fluxes, log errors, z and log z; 1,500 trees."""
    from catboost import CatBoostRegressor

    typical = case.X[ERRORS].median().to_numpy()
    inputs = [
        np.column_stack(
            [
                np.arcsinh(X[FLUXES].to_numpy() / typical),
                np.log10(X[ERRORS].to_numpy()),
                X["Z"],
                np.log10(X["Z"]),
            ]
        )
        for X in (case.X, case.X_test)
    ]
    rmse = []
    for target in sfml.TARGETS:
        trees = CatBoostRegressor(
            iterations=1500, random_seed=0, verbose=0, allow_writing_files=False
        )
        residual = trees.fit(inputs[0], case.y[target]).predict(inputs[1]) - case.y_test[target]
        rmse.append(np.sqrt(np.mean(residual**2)))
    return np.array(rmse)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", help="Parquet file with GAMA's columns and the truth")
    parser.add_argument("--development", action="store_true", help="leave the test rows alone")
    parser.add_argument("--catboost", action="store_true", help="measure CatBoost's RMSE too")
    args = parser.parse_args()
    found = {}
    for case in cases(args.catalogue, development=args.development):
        pipe = sfml.make_star_formation_pipeline(missing="reject", random_state=0)
        result = measure(case, pipe.fit(case.X, case.y))
        if args.catboost:
            result.insert(1, "CatBoost", catboost_rmse(case))
        found[case.name] = result
        print(f"{case.name}: {len(case.X):,} learnt from, {len(case.X_test):,} tested", flush=True)
        print(result.to_string(float_format="{:.3f}".format), flush=True)


if __name__ == "__main__":
    main()
