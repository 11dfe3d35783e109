"""Networks of one architecture, the scale of their targets, and the arrays that are kept of them.

Importing this module needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class NetworkSpec(NamedTuple):
    """All that a network's compiled program depends on, apart from the number of rows."""

    n_inputs: int
    n_outputs: int
    hidden_layer_sizes: tuple[int, ...]
    activation: Any
    loss: Any
    optimizer: Any
    weight_decay: float | None = None
    quantiles: tuple[float, ...] | None = None

    @property
    def n_quantiles(self) -> int:
        """Outputs of the network for each output of the regressor."""
        return len(self.quantiles or (0.5,))

    @property
    def median(self) -> int:
        """Which of the quantiles is the median."""
        return (self.quantiles or (0.5,)).index(0.5)

    def is_plain(self) -> bool:
        """Whether equal specs mean equal networks: names do, objects with a state do not."""
        return all(isinstance(v, str) for v in (self.activation, self.loss, self.optimizer))


class TargetScaling(NamedTuple):
    """Shift and scale of the targets in training, of shape (n_outputs,)."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def identity(cls, n_outputs: int) -> TargetScaling:
        """Leave targets as they are."""
        return cls(np.zeros(n_outputs), np.ones(n_outputs))

    @classmethod
    def standard(cls, y: np.ndarray, weights: np.ndarray | None) -> TargetScaling:
        """Give targets zero mean and unit variance, weighted if there are weights.

        NaN stands for labels that are not known.
        """
        if weights is None:
            mean, scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        else:
            known = ~np.isnan(y)
            shares = weights[:, np.newaxis] * known
            shares /= shares.sum(axis=0)
            values = np.where(known, y, 0)
            mean = (shares * values).sum(axis=0)
            scale = np.sqrt((shares * (values - mean) ** 2).sum(axis=0))
        return cls(mean, np.where(scale == 0, 1, scale))

    def select(self, outputs: list[int]) -> TargetScaling:
        """Keep some of the outputs."""
        return type(self)(self.mean[outputs], self.scale[outputs])

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Scale targets for training."""
        return (y - self.mean) / self.scale

    def _by_output(self, n_quantiles: int) -> tuple[np.ndarray, np.ndarray]:
        # The quantiles of an output stand side by side.
        return np.repeat(self.mean, n_quantiles), np.repeat(self.scale, n_quantiles)

    def join(
        self, networks: list[list[np.ndarray]], n_quantiles: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Stack the layers of trained networks, to `coefs_` and `intercepts_`, which scale back."""
        stack = networks[0] if len(networks) == 1 else map(np.stack, zip(*networks, strict=True))
        layers = list(stack)
        mean, scale = self._by_output(n_quantiles)
        layers[-2] = (layers[-2] * scale).astype(np.float32)
        layers[-1] = (layers[-1] * scale + mean).astype(np.float32)
        return layers[::2], layers[1::2]

    def separate(
        self, coefs: list[np.ndarray], intercepts: list[np.ndarray], n_quantiles: int
    ) -> list[list[np.ndarray]]:
        """Undo `join`: the weights of each network, as Keras has them."""
        mean, scale = self._by_output(n_quantiles)
        coefs = [*coefs[:-1], coefs[-1] / scale]
        intercepts = [*intercepts[:-1], (intercepts[-1] - mean) / scale]
        weights = [a for pair in zip(coefs, intercepts, strict=True) for a in pair]
        if coefs[0].ndim == 2:
            return [weights]
        return [[a[k] for a in weights] for k in range(len(coefs[0]))]
