"""Ours against what a user would pick instead: accuracy, time and memory, on the same galaxies.

Every method learns from the complete galaxies among the first 80 % of the rows, of which a fifth is
held back for early stopping, if it stops early, and for calibrating its quantiles (64-16-20
overall), and is scored on those among the last 20 %, all three targets. Points are calibrated to
quantiles as `StarFormationRegressor` does it for any regressor. Each method runs in a process of
its own, with all cores, one after the other. "sfml" learns from galaxies without some of their
bands too, "sfml, complete" does not; "sfml, percentiles" is given the labels' 16th and 84th
percentiles beside their medians.

    python benchmarks/bench_peers.py bagpipes_survey.parquet --output peers.csv --figure peers.png
    python benchmarks/bench_peers.py bagpipes_survey.parquet --without "random forest"
    python benchmarks/bench_peers.py bagpipes_survey.parquet --labels truth
    python benchmarks/bench_peers.py --quick          # a small mock survey and few rounds

Recipe "surana2020" rejects galaxies with a negative flux, half of those of that survey, so that its
scores are not of the same galaxies: see benchmarks/table3.py. Methods whose package is not
installed are skipped: `pip install "sfml[bench]"` brings them all.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Threads that spin while they wait make trees many times slower if anything else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pandas as pd
from catalogues import HELP, load_complete
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler

import sfml
from sfml.recipes import make_estimator

PREDICTED_ROWS = 100_000
LONG_PREDICTION_S = 5
QUICK_ROUNDS = 20
N_SVR = 10_000
N_KERNEL_RIDGE = 5_000
# At which the pinball loss is measured.
LEVELS = np.array([0.01, 0.025, 0.05, 0.16, 0.3, 0.5, 0.7, 0.84, 0.95, 0.975, 0.99])
PERCENTILES = "sfml, percentiles"
OURS = {"sfml": {}, "sfml, complete": {"missing": "reject"}, PERCENTILES: {}}


def random_forest(quick: bool) -> Any:
    forest = make_estimator("random_forest", "any")
    return forest.set_params(n_estimators=QUICK_ROUNDS if quick else 300, n_jobs=-1, random_state=0)


def svr(quick: bool) -> Any:
    return make_pipeline(StandardScaler(), make_estimator("svr", "any"))


def hist_gradient_boosting(quick: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=QUICK_ROUNDS if quick else 2000,
        max_leaf_nodes=63,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=50,
        random_state=0,
    )


def sklearn_mlp(quick: bool) -> Any:
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(
        hidden_layer_sizes=(128, 128, 128),
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=20,
        max_iter=QUICK_ROUNDS if quick else 300,
        random_state=0,
    )
    scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), scaled)


def lightgbm(quick: bool) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=QUICK_ROUNDS if quick else 2000,
        learning_rate=0.05,
        num_leaves=63,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        early_stopping_round=50,
        random_state=0,
        verbose=-1,
    )


def xgboost(quick: bool) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(
        n_estimators=QUICK_ROUNDS if quick else 2000,
        learning_rate=0.05,
        subsample=0.8,
        colsample_bytree=0.8,
        early_stopping_rounds=50,
        random_state=0,
    )


def catboost(quick: bool) -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        iterations=QUICK_ROUNDS if quick else 3000,
        learning_rate=0.06,
        early_stopping_rounds=50,
        random_seed=0,
        verbose=0,
        allow_writing_files=False,
    )


def realmlp(quick: bool) -> Any:
    from pytabkit import RealMLP_TD_Regressor

    # The defaults which Holzmueller et al. (2024) tuned on many data sets, one network.
    few = {"n_epochs": 2} if quick else {}
    return RealMLP_TD_Regressor(
        device="cpu", random_state=0, n_cv=1, n_refit=0, val_fraction=0.2, verbosity=0, **few
    )


def tabm(quick: bool) -> Any:
    from pytabkit import TabM_D_Regressor

    few = {"n_epochs": 2} if quick else {}
    return TabM_D_Regressor(
        device="cpu", random_state=0, n_cv=1, n_refit=0, val_fraction=0.2, verbosity=0, **few
    )


def nearest_neighbours(quick: bool) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return make_pipeline(StandardScaler(), KNeighborsRegressor(10, weights="distance"))


def ridge(quick: bool) -> Any:
    from sklearn.linear_model import RidgeCV

    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))


def kernel_ridge(quick: bool) -> Any:
    from sklearn.kernel_ridge import KernelRidge

    kernel = KernelRidge(kernel="rbf", alpha=0.1, gamma=0.01)
    scaled = TransformedTargetRegressor(kernel, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), scaled)


class Peer(NamedTuple):
    """A method to compare with, and what it is given."""

    make: Callable[[bool], Any]
    package: str = "scikit-learn"
    module: str = "sklearn"
    early_stopping_rows: bool = False
    max_train_samples: int | None = None
    our_features: bool = True


PEERS = {
    "sklearn MLP": Peer(sklearn_mlp),
    "CatBoost": Peer(catboost, "catboost", "catboost", early_stopping_rows=True),
    "CatBoost, fluxes": Peer(
        catboost, "catboost", "catboost", early_stopping_rows=True, our_features=False
    ),
    "LightGBM": Peer(lightgbm, "lightgbm", "lightgbm", early_stopping_rows=True),
    "XGBoost": Peer(xgboost, "xgboost", "xgboost", early_stopping_rows=True),
    "sklearn HGB": Peer(hist_gradient_boosting),
    "random forest": Peer(random_forest),
    "SVR, 10,000 rows": Peer(svr, max_train_samples=N_SVR),
    "RealMLP": Peer(realmlp, "pytabkit", "pytabkit"),
    "TabM": Peer(tabm, "pytabkit", "pytabkit"),
    "10 nearest neighbours": Peer(nearest_neighbours),
    "ridge": Peer(ridge),
    "kernel ridge, 5,000 rows": Peer(kernel_ridge, max_train_samples=N_KERNEL_RIDGE),
}
METHODS = (*OURS, *PEERS)


class PeerRegressor(RegressorMixin, BaseEstimator):
    """A peer, given the validation rows and the luminosity as ours is.

    With our features, the last of which is a luminosity in dex (`scale` is passed through), it
    learns the ratio of the target to it, as the networks of recipe "sfml" do.
    """

    offset_feature = None

    def __init__(self, method: str, *, quick: bool = False) -> None:
        self.method = method
        self.quick = quick

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        X_val: np.ndarray,
        y_val: np.ndarray,
        feature_names: Any = None,
        variants: Any = None,
    ) -> PeerRegressor:
        """Train, stopping early on the rows held back, which calibrate the quantiles too."""
        peer = PEERS[self.method]
        y, y_val = y - self._offset(X), y_val - self._offset(X_val)
        self.regressor_ = peer.make(self.quick)
        if peer.early_stopping_rows:
            self.regressor_.fit(X, y, **_validation_rows(self.method, X_val, y_val))
        else:
            self.regressor_.fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict, in dex."""
        return np.ravel(self.regressor_.predict(X)) + self._offset(X)

    def _offset(self, X: np.ndarray) -> np.ndarray | float:
        return X[:, -1] if PEERS[self.method].our_features else 0.0


def _validation_rows(method: str, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    if method == "LightGBM":
        return {"eval_X": X, "eval_y": y}
    return {"eval_set": [(X, y)], **({"verbose": False} if method == "XGBoost" else {})}


def make_pipeline_of(
    method: str,
    *,
    quick: bool,
    bands: sfml.BandSet = sfml.GAMA,
    targets: Sequence[str] = sfml.TARGETS,
) -> Pipeline:
    """Make a pipeline from the catalogue to the targets, whatever the method."""
    survey = {"bands": bands, "targets": targets, "missing": "reject"}
    if method in OURS:
        pipe = sfml.make_star_formation_pipeline(
            random_state=0, **{**survey, "missing": "allow", **OURS[method]}
        )
        epochs = {f"regress__{target}__epochs": QUICK_ROUNDS for target in targets}
        return pipe.set_params(**epochs) if quick else pipe
    peer = PEERS[method]
    regressor = sfml.StarFormationRegressor(
        [(target, PeerRegressor(method, quick=quick)) for target in targets],
        max_train_samples=peer.max_train_samples,
        random_state=0,
    )
    if peer.our_features:
        pipe = sfml.make_star_formation_pipeline(noise_factor=1, **survey)
        return pipe.set_params(scale="passthrough", regress=regressor)
    select = sfml.make_star_formation_pipeline(**survey)["select"]
    return make_pipeline(
        select,
        RobustScaler(with_centering=False),
        FunctionTransformer(_arcsinh),
        regressor,
    )


def _arcsinh(scaled: np.ndarray) -> np.ndarray:
    """Softened at a tenth of the interquartile range; trees only see the order of values."""
    return np.arcsinh(10 * scaled)


def measure(method: str, path: str | None, labels: str, quick: bool) -> dict[str, Any]:
    """Train, score and time one method; the time to train includes the import of its package."""
    labels = "percentiles" if method == PERCENTILES else labels
    X_train, X_test, y_train, y_test = load_complete(path, quick=quick, labels=labels)
    y_test = y_test[list(sfml.TARGETS)]
    pipe = make_pipeline_of(method, quick=quick)
    cpu_before = time.process_time()
    fit_s = _seconds(lambda: pipe.fit(X_train, y_train))
    fit_cpu_s = time.process_time() - cpu_before
    predicted = pipe.predict(X_test)
    sigma = sfml.metrics.error(y_test, predicted, multioutput="raw_values")
    nmad = sfml.metrics.nmad(y_test, predicted, multioutput="raw_values")
    return {
        "method": method,
        **{f"sigma_{target}": s for target, s in zip(sfml.TARGETS, sigma, strict=True)},
        **{f"nmad_{target}": s for target, s in zip(sfml.TARGETS, nmad, strict=True)},
        **_pinball_losses(pipe, X_test, y_test),
        "fit_s": fit_s,
        "fit_cpu_s": fit_cpu_s,
        "predict_per_s": _prediction_rate(pipe, X_test),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "package": _package(method),
    }


def _pinball_losses(pipe: Pipeline, X: pd.DataFrame, y: pd.DataFrame) -> dict[str, float]:
    """Mean pinball loss over 11 levels; points are calibrated on a fifth held back, as ours are."""
    regress = pipe[-1]
    quantiles = regress.predict_quantiles(pipe[:-1].transform(X), LEVELS)
    below = y.to_numpy()[:, :, np.newaxis] - quantiles
    losses = np.maximum(LEVELS * below, (LEVELS - 1) * below).mean(axis=(0, 2))
    return {f"pinball_{target}": loss for target, loss in zip(sfml.TARGETS, losses, strict=True)}


def _prediction_rate(pipe: Pipeline, X: pd.DataFrame) -> float:
    """Galaxies per second, catalogue in and targets out, on ever more rows until it takes long."""
    n_rows, seconds = len(X), _seconds(lambda: pipe.predict(X))
    while n_rows < PREDICTED_ROWS and seconds < LONG_PREDICTION_S:
        n_rows = min(4 * n_rows, PREDICTED_ROWS)
        many = X.iloc[np.resize(np.arange(len(X)), n_rows)].reset_index(drop=True)
        seconds = _seconds(lambda many=many: pipe.predict(many))
    return n_rows / seconds


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _package(method: str) -> str:
    name = "tensorflow" if method in OURS else PEERS[method].package
    return f"{name} {version(name)}"


def is_installed(method: str) -> bool:
    return method in OURS or importlib.util.find_spec(PEERS[method].module) is not None


def draw(table: pd.DataFrame, path: str) -> None:
    """Sigma against the time to train, one panel per target, ours in colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    for axes, target in zip(figure.subplots(1, 3), sfml.TARGETS, strict=True):
        rows = table.sort_values(f"sigma_{target}")
        sigma = rows[f"sigma_{target}"].to_numpy()
        # Names stand in a column of their own, in the order of sigma, so that none overlap.
        heights = _spread(np.log(sigma), np.log(sigma.max() / sigma.min()) / (1.3 * len(rows)))
        right = table["fit_s"].max() * 1.5
        for method, seconds, value, height in zip(
            rows["method"], rows["fit_s"], sigma, np.exp(heights), strict=True
        ):
            colour = "tab:red" if method in OURS else "tab:gray"
            axes.plot([seconds, right], [value, height], color=colour, lw=0.5)
            axes.plot(seconds, value, "o", color=colour)
            axes.text(right * 1.05, height, method, va="center", fontsize=8, color=colour)
        axes.set(xscale="log", yscale="log", xlim=(None, right * 15))
        axes.set_title(target.replace("_", " "))
        axes.set(xlabel="time to train all targets [s]", ylabel="sigma [dex]")
        ticks = np.geomspace(sigma.min(), sigma.max(), 4)
        axes.set_yticks(ticks, [f"{tick:.3f}" for tick in ticks])
        axes.yaxis.minorticks_off()
    figure.savefig(path, dpi=130)


def _spread(sorted_values: np.ndarray, gap: float) -> np.ndarray:
    """Move sorted values up until neighbours are a gap apart, then back by the mean move."""
    moved = sorted_values.copy()
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    return moved - (moved - sorted_values).mean()


def show(table: pd.DataFrame) -> None:
    formats = {"fit_s": "{:,.1f}", "fit_cpu_s": "{:,.1f}"}
    formats |= {"predict_per_s": "{:,.0f}", "peak_mb": "{:,.0f}"}
    formatters = {column: text.format for column, text in formats.items()}
    print(table.to_string(index=False, float_format="{:.4f}".format, formatters=formatters))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help=HELP)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--without", nargs="+", choices=METHODS, default=[])
    parser.add_argument("--labels", choices=("medians", "truth"), default="medians")
    parser.add_argument("--quick", action="store_true", help="a small mock survey, few rounds")
    parser.add_argument("--output", type=Path, help="CSV file to write the table to")
    parser.add_argument("--figure", type=Path, help="PNG file to draw sigma against time in")
    args = parser.parse_args()
    if args.catalogue is None and not args.quick:
        parser.error("name a catalogue, or ask for --quick")
    results = []
    for method in args.methods:
        if method in args.without or (method == PERCENTILES and args.labels == "truth"):
            continue
        if not is_installed(method):
            print(f"{method}: skipped, {PEERS[method].package} is not installed", flush=True)
            continue
        # A process apart, whose peak memory nothing else has raised.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            result = process.submit(
                measure, method, args.catalogue, args.labels, args.quick
            ).result()
        print(f"{method}: trained in {result['fit_s']:.1f} s", flush=True)
        results.append(result)
        table = pd.DataFrame(results)
        if args.output:
            table.to_csv(args.output, index=False)
    show(table)
    if args.figure:
        draw(table, args.figure)


if __name__ == "__main__":
    main()
