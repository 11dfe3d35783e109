"""The forward pass of a trained network, in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.special import erf

from sfml.parallel import single_threaded_blas

# BLAS picks its kernels, and with them the order in which it adds up, by the shape of the matrices
# and by the place within them. A galaxy's prediction must not depend, even in its last bit, on the
# others beside it: so every block has the same shape, the last one filled up; rows of X are its
# columns, which BLAS works through in tiles that are alike; and the first and last tile, which
# OpenBLAS treats apart on AVX2, are left empty. With 320 columns, a layer of 220 nodes (float32)
# is 0.3 MB, which stays in a core's cache.
BLOCK_ROWS = 288
EMPTY_COLUMNS = 16
# Blocks of a few networks are run together, so that threads meet seldom.
BLOCKS_AT_ONCE = 4
# Narrower products are added up in yet another order.
OUTPUT_NODES = 16


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _leaky_relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, np.float32(0.2) * x, out=x)  # Keras's default negative slope


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # By NumPy's vectorised tanh, which is four times as fast as scipy's expit.
    half = np.tanh(np.float32(0.5) * x)
    half += 1
    half *= np.float32(0.5)
    return half


def _silu(x: np.ndarray) -> np.ndarray:
    return np.multiply(x, _sigmoid(x), out=x)


def _gelu(x: np.ndarray) -> np.ndarray:
    return np.multiply(x, 0.5 * (1 + erf(x * np.float32(np.sqrt(0.5)))), out=x, casting="same_kind")


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0, out=x)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": _elu,
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
    "linear": lambda x: x,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "softplus": _softplus,
    "tanh": lambda x: np.tanh(x, out=x),
}
"""Activations known to the forward pass, by their Keras names; each may overwrite its argument."""


def forward(
    X: np.ndarray,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    activation: str,
    write: Callable[[np.ndarray, np.ndarray], None] = lambda X, out: np.copyto(out, X, "same_kind"),
    spread_of: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Run fully connected networks with a linear output layer; give their mean and their spread.

    `write` makes the inputs, (n_rows, n_inputs) in float32, of some rows of X. Weights are of shape
    (n_in, n_out) per layer, or (n_networks, n_in, n_out), biases alike. Every layer but the last
    has the `activation`, a key of `ACTIVATIONS`.

    The mean has the shape (n_samples, n_outputs), the spread, which is the networks' standard
    deviation in the outputs `spread_of`, (n_samples, len(spread_of)) in float32. The mean is
    float64: its common part, of several dex, would else cost digits that calibration
    asks for.
    """
    coefs = [coef.reshape(-1, *coef.shape[-2:]) for coef in coefs]
    intercepts = [intercept.reshape(-1, intercept.shape[-1], 1) for intercept in intercepts]
    out = np.empty((len(X), coefs[-1].shape[-1]))
    spread = np.empty((len(X), len(spread_of)), dtype=np.float32)
    asked = list(spread_of)

    def run(share: slice) -> None:
        act = ACTIVATIONS[activation]
        some = out[share], spread[share]
        _forward_blocks(X[share], coefs, intercepts, act, write, asked, *some)

    with single_threaded_blas() as n_threads:
        n_threads = max(1, min(n_threads, len(X) // BLOCK_ROWS))
        if n_threads == 1:
            run(slice(None))
            return out, spread
        with ThreadPoolExecutor(n_threads) as pool:
            # Shares of whole blocks; one thread more than its share is never needed.
            n_blocks = -(-len(X) // BLOCK_ROWS)
            bounds = BLOCK_ROWS * np.linspace(0, n_blocks, n_threads + 1).astype(int)
            shares = itertools.starmap(slice, itertools.pairwise(bounds))
            for job in [pool.submit(run, share) for share in shares]:
                job.result()
    return out, spread


@np.errstate(all="ignore")  # of the thread: a tiny product is 0, a huge input has no prediction
def _forward_blocks(
    X: np.ndarray,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    act: Callable[[np.ndarray], np.ndarray],
    write: Callable[[np.ndarray, np.ndarray], None],
    spread_of: list[int],
    out: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Run the networks on several blocks at a time, into `out`; rows are columns of a block."""
    n_outputs = coefs[-1].shape[-1]
    missing = -n_outputs % OUTPUT_NODES
    weights = [*coefs[:-1], np.pad(coefs[-1], [(0, 0), (0, 0), (0, missing)])]
    most = max(1, min(BLOCKS_AT_ONCE // len(weights[0]), -(-len(X) // BLOCK_ROWS)))
    columns = BLOCK_ROWS + 2 * EMPTY_COLUMNS
    inputs = np.zeros((most, 1, coefs[0].shape[-2], columns), dtype=np.float32)
    layers = [np.empty((most, *w.shape[::2], columns), np.float32) for w in weights]
    starts = range(0, len(X), BLOCK_ROWS)
    for first in range(0, len(starts), most):
        parts = [slice(start, start + BLOCK_ROWS) for start in starts[first : first + most]]
        for block, part in zip(inputs, parts, strict=False):
            write(X[part], block[0, :, EMPTY_COLUMNS:][:, : len(X[part])].T)
        hidden = inputs[: len(parts)]
        for layer, weight, intercept in zip(layers, weights, [*intercepts[:-1], None], strict=True):
            product = np.matmul(weight.swapaxes(1, 2), hidden, out=layer[: len(parts)])
            hidden = product if intercept is None else act(np.add(product, intercept, out=product))
        for block, part in zip(hidden.mean(axis=1), parts, strict=True):
            out[part] = block[:n_outputs, EMPTY_COLUMNS:][:, : len(X[part])].T
        if spread_of:
            # Less the common part, of several dex, whose rounding would hide small differences.
            apart = intercepts[-1] - intercepts[-1].mean(axis=0)
            wanted = hidden[:, :, spread_of] + apart[:, spread_of]
            for block, part in zip(wanted.std(axis=1), parts, strict=True):
                spread[part] = block[:, EMPTY_COLUMNS:][:, : len(X[part])].T
    out += intercepts[-1].mean(axis=(0, 2), dtype=np.float64)
