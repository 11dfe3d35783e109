"""Does reality follow? Real galaxies, predicted by what was learnt from an SPS code alone.

A library of Bagpipes models is observed with the noise of a real catalogue, a pipeline learns from
it without any label, and its predictions of the real galaxies are compared with the labels that
another code gave them: CIGALE's dust luminosities of H-ATLAS galaxies, or MAGPHYS's masses, SFRs
and dust luminosities of CANDELS galaxies. Beside it: the same predictions after 100 labelled
galaxies have calibrated the intervals anew (`calibrate`), have shifted the predictions too
(`shift=True`), or have been learnt from as well (`refit`); a pipeline that learns from the same 100
labels alone; and five-fold cross-validation on all labels.

"total" intervals are the predicted ones and the label's own uncertainty in quadrature. CIGALE's
labels of H-ATLAS were made at redshifts rounded to 0.01, 0.03, ..., which recipe "sfml" finds; what
that adds to them, known exactly, is taken off.

    python benchmarks/bench_reality.py hatlas_gama.csv [--models 20000]
    python benchmarks/bench_reality.py candels_magphys.csv
"""

from __future__ import annotations

import argparse
import copy
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

import sfml
from sfml.features.redshift_grid import RedshiftGrid
from sfml.flags import Flag
from sfml.simulate import (
    BagpipesPrior,
    ModelLibrary,
    SurveyNoise,
    Uniform,
    bagpipes_library,
    fit_library,
)

N_LABELLED = 100
N_DRAWS = 10
"""How many times other galaxies are taken to be the labelled ones; scores are means."""


class Case(NamedTuple):
    """A real catalogue, its labels with their own uncertainties, and the prior."""

    X: pd.DataFrame
    y: pd.DataFrame
    label_errors: pd.DataFrame
    bands: sfml.BandSet
    redshift: tuple[float, float]
    filters: dict[str, str] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", type=Path, help="hatlas_gama.csv or candels_magphys.csv")
    parser.add_argument("--models", type=int, default=20_000)
    parser.add_argument("--library", help="file to keep the library in; a later run reads it")
    parser.add_argument("--quick", action="store_true", help="few models, epochs and draws")
    args = parser.parse_args()
    case = (hatlas if "hatlas" in args.catalogue.name else candels)(args.catalogue)
    n_models = 300 if args.quick else args.models
    for text in ("Fewer than 100 galaxies are detected", ".* of .* galaxies have inputs"):
        warnings.filterwarnings("ignore", text)
    library = make_library(case, n_models, args.library)
    noise = SurveyNoise.fit(case.X, case.bands)
    pipe = fit_library(make_pipeline(case, quick=args.quick), library, noise, random_state=0)
    table = compare(case, pipe, n_draws=2 if args.quick else N_DRAWS, quick=args.quick)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    outside = (pipe.predict_table(case.X)["flag"] & Flag.COLOURS) > 0
    print(f"{outside.mean():.1%} of {len(case.X)} galaxies have colours unlike those of the models")


def make_library(case: Case, n_models: int, path: str | None) -> ModelLibrary:
    """Read the library, or make it and write it there."""
    if path is not None and Path(path).exists():
        return ModelLibrary.load(path)
    prior = BagpipesPrior(redshift=Uniform(*case.redshift))
    options = {"filters": case.filters, "n_jobs": -1, "path": path, "random_state": 0}
    return bagpipes_library(n_models, case.bands, prior=prior, **options)


def hatlas(path: Path) -> Case:
    X = pd.read_csv(path)
    rounding = RedshiftGrid(0.02, 0.5).shift(X["Z"].to_numpy())
    y = (X[["L_dust"]] - rounding[:, np.newaxis]).set_axis(["dust_luminosity"], axis=1)
    errors = X[["L_dust_err"]].set_axis(y.columns, axis=1)
    return Case(X, y, errors, sfml.GAMA.without("X", "Y"), (0.005, 0.105))


def candels(path: Path) -> Case:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
    from candels_magphys import LABELS, WELL_COVERED

    X = pd.read_csv(path)
    X = X[X[LABELS].notna().all(axis=1)].reset_index(drop=True)
    y = X[LABELS].set_axis(sfml.TARGETS, axis=1)
    high, low = ([name.replace("50", p) for name in LABELS] for p in ("84", "16"))
    errors = pd.DataFrame((X[high].to_numpy() - X[low].to_numpy()) / 2, columns=y.columns)
    # No curve of CTIO's U band is in astro-sedpy; VIMOS observed the same light.
    bands = WELL_COVERED.without("CTIO_U")
    curves = sfml.surveys.filters("CANDELS", "sedpy")
    return Case(X, y, errors, bands, (0.95, 1.15), {name: curves[name] for name in bands.names})


def make_pipeline(case: Case, *, quick: bool) -> Any:
    pipe = sfml.make_star_formation_pipeline(
        bands=case.bands, targets=list(case.y), random_state=0
    ).set_params(
        select__negative="allow",
        select__z_range=(0, None),
        select__stellar_mass_range=None,
        regress__target_limits=None,
    )
    if quick:
        pipe.set_params(**{f"regress__{target}__epochs": 2 for target in case.y})
    return pipe


def compare(case: Case, pipe: Any, *, n_draws: int, quick: bool) -> pd.DataFrame:
    """Score the pipeline as it is, mended by a hundred labels, and pipelines that labels taught."""
    X, y = case.X, case.y
    as_it_is = quantiles_of(pipe, X)
    labelled = KFold(max(2, len(X) // N_LABELLED), shuffle=True, random_state=0)
    results: dict[str, list[pd.DataFrame]] = {}
    for rest, known in list(labelled.split(X))[:n_draws]:
        X_known, y_known = X.iloc[known], y.iloc[known]
        again = copy.deepcopy(pipe).calibrate(X_known, y_known)
        shifted = copy.deepcopy(pipe).calibrate(X_known, y_known, shift=True)
        own_groups = [f"real galaxy {row}" for row in known]
        further = copy.deepcopy(pipe).refit(X_known, y_known, groups=own_groups)
        few = make_pipeline(case, quick=quick).fit(X_known, y_known)
        ways = {
            "Bagpipes alone": as_it_is[rest],
            f"and {N_LABELLED} labels: calibrate": quantiles_of(again, X.iloc[rest]),
            f"and {N_LABELLED} labels: shift=True": quantiles_of(shifted, X.iloc[rest]),
            f"and {N_LABELLED} labels: refit": quantiles_of(further, X.iloc[rest]),
            f"{N_LABELLED} labels alone": quantiles_of(few, X.iloc[rest]),
        }
        for name, quantiles in ways.items():
            results.setdefault(name, []).append(score(case, rest, quantiles))
    folds = np.full((len(X), y.shape[1], 3), np.nan)
    for learn, test in KFold(5, shuffle=True, random_state=0).split(X):
        taught = make_pipeline(case, quick=quick).fit(X.iloc[learn], y.iloc[learn])
        folds[test] = quantiles_of(taught, X.iloc[test])
    results["all labels, five folds"] = [score(case, np.arange(len(X)), folds)]
    means = [
        pd.concat(tables).groupby("target", sort=False).mean().reset_index().assign(trained_on=name)
        for name, tables in results.items()
    ]
    return pd.concat(means)[["trained_on", *means[0].columns.drop("trained_on")]]


def quantiles_of(pipe: Any, X: pd.DataFrame) -> np.ndarray:
    """Give the 16th, 50th and 84th percentiles, (n_galaxies, n_targets, 3)."""
    return pipe.predict_quantiles(X, (0.16, 0.5, 0.84))


def score(case: Case, rows: np.ndarray, quantiles: np.ndarray) -> pd.DataFrame:
    """Compare with the labels of these rows."""
    found = []
    for k, target in enumerate(case.y):
        label, own = (t[target].to_numpy()[rows] for t in (case.y, case.label_errors))
        low, middle, high = quantiles[:, k].T
        error = middle - label
        known = np.isfinite(error)
        own = np.where(np.isfinite(own), own, 0)
        below = label >= middle - np.hypot(middle - low, own)
        above = label <= middle + np.hypot(high - middle, own)
        found.append(
            {
                "target": target,
                "offset": np.median(error[known]),
                "std": error[known].std(),
                "nmad": sfml.metrics.nmad(label[known], middle[known]),
                "rmse": np.sqrt(np.mean(error[known] ** 2)),
                "width": np.median((high - low)[known]),
                "held": np.mean(((label >= low) & (label <= high))[known]),
                "held_total": np.mean((below & above)[known]),
                "predicted": known.mean(),
            }
        )
    return pd.DataFrame(found)


if __name__ == "__main__":
    main()
