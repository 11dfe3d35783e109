"""Predictions beside the SPS code itself: sfml and Bagpipes' own sampler, under the same prior.

A pipeline is trained on a library of Bagpipes' models, observed with a survey's noise. Test
galaxies are drawn from the same prior, with the same noise, and fitted with nautilus under that
prior (`triage.fit_bagpipes`). For each target: the difference of the medians in units of the
code's posterior width (half of its 16-84 range), the ratio of the widths, how often either
interval holds the truth, and how far either median is from it; and the seconds per galaxy.

Everything that takes long is kept in the folder: the same command goes on where it was stopped,
with more galaxies too. Needs the extra "bagpipes".

    python benchmarks/bench_bagpipes.py FOLDER [--galaxies 24] [--n-live 100] [--jobs 1] [--quick]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import sfml
from sfml import TARGETS, triage
from sfml.simulate import (
    BagpipesPrior,
    LogUniform,
    ModelLibrary,
    SurveyNoise,
    Uniform,
    bagpipes_library,
    make_training_survey,
)

LEVELS = [0.16, 0.5, 0.84]
# Six free parameters and the redshift, which the fits are given; the others held.
PRIOR = BagpipesPrior(
    log_mass_formed=Uniform(8.5, 12.3),
    umin=LogUniform(0.2, 20.0),
    dust_slope=0.7,
    birth_cloud=2.0,
    qpah=2.5,
    gamma=0.02,
    log_u=-3.0,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps the library, the fits and the figure")
    parser.add_argument("--galaxies", type=int, default=24)
    parser.add_argument("--models", type=int, default=20_000)
    parser.add_argument("--n-live", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few models, bands and live points")
    args = parser.parse_args()
    bands = sfml.GAMA.only("u", "g", "r", "i", "z", "W1") if args.quick else sfml.GAMA
    n_models, n_galaxies = (300, 2) if args.quick else (args.models, args.galaxies)
    n_test, n_live = (100, 25) if args.quick else (2_000, args.n_live)
    method = "random_forest" if args.quick else "mlp"
    args.folder.mkdir(parents=True, exist_ok=True)
    noise = SurveyNoise.fit(sfml.make_mock_survey(6_000, bands=bands, random_state=7), bands)
    train = library(args.folder / "train.parquet", n_models, bands, 1, args.jobs)
    test = library(args.folder / "test.parquet", n_test, bands, 2, args.jobs)
    X, y = make_training_survey(train, noise, n_models, random_state=0)
    X_test, y_test = make_training_survey(test, noise, n_test, random_state=1)
    X_test, y_test = X_test.reset_index(drop=True), y_test.reset_index(drop=True)
    first = X_test.index[:n_galaxies]

    pipe = trained(args.folder / "pipe.safetensors", X, y, bands, method)
    pipe.predict_quantiles(X_test[:10], LEVELS)
    start = time.perf_counter()
    quantiles = pipe.predict_quantiles(X_test, LEVELS)
    seconds = (time.perf_counter() - start) / len(X_test)
    inside = covered(y_test.to_numpy(), quantiles)
    print(f"sfml, {len(X_test):,} test galaxies: {seconds:.1e} s per galaxy, coverage of the truth")
    print(pd.Series(inside, list(TARGETS)).round(3).to_string(), flush=True)

    fits = triage.fit_bagpipes(
        X_test,
        first,
        bands=bands,
        prior=PRIOR,
        n_live=n_live,
        n_jobs=args.jobs,
        folder=args.folder / "fits",
        random_state=0,
    )
    rows = fits.index.astype(int).to_numpy()
    code = np.stack([fits[[f"{t}_p16", t, f"{t}_p84"]].to_numpy() for t in TARGETS], axis=1)
    truth = y_test.to_numpy()[rows]
    table = compare(quantiles[rows], code, truth)
    print(f"{len(rows)} galaxies, {len(PRIOR.free) - 1} free parameters, {n_live} live points")
    print(table.round(3).to_string())
    of_code = fits["seconds"].median()
    print(
        f"seconds per galaxy: Bagpipes {of_code:.0f} (median), sfml {seconds:.1e}: "
        f"{of_code / seconds:.1e} times as fast"
    )
    table.to_csv(args.folder / "table.csv")
    draw(quantiles[rows], code, args.folder / "bagpipes.png")


def library(path: Path, n_models: int, bands: sfml.BandSet, seed: int, n_jobs: int) -> ModelLibrary:
    """Make a library of the prior, or read the one that an earlier run has made."""
    if path.exists():
        return ModelLibrary.load(path)
    start = time.perf_counter()
    made = bagpipes_library(
        n_models, bands, prior=PRIOR, n_jobs=n_jobs, path=path, random_state=seed
    )
    print(f"{len(made) / (time.perf_counter() - start):.0f} models a second", flush=True)
    return made


def trained(
    path: Path, X: pd.DataFrame, y: pd.DataFrame, bands: sfml.BandSet, method: str
) -> sfml.StarFormationPipeline:
    """Train a pipeline, or read the one that an earlier run has trained."""
    if path.exists():
        return sfml.load(path)
    start = time.perf_counter()
    pipe = sfml.make_star_formation_pipeline(bands=bands, method=method, random_state=0).fit(X, y)
    print(f"trained on {len(X):,} galaxies in {time.perf_counter() - start:.0f} s", flush=True)
    if method == "mlp":  # files have no forests
        sfml.save(pipe, path)
    return pipe


def covered(truth: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Share of galaxies whose truth is between the first and the last quantile, per target."""
    return ((truth >= quantiles[..., 0]) & (truth <= quantiles[..., -1])).mean(axis=0)


def compare(ours: np.ndarray, code: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Compare quantiles (n_galaxies, n_targets, 3) with the code's and with the truth."""
    width, our_width = half_widths(code), half_widths(ours)
    difference = (ours[..., 1] - code[..., 1]) / width
    ratio = our_width / width
    rms = [np.sqrt(((q[..., 1] - truth) ** 2).mean(axis=0)) for q in (ours, code)]
    columns = {
        "difference, mean": difference.mean(axis=0),
        "difference, rms": np.sqrt((difference**2).mean(axis=0)),
        "difference, median of |.|": np.median(np.abs(difference), axis=0),
        "ratio of widths, median": np.median(ratio, axis=0),
        "ratio of widths, p16": np.percentile(ratio, 16, axis=0),
        "ratio of widths, p84": np.percentile(ratio, 84, axis=0),
        "truth covered, sfml": covered(truth, ours),
        "truth covered, Bagpipes": covered(truth, code),
        "rms error, sfml": rms[0],
        "rms error, Bagpipes": rms[1],
    }
    return pd.DataFrame(columns, index=list(TARGETS)).T


def half_widths(quantiles: np.ndarray) -> np.ndarray:
    return (quantiles[..., 2] - quantiles[..., 0]) / 2


def draw(ours: np.ndarray, code: np.ndarray, path: Path) -> None:
    """Draw the medians with their intervals, and the widths, of both."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 7.5), layout="constrained")
    names = ("stellar mass, dex (Msun)", "SFR, dex (Msun/yr)", "dust luminosity, dex (Lsun)")
    for k, name in enumerate(names):
        x, y = code[:, k], ours[:, k]
        top, bottom = axes[:, k]
        errors = [np.abs(q[:, [0, 2]] - q[:, [1]]).T for q in (x, y)]
        top.errorbar(
            x[:, 1], y[:, 1], xerr=errors[0], yerr=errors[1], fmt="o", ms=4, lw=1, color="#0072B2"
        )
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        top.plot(ends, ends, color="0.5", lw=1)
        top.set(xlabel=f"Bagpipes: {name}", ylabel="sfml")
        widths = half_widths(code[:, k]), half_widths(ours[:, k])
        bottom.loglog(*widths, "o", ms=4, color="#D55E00")
        ends = [min(map(np.min, widths)) / 1.3, max(map(np.max, widths)) * 1.3]
        bottom.plot(ends, ends, color="0.5", lw=1)
        bottom.set(xlabel="Bagpipes: half of the 16-84 range, dex", ylabel="sfml")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
