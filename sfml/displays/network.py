"""The layers of a fitted network as a diagram (Fig. 5 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.displays.base import BLUE, VERMILLION, Display, plain_name
from sfml.metrics.pairing import learnt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Nodes of a layer that are drawn at most, half from each end; more cannot be told apart.
_MOST_NODES = 12
# The weights of a layer that are as good as none, of the largest, are drawn no fainter.
_FAINTEST, _DARKEST = 0.04, 0.6


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkDisplay(Display):
    """Inputs, layers and outputs of a fitted network, and the weights between them.

    Of layers of more than 12 nodes, six from each end are drawn. A line is a weight, blue if it is
    positive and vermillion if negative; the larger it is within its layer, the darker. It says how
    the network is built, and not which input matters: see `sfml.explain` for that.

    Make one with `from_estimator` or `from_weights`.

    Parameters
    ----------
    weights : list of ndarray of shape (n_in, n_out)
        The weights, one matrix per layer.
    activation : str
        Activation of the hidden layers.
    names : sequence of str of length n_inputs, default=None
        Names of the inputs.
    title : str, default=None
        What the network predicts.

    Attributes
    ----------
    ax_ : Axes
        The panel.
    figure_
    nodes_ : list of PathCollection
        The nodes of each layer, the inputs first.
    lines_ : list of LineCollection
        The weights of each layer.
    labels_ : list of Text
        The number of nodes of each layer, and their activation.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.displays import NetworkDisplay
    >>> weights = [np.ones((22, 44)), np.ones((44, 66)), np.ones((66, 1))]
    >>> display = NetworkDisplay.from_weights(weights, activation="relu")
    >>> display.sizes
    [22, 44, 66, 1]
    """

    weights: list[np.ndarray]
    activation: str
    names: Sequence[str] | None = None
    title: str | None = None

    panel_size = (8.0, 4.8)

    @property
    def sizes(self) -> list[int]:
        """Number of nodes of each layer, from the inputs to the outputs."""
        return [len(self.weights[0]), *(layer.shape[1] for layer in self.weights)]

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, target: str | None = None, network: int = 0, ax: Axes | None = None
    ) -> Self:
        """Draw the network of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted regressor whose `coefs_` are the weights of its layers, as those of
            `KerasMLPRegressor` and of scikit-learn's `MLPRegressor`; or a Pipeline or search with
            such regressors at its end.
        target : str, default=None
            The target whose network is drawn; needed if there are several.
        network : int, default=0
            Which of several networks that are averaged.
        ax

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        TypeError
            If the estimator is not fitted, or no network.
        ValueError
            If there is no such target, or none is chosen of several, or no such network.
        """
        chosen = _choose(estimator, target)
        weights = learnt(chosen, "coefs_")
        if weights is None:
            raise TypeError(
                f"{type(chosen).__name__} has no coefs_: only networks that are fitted do."
            )
        count = len(weights[0]) if weights[0].ndim == 3 else 1
        if not 0 <= network < count:
            raise ValueError(f"network must be from 0 to {count - 1}; got {network!r}.")
        layers = [layer[network] if layer.ndim == 3 else layer for layer in weights]
        title = plain_name(target) if target is not None else None
        if count > 1:
            title = f"{title or 'network'}, one of {count} networks"
        return cls.from_weights(
            layers,
            activation=_activation(chosen),
            names=_input_names(estimator, chosen, len(layers[0])),
            title=title,
            ax=ax,
        )

    @classmethod
    def from_weights(
        cls,
        weights: Sequence[Any],
        *,
        activation: str,
        names: Sequence[str] | None = None,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw given weights.

        Parameters
        ----------
        weights : sequence of array-like of shape (n_in, n_out)
            One matrix per layer.
        activation : str
            Activation of the hidden layers, for the labels.
        names : sequence of str of length n_inputs, default=None
            Names of the inputs.
        title : str, default=None
            What the network predicts.
        ax

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        ValueError
            If the layers do not follow from one another, or names are too many or too few.
        """
        layers = [np.asarray(layer, dtype=float) for layer in weights]
        shapes = [layer.shape for layer in layers]
        follow = all(len(shape) == 2 for shape in shapes) and all(
            before[1] == after[0] for before, after in pairwise(shapes)
        )
        if not layers or not follow:
            raise ValueError(
                "weights must hold one matrix (n_in, n_out) per layer, each with as many rows as "
                f"the one before has columns; got shapes {shapes}."
            )
        if names is not None and len(names) != len(layers[0]):
            raise ValueError(f"names must name {len(layers[0])} inputs; got {len(names)}.")
        display = cls(weights=layers, activation=activation, names=names, title=title)
        return display.plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        shown = [_shown(size) for size in self.sizes]
        places = [_places(nodes, size) for nodes, size in zip(shown, self.sizes, strict=True)]
        self.lines_ = [
            self._draw_weights(k, layer[np.ix_(shown[k], shown[k + 1])], places[k], places[k + 1])
            for k, layer in enumerate(self.weights)
        ]
        self.nodes_ = [self._draw_nodes(k, heights) for k, heights in enumerate(places)]
        self.labels_ = [self._label(k, size) for k, size in enumerate(self.sizes)]
        if self.names is not None:
            for node, height in zip(shown[0], places[0], strict=True):
                self.ax_.annotate(
                    self.names[node],
                    (0, height),
                    (-8, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize="small",
                )
        left = -0.9 if self.names is not None else -0.4
        self.ax_.set(xlim=(left, len(self.sizes) - 0.6), ylim=(-1.45, 1.1))
        self.ax_.set_axis_off()
        if self.title is not None:
            self.ax_.set_title(self.title)

    def _draw_weights(self, k: int, layer: np.ndarray, left: Any, right: Any) -> Any:
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba_array

        ends = [[(k, a), (k + 1, b)] for a in left for b in right]
        values = layer.ravel()
        largest = np.abs(values).max(initial=0) or 1.0
        colours = to_rgba_array(np.where(values >= 0, BLUE, VERMILLION).tolist())
        colours[:, 3] = _FAINTEST + (_DARKEST - _FAINTEST) * np.abs(values) / largest
        lines = LineCollection(ends, colors=colours, linewidths=0.8, zorder=1)
        return self.ax_.add_collection(lines)

    def _draw_nodes(self, k: int, heights: np.ndarray) -> Any:
        if self.sizes[k] > len(heights):
            self.ax_.plot([k] * 3, [-0.04, 0, 0.04], ".", color="0.5", ms=3, zorder=3)
        return self.ax_.scatter(
            np.full(len(heights), k), heights, s=36, color="white", edgecolor="0.25", zorder=2
        )

    def _label(self, k: int, size: int) -> Any:
        last = len(self.sizes) - 1
        kind = f"{size} input{'s' * (size != 1)}" if k == 0 else f"{size}\n{self.activation}"
        if k == last:
            kind = f"{size} output{'s' * (size != 1)}\nlinear"
        return self.ax_.text(k, -1.15, kind, ha="center", va="top")


def _choose(estimator: Any, target: str | None) -> Any:
    """Find the regressor of a target; the estimator itself if it has not several."""
    regressors = learnt(estimator, "named_estimators_")
    if regressors is None:
        return estimator
    if target is None and len(regressors) == 1:
        (target,) = regressors
    if target not in regressors:
        raise ValueError(f"Choose target= of {', '.join(regressors)}; got {target!r}.")
    return regressors[target]


def _activation(network: Any) -> str:
    """Activation of the last fit; scikit-learn's networks have the parameter alone."""
    fitted = learnt(network, "network_")
    return str(learnt(network, "activation") if fitted is None else fitted.activation)


def _input_names(estimator: Any, network: Any, n_inputs: int) -> list[str] | None:
    """Names of a network's inputs, if the steps before it, or the network, know them."""
    inner = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(inner, "steps", ())
    if len(steps) > 1 and hasattr(inner[:-1], "get_feature_names_out"):
        names = list(inner[:-1].get_feature_names_out())
    else:
        names = list(getattr(network, "feature_names_in_", ()))
    columns = getattr(learnt(network, "inputs_"), "columns", range(len(names)))
    chosen = [str(names[k]) for k in columns if k < len(names)]
    return chosen if len(chosen) == n_inputs else None


def _shown(size: int) -> list[int]:
    """Nodes of a layer to draw: all, or as many from each end."""
    if size <= _MOST_NODES:
        return list(range(size))
    half = _MOST_NODES // 2
    return [*range(half), *range(size - half, size)]


def _places(nodes: list[int], size: int) -> np.ndarray:
    """Heights of nodes, from top to bottom, with a gap where some are left out."""
    if size == 1:
        return np.zeros(1)
    if len(nodes) == size:
        reach = min(1.0, (size - 1) / (_MOST_NODES - 1))
        return np.linspace(reach, -reach, size)
    half = len(nodes) // 2
    upper = np.linspace(1, 0.16, half)
    return np.concatenate([upper, -upper[::-1]])
