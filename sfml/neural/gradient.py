"""Derivatives of a trained network with respect to its inputs, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import erf, expit

from sfml.neural.forward import ACTIVATIONS, BLOCK_ROWS
from sfml.parallel import single_threaded_blas


def _gelu_slope(x: np.ndarray) -> np.ndarray:
    density = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return 0.5 * (1 + erf(x / np.sqrt(2))) + x * density


def _sigmoid_slope(x: np.ndarray) -> np.ndarray:
    y = expit(x)
    return y * (1 - y)


def _silu_slope(x: np.ndarray) -> np.ndarray:
    y = expit(x)
    return y * (1 + x * (1 - y))


SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))),
    "gelu": _gelu_slope,
    "leaky_relu": lambda x: np.where(x > 0, 1.0, 0.2),
    "linear": np.ones_like,
    "relu": lambda x: (x > 0).astype(np.float64),
    "sigmoid": _sigmoid_slope,
    "silu": _silu_slope,
    "softplus": expit,
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
}
"""Derivatives of the functions in `ACTIVATIONS`; none overwrites its argument."""


@np.errstate(all="ignore")  # as in the forward pass
def input_gradient(
    X: np.ndarray,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    activation: str,
    outputs: Sequence[int],
) -> np.ndarray:
    """Differentiate outputs of a fully connected network by its inputs.

    Parameters
    ----------
    X, coefs, intercepts, activation
        The inputs themselves, and the network: as of `sfml.neural.forward.forward`.
    outputs : sequence of int
        Outputs to differentiate.

    Returns
    -------
    ndarray of shape (n_samples, len(outputs), n_features), float64
        The mean over the networks.
    """
    # In double precision, unlike the forward pass: derivatives are asked for seldom.
    weights = [coef.reshape(-1, *coef.shape[-2:]).astype(np.float64) for coef in coefs]
    biases = [b.reshape(-1, 1, b.shape[-1]).astype(np.float64) for b in intercepts]
    out = np.empty((len(X), len(outputs), X.shape[1]))
    with single_threaded_blas():
        for start in range(0, len(X), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            slopes = _slopes(X[block], weights, biases, activation)
            for k, output in enumerate(outputs):
                out[block, k] = _backward(weights, slopes, output, len(X[block]))
    return out


def _slopes(
    X: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray], activation: str
) -> list[np.ndarray]:
    """Slopes of the activation at every node, (n_networks, n_samples, n_nodes) per hidden layer."""
    hidden, slopes = X.astype(np.float64), []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = hidden @ weight + bias
        slopes.append(SLOPES[activation](x))
        hidden = ACTIVATIONS[activation](x)
    return slopes


def _backward(
    weights: list[np.ndarray], slopes: list[np.ndarray], output: int, n_samples: int
) -> np.ndarray:
    """Carry the derivative of one output back to the inputs; mean over the networks."""
    last = weights[-1][:, np.newaxis, :, output]
    gradient = np.repeat(last, n_samples, axis=1)
    for weight, slope in zip(weights[-2::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ weight.swapaxes(1, 2)
    return gradient.mean(axis=0)
