"""Send doubtful galaxies back to the SPS code, and learn from its results.

A network is trained on galaxies of a simulated survey without its dustiest tenth. It predicts
others, dusty ones among them, of which an SPS code has time to fit a few. Which ones? Those chosen
are fitted, merged into the labels with their provenance, and learnt from, in comparison with as
many galaxies chosen at random. Scores are those of further galaxies.

The loop runs twice. Once with a stand-in for the code, the mock survey's own chi^2 fitter, which
has time for 150 of 3,400 galaxies; they are written in CIGALE's input format and read back. And
once with a real code, Bagpipes (extra "bagpipes"), on models of its own: four galaxies, with three
free parameters and few live points, so that it takes a minute. So few show that the loop closes,
not what it gains; for science, use `triage.fit_bagpipes` with its defaults.

    python examples/triage_loop.py [--repeats 3] [--figure triage_loop.png] [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.progress import track

import sfml
from sfml import triage
from sfml.datasets import fit_mock_templates
from sfml.simulate import BagpipesPrior, SurveyNoise, Uniform, bagpipes_library

TEMPLATES = 10_000
# Three free parameters: mass, age and dust.
PRIOR = BagpipesPrior(
    redshift=Uniform(0.02, 0.2),
    log_mass_formed=Uniform(9.5, 11.5),
    age=Uniform(0.5, 11.0),
    tau=2.0,
    metallicity=1.0,
    birth_cloud=2.0,
    dust_slope=0.7,
    umin=1.0,
    qpah=2.5,
    gamma=0.02,
    log_u=-3.0,
)


class Loop(NamedTuple):
    """A survey with an SPS code, which has time for some of its galaxies."""

    code: str
    bands: sfml.BandSet
    X: pd.DataFrame
    y: pd.DataFrame  # the truth, or labels; known to the network for some galaxies alone
    n_chosen: int
    fit: Callable[[pd.DataFrame], pd.DataFrame]


def main() -> None:
    """Run the loops a few times, on other galaxies each time, and print and draw the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--figure", type=Path, help="file for the figure, such as loop.png")
    parser.add_argument("--quick", action="store_true", help="once, few galaxies and epochs")
    args = parser.parse_args()
    scores = {}
    loop = with_stand_in(args.quick)
    scores[loop.code] = run(loop, 1 if args.quick else args.repeats, args.quick)
    if find_spec("bagpipes") is None:
        print('Skipped: the loop with Bagpipes, which pip install "sfml[bagpipes]" brings.')
    else:
        loop = with_bagpipes(args.quick)
        scores[loop.code] = run(loop, 1, args.quick)
    draw(scores, args.figure)


def with_stand_in(quick: bool) -> Loop:
    """Make a mock survey, whose own chi^2 fitter stands in for an SPS code."""
    X, y = sfml.make_mock_survey(
        2400 if quick else 14_000,
        n_templates=TEMPLATES,
        random_state=5,
        return_X_y=True,
        percentiles=True,
    )
    X, y = sfml.GamaSampleSelector().select(X, y)
    X, y = X.reset_index(drop=True), y.reset_index(drop=True)
    return Loop("mock chi^2 fitter", sfml.GAMA, X, y, 60 if quick else 150, run_stand_in)


def with_bagpipes(quick: bool) -> Loop:
    """Observe models of Bagpipes, which fits them too."""
    bands = sfml.GAMA.only("NUV", "u", "g", "r", "i", "K", "W1", "W3", "S250")
    library = bagpipes_library(200 if quick else 800, bands, prior=PRIOR, random_state=0)
    depths = dict(zip(bands.names, (21, 22, 22.5, 22.5, 22, 21, 19.5, 16, 13.5), strict=True))
    noise = SurveyNoise.from_depths(depths, bands, relative_error=0.05)
    X, y = noise.observe(library, len(library), random_state=0)
    X, y = X.reset_index(drop=True), y[list(sfml.TARGETS)].reset_index(drop=True)

    def fit(chosen: pd.DataFrame) -> pd.DataFrame:
        return triage.fit_bagpipes(
            chosen,
            range(len(chosen)),
            bands=bands,
            prior=PRIOR,
            n_live=50,
            n_networks=0,
            n_jobs=2,
            random_state=0,
        )

    return Loop("Bagpipes", bands, X, y, 1 if quick else 4, fit)


def run(loop: Loop, repeats: int, quick: bool) -> pd.DataFrame:
    """Run a loop, and print the mean scores."""
    print(f"The SPS code is {loop.code}.")
    tables = [
        run_once(loop, repeat, quick) for repeat in track(range(repeats), description="loops")
    ]
    table = pd.concat(tables).groupby(level=0, sort=False).mean()
    print(f"sigma in dex, mean of {len(tables)} runs (dusty: the tenth that was not in training)")
    print(table.to_string(float_format="{:.4f}".format))
    return table


def run_once(loop: Loop, seed: int, quick: bool) -> pd.DataFrame:
    """Score the network before the loop, after it, and after as many galaxies at random."""
    X, y, n_chosen = loop.X, loop.y, loop.n_chosen
    rng = np.random.default_rng(seed)
    dust = y["dust_luminosity"] - y["stellar_mass"]
    dusty = (dust > dust.quantile(0.9)).to_numpy()
    order = rng.permutation(len(X))
    test, first, pool = np.split(order, [int(0.35 * len(X)), int(0.65 * len(X))])
    known = first[~dusty[first]]
    # Galaxies that no code has fitted have no label. The truth stays in y, for the scores alone.
    labels = y.copy()
    labels.iloc[np.setdiff1d(np.arange(len(y)), known)] = np.nan
    pipe = make_pipeline(loop.bands, seed, quick).fit(X.iloc[known], labels.iloc[known])
    table = pipe.predict_table(X.iloc[pool])
    if seed == 0:
        print("What the network says of the pool:")
        print(table["reasons"].replace("", "no reservation").value_counts().head(6).to_string())
    choices = {
        "flagged": pool[triage.choose(table, n_chosen, by="flag")],
        "at random": rng.choice(pool, n_chosen, replace=False),
    }
    scores = {"before": score(pipe, X.iloc[test], y.iloc[test], dusty[test])}
    for how, chosen in choices.items():
        results = loop.fit(X.iloc[chosen])
        more, provenance = triage.merge(
            X, labels, results, code=loop.code, code_version="1", requested=chosen
        )
        assert (provenance["status"] == "accepted").sum() == len(chosen)
        rows = np.concatenate([known, chosen])
        better, _ = triage.refit(pipe, X.iloc[rows], more.iloc[rows], warm_start=False)
        scores[f"{len(chosen)} {how}"] = score(better, X.iloc[test], y.iloc[test], dusty[test])
        scores[f"{len(chosen)} {how}"]["dusty chosen"] = dusty[chosen].mean()
    return pd.DataFrame(scores).T


def make_pipeline(bands: sfml.BandSet, seed: int, quick: bool) -> sfml.StarFormationPipeline:
    """Make the default pipeline, with fewer networks and epochs to save time."""
    pipe = sfml.make_star_formation_pipeline(bands=bands, random_state=seed)
    settings = {"n_networks": 1 if quick else 3, "epochs": 20 if quick else 40}
    return pipe.set_params(
        **{f"regress__{t}__{name}": v for t in sfml.TARGETS for name, v in settings.items()}
    )


def run_stand_in(X: pd.DataFrame) -> pd.DataFrame:
    """Write the galaxies as input for CIGALE, and fit what was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = triage.write_cigale(X, Path(folder) / "doubtful.txt")
        written = triage.read_cigale_input(path)
    return fit_mock_templates(written, n_templates=TEMPLATES)


def score(
    pipe: sfml.StarFormationPipeline, X: pd.DataFrame, y: pd.DataFrame, dusty: np.ndarray
) -> dict[str, float]:
    """Scatter of each target, over all galaxies and over the dusty ones."""
    predicted, labels = pipe.predict(X), y[list(sfml.TARGETS)]
    everything = sfml.metrics.error(labels, predicted, multioutput="raw_values")
    of_dusty = sfml.metrics.rmse(labels[dusty], predicted[dusty], multioutput="raw_values")
    scores = dict(zip(sfml.TARGETS, everything, strict=True))
    return scores | {"dust_luminosity, dusty (rmse)": of_dusty[2]}


def draw(scores: dict[str, pd.DataFrame], path: Path | None) -> None:
    """Draw the scatter of each target before and after, one panel per code."""
    import matplotlib.pyplot as plt

    size = (5.5 * len(scores), 4)
    figure, axes = plt.subplots(1, len(scores), figsize=size, layout="constrained", squeeze=False)
    for ax, (code, table) in zip(axes[0], scores.items(), strict=True):
        shown = table.drop(columns="dusty chosen").T
        names = [str(name).replace("_", " ").replace(", ", ",\n") for name in shown.index]
        for k, how in enumerate(shown):
            places = np.arange(len(names)) + 0.27 * (k - 1)
            ax.bar(places, shown[how], 0.25, label=how, color=("0.6", "#0072B2", "#E69F00")[k])
        ax.set_xticks(np.arange(len(names)), names)
        ax.set(title=f"the code: {code}", ylabel="scatter, dex")
        ax.legend(frameon=False)
    if path is None:
        plt.show()
        return
    figure.savefig(path, dpi=120)
    print(f"Drawn: {path}")


if __name__ == "__main__":
    main()
