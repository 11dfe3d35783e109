"""The diagram of a fitted network: its layers, names and weights."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR

import sfml
from sfml.displays import NetworkDisplay
from sfml.displays.base import BLUE, VERMILLION


@pytest.fixture(autouse=True)
def _drawn_and_closed():
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def texts(display) -> list[str]:
    return [label.get_text() for label in display.labels_]


def test_layers_of_a_pipeline(complete_pipe):
    display = NetworkDisplay.from_estimator(complete_pipe, target="sfr")
    inputs = complete_pipe["regress"].named_estimators_.sfr.coefs_[0].shape[-2]
    assert display.sizes == [inputs, 8, 11]  # eleven quantiles
    assert texts(display) == [f"{inputs} inputs", "8\nsilu", "11 outputs\nlinear"]
    assert display.ax_.get_title() == "SFR, one of 2 networks"
    # Not among the inputs: what the network's output is added to.
    names = complete_pipe[:-1].get_feature_names_out()
    assert list(display.names) == [name for name in names if name != "log_brightness"]


def test_networks_of_an_average_differ(complete_pipe):
    first, second = (
        NetworkDisplay.from_estimator(complete_pipe, target="sfr", network=k) for k in (0, 1)
    )
    assert not np.array_equal(first.weights[0], second.weights[0])
    with pytest.raises(ValueError, match="network must be from 0 to 1; got 2"):
        NetworkDisplay.from_estimator(complete_pipe, target="sfr", network=2)


def test_activation_is_that_of_the_fit():
    X, y = np.linspace(0, 1, 60).reshape(-1, 2), np.linspace(0, 1, 30)
    mlp = sfml.KerasMLPRegressor((3,), epochs=1, activation="tanh", random_state=0).fit(X, y)
    mlp.set_params(activation="relu")
    display = NetworkDisplay.from_estimator(mlp)
    assert texts(display) == ["2 inputs", "3\ntanh", "1 output\nlinear"]
    assert display.names is None


def test_scikit_learns_networks():
    X, y = np.linspace(0, 1, 60).reshape(-1, 2), np.linspace(0, 1, 30)
    mlp = MLPRegressor(hidden_layer_sizes=(3,), max_iter=500, random_state=0).fit(X, y)
    assert NetworkDisplay.from_estimator(mlp).sizes == [2, 3, 1]


def test_every_weight_between_nodes_drawn_is_a_line():
    display = NetworkDisplay.from_weights([[[1.0, -2.0]], [[0.0], [4.0]]], activation="relu")
    hidden, last = display.lines_
    assert [len(lines.get_segments()) for lines in display.lines_] == [2, 2]
    np.testing.assert_allclose(hidden.get_colors()[0, :3], to_rgb(BLUE))
    np.testing.assert_allclose(hidden.get_colors()[1, :3], to_rgb(VERMILLION))
    assert hidden.get_colors()[1, 3] > hidden.get_colors()[0, 3]
    assert last.get_colors()[1, 3] > last.get_colors()[0, 3]


def test_of_large_layers_both_ends_are_drawn():
    display = NetworkDisplay.from_weights(
        [np.zeros((22, 13)), np.zeros((13, 12))],
        activation="relu",
        names=[f"b{k}" for k in range(22)],
    )
    assert [len(nodes.get_offsets()) for nodes in display.nodes_] == [12, 12, 12]
    shown = [text.get_text() for text in display.ax_.texts if text.get_text().startswith("b")]
    assert shown == [f"b{k}" for k in (0, 1, 2, 3, 4, 5, 16, 17, 18, 19, 20, 21)]


def test_drawn_on_given_axes():
    _, ax = plt.subplots()
    assert NetworkDisplay.from_weights([[[1.0]]], activation="relu", ax=ax).ax_ is ax


def test_bad_input(complete_pipe):
    with pytest.raises(ValueError, match=r"Choose target= of .*sfr.*; got None"):
        NetworkDisplay.from_estimator(complete_pipe)
    with pytest.raises(TypeError, match="SVR has no coefs_: only networks that are fitted do"):
        NetworkDisplay.from_estimator(SVR())
    with pytest.raises(TypeError, match="KerasMLPRegressor has no coefs_"):
        NetworkDisplay.from_estimator(sfml.KerasMLPRegressor())
    with pytest.raises(ValueError, match=r"one matrix .* got shapes \[\(2, 3\), \(2, 1\)\]"):
        NetworkDisplay.from_weights([np.ones((2, 3)), np.ones((2, 1))], activation="relu")
    with pytest.raises(ValueError, match="got shapes"):
        NetworkDisplay.from_weights([], activation="relu")
    with pytest.raises(ValueError, match="names must name 2 inputs; got 1"):
        NetworkDisplay.from_weights([np.ones((2, 1))], activation="relu", names=["r"])
