"""The benchmarks run, on what scikit-learn alone brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import sfml

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
QUICK = {
    "ablation.py": [],
    "bench_cli.py": [],
    "bench_coverage.py": [],
    "bench_grid.py": [],
    "bench_intervals.py": ["--methods", "mlp", "random_forest"],
    "bench_learning_curve.py": [],
    "bench_library.py": [],
    "bench_missing.py": [],
    "bench_peers.py": ["--methods", "sfml, complete", "sklearn MLP", "sklearn HGB"],
    "bench_predict.py": ["--recipe", "sfml"],
    "bench_sample.py": [],
    "bench_scale.py": [],
    "bench_simulate.py": [],
    "bench_train.py": [],
    "table3.py": [],
}


@pytest.fixture
def benchmarks(monkeypatch):
    """Let the benchmarks' modules be imported, as they import each other."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def run(name: str, *arguments: str | Path, timeout: int = 120) -> str:
    command = [sys.executable, BENCHMARKS / name, "--quick", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_quick_runs_end_well(name: str) -> None:
    assert run(name, *QUICK[name], timeout=600)


@pytest.mark.slow
def test_peers_are_compared_on_a_small_survey(tmp_path: Path) -> None:
    written = tmp_path / "peers.csv"
    methods = ["random forest", "SVR, 10,000 rows"]
    figure = tmp_path / "peers.png"
    run("bench_peers.py", "--methods", *methods, "--output", written, "--figure", figure)
    table = pd.read_csv(written, index_col="method")
    assert list(table.index) == methods
    # The labels scatter by about 0.5, 0.9 and 0.6 dex: a model that learns is far below.
    assert (table["sigma_stellar_mass"] < 0.2).all()
    assert (table["sigma_sfr"] < 0.45).all()
    assert (table["sigma_dust_luminosity"] < 0.3).all()
    assert (table[["fit_s", "predict_per_s", "peak_mb"]] > 0).all(axis=None)
    assert figure.stat().st_size > 10_000


@pytest.mark.slow
def test_predictions_stand_beside_fits_and_a_second_run_keeps_the_first(tmp_path: Path) -> None:
    pytest.importorskip("bagpipes")
    first = run("bench_bagpipes.py", tmp_path, timeout=600)
    assert "2 galaxies, 6 free parameters, 25 live points" in first
    table = pd.read_csv(tmp_path / "table.csv", index_col=0)
    assert list(table) == list(sfml.TARGETS)
    assert table.loc["truth covered, Bagpipes"].between(0, 1).all()
    assert (tmp_path / "bagpipes.png").stat().st_size > 10_000
    again = run("bench_bagpipes.py", tmp_path, timeout=120)
    compared = [printed.split("live points")[1].split("seconds")[0] for printed in (first, again)]
    assert compared[0] == compared[1]
    assert "models a second" not in again


@pytest.mark.usefixtures("benchmarks")
def test_every_change_of_the_ablation_changes_the_recipe() -> None:
    from ablation import CHANGES

    recipe = str(sfml.make_star_formation_pipeline().get_params())
    for name, change in CHANGES.items():
        changed = str(change(sfml.make_star_formation_pipeline()).get_params())
        assert (changed == recipe) == (name in ("recipe, 2 networks", "6 networks (the default)"))


@pytest.mark.usefixtures("benchmarks")
def test_the_first_rows_are_learnt_from_and_the_last_tested(shared_data: Path) -> None:
    from catalogues import load_complete

    path = str(shared_data / "bagpipes_survey.parquet")
    X_train, X_test, y_train, y_test = load_complete(path, quick=False)
    assert X_train.index.max() < 32_000 <= X_test.index.min()
    # Counted from the file: galaxies without a -999 in any band.
    assert len(X_train) + len(X_test) == 28_845
    assert list(y_train) == list(y_test) == list(sfml.TARGETS)
    assert X_train.index.equals(y_train.index)
    assert (X_train[list(sfml.GAMA.flux_columns)] < 0).any(axis=1).mean() > 0.4
