"""Cost of predictions per galaxy from Parquet to Parquet, in one process and on dask's workers.

Mock galaxies, repeated and perturbed, are written as Parquet files of 100,000 rows. Then
`predict_dataset` and `write_parquet` run in one process, and `predict_catalog` on a `LocalCluster`
of 1 and 2 workers with one thread each, and of 2 that keep the memory which is freed. A process
apart for each, so that the peak memory is its own. The pipelines are small forests, and the
networks of recipe "sfml" trained for one epoch: the speed does not depend on what the weights are.

    python benchmarks/bench_scale.py [--rows 2000000] [--methods mlp random_forest] [--quick]

With ``--train FILE``, training in chunks is compared with training in memory instead: small
networks, the first 80 % of the rows of a file with GAMA's columns, scores of the last 20 %.

    python benchmarks/bench_scale.py --train ../shared/data/bagpipes_survey.parquet
"""

from __future__ import annotations

import argparse
import pickle
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import catalogues
import joblib
import numpy as np
import pandas as pd

import sfml
from sfml.scale import fit_dataset, predict_catalog, predict_dataset, write_parquet

ROWS_PER_FILE = 100_000
LSST = 20e9
# Dask's workers give freed memory back to the system at once, and ask for it again page by page.
KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 2**30}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--methods", nargs="+", default=["mlp", "random_forest"])
    parser.add_argument("--train", metavar="FILE", help=catalogues.HELP)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under a minute")
    args = parser.parse_args()
    if args.train:
        compare_training(args.train, quick=args.quick)
        return
    rows = 20_000 if args.quick else args.rows
    for method in args.methods:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            in_new_process(prepare, folder, method, rows)
            measured = []
            runs = ((one_process, ()), *((on_workers, o) for o in ((1,), (2,), (2, KEEP_MEMORY))))
            for function, options in runs:
                measured.append(in_new_process(function, folder, *options))
                print(measured[-1], flush=True)
        report(method, rows, measured)


def in_new_process(function: Callable[..., Any], *args: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *args).result()


def prepare(folder: Path, method: str, n_rows: int) -> None:
    """Write a fitted pipeline and a catalogue."""
    X, y = sfml.make_mock_survey(2_000, n_templates=3_000, random_state=0, return_X_y=True)
    pipe = sfml.make_star_formation_pipeline(method=method, random_state=0)
    few = {"n_estimators": 20} if method == "random_forest" else {"epochs": 1}
    pipe.set_params(
        **{f"regress__{target}__{k}": v for target in sfml.TARGETS for k, v in few.items()}
    )
    joblib.dump(pipe.fit(X, y), folder / "pipeline.joblib")
    kept = pipe["select"].select(X)
    fluxes = [name for name in kept if name.endswith("_flux")]
    rng = np.random.default_rng(0)
    (folder / "catalogue").mkdir()
    for start in range(0, n_rows, ROWS_PER_FILE):
        n = min(ROWS_PER_FILE, n_rows - start)
        part = kept.iloc[rng.integers(len(kept), size=n)].reset_index(drop=True)
        part[fluxes] *= rng.normal(1, 0.02, (n, len(fluxes)))
        part.insert(0, "CATAID", np.arange(start, start + n))
        part.to_parquet(folder / "catalogue" / f"{start:012}.parquet", index=False)


def one_process(folder: Path) -> dict[str, Any]:
    """Predict batch by batch, in this process."""
    import pyarrow.dataset

    pipe = joblib.load(folder / "pipeline.joblib")
    dataset = pyarrow.dataset.dataset(folder / "catalogue")
    start, cpu = time.perf_counter(), time.process_time()
    batches = predict_dataset(dataset, pipe, keep=["CATAID"])
    write_parquet(batches, folder / "out.parquet")
    return {
        "how": "predict_dataset, one process",
        "seconds": time.perf_counter() - start,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": peak_memory(),
    }


def on_workers(
    folder: Path, n_workers: int, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Predict partition by partition, on workers of one thread."""
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    pipe = joblib.load(folder / "pipeline.joblib")
    with (
        dask.config.set(settings or {}),
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(n_workers)
        client.run(import_sfml)
        start, cpu = time.perf_counter(), sum(client.run(time.process_time).values())
        lazy = predict_catalog(dd.read_parquet(folder / "catalogue"), pipe, keep=["CATAID"])
        lazy.to_parquet(folder / f"out{n_workers}")
        return {
            "how": f"predict_catalog, {n_workers} worker{'s' if n_workers > 1 else ''}"
            + (", which keep memory" if settings else ""),
            "seconds": time.perf_counter() - start,
            "cpu_s": sum(client.run(time.process_time).values()) - cpu,
            "peak_mb": max(client.run(peak_memory).values()),
            "pipe_mb": len(pickle.dumps(pipe)) / 2**20,
        }


def import_sfml() -> None:
    """Load what a worker needs once, whatever it predicts."""
    import sfml.pipeline  # noqa: F401


def peak_memory() -> float:
    """Peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(method: str, n_rows: int, measured: list[dict[str, Any]]) -> None:
    """Print the cost per galaxy, and what 20 billion would take."""
    table = pd.DataFrame(measured).set_index("how")
    size = table.pop("pipe_mb").max()
    print(f"\n{method}: {n_rows:,} galaxies; the pickled pipeline has {size:.1f} MB")
    table["galaxies_per_s"] = n_rows / table["seconds"]
    table["cpu_us_per_galaxy"] = 1e6 * table["cpu_s"] / n_rows
    table["core_days_for_20e9"] = LSST * table["cpu_s"] / n_rows / 86_400
    print(table.round(1).to_string())


def compare_training(path: str, *, quick: bool) -> None:
    """Print sigma of training in memory and in chunks, for two seeds each."""
    import pyarrow as pa
    import pyarrow.dataset

    X_train, X_test, y_train, y_test = catalogues.split(*catalogues.load(path, quick=quick))
    dataset = pyarrow.dataset.dataset(pa.Table.from_pandas(pd.concat([X_train, y_train], axis=1)))
    sample, chunk = len(X_train) // 4, len(X_train) // 8
    rows = []
    for seed in (0, 1):
        for how in ("in memory", "in chunks"):
            pipe = small_networks(seed, epochs=3 if quick else 30)
            start = time.perf_counter()
            if how == "in memory":
                pipe.fit(X_train, y_train)
            else:
                fit_dataset(pipe, dataset, sample_rows=sample, chunk_rows=chunk, random_state=seed)
            seconds = time.perf_counter() - start
            error = pipe.predict_quietly(X_test) - y_test.to_numpy()
            low, high = np.moveaxis(pipe.predict_interval(X_test, 0.68), 2, 0)
            held = (y_test.to_numpy() >= low) & (y_test.to_numpy() <= high)
            known = np.isfinite(error).all(axis=1)
            rows.append(
                {"how": how, "seed": seed, "fit_s": seconds}
                | dict(zip(y_test, np.std(error[known], axis=0), strict=True))
                | {"coverage_68": held[known].mean()}
            )
    print(f"{len(X_train):,} galaxies to learn from; sample {sample:,}, chunks of {chunk:,} rows")
    print(pd.DataFrame(rows).set_index(["how", "seed"]).sort_index().round(4).to_string())


def small_networks(seed: int, epochs: int) -> sfml.StarFormationPipeline:
    pipe = sfml.make_star_formation_pipeline(random_state=seed)
    network = {"hidden_layer_sizes": (48, 48), "epochs": epochs, "n_networks": 2}
    return pipe.set_params(
        **{f"regress__{target}__{k}": v for target in sfml.TARGETS for k, v in network.items()}
    )


if __name__ == "__main__":
    main()
