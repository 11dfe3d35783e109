"""Another survey, and MAGPHYS labels: CANDELS GOODS-S galaxies at redshift 1.

Shows how a survey of one's own is declared (`BandSet`), how the cuts are fitted to it, and that
365 labelled galaxies already teach something: three targets, two methods, cross-validated.

    python examples/candels_magphys.py [candels_magphys.csv] [--quick]

The catalogue has ``{band}_flux`` and ``{band}_fluxerr`` in Jy, NaN where missing, redshift ``z``
and MAGPHYS's percentiles in dex. Source: Pacifici et al. 2023, ApJ 944, 141.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline

import sfml

CATALOGUE = Path(__file__).resolve().parents[2] / "shared" / "data" / "candels_magphys.csv"
LABELS = ["magphys_Mstar50", "magphys_SFR50", "magphys_Ldust50"]  # log10 Msun, Msun/yr, Lsun

# Effective wavelengths in micron: Guo et al. 2013 (ApJS 207, 24, Table 1), rounded; nominal ones
# from 24 micron on (Spitzer MIPS, Herschel PACS and SPIRE).
WAVELENGTHS = {
    **{"CTIO_U": 0.373, "VIMOS_U": 0.372},
    **{"ACS_F435W": 0.432, "ACS_F606W": 0.592, "ACS_F775W": 0.769},
    **{"ACS_F814W": 0.805, "ACS_F850LP": 0.906},
    **{"WFC3_F098M": 0.985, "WFC3_F105W": 1.055, "WFC3_F125W": 1.249, "WFC3_F160W": 1.537},
    **{"ISAAC_KS": 2.16, "HAWKI_KS": 2.15},
    **{"IRAC_CH1": 3.55, "IRAC_CH2": 4.50, "IRAC_CH3": 5.72, "IRAC_CH4": 7.88},
    **{"f24": 24.0, "f70": 70.0, "f100": 100.0, "f160": 160.0, "f250": 250.0},
}
CANDELS = sfml.BandSet(
    tuple(WAVELENGTHS),
    tuple(WAVELENGTHS.values()),
    flux="{band}_flux",
    error="{band}_fluxerr",
    redshift="z",
    missing_codes=(),  # a gap is NaN here
)
# Fewer than 200 of the galaxies have these: F098M and F105W covered a part of the field each,
# HAWK-I repeats ISAAC's band, and the far infrared saw only the dustiest.
SPARSE = ("WFC3_F098M", "WFC3_F105W", "HAWKI_KS", "f24", "f70", "f100", "f160", "f250")
WELL_COVERED = CANDELS.without(*SPARSE)


def main() -> None:
    """Print the funnels, then the scores of two methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", type=Path, default=CATALOGUE)
    parser.add_argument("--quick", action="store_true", help="few epochs and trees, two folds")
    args = parser.parse_args()
    if args.catalogue == CATALOGUE and not CATALOGUE.exists():
        print(f"Skipped: the CANDELS galaxies. There is no {CATALOGUE}; name a file like it.")
        return
    catalogue = pd.read_csv(args.catalogue)
    # The columns have names of their own, so that they are taken by position, in TARGETS' order.
    X, y = catalogue, catalogue[LABELS]
    print(f"{y.isna().any(axis=1).sum()} of {len(y)} galaxies have no labels: left out by `fit`.\n")
    for bands in (CANDELS, WELL_COVERED):
        pipe = make_pipeline("surana2020", "mlp", bands)
        print(f"{len(bands)} bands\n{pipe['select'].fit(X).report_}\n")

    predictions = {}
    folds = KFold(2 if args.quick else 5, shuffle=True, random_state=0)
    for recipe, method in (
        ("sfml", "mlp"),
        ("surana2020", "mlp"),
        ("surana2020", "random_forest"),
    ):
        pipe = make_pipeline(recipe, method, WELL_COVERED)
        if args.quick:
            parameter = {"mlp": "epochs", "random_forest": "n_estimators"}[method]
            pipe.set_params(**{f"regress__{target}__{parameter}": 10 for target in sfml.TARGETS})
        predicted = predictions[recipe, method] = cross_val_predict(pipe, X, y, cv=folds)
        table = sfml.metrics.score_table(
            y.set_axis(sfml.TARGETS, axis=1), predicted, n_features=len(WELL_COVERED) + 1
        )
        print(f'recipe "{recipe}", {method}: {folds.get_n_splits()}-fold cross-validation, in dex')
        print(table.to_string(float_format="{:.4f}".format), "\n")
    spread = ", ".join(f"{value:.3f}" for value in y.std())
    print(f"To compare with: the labels themselves have standard deviations of {spread} dex.")
    draw(y, predictions["sfml", "mlp"])


def make_pipeline(recipe: str, method: str, bands: sfml.BandSet) -> Pipeline:
    """Make the pipeline, with cuts that fit this survey."""
    pipe = sfml.make_star_formation_pipeline(
        recipe, bands=bands, targets=sfml.TARGETS, method=method, random_state=0
    )
    # The paper keeps z <= 0.5 and 10^9 Msun or more; these lie beyond, and some are lighter.
    return pipe.set_params(
        select__z_range=None,
        select__stellar_mass_range=None,
        select__negative="allow",
        regress__target_limits=None,
    )


def draw(y: pd.DataFrame, predicted: np.ndarray) -> None:
    """Draw the default recipe's predictions of galaxies that it has not seen."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, len(sfml.TARGETS), figsize=(13, 4.2), layout="constrained")
    labels = y.set_axis(sfml.TARGETS, axis=1)
    for target, ax in zip(sfml.TARGETS, axes, strict=True):
        sfml.displays.PredictionDisplay.from_predictions(labels, predicted, target=target, ax=ax)
    plt.show()


if __name__ == "__main__":
    main()
