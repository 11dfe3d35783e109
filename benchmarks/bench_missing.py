"""One network for any subset of bands: beside a network for just that subset, and imputation.

All learn from the same galaxies, which have every band. Test galaxies then lose bands, and three
answers are compared: of the one network trained with band dropout; of a network trained on these
bands alone; and of a network for all bands, the missing fluxes and errors filled in with the
training median of their ratio to the r band's flux. Coverage is that of the one network's 68 %
intervals.

    python benchmarks/bench_missing.py bagpipes_survey.parquet [--quick]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from catalogues import HELP, load_complete
from rich.progress import track

import sfml
from sfml import metrics

NAMES = sfml.GAMA.names
NIR, HERSCHEL = ("X", "Y", "J", "H", "K"), ("P100", "P160", "S250", "S350", "S500")
SUBSETS = {
    "all 21": NAMES,
    "no K": [n for n in NAMES if n != "K"],
    "no GALEX": [n for n in NAMES if n not in ("FUV", "NUV")],
    "no WISE": [n for n in NAMES if not n.startswith("W")],
    "no Herschel": [n for n in NAMES if n not in HERSCHEL],
    "no VIKING": [n for n in NAMES if n not in NIR],
    "u to K": ["u", "g", "r", "i", "z", *NIR],
    "u to z": ["u", "g", "r", "i", "z"],
    "g r i": ["g", "r", "i"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument(
        "--quick", action="store_true", help="a small mock survey, few epochs, two subsets"
    )
    args = parser.parse_args()
    quick = args.quick or args.catalogue is None
    X_train, X_test, y_train, y_test = load_complete(args.catalogue, quick=quick)
    one = make(args.quick, missing="allow").fit(X_train, y_train)
    full = make(args.quick, missing="reject").fit(X_train, y_train)
    ratios = median_ratios(X_train)
    rows = []
    subsets = list(SUBSETS.items())[-2:] if args.quick else list(SUBSETS.items())
    for name, kept in track(subsets, description="subsets"):
        dedicated = full
        if len(kept) < len(NAMES):
            dedicated = make(args.quick, bands=sfml.GAMA.only(*kept), missing="reject")
            dedicated.fit(X_train, y_train)
        gaps = without(X_test, kept)
        answers = {
            "one": one.predict_quietly(gaps),
            "dedicated": dedicated.predict_quietly(X_test),
            "median": full.predict_quietly(imputed(X_test, kept, ratios)),
        }
        predicted = np.logical_and.reduce([np.isfinite(a).all(axis=1) for a in answers.values()])
        row = {"bands": name, "n": len(kept)}
        for how, answer in answers.items():
            sigma = metrics.error(y_test[predicted], answer[predicted], multioutput="raw_values")
            row |= {f"{t} {how}": s for t, s in zip(("M*", "SFR", "L"), sigma, strict=True)}
        interval = one.predict_interval(gaps, 0.68)[predicted]
        held = metrics.coverage(y_test[predicted], interval[..., 0], interval[..., 1])
        rows.append(row | {"coverage": held})
    print(f"{len(X_train):,} galaxies to learn from, {len(X_test):,} to score; sigma in dex")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.4f}".format))


def make(quick: bool, **options: object) -> sfml.StarFormationPipeline:
    pipe = sfml.make_star_formation_pipeline(random_state=0, **options)
    if quick:
        pipe.set_params(**{f"regress__{t}__{n}": v for t in sfml.TARGETS for n, v in QUICK.items()})
    return pipe


QUICK = {"epochs": 5, "n_networks": 1}


def without(X: pd.DataFrame, kept: list[str] | tuple[str, ...]) -> pd.DataFrame:
    """Take all other bands away."""
    lost = [n for n in NAMES if n not in kept]
    return X.assign(**{f"{n}_{what}": np.nan for n in lost for what in ("flux", "fluxerr")})


def median_ratios(X: pd.DataFrame) -> pd.Series:
    """Training medians of fluxes and errors, relative to the flux in r."""
    columns = [*sfml.GAMA.flux_columns, *sfml.GAMA.error_columns]
    return X[columns].div(X["r_flux"], axis=0).median()


def imputed(X: pd.DataFrame, kept: list[str] | tuple[str, ...], ratios: pd.Series) -> pd.DataFrame:
    """Fill all other bands in; r is in every subset."""
    lost = [n for n in NAMES if n not in kept]
    return X.assign(
        **{f"{n}_{w}": ratios[f"{n}_{w}"] * X["r_flux"] for n in lost for w in ("flux", "fluxerr")}
    )


if __name__ == "__main__":
    main()
