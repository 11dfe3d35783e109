"""Send doubtful galaxies back to the SPS code, and learn from its results.

A network is trained on 2,600 galaxies of a simulated survey without its dustiest tenth. It predicts
3,400 others, dusty ones among them, of which an SPS code has time to fit 150. Which ones?
The mock survey's own chi^2 fitter stands in for the code. Galaxies are written in CIGALE's input
format and read back, fitted, merged into the labels with their provenance, and learnt from, in
comparison with as many galaxies chosen at random. Scores are those of 3,400 other galaxies.

    python examples/triage_loop.py [--repeats 3] [--quick]     # a minute or two; quick: 15 s
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

import sfml
from sfml import triage
from sfml.datasets import fit_mock_templates

TEMPLATES = 10_000


def main() -> None:
    """Run the loop a few times, on other galaxies each time, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="once, few galaxies and epochs")
    args = parser.parse_args()
    n_galaxies, n_chosen = (2400, 60) if args.quick else (14_000, 150)
    X, y = sfml.make_mock_survey(
        n_galaxies, n_templates=TEMPLATES, random_state=5, return_X_y=True, percentiles=True
    )
    X, y = sfml.GamaSampleSelector().select(X, y)
    X, y = X.reset_index(drop=True), y.reset_index(drop=True)
    repeats = range(1 if args.quick else args.repeats)
    tables = [
        run_once(X, y, n_chosen, repeat, args.quick)
        for repeat in track(repeats, description="loops")
    ]
    table = pd.concat(tables).groupby(level=0, sort=False)
    print(f"sigma in dex, mean of {len(tables)} runs (dusty: the tenth that was not in training)")
    print(table.mean().to_string(float_format="{:.4f}".format))


def run_once(
    X: pd.DataFrame, y: pd.DataFrame, n_chosen: int, seed: int, quick: bool
) -> pd.DataFrame:
    """Score the network before the loop, after it, and after as many galaxies at random."""
    rng = np.random.default_rng(seed)
    dust = y["dust_luminosity"] - y["stellar_mass"]
    dusty = (dust > dust.quantile(0.9)).to_numpy()
    order = rng.permutation(len(X))
    test, first, pool = np.split(order, [int(0.35 * len(X)), int(0.65 * len(X))])
    known = first[~dusty[first]]
    # Galaxies that no code has fitted have no label. The truth stays in y, for the scores alone.
    labels = y.copy()
    labels.iloc[np.setdiff1d(np.arange(len(y)), known)] = np.nan
    pipe = make_pipeline(seed, quick).fit(X.iloc[known], labels.iloc[known])
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
        results = run_sps_code(X.iloc[chosen])
        more, provenance = triage.merge(
            X, labels, results, code="mock chi^2 fitter", code_version="1", requested=chosen
        )
        assert (provenance["status"] == "accepted").sum() == len(chosen)
        rows = np.concatenate([known, chosen])
        better, _ = triage.refit(pipe, X.iloc[rows], more.iloc[rows], warm_start=False)
        scores[f"{len(chosen)} {how}"] = score(better, X.iloc[test], y.iloc[test], dusty[test])
        scores[f"{len(chosen)} {how}"]["dusty chosen"] = dusty[chosen].mean()
    return pd.DataFrame(scores).T


def make_pipeline(seed: int, quick: bool) -> sfml.StarFormationPipeline:
    """Make the default pipeline, with fewer networks and epochs to save time."""
    pipe = sfml.make_star_formation_pipeline(random_state=seed)
    settings = {"n_networks": 1 if quick else 3, "epochs": 20 if quick else 40}
    return pipe.set_params(
        **{f"regress__{t}__{name}": v for t in sfml.TARGETS for name, v in settings.items()}
    )


def run_sps_code(X: pd.DataFrame) -> pd.DataFrame:
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


if __name__ == "__main__":
    main()
