"""Peak memory of training with missing bands allowed, in memory and from Parquet files.

Mock galaxies, repeated and perturbed, of which a tenth of the measurements is missing. Each way
runs in a process of its own, which first trains on 2,000 galaxies, so that the libraries are
loaded; what comes on top is compared with the size of the features in single precision. The
networks train for two epochs: memory does not depend on how many there are.

    python benchmarks/bench_memory.py [--rows 1000000] [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bench_scale import in_new_process, peak_memory

import sfml
from sfml.scale import fit_dataset

ROWS_PER_FILE = 100_000
MISSING = 0.1
WAYS = ("fit", "fit_dataset")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under a minute")
    args = parser.parse_args()
    rows = 20_000 if args.quick else args.rows
    with tempfile.TemporaryDirectory() as name:
        in_new_process(write_catalogue, Path(name), rows)
        measured = [in_new_process(train, Path(name), how) for how in WAYS]
    print(pd.DataFrame(measured).set_index("how").round(2).to_string())


def write_catalogue(folder: Path, n_rows: int) -> None:
    """Write labelled galaxies as Parquet files."""
    X, y = small_survey()
    fluxes = [name for name in X if name.endswith("_flux")]
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, ROWS_PER_FILE):
        n = min(ROWS_PER_FILE, n_rows - start)
        rows = rng.integers(len(X), size=n)
        part = X.iloc[rows].reset_index(drop=True)
        part[fluxes] *= rng.normal(1, 0.02, (n, len(fluxes)))
        part[fluxes] = part[fluxes].mask(rng.random((n, len(fluxes))) < MISSING)
        labelled = pd.concat([part, y.iloc[rows].reset_index(drop=True)], axis=1)
        labelled.to_parquet(folder / f"{start:012}.parquet", index=False)


def train(folder: Path, how: str) -> dict[str, Any]:
    """Train on the catalogue, and measure what memory that took."""
    import pyarrow.dataset

    two_epochs().fit(*small_survey())
    dataset = pyarrow.dataset.dataset(folder)
    pipe, start = two_epochs(), time.perf_counter()
    before = peak_memory()
    if how == "fit":
        table = dataset.to_table().to_pandas()
        y = table[list(sfml.TARGETS)]
        X = table.drop(columns=y.columns)
        del table
        before = peak_memory()  # the catalogue is the user's
        pipe.fit(X, y)
    else:
        fit_dataset(pipe, dataset, random_state=0)
    n_features = len(pipe[:-1].get_feature_names_out())
    features = dataset.count_rows() * n_features * 4 / 2**20
    grown = peak_memory() - before
    return {
        "how": how,
        "galaxies": dataset.count_rows(),
        "features": n_features,
        "features_mb": features,
        "libraries_and_catalogue_mb": before,
        "training_mb": grown,
        "times_the_features": grown / features,
        "seconds": time.perf_counter() - start,
    }


def small_survey() -> tuple[pd.DataFrame, pd.DataFrame]:
    return sfml.make_mock_survey(2_000, n_templates=3_000, random_state=0, return_X_y=True)


def two_epochs() -> sfml.StarFormationPipeline:
    pipe = sfml.make_star_formation_pipeline(missing="allow", random_state=0)
    return pipe.set_params(**{f"regress__{target}__epochs": 2 for target in sfml.TARGETS})


if __name__ == "__main__":
    main()
