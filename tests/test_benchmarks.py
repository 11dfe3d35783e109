"""The benchmark against other libraries runs, on what scikit-learn alone brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_peers_are_compared_on_a_small_survey(tmp_path: Path) -> None:
    written = tmp_path / "peers.csv"
    methods = ["random forest", "SVR, 10,000 rows"]
    command = [sys.executable, BENCHMARKS / "bench_peers.py", "--quick", "--methods", *methods]
    run = subprocess.run(
        [*command, "--output", written, "--figure", tmp_path / "peers.png"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    table = pd.read_csv(written, index_col="method")
    assert list(table.index) == methods
    # The labels scatter by about 0.5, 0.9 and 0.6 dex: a model that learns is far below.
    assert (table["sigma_stellar_mass"] < 0.2).all()
    assert (table["sigma_sfr"] < 0.45).all()
    assert (table["sigma_dust_luminosity"] < 0.3).all()
    assert (table[["fit_s", "predict_per_s", "peak_mb"]] > 0).all(axis=None)
    assert (tmp_path / "peers.png").stat().st_size > 10_000
