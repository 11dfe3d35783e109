"""Seconds per epoch: our trainer against plain `keras.Model.fit`, in one run.

Both train the same network on as many rows with the same batches, optimizer and loss, and look at
the validation loss every epoch. They take turns, so that whatever else the machine does hits both.
The size is the paper's: 48,931 galaxies with 21 fluxes and a redshift, a fifth of them held aside.

    python benchmarks/bench_train.py [--network stellar_mass|sfr|dust_luminosity] [--quick]

The last line is the ratio of the median times of an epoch.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd

from sfml import KerasMLPRegressor
from sfml.recipes import SURANA2020_NETWORKS

N_GALAXIES, N_FEATURES = 48_931, 22
N_VALIDATION = round(0.2 * N_GALAXIES)
BATCH_SIZE = 256
PLAIN_EPOCHS_A_TURN = 4


class EpochTimes(keras.callbacks.Callback):
    """Wall-clock seconds of each epoch, its validation included."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop the clock."""
        self.seconds.append(time.perf_counter() - self._start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=SURANA2020_NETWORKS, default="stellar_mass")
    parser.add_argument("--turns", type=int, default=10, help="turns that each trainer gets")
    parser.add_argument("--quick", action="store_true", help="four turns: under 50 s")
    args = parser.parse_args()
    turns = 4 if args.quick else args.turns
    sizes = SURANA2020_NETWORKS[args.network]["hidden_layer_sizes"]
    print(
        f"network {args.network} {sizes}, {N_GALAXIES - N_VALIDATION:,} rows to learn from, "
        f"{N_VALIDATION:,} for validation, batches of {BATCH_SIZE}, {turns} turns"
    )
    plain, ours = compare(sizes, turns)
    table = pd.DataFrame({"Model.fit": plain, "sfml": ours}).T
    print(table.to_string(float_format="{:.4g}".format))
    print(f"ratio of the fastest epochs: {plain['min s/epoch'] / ours['min s/epoch']:.1f}x")
    print(f"{plain['median s/epoch'] / ours['median s/epoch']:.1f}x")


def compare(sizes: tuple[int, ...], turns: int) -> tuple[dict[str, float], dict[str, float]]:
    """Let both train in turn; timings, losses and memory of each."""
    X, y = make_rows()
    network = plain_network(sizes)
    turn_of_plain = [X[N_VALIDATION:], y[N_VALIDATION:], (X[:N_VALIDATION], y[:N_VALIDATION])]
    n_epochs = turns * PLAIN_EPOCHS_A_TURN
    timers: dict[str, list[list[float]]] = {"plain": [], "ours": []}
    memory: dict[str, float] = {}
    for _ in range(turns):
        seconds, plain_loss = train_plain(network, *turn_of_plain)
        timers["plain"].append(seconds)
        memory.setdefault("plain", peak_memory())
        # Ours starts afresh at every turn, with the program compiled in the first.
        seconds, our_loss = train_ours(sizes, X, y, n_epochs)
        timers["ours"].append(seconds)
        memory.setdefault("ours", peak_memory())
    return (
        summarise(timers["plain"], plain_loss, n_epochs, memory["plain"]),
        summarise(timers["ours"], our_loss, n_epochs, memory["ours"]),
    )


def make_rows() -> tuple[np.ndarray, np.ndarray]:
    """Standardised inputs and a smooth, noisy target about 10 dex."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_GALAXIES, N_FEATURES), dtype=np.float32)
    directions = rng.standard_normal((N_FEATURES, 3)) / np.sqrt(N_FEATURES)
    y = 10 + np.tanh(X @ directions).sum(axis=1) + 0.1 * rng.standard_normal(N_GALAXIES)
    return X, y.astype(np.float32)


def plain_network(sizes: tuple[int, ...]) -> keras.Sequential:
    hidden = [
        keras.layers.Dense(n, activation="relu", kernel_initializer="random_normal") for n in sizes
    ]
    output = keras.layers.Dense(1, kernel_initializer="random_normal")
    network = keras.Sequential([keras.layers.Input((N_FEATURES,)), *hidden, output])
    network.compile(optimizer=keras.optimizers.Adam(0.001), loss="mean_absolute_error")
    return network


def train_plain(
    network: keras.Sequential, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, ...]
) -> tuple[list[float], float]:
    timer = EpochTimes()
    history = network.fit(
        X,
        y,
        batch_size=BATCH_SIZE,
        epochs=PLAIN_EPOCHS_A_TURN,
        validation_data=validation,
        callbacks=[timer],
        verbose=0,
    )
    return timer.seconds, history.history["val_loss"][-1]


def train_ours(
    sizes: tuple[int, ...], X: np.ndarray, y: np.ndarray, n_epochs: int
) -> tuple[list[float], float]:
    timer = EpochTimes()
    mlp = KerasMLPRegressor(
        sizes,
        batch_size=BATCH_SIZE,
        epochs=n_epochs,
        patience=None,
        callbacks=[timer],
        random_state=0,
    )
    mlp.fit(X, y)
    return timer.seconds, mlp.history_["val_loss"].iloc[-1]


def summarise(
    turns: list[list[float]], val_loss: float, n_epochs: int, memory: float
) -> dict[str, float]:
    """Figures of one trainer; the first epoch of a turn also sets things up, and is left out."""
    steady = np.concatenate([seconds[1:] for seconds in turns])
    median = float(np.median(steady))
    return {
        "median s/epoch": median,
        "min s/epoch": float(steady.min()),
        "epochs timed": len(steady),
        "compile s": turns[0][0] - median,
        f"val. loss at epoch {n_epochs}": val_loss,
        "peak MB so far": memory,
    }


def peak_memory() -> float:
    """Largest resident size of this process until now, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
