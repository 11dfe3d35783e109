"""Ctrl-C in training: networks stop with what they have learnt, and say so."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

from sfml.neural import backend
from sfml.stopping import can_be_stopped, stop_on_interrupt, stopped

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "raise_signal"), reason="needs signal.raise_signal"
)


def interruption(after: int):
    """Make a Keras callback that presses Ctrl-C after an epoch, counted over all networks."""
    import keras

    class Interruption(keras.callbacks.Callback):
        n_epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            type(self).n_epochs += 1
            if self.n_epochs == after:
                signal.raise_signal(signal.SIGINT)

    return Interruption


def network(after: int, **parameters):
    from sfml import KerasMLPRegressor

    given = {"hidden_layer_sizes": (4,), "epochs": 5, "patience": None, "random_state": 0}
    return KerasMLPRegressor(callbacks=[interruption(after)], **given | parameters)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)).astype(np.float32)
    return X, X @ [1.0, -1.0]


def test_a_network_that_is_stopped_is_fitted(rows):
    model = network(2)
    with stop_on_interrupt() as request, pytest.warns(UserWarning, match="after 2 of 5 epochs"):
        model.fit(*rows)
    assert request.made
    assert model.n_epochs_ == 2
    assert np.isfinite(model.predict(rows[0])).all()


def test_it_has_the_weights_of_its_best_epoch(rows):
    X, y = rows
    # So high a rate makes the loss go up and down.
    model = network(4, learning_rate=0.8, epochs=30, validation_fraction=0.5)
    with stop_on_interrupt(), pytest.warns(UserWarning, match="Training was stopped"):
        model.fit(X, y)
    losses = model.history_["val_loss"]
    assert losses.idxmin() < losses.index[-1], "the last epoch is no test"
    shorter = network(99, learning_rate=0.8, epochs=int(losses.idxmin()), validation_fraction=0.5)
    assert np.array_equal(model.predict(X), shorter.fit(X, y).predict(X))


def test_networks_that_are_complete_are_kept_and_no_other(rows):
    X, y = rows
    with stop_on_interrupt(), pytest.warns(UserWarning, match="2 of 4 networks are kept"):
        stopped_model = network(5 + 5 + 3, n_networks=4).fit(X, y)
    whole = network(99, n_networks=2).fit(X, y)
    assert np.array_equal(stopped_model.predict(X), whole.predict(X))


def test_nothing_changes_if_nobody_stops(rows):
    X, y = rows
    with stop_on_interrupt() as request:
        inside = network(99).fit(X, y).predict(X)
    assert not request.made
    assert np.array_equal(inside, network(99).fit(X, y).predict(X))


def test_a_second_interrupt_is_an_interruption():
    said = []
    with stop_on_interrupt(lambda: said.append("stopping")):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said == ["stopping"]


def test_a_network_with_nothing_to_keep_stays_unfitted(rows):
    model = network(2)
    with stop_on_interrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            model.fit(*rows)
    assert not hasattr(model, "coefs_")


def test_outside_of_the_block_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt():
        assert can_be_stopped()
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
    assert not can_be_stopped()
    assert not stopped()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_cannot_listen():
    raised = []

    def listen():
        try:
            with stop_on_interrupt():
                pass
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert not can_be_stopped()


def test_a_stopped_pipeline_predicts_calibrated_intervals(survey, quick_pipeline, monkeypatch):
    """The network that all targets share is stopped, and the posterior's is left out."""
    X, y = survey
    pipe = quick_pipeline("sfml", network={"n_networks": 3})
    trainer = backend.load("network")
    train, calls = trainer.train, []

    def train_and_interrupt(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return train(*args, **options)

    monkeypatch.setattr(trainer, "train", train_and_interrupt)
    with stop_on_interrupt(), pytest.warns(UserWarning, match="1 of 3 networks are kept"):
        pipe.fit(X, y)
    assert len(calls) == 2
    assert pipe["regress"].posterior_ is None
    table = pipe.predict_table(X)
    known = table["sfr"].notna()
    assert known.mean() > 0.5
    # Trained so briefly, a network may cross its quantiles; they are then put level.
    assert (table["sfr_p16"] <= table["sfr_p84"])[known].all()
    assert (table["sfr_p16"] < table["sfr_p84"])[known].mean() > 0.9
    with pytest.raises(ValueError, match="percentiles"):
        pipe.predict_interval(X, uncertainty="sps")
