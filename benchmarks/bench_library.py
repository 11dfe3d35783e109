"""How many of Bagpipes' models are made per second, with one process and with more.

The first models of each process are not counted: Bagpipes is imported and its grids are read.

    python benchmarks/bench_library.py [--models 4000] [--jobs 1 2] [--quick]
"""

from __future__ import annotations

import argparse
import os
import time

import sfml
from sfml.simulate import bagpipes_library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=4000)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true", help="few models")
    args = parser.parse_args()
    n_models = 500 if args.quick else args.models
    print(f"{len(sfml.GAMA)} bands; load of the machine {os.getloadavg()[0]:.1f}")
    for n_jobs in args.jobs:
        bagpipes_library(500 * n_jobs, sfml.GAMA, n_jobs=n_jobs, random_state=1)
        start, busy = time.perf_counter(), time.process_time()
        bagpipes_library(n_models, sfml.GAMA, n_jobs=n_jobs, random_state=0)
        seconds = time.perf_counter() - start
        line = f"{n_jobs} processes: {n_models / seconds:.0f} models per second"
        if n_jobs == 1:
            spent = time.process_time() - busy
            line += f", {1e3 * spent / n_models:.2f} ms of processor time each"
        print(line, flush=True)


if __name__ == "__main__":
    main()
