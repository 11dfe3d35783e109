"""Ours against what a user would pick instead, on real galaxies, by five-fold cross-validation.

The methods are those of bench_peers.py. All are scored on the same galaxies: those measured in all
of the bands that most have. "sfml" learns from galaxies with gaps too, and from further bands.

    python benchmarks/bench_real.py hatlas_gama.csv candels_magphys.csv
    python benchmarks/bench_real.py candels_magphys.csv --methods "sfml, complete" ridge --quick

Labels of `hatlas_gama.csv` (CIGALE) are off by the rounding of their redshifts; "follow" repeats
it, so that the network and the labels agree on the redshift. Peers are given features that follow
it too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bench_peers import METHODS, PERCENTILES, is_installed, make_pipeline_of
from sklearn.model_selection import KFold

import sfml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from candels_magphys import CANDELS, LABELS, WELL_COVERED
from hatlas_dust_luminosity import ALL_BANDS, COMMON_BANDS

ANY_BANDS = "sfml, any bands"


class Survey(NamedTuple):
    """A real catalogue: galaxies, labels, and the bands that most galaxies or that any has."""

    X: pd.DataFrame
    y: pd.DataFrame
    common_bands: sfml.BandSet
    all_bands: sfml.BandSet


def read(path: str) -> Survey:
    X = pd.read_csv(path)
    if "L_dust" in X:
        y = X[["L_dust"]].set_axis(["dust_luminosity"], axis=1)
        return Survey(X, y, COMMON_BANDS, ALL_BANDS)
    X = X[X[LABELS].notna().all(axis=1)].reset_index(drop=True)
    return Survey(X, X[LABELS].set_axis(sfml.TARGETS, axis=1), WELL_COVERED, CANDELS)


def cross_validate(method: str, survey: Survey, quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Predict each galaxy from the other folds: medians, and whether 16-84 intervals hold."""
    n, targets = len(survey.X), list(survey.y)
    predicted, held = np.full((2, n, len(targets)), np.nan)
    bands = survey.all_bands if method == ANY_BANDS else survey.common_bands
    name = "sfml" if method == ANY_BANDS else method
    for train, test in KFold(2 if quick else 5, shuffle=True, random_state=0).split(survey.X):
        pipe = make_pipeline_of(name, quick=quick, bands=bands, targets=targets)
        follow: dict[str, Any] = (
            {"features__redshift_grid": "follow"} if "features" in pipe.named_steps else {}
        )
        pipe.set_params(**follow).fit(survey.X.iloc[train], survey.y.iloc[train])
        inputs = pipe[:-1].transform(survey.X.iloc[test])
        quantiles = pipe[-1].predict_quantiles(inputs, (0.16, 0.5, 0.84))
        low, predicted[test], high = quantiles.transpose(2, 0, 1)
        truth = survey.y.iloc[test].to_numpy()
        held[test] = np.where(np.isnan(low), np.nan, (truth >= low) & (truth <= high))
    return predicted, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogues", nargs="+", help="hatlas_gama.csv, candels_magphys.csv")
    methods = [ANY_BANDS, *(m for m in METHODS if m not in ("sfml", PERCENTILES))]
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--quick", action="store_true", help="few rounds, two folds")
    args = parser.parse_args()
    for path in args.catalogues:
        survey = read(path)
        found = {
            method: cross_validate(method, survey, args.quick)
            for method in args.methods
            if method == ANY_BANDS or is_installed(method)
        }
        common = np.all([np.isfinite(p).all(axis=1) for p, _ in found.values()], axis=0)
        print(f"{Path(path).name}: {common.sum():,} galaxies that all methods predict, in dex")
        y = survey.y[common].to_numpy()
        rows = {}
        for method, (predicted, held) in found.items():
            residual = predicted[common] - y
            nmad = sfml.metrics.nmad(y, predicted[common], multioutput="raw_values")
            scores = {"RMSE": np.sqrt(np.mean(residual**2, axis=0)), "NMAD": nmad}
            scores["68 % hold"] = np.mean(held[common], axis=0)
            rows[method] = {
                f"{score} {target}": value
                for score, values in scores.items()
                for target, value in zip(survey.y, np.atleast_1d(values), strict=True)
            }
        print(pd.DataFrame(rows).T.to_string(float_format="{:.4f}".format), flush=True)


if __name__ == "__main__":
    main()
