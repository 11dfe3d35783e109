"""How well a simulated survey imitates a real one, and what training on it is worth.

For a catalogue: the area under the ROC curve of a classifier that tells galaxies from simulated
ones, 0.5 if it cannot. "Own fluxes" tests the noise alone: the galaxies' own measured fluxes in
the optical and near infrared stand for the models, of one half of the galaxies, and are compared
with the other half; "halves" compares the two halves as they are. "Mock library" tells the models
too. Without a catalogue: the mock survey, and a forest trained on a simulated survey, on the fitted
labels, and on the truth, tested on the truth.

    python benchmarks/bench_simulate.py [hatlas_gama.csv] [--rows 32000] [--quick]
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd

import sfml
from sfml.simulate import (
    ModelLibrary,
    SurveyNoise,
    make_training_survey,
    mock_library,
    two_sample_auc,
)

TRUTH = ["true_log_mass", "true_log_sfr", "true_log_ldust"]
LABELS = ["mass_stellar_percentile50", "SFR_0_1Gyr_percentile50", "L_dust_percentile50"]
BRIGHT = {"g r": ("g", "r"), "g r i z J H K": ("g", "r", "i", "z", "J", "H", "K")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help="file with GAMA's columns")
    parser.add_argument("--rows", type=int, default=None, help="first rows of it to use")
    parser.add_argument("--quick", action="store_true", help="few galaxies")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Fewer than 100 galaxies are detected")
    n = 1_000 if args.quick else 6_000
    library = mock_library(2 * n, random_state=11)
    if args.catalogue is None:
        catalogue = sfml.make_mock_survey(
            n + n // 2, n_templates=1_000 if args.quick else 10_000, random_state=5
        )
    else:
        catalogue = sfml.read_catalogue(args.catalogue)[: args.rows]
    print_likeness(catalogue, library)
    if args.catalogue is None:
        print_accuracy(catalogue[:n], catalogue[n:], library)


def print_likeness(catalogue: pd.DataFrame, library: ModelLibrary) -> None:
    for name, names in BRIGHT.items():
        own, halves = with_own_fluxes(catalogue, sfml.GAMA.only(*names))
        print(f"{name:15} own fluxes {own:.3f}, halves {halves:.3f}")
    bands = sfml.GAMA.only(*(b for b in sfml.GAMA.names if f"{b}_flux" in catalogue))
    noise = SurveyNoise.fit(catalogue, bands)
    simulated, _ = noise.observe(library, len(catalogue), random_state=0)
    auc = two_sample_auc(catalogue, simulated, bands, random_state=0)
    single = [
        two_sample_auc(catalogue, simulated, bands.only(name), random_state=0)
        for name in bands.names
    ]
    print(f"mock library, {len(bands)} bands {auc:.3f}, one band {min(single):.2f} to", end=" ")
    print(f"{max(single):.2f}; selection {noise.selection}")


def with_own_fluxes(catalogue: pd.DataFrame, bands: sfml.BandSet) -> tuple[float, float]:
    """Compare half of the galaxies with the other half, observed anew and as it is."""
    fluxes = list(bands.flux_columns)
    positive = catalogue[(catalogue[fluxes] > 0).all(axis=1)].sample(frac=1, random_state=0)
    one, other = positive[: len(positive) // 2], positive[len(positive) // 2 :]
    nothing = {"number": np.arange(len(one))}
    models = ModelLibrary(bands, one[fluxes], one[bands.redshift], nothing, {"number": ""})
    simulated, _ = SurveyNoise.fit(one, bands).observe(models, len(other), random_state=0)
    return (
        two_sample_auc(other, simulated, bands, random_state=0),
        two_sample_auc(other, one, bands, random_state=0),
    )


def print_accuracy(train: pd.DataFrame, test: pd.DataFrame, library: ModelLibrary) -> None:
    noise = SurveyNoise.fit(train, sfml.GAMA)
    sets = {
        "simulated survey": make_training_survey(library, noise, len(train), random_state=0),
        "fitted labels": (train, train[LABELS].set_axis(list(sfml.TARGETS), axis=1)),
        "truth": (train, train[TRUTH].set_axis(list(sfml.TARGETS), axis=1)),
    }
    truth = test[TRUTH].set_axis(list(sfml.TARGETS), axis=1)
    for name, (X, y) in sets.items():
        pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        pipe.fit(X, y)
        error = pipe.predict_quietly(test) - truth
        ends = pipe.predict_interval(test, 0.68)
        inside = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
        scores = {"bias": error.median(), "std": error.std(), "coverage of 68 %": inside.mean()}
        print(f"\n{name}\n{pd.DataFrame(scores).round(3)}")


if __name__ == "__main__":
    main()
