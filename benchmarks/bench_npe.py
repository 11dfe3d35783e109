"""Ours against neural posterior estimation (`sbi`): quantiles, joint draws and time.

Targets are the true values of a simulated survey, so that both learn the posterior under its
prior. Complete galaxies among the first 80 % of the rows are learnt from, and those among the last
20 % are scored; of the former each method holds back what it needs (ours a fifth, the flows a
tenth). The flows, masked autoregressive (maf) and neural spline (nsf) with sbi's own settings, are
given our standardised features, and learn the targets relative to our brightness feature, as our
networks do. "sfml" learns from galaxies without some of their bands too, "sfml, complete" does not.

Each method runs in a process of its own, with all cores, one after the other. A flow gives its
marginals by draws: more of them sharpen the outer quantiles, and cost as much.

    python benchmarks/bench_npe.py bagpipes_survey.parquet [--methods sfml nsf] [--samples 1000]
    python benchmarks/bench_npe.py --quick              # a small mock survey, few epochs

`pip install "sfml[bench]"` brings sbi; without it the flows are skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from bench_peers import LEVELS
from catalogues import HELP, load_complete

import sfml
from sfml import metrics
from sfml.features.flux_features import BRIGHTNESS

OURS = {"sfml": "allow", "sfml, complete": "reject"}
FLOWS = ("maf", "nsf")
N_SCORED = 50
"""Draws of each galaxy whose energy score is computed, which takes the square of their number."""
GALAXIES_AT_ONCE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--methods", nargs="+", choices=[*OURS, *FLOWS], default=[*OURS, *FLOWS])
    parser.add_argument("--samples", type=int, default=1000, help="draws of each galaxy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few galaxies and epochs")
    args = parser.parse_args()
    rows = []
    for method in args.methods:
        if method in FLOWS and importlib.util.find_spec("sbi") is None:
            print(f"{method}: skipped, sbi is not installed", flush=True)
            continue
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows.append(process.submit(measure, method, args).result())
        print(pd.Series(rows[-1]).to_string(float_format="{:.4f}".format), "\n", flush=True)
    table = pd.DataFrame(rows).set_index("method").T
    print(table.to_string(float_format="{:.4f}".format))


def measure(method: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train, score and time one method."""
    labels = "medians" if args.catalogue is None else "truth"
    X, X_test, y, y_test = load_complete(args.catalogue, quick=args.quick, labels=labels)
    options = {"n_samples": args.samples, "seed": args.seed, "quick": args.quick}
    run = run_ours if method in OURS else run_flow
    quantiles, draws, speed = run(method, X, y, X_test, **options)
    counts = {"learnt from": len(X), "scored": len(X_test)}
    return {"method": method, **counts, **judge(y_test, quantiles, draws), **speed}


def run_ours(
    method: str, X: pd.DataFrame, y: pd.DataFrame, X_test: pd.DataFrame, **options: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Give quantiles, joint draws and what they took."""
    n_samples, seed, quick = options.values()
    pipe = sfml.make_star_formation_pipeline(missing=OURS[method], random_state=seed)
    if quick:
        pipe.set_params(**{f"regress__{target}__epochs": 2 for target in sfml.TARGETS})
    fit_s, _ = timed(lambda: pipe.fit(X, y))
    predict_s, quantiles = timed(lambda: pipe.predict_quantiles(X_test, LEVELS))
    sample_s, draws = timed(lambda: pipe.sample(X_test, n_samples, random_state=0))
    return quantiles, draws, rates(fit_s, len(X_test), predict_s, n_samples, sample_s)


def run_flow(
    method: str, X: pd.DataFrame, y: pd.DataFrame, X_test: pd.DataFrame, **options: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Give quantiles, joint draws and what they took."""
    # TensorBoard, which sbi imports, would load TensorFlow, which crashes beside PyTorch.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    import torch
    from sbi.inference import NPE

    n_samples, seed, quick = options.values()
    features = sfml.make_star_formation_pipeline(missing="reject", random_state=seed)[:-1]
    learn = np.asarray(features.fit(X, y).transform(X))
    offset = brightness(features, X)
    torch.manual_seed(seed)
    theta = torch.as_tensor(y.to_numpy() - offset[:, np.newaxis], dtype=torch.float32)
    epochs = {"max_num_epochs": 2} if quick else {}
    with TemporaryDirectory() as logs, contextlib.chdir(logs):  # sbi writes some where it stands
        npe = NPE(density_estimator=method, show_progress_bars=False)
        npe.append_simulations(theta, torch.as_tensor(learn, dtype=torch.float32))
        fit_s, flow = timed(lambda: npe.train(**epochs))
    sample_s, draws = timed(lambda: draw(flow, features, X_test, n_samples))
    quantiles = np.moveaxis(np.quantile(draws, LEVELS, axis=1), 0, -1)
    return quantiles, draws, rates(fit_s, len(X_test), sample_s, n_samples, sample_s)


def draw(flow: Any, features: Any, X: pd.DataFrame, n_samples: int) -> np.ndarray:
    """Draw from a flow, catalogue in and (n_galaxies, n_samples, n_targets) in dex out."""
    import torch

    inputs = np.asarray(features.transform(X))
    offset = brightness(features, X)
    parts = []
    with torch.no_grad():
        for start in range(0, len(inputs), GALAXIES_AT_ONCE):
            some = torch.as_tensor(inputs[start : start + GALAXIES_AT_ONCE], dtype=torch.float32)
            parts.append(flow.sample((n_samples,), condition=some).numpy().swapaxes(0, 1))
    return np.concatenate(parts) + offset[:, np.newaxis, np.newaxis]


def brightness(features: Any, X: pd.DataFrame) -> np.ndarray:
    """Give the brightness feature in dex, before it was standardised."""
    raw = np.asarray(features[:-1].transform(X))
    return raw[:, list(features[:-1].get_feature_names_out()).index(BRIGHTNESS)]


def judge(y: pd.DataFrame, quantiles: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    """Score marginals, (n_galaxies, n_targets, n_levels), and joint draws."""
    truth = y.to_numpy()
    known = np.isfinite(quantiles).all(axis=(1, 2))
    below = truth[known][:, :, np.newaxis] - quantiles[known]
    losses = np.maximum(LEVELS * below, (LEVELS - 1) * below).mean(axis=(0, 2))
    low, high = (quantiles[known][:, :, list(LEVELS).index(q)] for q in (0.16, 0.84))
    inside = ((truth[known] >= low) & (truth[known] <= high)).mean(axis=0)
    samples = draws[known].swapaxes(0, 1)
    few, labels = samples[:N_SCORED], y[known]
    curve = metrics.tarp(labels, samples, random_state=0)
    return {
        **{f"pinball {t}": v for t, v in zip(y.columns, losses, strict=True)},
        **{f"68 % holds {t}": v for t, v in zip(y.columns, inside, strict=True)},
        "energy score, scaled": metrics.energy_score(labels, few, scale=labels.std()),
        "TARP, largest deviation, points": 100 * (curve.empirical - curve.nominal).abs().max(),
        "predicted": float(known.mean()),
    }


def rates(
    fit_s: float, n: int, predict_s: float, n_samples: int, sample_s: float
) -> dict[str, float]:
    return {
        "fit_s": fit_s,
        "galaxies with quantiles per s": n / predict_s,
        "joint draws per s": n * n_samples / sample_s,
    }


def timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
