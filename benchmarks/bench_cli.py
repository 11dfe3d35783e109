"""Rows per second and peak memory of `sfml predict`, from Parquet to Parquet.

A pipeline is fitted for one epoch (the speed does not depend on what the weights are) and saved.
Its galaxies are repeated, each with other noise, to a Parquet file of as many rows as asked for.
Then, each in a process of its own:

- `sfml predict`: medians, 16th and 84th percentiles, flags and reasons, resumable;
- medians alone, read in the same batches and written in a file, not resumable;
- reading and writing alone: the columns that the model needs are read, and the output of `sfml
  predict` is read and written again.

    python benchmarks/bench_cli.py [--rows 1000000] [--catalogue bagpipes_survey.parquet] [--quick]

Galaxies are of the mock survey unless a catalogue in GAMA's layout is given. The last line is the
rate of `sfml predict`, starting the program included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import sfml
from sfml.cli.stream import read_ahead
from sfml.io import open_catalogue
from sfml.persistence import load, save

BATCH_ROWS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--catalogue", type=Path, help="Parquet file in GAMA's layout")
    parser.add_argument("--folder", type=Path, help="where to put the files meanwhile")
    parser.add_argument("--quick", action="store_true", help="200,000 rows: under a minute")
    args = parser.parse_args()
    n_rows = 200_000 if args.quick else args.rows
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        in_new_process(prepare, folder, n_rows, args.catalogue)
        size = (folder / "in.parquet").stat().st_size / 2**20
        print(f"{n_rows:,} rows, {size:,.0f} MB of Parquet")
        rows = {
            "sfml predict": in_new_process(predict, folder),
            "medians alone": in_new_process(medians, folder),
            "reading and writing alone": in_new_process(read_and_write, folder),
        }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["seconds", "peak, MB"])
    table["rows/s"] = n_rows / table["seconds"]
    table["time of sfml predict / of this"] = table["seconds"].iloc[0] / table["seconds"]
    print(table.to_string(float_format=lambda v: f"{v:,.0f}" if v >= 100 else f"{v:.2f}"))
    print(f"{table['rows/s'].iloc[0]:,.0f} rows/s")


def in_new_process(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a fresh process; its peak memory is raised by nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def prepare(folder: Path, n_rows: int, catalogue: Path | None) -> None:
    """Save a fitted pipeline, and a catalogue of many rows."""
    if catalogue is None:
        X, y = sfml.make_mock_survey(2_000, n_templates=3_000, random_state=0, return_X_y=True)
    else:
        table = pd.read_parquet(catalogue)
        X, y = (
            table[list(sfml.GAMA.columns)],
            table[list(sfml.targets.GAMA_TARGET_COLUMNS.values())],
        )
    pipe = sfml.make_star_formation_pipeline(random_state=0)
    pipe.set_params(**{f"regress__{target}__epochs": 1 for target in sfml.TARGETS})
    save(pipe.fit(X, y), folder / "model.safetensors")
    write_many(X, n_rows, folder / "in.parquet")


def write_many(X: pd.DataFrame, n_rows: int, path: Path) -> None:
    """Write a catalogue that repeats galaxies, each time with other noise."""
    rng = np.random.default_rng(0)
    fluxes, errors = list(sfml.GAMA.flux_columns), list(sfml.GAMA.error_columns)
    writer = None
    for start in range(0, n_rows, BATCH_ROWS):
        n = min(BATCH_ROWS, n_rows - start)
        rows = X.iloc[rng.integers(0, len(X), n)].reset_index(drop=True)
        flux, error = rows[fluxes].to_numpy(), rows[errors].to_numpy()
        noise = 0.3 * error * rng.normal(size=flux.shape)
        rows[fluxes] = np.where(error > 0, flux + noise, flux)
        rows.insert(0, "CATAID", np.arange(start, start + n))
        rows.insert(1, "RA", rng.uniform(0, 360, n))
        rows.insert(2, "DEC", rng.uniform(-90, 90, n))
        table = pa.Table.from_pandas(rows, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def predict(folder: Path) -> tuple[float, float]:
    """Time the command itself."""
    paths = [folder / name for name in ("model.safetensors", "in.parquet", "out.parquet")]
    model, source, output = map(str, paths)
    command = [sys.executable, "-m", "sfml", "predict", model, source, "-o", output, "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def medians(folder: Path) -> tuple[float, float]:
    """Time medians without intervals, flags and parts."""
    start = time.perf_counter()
    pipe = load(folder / "model.safetensors")

    def tables() -> Iterator[pa.Table]:
        for batch in batches(folder / "in.parquet", pipe):
            yield pa.table(dict(zip(sfml.TARGETS, pipe.predict_quietly(batch).T, strict=True)))

    write(tables(), folder / "medians.parquet")
    return time.perf_counter() - start, peak_memory()


def read_and_write(folder: Path) -> tuple[float, float]:
    """Time reading what the model needs, and writing what was predicted."""
    pipe = load(folder / "model.safetensors")
    start = time.perf_counter()
    for _ in batches(folder / "in.parquet", pipe):
        pass
    with pq.ParquetFile(folder / "out.parquet") as file:
        groups = (file.read_row_group(i) for i in range(file.num_row_groups))
        write(groups, folder / "again.parquet")
    return time.perf_counter() - start, peak_memory()


def batches(path: Path, pipe: Any) -> Iterator[pd.DataFrame]:
    columns = list(pipe["select"].feature_names_in_)
    reader = open_catalogue(path, bands=pipe["select"].bands_)
    yield from read_ahead(reader.only(*columns).batches(BATCH_ROWS))


def write(tables: Iterator[pa.Table], path: Path) -> None:
    writer = None
    for table in tables:
        if writer is None:
            repeated = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
            writer = pq.ParquetWriter(
                path, table.schema, compression="zstd", use_dictionary=repeated
            )
        writer.write_table(table)
    if writer is not None:
        writer.close()


def peak_memory() -> float:
    """Largest resident size of this process until now, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
