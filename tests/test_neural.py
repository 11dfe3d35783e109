"""The networks: training against plain Keras, prediction in NumPy, seeds, callbacks."""

import copy
import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.special import erf
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sfml import KerasMLPRegressor
from sfml.neural import backend
from sfml.neural.forward import ACTIVATIONS, BLOCK_ROWS, forward

# Keras 3.15 reads its own variables in a way that NumPy 2.4 deprecates.
keras_reads_its_variables = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

SMALL = {"hidden_layer_sizes": (8, 6), "epochs": 4, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(210, 3))
    return X, X @ [1.0, -2.0, 0.5] + 10


def small(**parameters):
    return KerasMLPRegressor(**{**SMALL, **parameters})


def build(**spec):
    network = backend.load("network")
    defaults = {
        "n_inputs": 3,
        "n_outputs": 1,
        "hidden_layer_sizes": (8, 6),
        "activation": "relu",
        "loss": "mean_absolute_error",
        "optimizer": "adam",
    }
    return network.build(network.NetworkSpec(**(defaults | spec)))


def in_memory(x, y):
    x, y = ([a] if a.ndim == 2 else a for a in (x, y))
    return backend.load("trainer").InMemoryData.from_arrays(x, y, 32)


def randomise(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.get_weights()])


@pytest.mark.parametrize("loss", ["mean_absolute_error", "mean_squared_error"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam"])
def test_compiled_epochs_learn_what_keras_learns(data, loss, optimizer):
    """Rows in order, a last batch that is not full: losses and weights as `Model.fit` has them."""
    X, y = data[0].astype(np.float32), data[1].astype(np.float32).reshape(-1, 1)
    ours = build(loss=loss, optimizer=optimizer)
    plain = keras.Sequential(
        [keras.layers.Input((3,))]
        + [keras.layers.Dense(size, activation="relu") for size in (8, 6)]
        + [keras.layers.Dense(1)]
    )
    plain.compile(optimizer=optimizer, loss=loss)
    for model in (ours, plain):
        randomise(model)
    validation = (X[150:], y[150:])
    options = {"batch_size": 32, "epochs": 3, "shuffle": False, "verbose": 0}
    histories = [
        model.fit(X[:150], y[:150], validation_data=validation, **options).history
        for model in (ours, plain)
    ]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-4)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_every_row_is_seen_once_an_epoch(data):
    model = build()
    model.shuffle_rng = np.random.default_rng(0)
    rows = in_memory(data[0][:150], data[1][:150, np.newaxis])
    first, second = (model._draw_order(rows, True).numpy() for _ in range(2))
    assert len(first) == 160
    assert sorted(first[:150]) == list(range(150))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_forward_pass_is_the_networks(data, activation):
    mlp = small(activation=activation, learning_rate=0.01, epochs=2).fit(*data)
    expected = mlp.to_keras().predict(data[0].astype(np.float32), verbose=0).ravel()
    np.testing.assert_allclose(mlp.predict(data[0]), expected, rtol=2e-5)


def test_the_forward_pass_against_plain_arithmetic():
    rng = np.random.default_rng(1)
    coefs = [rng.normal(size=s).astype(np.float32) for s in ((3, 5), (5, 4), (4, 2))]
    intercepts = [rng.normal(size=n).astype(np.float32) for n in (5, 4, 2)]
    X = rng.normal(size=(2 * BLOCK_ROWS + 7, 3))

    def gelu(x):
        return 0.5 * x * (1 + erf(x / np.sqrt(2)))

    hidden = gelu(gelu(X @ coefs[0] + intercepts[0]) @ coefs[1] + intercepts[1])
    expected = hidden @ coefs[2] + intercepts[2]
    np.testing.assert_allclose(forward(X, coefs, intercepts, "gelu")[0], expected, atol=1e-4)


def test_a_prediction_does_not_depend_on_its_neighbours(data):
    mlp = small(hidden_layer_sizes=(110, 66)).fit(*data)
    X = np.random.default_rng(2).normal(size=(3 * BLOCK_ROWS, 3))
    together = mlp.predict(X)
    alone = np.concatenate([mlp.predict(X[i : i + 1]) for i in range(0, len(X), 500)])
    np.testing.assert_array_equal(alone, together[::500])
    np.testing.assert_array_equal(mlp.predict(X[37:]), together[37:])


def test_no_rows_give_no_predictions(data):
    X, y = data
    assert small().fit(X, y).predict(X[:0]).shape == (0,)
    assert small().fit(X, np.c_[y, y]).predict(X[:0]).shape == (0, 2)


def test_same_seed_same_network_whatever_ran_before(data):
    first = small().fit(*data)
    small(random_state=1, optimizer="nadam").fit(*data)
    small(random_state=1).fit(*data)
    again = small().fit(*data)
    other = small(random_state=1).fit(*data)
    np.testing.assert_array_equal(first.predict(data[0]), again.predict(data[0]))
    assert first.history_.equals(again.history_)
    assert not np.array_equal(first.predict(data[0]), other.predict(data[0]))


def test_networks_are_lent_to_one_fit_at_a_time():
    network = backend.load("network")
    spec = network.NetworkSpec(2, 1, (3,), "relu", "mean_absolute_error", "adam")
    with network.borrow(spec) as first, network.borrow(spec) as second:
        assert first is not second
    with network.borrow(spec) as third:
        assert third is first or third is second


def test_an_interrupted_network_is_not_lent_again():
    network = backend.load("network")
    spec = network.NetworkSpec(2, 1, (4,), "relu", "mean_absolute_error", "adam")

    def interrupt():
        with network.borrow(spec) as model:
            borrowed.append(model)
            raise KeyboardInterrupt

    borrowed = []
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    with network.borrow(spec) as model:
        assert model is not borrowed[0]


def test_training_sets_of_nearly_the_same_size_share_a_program():
    network = backend.load("network")
    spec = network.NetworkSpec(2, 1, (7,), "relu", "mean_absolute_error", "adam")
    X = np.ones((3000, 2), np.float32)
    with network.borrow(spec) as model:
        for n_samples, n_validation in ((2400, 600), (2399, 601), (2377, 595)):
            validation = X[:n_validation], X[:n_validation, :1]
            model.fit(
                X[:n_samples],
                X[:n_samples, :1],
                batch_size=32,
                validation_data=validation,
                verbose=0,
            )
        assert model._epoch_function.experimental_get_tracing_count() == 1


def test_one_cycle_rises_and_falls_with_the_steps(data):
    network = backend.load("network")
    progress = np.array([0.0, 0.025, 0.05, 0.525, 1.0])
    np.testing.assert_allclose(network.one_cycle(progress), [0, 0.5, 1, 0.5, 0], atol=1e-12)
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate.numpy()))

    cycled = small(schedule="one_cycle", callbacks=[Watch()], epochs=3).fit(*data)
    assert rates == pytest.approx([0.001] * 3)
    assert not np.array_equal(cycled.coefs_[0], small(epochs=3).fit(*data).coefs_[0])


def test_weight_decay_shrinks_weights_and_not_biases(data):
    X, y = data
    free = small(epochs=60, patience=None).fit(X, y)
    decayed = small(epochs=60, patience=None, weight_decay=5.0).fit(X, y)
    assert np.abs(decayed.coefs_[0]).mean() < 0.9 * np.abs(free.coefs_[0]).mean()
    heavy = small(epochs=1, learning_rate=1e-3, weight_decay=900.0, kernel_initializer="ones")
    assert np.abs(heavy.fit(X, y).coefs_[0]).max() < 0.1


def test_an_offset_is_added_and_never_an_input(data):
    X, y = data
    offset = 1000 * np.random.default_rng(3).normal(size=len(X))
    plain = small().fit(X, y)
    shifted = small(offset_feature=1).fit(np.insert(X, 1, offset, axis=1), y + offset)
    assert shifted.coefs_[0].shape == plain.coefs_[0].shape == (3, 8)
    np.testing.assert_allclose(
        shifted.predict(np.insert(X, 1, offset, axis=1)), plain.predict(X) + offset, atol=2e-3
    )
    with pytest.raises(ValueError, match="offset_feature gives column 3 of X, which has 3"):
        small(offset_feature=3).fit(X, y)


def test_targets_can_be_scaled_for_training(data):
    X, y = data
    Y = np.c_[1e3 * y + 1e5, np.full(len(y), 7.0)]
    mlp = small(scale_target=True, epochs=100, learning_rate=0.01).fit(X, Y)
    predicted = mlp.predict(X)
    assert np.corrcoef(predicted[:, 0], Y[:, 0])[0, 1] > 0.95
    assert np.abs(predicted[:, 0] - Y[:, 0]).mean() < 0.5 * Y[:, 0].std()
    np.testing.assert_allclose(predicted[:, 1], 7, atol=1)
    assert mlp.history_["loss"].iloc[0] < 2


def test_several_networks_are_averaged(data):
    X, y = data
    three = small(n_networks=3).fit(X, y)
    assert three.coefs_[0].shape == (3, 3, 8)
    assert three.intercepts_[-1].shape == (3, 1)
    alone = [
        forward(X, [c[k] for c in three.coefs_], [b[k] for b in three.intercepts_], "relu")[0]
        for k in range(3)
    ]
    np.testing.assert_allclose(three.predict(X), np.mean(alone, axis=0).ravel(), rtol=1e-5)
    assert not np.allclose(alone[0], alone[1])
    np.testing.assert_array_equal(three.coefs_[0][0], small().fit(X, y).coefs_[0])
    with pytest.raises(ValueError, match="this regressor has 3"):
        three.to_keras()


def test_weights_start_as_asked(data):
    def first_weights(**parameters):
        """Weights after a step too small to move them."""
        return small(epochs=1, learning_rate=1e-30, **parameters).fit(*data)

    mlp = first_weights(hidden_layer_sizes=(400,))
    assert np.std(mlp.coefs_[0]) == pytest.approx(0.05, rel=0.1)  # Keras's RandomNormal
    assert all(np.abs(b).max() < 1e-20 for b in mlp.intercepts_)
    uniform = first_weights(hidden_layer_sizes=(400,), kernel_initializer="glorot_uniform")
    assert np.abs(uniform.coefs_[0]).max() <= np.sqrt(6 / 403)
    given = first_weights(kernel_initializer=keras.initializers.Constant(0.25))
    np.testing.assert_allclose(given.coefs_[0], 0.25)


def test_early_stopping_goes_back_to_the_best_weights(data):
    X, y = data
    mlp = small(epochs=300, patience=3, learning_rate=0.05).fit(X, y)
    assert mlp.n_epochs_ == len(mlp.history_) < 300
    assert mlp.best_epoch_ == mlp.history_["val_loss"].idxmin() == mlp.n_epochs_ - 3
    assert (mlp.n_train_, mlp.n_validation_) == (168, 42)
    rng = np.random.default_rng(np.random.RandomState(0).randint(2**31 - 1))
    validation = rng.permutation(len(X))[:42]
    loss = np.abs(mlp.predict(X[validation]) - y[validation]).mean()
    assert loss == pytest.approx(mlp.history_["val_loss"].min(), rel=1e-4)


def test_without_validation_rows_the_training_loss_is_watched(data):
    mlp = small(validation_fraction=0).fit(*data)
    assert mlp.history_.columns.tolist() == ["loss"]
    assert mlp.n_train_ == len(data[0])
    assert mlp.history_.index.tolist() == [1, 2, 3, 4]


@keras_reads_its_variables
def test_keras_callbacks_work(data, tmp_path):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs), len(self.model.get_weights())))

    csv = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.1)
    best = keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), save_best_only=True)
    mlp = small(callbacks=[Watch(), csv, slower, best]).fit(*data)
    assert seen == [(epoch, ["loss", "val_loss"], 6) for epoch in range(4)]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5
    assert (tmp_path / "best.keras").exists()
    assert not np.array_equal(mlp.predict(data[0]), small().fit(*data).predict(data[0]))


@keras_reads_its_variables
def test_reduced_learning_rates_do_not_leak_into_the_next_fit(data):
    before = small().fit(*data).predict(data[0])
    small(callbacks=[keras.callbacks.LearningRateScheduler(lambda *_: 1.0)]).fit(*data)
    np.testing.assert_array_equal(small().fit(*data).predict(data[0]), before)


def test_a_callback_can_stop_the_training(data):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert small(callbacks=[Stop]).fit(*data).n_epochs_ == 2


def test_a_callback_that_wants_batches_gets_them(data):
    batches = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)

    with pytest.warns(UserWarning, match="Count asks for every batch"):
        small(callbacks=[Count()], epochs=2).fit(*data)
    assert batches == 2 * list(range(6))


def test_optimizer_objects_keep_their_settings_and_are_not_used_up(data):
    optimizer = keras.optimizers.SGD(learning_rate=0.5)
    mlp = small(optimizer=optimizer, learning_rate=1e-9, epochs=1)
    first = mlp.fit(*data).coefs_[0]
    assert np.abs(first - small(optimizer="sgd", epochs=1).fit(*data).coefs_[0]).max() > 1e-3
    np.testing.assert_array_equal(mlp.fit(*data).coefs_[0], first)
    assert not optimizer.variables[0].numpy()


def test_a_loss_that_runs_away_is_told(data):
    with pytest.raises(ValueError, match=r"training loss became .* standardise the inputs"):
        small(loss="mean_squared_error", optimizer="sgd", learning_rate=1e20, epochs=50).fit(*data)


def test_a_pickle_needs_no_tensorflow(data, tmp_path):
    mlp = small(callbacks=None).fit(*data)
    (tmp_path / "mlp.pickle").write_bytes(pickle.dumps(mlp))
    np.save(tmp_path / "X.npy", data[0])
    np.save(tmp_path / "expected.npy", mlp.predict(data[0]))
    program = (
        "import pickle, sys, numpy as np\n"
        "sys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['scikeras'] = None\n"
        "mlp = pickle.load(open('mlp.pickle', 'rb'))\n"
        "assert (mlp.predict(np.load('X.npy')) == np.load('expected.npy')).all()\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize("wrong", ["early", lambda: None, lambda: keras.callbacks.CSVLogger])
def test_what_is_no_callback_is_named(data, wrong):
    with pytest.raises(TypeError, match=r"callbacks must hold keras\.callbacks\.Callback objects"):
        small(callbacks=[wrong]).fit(*data)


def test_callbacks_keep_no_model(data):
    callback = keras.callbacks.CSVLogger("unused")
    callback.on_train_begin = callback.on_epoch_end = callback.on_train_end = lambda *_, **__: None
    small(callbacks=[callback]).fit(*data)
    assert callback.model is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": 44}, "'hidden_layer_sizes' parameter .* Got 44"),
        ({"hidden_layer_sizes": (44, 0)}, "hidden_layer_sizes must be a sequence of positive"),
        ({"hidden_layer_sizes": (44, 6.5)}, "hidden_layer_sizes must be a sequence of positive"),
        ({"activation": "rleu"}, "'activation' parameter .* Got 'rleu'"),
        ({"kernel_initializer": 1.0}, "'kernel_initializer' parameter"),
        ({"loss": None}, "'loss' parameter"),
        ({"optimizer": 3}, "'optimizer' parameter"),
        ({"epochs": 0}, "'epochs' parameter .* Got 0"),
        ({"epochs": None}, "'epochs' parameter .* Got None"),
        ({"batch_size": 2.5}, "'batch_size' parameter"),
        ({"patience": -1}, "'patience' parameter .* None"),
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"learning_rate": np.inf}, "'learning_rate' parameter"),
        ({"schedule": "cosine"}, "'schedule' parameter .* Got 'cosine'"),
        ({"weight_decay": -1}, "'weight_decay' parameter"),
        ({"n_networks": 0}, "'n_networks' parameter"),
        ({"validation_fraction": 1}, "'validation_fraction' parameter"),
        ({"ignored_features": "abc"}, "'ignored_features' parameter .* Got 'abc'"),
        ({"offset_feature": 1.5}, "'offset_feature' parameter .* Got 1.5"),
        ({"offset_feature": True}, "offset_feature must name or number columns of X; got True"),
        ({"ignored_features": (0, 1, 2)}, "No column of X is left as an input"),
        ({"callbacks": keras.callbacks.TerminateOnNaN()}, "'callbacks' parameter"),
    ],
)
def test_wrong_parameters(data, parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(*data)


def test_verbose_shows_a_bar(data, capsys):
    small(verbose=1).fit(*data)
    shown = capsys.readouterr().out
    assert "4/4" in shown
    assert "val_loss" in shown
    small().fit(*data)
    assert not capsys.readouterr().out


def test_training_gives_no_warnings(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(*data)


THREE_LEVELS = (0.16, 0.5, 0.84)


class TestQuantiles:
    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_the_loss_is_the_pinball_loss(self, n_outputs):
        rng = np.random.default_rng(0)
        y = rng.normal(size=(50, n_outputs)).astype(np.float32)
        predicted = rng.normal(size=(50, n_outputs, 3)).astype(np.float32)
        loss = backend.load("network").pinball_loss(THREE_LEVELS)
        actual = loss(y, predicted.reshape(50, -1)).numpy()
        levels = np.array(THREE_LEVELS)
        above = y[:, :, np.newaxis] - predicted
        losses = np.where(above > 0, levels * above, (levels - 1) * above)
        # The median, which is the prediction, weighs five times as much as another quantile.
        expected = np.average(losses, axis=2, weights=[1, 5, 1]).mean(axis=1)
        np.testing.assert_allclose(actual, 2 * expected, rtol=1e-5)

    def test_that_of_the_median_is_the_mean_absolute_error(self):
        rng = np.random.default_rng(0)
        y, predicted = rng.normal(size=(2, 50, 1)).astype(np.float32)
        loss = backend.load("network").pinball_loss((0.5,))
        np.testing.assert_allclose(loss(y, predicted), np.abs(y - predicted).ravel(), rtol=1e-6)

    def test_the_papers_network_is_the_case_of_the_median(self, data):
        """To the last bits, which differ since the gradient is added up in another order."""
        X, y = data
        plain, median = (small(quantiles=q, random_state=3).fit(X, y) for q in (None, (0.5,)))
        for a, b in zip(plain.coefs_, median.coefs_, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_allclose(median.predict(X), plain.predict(X), atol=1e-4)
        np.testing.assert_allclose(median.history_, plain.history_, rtol=1e-4)
        np.testing.assert_array_equal(median.predict_quantiles(X)[:, 0], median.predict(X))

    @pytest.mark.parametrize(
        "quantiles", [THREE_LEVELS, list(THREE_LEVELS), np.array(THREE_LEVELS)]
    )
    def test_shapes(self, data, quantiles):
        X, y = data
        one = small(quantiles=quantiles).fit(X, y)
        assert one.coefs_[-1].shape == (6, 3)
        assert one.predict_quantiles(X).shape == (210, 3)
        np.testing.assert_array_equal(one.predict_quantiles(X)[:, 1], one.predict(X))
        two = small(quantiles=quantiles, n_networks=2).fit(X, np.c_[y, -y])
        assert two.coefs_[-1].shape == (2, 6, 6)
        assert two.predict_quantiles(X).shape == (210, 2, 3)
        np.testing.assert_array_equal(two.predict_quantiles(X)[:, :, 1], two.predict(X))
        for mlp, shape in ((one, (0, 3)), (two, (0, 2, 3))):
            assert mlp.predict_quantiles(X[:0]).shape == shape
            assert mlp.predict(X[:0]).shape == shape[:-1]

    def test_they_are_learnt(self):
        """A scatter that grows with an input, on which the median does not depend."""
        rng = np.random.default_rng(0)
        X = rng.uniform(-1, 1, (4000, 2))
        sigma = 0.3 + 0.25 * X[:, 0]
        y = 10 + X[:, 1] + sigma * rng.normal(size=4000)
        mlp = KerasMLPRegressor(
            (16, 16),
            quantiles=THREE_LEVELS,
            scale_target=True,
            learning_rate=0.01,
            schedule="one_cycle",
            epochs=30,
            patience=None,
            random_state=0,
        ).fit(X, y)
        low, median, high = mlp.predict_quantiles(X).T
        width = (high - low) / 2
        assert np.median(np.abs(width / sigma - 1)) < 0.15
        assert np.median(np.abs(median - 10 - X[:, 1])) < 0.05
        share = np.mean(y[:, np.newaxis] < np.c_[low, median, high], axis=0)
        np.testing.assert_allclose(share, THREE_LEVELS, atol=0.03)

    def test_scales_and_offsets_are_those_of_each_output(self, data):
        X, y = data
        Y = np.c_[1e3 * y, 7 - 0.01 * y]
        mlp = small(quantiles=THREE_LEVELS, scale_target=True, epochs=100, learning_rate=0.01)
        out = mlp.fit(X, Y).predict_quantiles(X)
        for k in range(2):
            assert np.corrcoef(out[:, k, 1], Y[:, k])[0, 1] > 0.95
            assert abs(out[:, k].mean() - Y[:, k].mean()) < 0.5 * Y[:, k].std()

    def test_none_were_learnt(self, data):
        with pytest.raises(ValueError, match="This network learnt no quantiles"):
            small().fit(*data).predict_quantiles(data[0])

    def test_keras_has_them_too(self, data):
        mlp = small(quantiles=THREE_LEVELS).fit(*data)
        expected = mlp.to_keras().predict(data[0].astype(np.float32), verbose=0)
        np.testing.assert_allclose(mlp.predict_quantiles(data[0]), expected, rtol=2e-5)

    @pytest.mark.parametrize(
        "quantiles",
        [(), (0.16, 0.84), (0.84, 0.5, 0.16), (0.5, 0.5), (0, 0.5), (0.5, 1), (16, 50), ("0.5",)],
    )
    def test_levels_that_are_none(self, data, quantiles):
        with pytest.raises(ValueError, match="quantiles must be None or growing levels"):
            small(quantiles=quantiles).fit(*data)

    @pytest.mark.parametrize("quantiles", [0.5, "0.5"])
    def test_what_is_no_sequence(self, data, quantiles):
        with pytest.raises(ValueError, match=r"'quantiles' parameter .* array-like or None"):
            small(quantiles=quantiles).fit(*data)

    def test_another_loss_has_none(self, data):
        with pytest.raises(ValueError, match=r"learnt with the pinball loss.*mean_squared_error"):
            small(quantiles=THREE_LEVELS, loss="mean_squared_error").fit(*data)


class TestRowsToValidateOn:
    def test_none_of_the_others_are_set_aside(self, data):
        X, y = data
        mlp = small().fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        assert (mlp.n_train_, mlp.n_validation_) == (150, 60)
        loss = np.abs(mlp.predict(X[150:]) - y[150:]).mean()
        assert mlp.history_["val_loss"].iloc[mlp.best_epoch_ - 1] == pytest.approx(loss, rel=1e-4)

    def test_they_are_watched_and_not_learnt_from(self, data):
        X, y = data
        options = {"patience": None, "epochs": 6}
        first, second = (
            small(**options).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:] + shift)
            for shift in (0, 100)
        )
        np.testing.assert_array_equal(first.predict(X), second.predict(X))
        assert second.history_["val_loss"].iloc[-1] > first.history_["val_loss"].iloc[-1] + 50

    def test_they_stop_the_training(self, data):
        X, y = data
        mlp = small(epochs=300, patience=3, learning_rate=0.05)
        mlp.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        assert mlp.n_epochs_ < 300
        assert mlp.best_epoch_ == mlp.history_["val_loss"].idxmin()

    def test_their_shapes_must_fit(self, data):
        X, y = data
        with pytest.raises(ValueError, match="y_val has 2 columns; y has 1"):
            small().fit(X, y, X_val=X, y_val=np.c_[y, y])
        with pytest.raises(ValueError, match="X has 2 features"):
            small().fit(X, y, X_val=X[:, :2], y_val=y)


class TestIgnoredFeatures:
    def test_they_play_no_part(self, data):
        X, y = data
        noise = 1e6 * np.random.default_rng(0).normal(size=len(X))
        wider = np.insert(X, 1, noise, axis=1)
        plain = small().fit(X, y)
        for column in (1, -3):
            ignoring = small(ignored_features=(column,)).fit(wider, y)
            assert ignoring.coefs_[0].shape == (3, 8)
            np.testing.assert_array_equal(ignoring.predict(wider), plain.predict(X))
            np.testing.assert_array_equal(
                ignoring.predict(np.insert(X, 1, -noise, axis=1)), plain.predict(X)
            )

    def test_beside_an_offset(self, data):
        X, y = data
        wider = np.c_[X, 50 + 0 * y, 1e3 + 0 * y]
        mlp = small(ignored_features=(3,), offset_feature=-1).fit(wider, y + 1e3)
        assert mlp.coefs_[0].shape == (3, 8)
        np.testing.assert_allclose(
            mlp.predict(wider), small().fit(X, y).predict(X) + 1e3, atol=1e-3
        )

    def test_they_must_be_columns(self, data):
        with pytest.raises(ValueError, match="ignored_features gives column 3 of X"):
            small(ignored_features=(3,)).fit(*data)


LEARNING = {
    "kernel_initializer": "he_normal",
    "scale_target": True,
    "learning_rate": 0.01,
    "epochs": 150,
    "patience": None,
}


class TestVariants:
    def test_each_sample_is_seen_once_an_epoch_and_half_of_the_time_as_it_is(self, data):
        n_samples, n_variants = 2000, 4
        X = np.random.default_rng(0).normal(size=(n_variants, n_samples, 3))
        rows = in_memory(X, X[..., :1])
        batches = rows.batches
        n_rows = len(batches.weights)
        assert len(batches.x) == n_variants * n_rows
        model = build()
        model.shuffle_rng = np.random.default_rng(0)
        counts = np.zeros(n_variants)
        for _ in range(5):
            order = model._draw_order(rows, True).numpy()
            assert len(order) == n_rows
            which, row = np.divmod(order[:n_samples], n_rows)
            assert sorted(row) == list(range(n_samples))
            learnt = batches.x.numpy()[order[:n_samples]]
            np.testing.assert_array_equal(learnt, X[which, row].astype(np.float32))
            counts += np.bincount(which, minlength=n_variants)
        share = counts / counts.sum()
        expected = np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6])
        error = np.sqrt(expected * (1 - expected) / counts.sum())
        assert np.all(np.abs(share - expected) < 4 * error)

    def test_rows_that_fill_up_a_batch_have_no_weight(self, data):
        X = np.ones((2, 50, 3))
        weights = in_memory(X, X[..., :1]).batches.weights.numpy()
        assert weights[50:].tolist() == [0] * (len(weights) - 50)
        assert weights[:32].tolist() == [1] * 32
        np.testing.assert_allclose(weights[32:50], 32 / 18)

    def test_they_are_learnt_from(self, data):
        """The rows themselves say nothing of the target; their variants do."""
        X, y = data
        blank = np.zeros_like(X)
        with_variants = small(**LEARNING).fit(blank, y, variants=[X, X])
        without = small(**LEARNING).fit(blank, y)
        assert with_variants.score(X, y) > 0.9
        assert without.score(X, y) < 0.1

    def test_equal_ones_change_nothing_but_the_order(self, data):
        X, y = data
        options = {"epochs": 60, "patience": None, "learning_rate": 0.01}
        plain = small(**options).fit(X, y)
        varied = small(**options).fit(X, y, variants=[X])
        assert abs(plain.score(X, y) - varied.score(X, y)) < 0.05
        assert varied.n_train_ == plain.n_train_ == 168

    def test_each_has_its_own_offset(self, data):
        """The same targets, of which 10 is in the offset of the variant."""
        X, y = data
        plain, variant = (np.c_[X, k + 0 * y, 10 * k + 0 * y] for k in (0, 1))
        mlp = small(offset_feature=-1, **LEARNING).fit(plain, y, variants=[variant])
        assert mlp.score(plain, y) > 0.9
        assert mlp.score(variant, y) > 0.9

    def test_their_shapes_must_be_those_of_the_samples(self, data):
        X, y = data
        with pytest.raises(ValueError, match=r"Each variant must be shaped as X, \(210, 3\)"):
            small().fit(X, y, variants=[X[:-1]])
        with pytest.raises(ValueError, match="X has 2 features"):
            small().fit(X, y, variants=[X[:, :2]])

    def test_none_and_no_list_are_the_same(self, data):
        X, y = data
        first, second = (small().fit(X, y, variants=v).predict(X) for v in (None, []))
        np.testing.assert_array_equal(first, second)

    def test_a_callback_that_wants_batches_cannot_have_them(self, data):
        class Count(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                pass

        X, y = data
        with (
            pytest.warns(UserWarning, match="Count asks for every batch"),
            pytest.raises(ValueError, match="cannot choose between variants"),
        ):
            small(callbacks=[Count()]).fit(X, y, variants=[X])


class TestMissingInputs:
    def test_they_count_as_the_mean(self, data):
        X, y = data
        gaps = X.copy()
        gaps[::3, 1] = np.nan
        filled = np.nan_to_num(gaps)
        mlp = small(fill_missing=True).fit(gaps, y)
        np.testing.assert_array_equal(mlp.predict(gaps), small().fit(filled, y).predict(filled))
        np.testing.assert_array_equal(mlp.predict(gaps), mlp.predict(filled))

    def test_they_are_refused_unless_asked_for(self, data):
        X, y = data
        gaps = np.where(np.arange(3) == 1, np.nan, X)
        for call in (lambda: small().fit(gaps, y), lambda: small().fit(X, y).predict(gaps)):
            with pytest.raises(ValueError, match="contains NaN"):
                call()


@pytest.mark.parametrize("given", ["X_val", "y_val"])
def test_validation_rows_need_inputs_and_targets(data, given):
    X, y = data
    rows = {"X_val": X[:5], "y_val": y[:5]}
    with pytest.raises(ValueError, match=f"^{given} needs"):
        small().fit(X, y, **{given: rows[given]})


def test_quantiles_never_cross(data):
    """A network that has hardly learnt puts some in the wrong order, and says which."""
    X, y = data
    mlp = small(quantiles=THREE_LEVELS, epochs=1, learning_rate=0.3, random_state=0).fit(X, y)
    mlp.coefs_[-1] = mlp.coefs_[-1][:, ::-1] * 5
    raw, sorted_ = mlp.raw_quantiles(X), mlp.predict_quantiles(X)
    assert (np.diff(raw, axis=1) < 0).any()
    assert (np.diff(sorted_, axis=1) >= 0).all()
    np.testing.assert_array_equal(sorted_[:, 1], raw[:, 1])


NAMES = ["flux", "z", "luminosity"]


class TestColumnNames:
    def test_names_are_those_of_a_table_or_given_to_fit(self, data):
        X, y = data
        by_number = small(offset_feature=2, ignored_features=(1,)).fit(X, y)
        named = small(offset_feature="luminosity", ignored_features=["z"])
        table = pd.DataFrame(X, columns=NAMES)
        np.testing.assert_array_equal(named.fit(table, y).predict(table), by_number.predict(X))
        np.testing.assert_array_equal(
            named.fit(X, y, feature_names=NAMES).predict(X), by_number.predict(X)
        )
        assert named.inputs_.columns == (0,)
        moved = named.fit(X[:, [2, 0, 1]], y, feature_names=["luminosity", "flux", "z"])
        np.testing.assert_array_equal(moved.predict(X[:, [2, 0, 1]]), by_number.predict(X))

    @pytest.mark.parametrize("parameter", ["offset_feature", "ignored_features"])
    def test_an_absent_name(self, data, parameter):
        X, y = data
        value = "luminosty" if parameter == "offset_feature" else ("luminosty",)
        message = rf"{parameter} names 'luminosty'.*Did you mean 'luminosity'\? .*flux, z, lum"
        with pytest.raises(ValueError, match=message):
            small(**{parameter: value}).fit(X, y, feature_names=NAMES)
        with pytest.raises(ValueError, match="have no names: fit a table, pass feature_names"):
            small(**{parameter: value}).fit(X, y)

    def test_an_ambiguous_name(self, data):
        with pytest.raises(ValueError, match="'z', which is not one column of X"):
            small(offset_feature="z").fit(*data, feature_names=["z", "z", "luminosity"])

    @pytest.mark.parametrize("names", [NAMES[:2], "flux", [0, 1, 2]])
    def test_names_that_do_not_fit(self, data, names):
        with pytest.raises(ValueError, match="one name per column of X, 3 in all"):
            small().fit(*data, feature_names=names)

    def test_names_that_contradict_the_table(self, data):
        table = pd.DataFrame(data[0], columns=NAMES)
        with pytest.raises(ValueError, match="differ from the columns of X"):
            small().fit(table, data[1], feature_names=NAMES[::-1])

    @pytest.mark.parametrize("column", [3, -4])
    def test_numbers_out_of_range(self, data, column):
        for parameters in ({"offset_feature": column}, {"ignored_features": (column,)}):
            with pytest.raises(ValueError, match=f"gives column {column} of X, which has 3"):
                small(**parameters).fit(*data)


class TestOffsetMap:
    def test_it_undoes_a_scaler(self, data):
        """A standardised offset with the map back to dex is the offset in dex."""
        X, y = data
        dex = 10 + 3 * np.random.default_rng(1).normal(size=(len(X), 1))
        mean, scale = dex.mean(), dex.std()
        plain = small(offset_feature=-1).fit(np.hstack([X, dex]), y + dex.ravel())
        scaled = np.hstack([X, (dex - mean) / scale])
        mapped = small(offset_feature=-1).fit(scaled, y + dex.ravel(), offset_map=(scale, mean))
        np.testing.assert_allclose(
            mapped.predict(scaled), plain.predict(np.hstack([X, dex])), atol=1e-4
        )
        np.testing.assert_allclose(mapped.gradient(scaled)[:, 3], scale)
        unmapped = small(offset_feature=-1).fit(scaled, y + dex.ravel())
        assert (mapped.inputs_.slope, unmapped.inputs_.slope) == (scale, 1)

    def test_keras_has_the_rest(self, data):
        X, y = data
        mlp = small(offset_feature=1, scale_target=True).fit(X, y, offset_map=(2, -5))
        network = mlp.to_keras().predict(X[:, [0, 2]].astype(np.float32), verbose=0)
        assert mlp.inputs_.columns == (0, 2)
        expected = network + 2 * X[:, [1]] - 5
        np.testing.assert_allclose(mlp.predict(X), expected.ravel(), rtol=2e-5)

    def test_rows_without_an_offset_have_no_prediction_and_no_gradient(self, data):
        X, y = data
        gaps = X.copy()
        gaps[5, 2] = gaps[7, 0] = np.nan
        mlp = small(offset_feature=2, fill_missing=True).fit(X, y)
        for values in (mlp.predict(gaps), mlp.gradient(gaps).sum(axis=1)):
            assert np.flatnonzero(np.isnan(values)).tolist() == [5]

    @pytest.mark.parametrize("given", [(1,), (1, np.nan), (1, 2, 3), 2.0])
    def test_what_is_no_map(self, data, given):
        with pytest.raises(ValueError, match=r"offset_map must be two numbers, \(slope, intercept"):
            small(offset_feature=0).fit(*data, offset_map=given)

    def test_it_needs_an_offset(self, data):
        with pytest.raises(ValueError, match="needs offset_feature, which is None"):
            small().fit(*data, offset_map=(1, 0))


WHOLE_BATCH = {
    "batch_size": 1024,
    "patience": None,
    "epochs": 30,
    "learning_rate": 0.01,
    "scale_target": True,
    "kernel_initializer": "he_normal",
}


class TestSampleWeight:
    @pytest.mark.parametrize("constant", [1, 0.1, 1e6])
    @pytest.mark.parametrize("with_variants", [False, True])
    def test_equal_weights_are_none(self, data, constant, with_variants):
        X, y = data
        options = {"variants": [X + 0.1]} if with_variants else {}
        weighted = small(scale_target=True).fit(X, y, np.full(len(X), constant), **options)
        plain = small(scale_target=True).fit(X, y, **options)
        np.testing.assert_array_equal(weighted.predict(X), plain.predict(X))

    @pytest.mark.parametrize("with_variants", [False, True])
    def test_rows_of_weight_zero_are_left_out(self, data, with_variants):
        X, y = data
        kept = np.random.default_rng(0).random(len(X)) < 0.7
        wrong, odd = np.where(kept, y, 1e6), np.where(kept[:, np.newaxis], X, 1e3)
        options, fewer = (
            ({"variants": [odd + 0.1]}, {"variants": [X[kept] + 0.1]})
            if with_variants
            else ({}, {})
        )
        weighted = small(scale_target=True).fit(odd, wrong, 2.0 * kept, **options)
        fewer = small(scale_target=True).fit(X[kept], y[kept], **fewer)
        np.testing.assert_array_equal(weighted.predict(X), fewer.predict(X))
        assert weighted.n_train_ == fewer.n_train_

    def test_weights_are_repeated_rows(self, data):
        X, y = data
        times = np.random.default_rng(0).integers(0, 4, len(X))
        validation = {"X_val": X, "y_val": y}  # so that no row is set aside
        weighted = small(**WHOLE_BATCH).fit(X, y, times, **validation)
        repeated = small(**WHOLE_BATCH).fit(X.repeat(times, axis=0), y.repeat(times), **validation)
        plain = small(**WHOLE_BATCH).fit(X, y, **validation)
        np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)
        assert np.abs(plain.predict(X) - repeated.predict(X)).max() > 0.02
        np.testing.assert_allclose(weighted.history_, repeated.history_, rtol=1e-3)
        np.testing.assert_allclose(weighted.scaling_, repeated.scaling_)

    def test_in_many_batches_each_row_takes_its_own_weight(self, data):
        """Half of the rows are wrong by 5, and weigh next to nothing."""
        X, y = data
        wrong = np.arange(len(X)) % 2 == 0
        mlp = small(**{**LEARNING, "epochs": 100}, batch_size=16)
        weights = np.where(wrong, 1e-6, 1)
        for options in ({}, {"variants": [X, X]}):
            mlp.fit(X, y + 5 * wrong, weights, **options)
            assert np.abs(mlp.predict(X) - y).mean() < 0.5

    def test_the_validation_loss_is_weighted(self, data):
        X, y = data
        weights = np.random.default_rng(0).random(60) * (np.arange(60) % 3 > 0)
        mlp = small(epochs=1, patience=None)
        mlp.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:], sample_weight_val=weights)
        loss = np.average(np.abs(mlp.predict(X[150:]) - y[150:]), weights=weights)
        assert mlp.history_["val_loss"].iloc[-1] == pytest.approx(loss, rel=1e-4)
        assert mlp.n_validation_ == 40

    def test_rows_set_aside_keep_their_weights(self, data):
        X, y = data
        weights = np.random.default_rng(0).random(len(X))
        mlp = small(epochs=1, patience=None).fit(X, y, weights)
        rng = np.random.default_rng(np.random.RandomState(0).randint(2**31 - 1))
        aside = rng.permutation(len(X))[:42]
        loss = np.average(np.abs(mlp.predict(X[aside]) - y[aside]), weights=weights[aside])
        assert mlp.history_["val_loss"].iloc[-1] == pytest.approx(loss, rel=1e-4)

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (-1, "finite and not negative: row 3 has -1.0, one of 1"),
            (np.nan, "finite and not negative: row 3 has nan"),
            (np.inf, "finite and not negative: row 3 has inf"),
        ],
    )
    def test_weights_that_are_none(self, data, bad, message):
        X, y = data
        weights = np.ones(len(X))
        weights[3] = bad
        with pytest.raises(ValueError, match=f"^sample_weight must be {message}"):
            small().fit(X, y, weights)
        with pytest.raises(ValueError, match=f"^sample_weight_val must be {message}"):
            small().fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)

    def test_wrong_numbers_of_weights(self, data):
        X, y = data
        with pytest.raises(ValueError, match="one weight per row, 210 in all"):
            small().fit(X, y, np.ones(5))
        with pytest.raises(ValueError, match="sample_weight is zero for all 210 rows"):
            small().fit(X, y, np.zeros(len(X)))
        with pytest.raises(ValueError, match="fewer than two rows of weight greater than 0"):
            small().fit(X, y, np.arange(len(X)) == 3)
        with pytest.raises(ValueError, match=r"^sample_weight_val needs X_val"):
            small().fit(X, y, sample_weight_val=np.ones(3))

    def test_a_callback_that_wants_batches_does_not_lose_them(self, data):
        class Count(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                pass

        X, y = data
        times = np.random.default_rng(0).integers(0, 4, len(X))
        with pytest.warns(UserWarning, match="Count asks for every batch"):
            plain = small(**WHOLE_BATCH, callbacks=[Count()]).fit(X, y, times, X_val=X, y_val=y)
        compiled = small(**WHOLE_BATCH).fit(X, y, times, X_val=X, y_val=y)
        np.testing.assert_allclose(plain.predict(X), compiled.predict(X), atol=1e-3)

    def test_weights_alone_are_routed(self):
        assert has_fit_parameter(KerasMLPRegressor(), "variants")
        with sklearn.config_context(enable_metadata_routing=True):
            mlp = small().set_fit_request(sample_weight=True)
            requests = mlp.get_metadata_routing().fit.requests
        assert requests == {"sample_weight": True}


OTHER_PARAMETERS = {
    "saturation": 0.1,
    "extrapolated_features": (0,),
    "hidden_layer_sizes": (3,),
    "activation": "tanh",
    "kernel_initializer": "zeros",
    "loss": "mean_squared_error",
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "schedule": "one_cycle",
    "weight_decay": 0.5,
    "batch_size": 1,
    "epochs": 1,
    "patience": 1,
    "validation_fraction": 0.5,
    "quantiles": (0.5,),
    "offset_feature": 0,
    "ignored_features": (),
    "fill_missing": False,
    "scale_target": False,
    "n_networks": 2,
    "warm_start": True,
    "callbacks": [],
    "random_state": 7,
    "verbose": 1,
}


@pytest.fixture(scope="module")
def fitted(data):
    """A network of many settings, and inputs with gaps."""
    X, y = data
    mlp = small(
        quantiles=THREE_LEVELS,
        offset_feature=2,
        ignored_features=(1,),
        fill_missing=True,
        scale_target=True,
    )
    gaps = np.where((np.arange(3) == 0) & (X > 1), np.nan, X)
    return mlp.fit(gaps, y, offset_map=(2, 1)), gaps


class TestFixedAfterFit:
    @pytest.mark.parametrize("name", OTHER_PARAMETERS)
    def test_setting_a_parameter_changes_nothing(self, fitted, name):
        mlp, X = fitted
        before = self.outputs(mlp, X)
        changed = copy.deepcopy(mlp).set_params(**{name: OTHER_PARAMETERS[name]})
        for a, b in zip(before, self.outputs(changed, X), strict=True):
            np.testing.assert_array_equal(a, b)
        assert get_tags(changed).input_tags.allow_nan

    def test_all_parameters_are_tried(self, fitted):
        parameters = fitted[0].get_params()
        assert OTHER_PARAMETERS.keys() == parameters.keys()
        same = {name for name, value in parameters.items() if value == OTHER_PARAMETERS[name]}
        assert not same

    def test_several_networks_stay_several(self, data):
        mlp = small(n_networks=2).fit(*data).set_params(n_networks=1)
        with pytest.raises(ValueError, match="this regressor has 2"):
            mlp.to_keras()

    def test_changing_the_sequence_in_place_changes_nothing(self, data):
        levels, ignored = np.array(THREE_LEVELS), [0]
        mlp = small(quantiles=levels, ignored_features=ignored).fit(*data)
        before = mlp.predict(data[0])
        levels[:], ignored[0] = (0.5, 0.6, 0.7), 2
        np.testing.assert_array_equal(mlp.predict(data[0]), before)

    @staticmethod
    def outputs(mlp, X):
        network = mlp.to_keras()
        inputs = np.nan_to_num(X[:, [0]]).astype(np.float32)
        return [
            mlp.predict(X),
            mlp.predict_quantiles(X),
            mlp.raw_quantiles(X),
            mlp.gradient(X),
            network.predict(inputs, verbose=0),
            *network.get_weights(),
            [layer.activation.__name__ for layer in network.layers],
            type(network.optimizer).__name__,
        ]


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


class TestAFitThatFails:
    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"callbacks": [Interrupt]}, KeyboardInterrupt),
            ({"epochs": 0}, ValueError),
            ({"offset_feature": "absent"}, ValueError),
            ({"optimizer": "sgd", "learning_rate": 1e30, "epochs": 50}, ValueError),
            ({"quantiles": None, "hidden_layer_sizes": (0,)}, ValueError),
        ],
        ids=str,
    )
    def test_the_last_fit_stays(self, data, parameters, error):
        X, y = data
        mlp = small(quantiles=THREE_LEVELS, offset_feature=2, scale_target=True).fit(X, y)
        before, history = mlp.predict_quantiles(X), mlp.history_
        with pytest.raises(error):
            mlp.set_params(**parameters).fit(np.c_[X, X], np.c_[y, y])
        np.testing.assert_array_equal(mlp.predict_quantiles(X), before)
        assert mlp.history_ is history
        assert mlp.n_features_in_ == 3

    @pytest.mark.parametrize("parameters", [{"callbacks": [Interrupt]}, {"epochs": 0}], ids=str)
    def test_a_first_one_leaves_nothing(self, data, parameters):
        mlp = small(**parameters)
        with pytest.raises((KeyboardInterrupt, ValueError)):
            mlp.fit(*data)
        for call in (mlp.predict, mlp.predict_quantiles, mlp.raw_quantiles, mlp.gradient):
            with pytest.raises(NotFittedError):
                call(data[0])


class TestFloatingPointErrors:
    @pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
    def test_none_is_raised(self, data, activation):
        X, y = data
        mlp = small(activation=activation, quantiles=THREE_LEVELS, n_networks=2)
        far = X * np.array([1e-200, 1e30, 1e60])
        tiny = np.full((2 * BLOCK_ROWS, 3), 1e-30)
        with np.errstate(all="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            mlp.fit(X * np.array([1e-45, 1, 1]), y)
            expected = mlp.predict(X)
            for rows in (far, tiny, X * 1e4):
                for call in (mlp.predict, mlp.predict_quantiles, mlp.gradient):
                    call(rows)
        np.testing.assert_array_equal(mlp.predict(X), expected)


def fit_anew(data):
    """Predictions of networks none of which was built before."""
    X, y = data
    backend.load("network")._idle.clear()
    by_name = small(quantiles=THREE_LEVELS, optimizer="nadam", schedule="one_cycle").fit(X, y)
    assert {w.dtype for w in by_name.to_keras().get_weights()} == {np.dtype(np.float32)}
    # A rate that float16 can hold: an optimizer made under another type has rounded its own.
    optimizer, loss = keras.optimizers.RMSprop(2**-7), keras.losses.Huber()
    return [by_name.predict(X), small(optimizer=optimizer, loss=loss).fit(X, y).predict(X)]


@pytest.fixture(scope="module")
def in_float32(data):
    return fit_anew(data)


@pytest.mark.parametrize("setting", ["float64", "float16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.slow
def test_keras_float_types_play_no_part(data, in_float32, setting):
    float_type, policy = keras.config.floatx(), keras.config.dtype_policy()
    try:
        if setting.startswith("mixed"):
            keras.config.set_dtype_policy(setting)
        else:
            keras.config.set_floatx(setting)
        before = keras.config.floatx(), keras.config.dtype_policy().name
        actual = fit_anew(data)
        assert (keras.config.floatx(), keras.config.dtype_policy().name) == before
    finally:
        keras.config.set_floatx(float_type)
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(actual, in_float32)


FIT = """
import sys, numpy as np, sfml
X = np.random.default_rng(0).normal(size=(60, 2))
sfml.KerasMLPRegressor((4,), epochs=1).fit(X, X[:, 0])
print("noted by the user", file=sys.stderr)
"""


def run_fit(**environment):
    variables = {k: v for k, v in os.environ.items() if k != backend.LOG_LEVEL} | environment
    return subprocess.run(
        [sys.executable, "-c", FIT], capture_output=True, text=True, env=variables, check=False
    )


class TestTheBackend:
    def test_training_writes_nothing_to_the_terminal(self):
        assert run_fit().stderr == "noted by the user\n"

    @pytest.mark.slow
    def test_a_log_level_of_the_user_stands(self):
        done = run_fit(**{backend.LOG_LEVEL: "0"})
        assert done.returncode == 0
        assert len(done.stderr.splitlines()) > 1

    @pytest.mark.parametrize("name", ["jax", "nonsense"])
    def test_another_one_is_refused(self, name):
        done = run_fit(KERAS_BACKEND=name)
        assert "RuntimeError: sfml trains its networks with Keras on TensorFlow" in done.stderr
        assert f"Keras is set to use '{name}'" in done.stderr
        assert "KERAS_BACKEND=tensorflow" in done.stderr

    def test_what_is_not_tensorflows_is_shown(self, capfd):
        lines = [
            "WARNING: All log messages before absl::InitializeLog() is called",
            "I0000 00:00:1795627497.261266    7520 cudart_stub.cc:31] Could not find cuda drivers",
            "2026-11-25 17:24:41.123456: I tensorflow/core/util/port.cc:153] oneDNN",
            "a line of the user's",
            "I will be shown",
        ]
        with backend._without_tensorflow_lines():
            os.write(2, "\n".join(lines).encode())
        assert capfd.readouterr().err.splitlines() == lines[3:]

    def test_a_failed_import_shows_all(self, capfd):
        def fail():
            with backend._without_tensorflow_lines():
                os.write(2, b"I0000 00:00:1795627497.261266 why it failed\n")
                raise ImportError

        with pytest.raises(ImportError):
            fail()
        assert "why it failed" in capfd.readouterr().err


def test_variants_are_not_copied_again_and_again():
    """At its peak, NumPy holds the versions, and one more being copied."""
    X = np.random.default_rng(0).normal(size=(20_000, 40)).astype(np.float32)
    variants = np.stack([X, X])
    mlp = KerasMLPRegressor((4,), epochs=1, batch_size=1000, fill_missing=True, random_state=0)
    mlp.fit(X[:1000], X[:1000, 0], variants=variants[:, :1000])
    tracemalloc.start()
    try:
        mlp.fit(X, X[:, 0], X_val=X[:100], y_val=X[:100, 0], variants=variants)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * X.nbytes


def test_an_array_of_variants_is_a_sequence_of_them(data):
    X, y = data
    variants = np.stack([X + 0.1, X * 1.1])
    for given in (variants, variants.astype(np.float32), list(variants), tuple(variants)):
        np.testing.assert_array_equal(
            small().fit(X, y, variants=given).predict(X),
            small().fit(X, y, variants=list(variants)).predict(X),
        )
