"""The forward pass of a trained network, in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.special import erf

from sfml.parallel import single_threaded_blas

# BLAS picks its kernels, and with them the order in which it adds up, by the shape of the matrices.
# Every block of a model has the same number of rows, the last one filled up, so that a galaxy's
# prediction does not depend, even in its last bit, on how many others stand beside it. A layer of
# 220 nodes (float32) is at most 0.9 MB, which stays in a core's cache.
BLOCK_ROWS = 1024
OUTPUT_COLUMNS = 16


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


def block_rows(n_networks: int) -> int:
    """Rows per block: a power of two, and about `BLOCK_ROWS` for all networks together.

    A single galaxy costs a block: with 6 networks, 1 ms of 128 rows rather than 13 ms of 1024,
    while many galaxies take no longer.
    """
    return 1 << (BLOCK_ROWS // n_networks | 1).bit_length() - 1


def forward(
    X: np.ndarray,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    activation: str,
    write: Callable[[np.ndarray, np.ndarray], None] = lambda X, out: np.copyto(out, X, "same_kind"),
) -> np.ndarray:
    """Run a fully connected network with a linear output layer.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows of which `write` makes the inputs.
    coefs : sequence of ndarray of shape (n_in, n_out) or (n_networks, n_in, n_out), float32
        Weights, one array per layer.
    intercepts : sequence of ndarray of shape (n_out,) or (n_networks, n_out), float32
        Biases, one array per layer.
    activation : str
        Key of `ACTIVATIONS`, for every layer but the last.
    write : callable
        Writes the inputs of some rows of X into an array of shape (n_rows, n_inputs), float32.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs), float32
        The mean over the networks.
    """
    coefs = [coef.reshape(-1, *coef.shape[-2:]) for coef in coefs]
    intercepts = [intercept.reshape(-1, 1, intercept.shape[-1]) for intercept in intercepts]
    out = np.empty((len(X), coefs[-1].shape[-1]), dtype=np.float32)
    size = block_rows(len(coefs[0]))

    def run(share: slice) -> None:
        _forward_blocks(X[share], coefs, intercepts, ACTIVATIONS[activation], write, out[share])

    with single_threaded_blas() as n_threads:
        n_threads = max(1, min(n_threads, len(X) // BLOCK_ROWS))
        if n_threads == 1:
            run(slice(None))
            return out
        with ThreadPoolExecutor(n_threads) as pool:
            # Shares of whole blocks; one thread more than its share is never needed.
            n_blocks = -(-len(X) // size)
            bounds = size * np.linspace(0, n_blocks, n_threads + 1).astype(int)
            shares = itertools.starmap(slice, itertools.pairwise(bounds))
            for job in [pool.submit(run, share) for share in shares]:
                job.result()
    return out


@np.errstate(all="ignore")  # of the thread: a tiny product is 0, a huge input has no prediction
def _forward_blocks(
    X: np.ndarray,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    act: Callable[[np.ndarray], np.ndarray],
    write: Callable[[np.ndarray, np.ndarray], None],
    out: np.ndarray,
) -> None:
    """Run the networks block by block, into `out`."""
    size = block_rows(len(coefs[0]))
    n_outputs = coefs[-1].shape[-1]
    # Products narrower than BLAS's tiles are added up in an order that depends on the neighbours.
    missing = -n_outputs % OUTPUT_COLUMNS
    output_coefs = np.pad(coefs[-1], [(0, 0), (0, 0), (0, missing)])
    inputs = np.zeros((size, coefs[0].shape[-2]), dtype=np.float32)
    layers = [np.empty((len(b), size, b.shape[-1]), np.float32) for b in intercepts[:-1]]
    for start in range(0, len(X), size):
        n_rows = min(size, len(X) - start)
        write(X[start : start + n_rows], inputs[:n_rows])
        hidden = inputs
        for layer, coef, intercept in zip(layers, coefs[:-1], intercepts[:-1], strict=True):
            np.matmul(hidden, coef, out=layer)
            layer += intercept
            hidden = act(layer)
        outputs = np.matmul(hidden, output_coefs).mean(axis=0)
        out[start : start + n_rows] = outputs[:n_rows, :n_outputs]
    out += intercepts[-1].mean(axis=(0, 1))
