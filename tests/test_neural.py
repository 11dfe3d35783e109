"""The networks: training against plain Keras, prediction in NumPy, seeds, callbacks."""

import pickle
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from scipy.special import erf

from sfml import KerasMLPRegressor
from sfml.neural import _backend
from sfml.neural._forward import ACTIVATIONS, BLOCK_ROWS, forward

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
    network = _backend.load("_network")
    defaults = {
        "n_inputs": 3,
        "n_outputs": 1,
        "hidden_layer_sizes": (8, 6),
        "activation": "relu",
        "loss": "mean_absolute_error",
        "optimizer": "adam",
    }
    return network.build(network.NetworkSpec(**(defaults | spec)))


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
    first, second = (model._draw_order(150, 160, True).numpy() for _ in range(2))
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
    np.testing.assert_allclose(forward(X, coefs, intercepts, "gelu"), expected, atol=1e-4)


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
    network = _backend.load("_network")
    spec = network.NetworkSpec(2, 1, (3,), "relu", "mean_absolute_error", "adam")
    with network.borrow(spec) as first, network.borrow(spec) as second:
        assert first is not second
    with network.borrow(spec) as third:
        assert third is first or third is second


def test_an_interrupted_network_is_not_lent_again():
    network = _backend.load("_network")
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
    network = _backend.load("_network")
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
    network = _backend.load("_network")
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
    with pytest.raises(ValueError, match="offset_feature=3 is no column of X, which has 3"):
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
        forward(X, [c[k] for c in three.coefs_], [b[k] for b in three.intercepts_], "relu")
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
    _, validation = mlp._split(
        len(X), np.random.default_rng(np.random.RandomState(0).randint(2**31 - 1))
    )
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


def test_callbacks_keep_no_model(data):
    callback = keras.callbacks.CSVLogger("unused")
    callback.on_train_begin = callback.on_epoch_end = callback.on_train_end = lambda *_, **__: None
    small(callbacks=[callback]).fit(*data)
    assert callback.model is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": 44}, "hidden_layer_sizes must be a sequence .* got 44"),
        ({"hidden_layer_sizes": (44, 0)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": (44, 6.5)}, "hidden_layer_sizes"),
        ({"activation": "rleu"}, "activation must be one of .* got 'rleu'"),
        ({"epochs": 0}, "epochs must be a positive integer; got 0"),
        ({"epochs": None}, "epochs must be a positive integer; got None"),
        ({"batch_size": 2.5}, "batch_size must be a positive integer"),
        ({"patience": -1}, "patience must be a positive integer"),
        ({"learning_rate": 0}, "learning_rate must be positive"),
        ({"learning_rate": np.inf}, "learning_rate must be positive and finite"),
        ({"schedule": "cosine"}, "schedule must be one of constant, one_cycle; got 'cosine'"),
        ({"weight_decay": -1}, "weight_decay must be None or >= 0"),
        ({"n_networks": 0}, "n_networks must be a positive integer"),
        ({"validation_fraction": 1}, r"validation_fraction must lie in \[0, 1\)"),
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
