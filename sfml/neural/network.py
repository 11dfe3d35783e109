"""Networks built and compiled by SciKeras, and lent to one `fit` after another.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import ndtri

from sfml.compat import in_float32
from sfml.neural.ensemble import NetworkSpec
from sfml.neural.progress import EpochProgress
from sfml.neural.trainer import InMemoryData, InMemorySequential, keras_in_float32
from sfml.parallel import raise_if_cancelled
from sfml.stopping import can_be_stopped, stopped

# Idle networks kept with their compiled programs, so that a grid search or the folds of a
# cross-validation compile each architecture once. Each holds a few MB.
MAX_IDLE = 8


# The share of the steps in which "one_cycle" warms up.
WARM_UP = 0.05


def one_cycle(progress: np.ndarray) -> np.ndarray:
    """Factor on the learning rate: up in a line, then down along a cosine to nothing."""
    down = 0.5 * (1 + np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return np.where(progress < WARM_UP, progress / WARM_UP, down)


# Standard deviation with which the quantiles of a network start, in units of the target's, if
# targets are scaled.
FIRST_SPREAD = 0.2
# With equal weights medians scatter more, and the other quantiles are no better.
MEDIAN_WEIGHT = 5.0


SCHEDULES: dict[str, Callable[[np.ndarray], np.ndarray] | None] = {
    "constant": None,
    "one_cycle": one_cycle,
}


_idle: list[tuple[NetworkSpec, InMemorySequential]] = []
_lock = threading.Lock()


@contextmanager
def borrow(spec: NetworkSpec) -> Iterator[InMemorySequential]:
    """Lend a compiled network of this architecture, to nobody else at the same time.

    Its weights, optimizer and learning rate are those of an earlier `fit` until `initialise`.
    """
    model = _take_idle(spec) or build(spec)
    yield model
    # Only reached if training ended well: an interrupted network is not lent again.
    if spec.is_plain():
        with _lock:
            _idle.append((spec, model))
            del _idle[:-MAX_IDLE]


def _take_idle(spec: NetworkSpec) -> InMemorySequential | None:
    if spec.is_plain():
        with _lock:
            for place, (other, model) in enumerate(_idle):
                if other == spec:
                    del _idle[place]
                    return model
    return None


def build(spec: NetworkSpec) -> InMemorySequential:
    """Build and compile a network; its weights are zero until `initialise`."""
    from scikeras.wrappers import KerasRegressor

    # SciKeras reads no more than shapes and types from these rows.
    example = np.zeros((2, spec.n_inputs), np.float32), np.zeros((2, spec.n_outputs), np.float32)
    decay = {} if spec.weight_decay is None else {"optimizer__weight_decay": spec.weight_decay}
    with keras_in_float32():
        builder = KerasRegressor(
            model=_layers,
            model__spec=spec,
            loss=in_float32(spec.loss) if spec.quantiles is None else pinball_loss(spec.quantiles),
            optimizer=copy_optimizer(spec.optimizer),
            verbose=0,
            **decay,
        )
        model = builder.initialize(*example).model_
        model.optimizer.build(model.trainable_variables)
    model.fresh_optimizer_state = tuple(v.numpy() for v in model.optimizer.variables)
    return model


def pinball_loss(quantiles: tuple[float, ...]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Make the loss of all quantiles of all outputs, an output's quantiles side by side.

    Twice the pinball loss (Koenker & Bassett 1978), averaged over the quantiles, of which the
    median, the prediction, weighs more. For the median alone it is the mean absolute error.
    """
    levels = tf.constant(quantiles, dtype=tf.float32)
    weights = np.where(np.asarray(quantiles) == 0.5, MEDIAN_WEIGHT, 1.0)
    weights = tf.constant(weights / weights.mean(), dtype=tf.float32)

    def pinball(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        shape = (-1, y_true.shape[-1], len(quantiles))
        above = y_true[:, :, tf.newaxis] - tf.reshape(y_pred, shape)
        above = tf.where(tf.math.is_nan(above), 0.0, above)  # there is no label to learn
        losses = tf.maximum(levels * above, (levels - 1) * above)
        return 2 * tf.reduce_mean(weights * losses, axis=(1, 2))

    return pinball


def copy_optimizer(optimizer: Any) -> Any:
    """Make an optimizer object anew, without its state; a name stays."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return type(optimizer).from_config(optimizer.get_config())
    return optimizer


def _layers(spec: NetworkSpec, compile_kwargs: dict[str, Any]) -> InMemorySequential:
    # An initialiser without a seed would draw one from Python's global generator: hence zeros.
    options = {"kernel_initializer": "zeros", "dtype": "float32"}
    dense = [
        keras.layers.Dense(size, activation=spec.activation, **options)
        for size in spec.hidden_layer_sizes
    ]
    output = keras.layers.Dense(spec.n_outputs * spec.n_quantiles, **options)
    inputs = keras.layers.Input((spec.n_inputs,), dtype="float32")
    model = InMemorySequential([inputs, *dense, output])
    model.dtype_policy = "float32"
    model.compile(**compile_kwargs)
    if spec.weight_decay is not None:
        model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    return model


def initialise(
    model: InMemorySequential,
    *,
    kernel_initializer: Any,
    learning_rate: float | None,
    schedule: str,
    rng: np.random.Generator,
    quantiles: Sequence[float] | None = None,
) -> None:
    """Give a network fresh weights and a fresh optimizer, all randomness drawn from `rng`.

    With ``learning_rate=None`` the optimizer keeps the one it was made with. The quantiles of an
    output start as one function, each shifted as it is in a normal distribution: drawn one by
    one, they would have to find their order first, and with few samples cross.
    """
    weights = []
    for kernel, bias in zip(model.weights[::2], model.weights[1::2], strict=True):
        initializer = _seeded(kernel_initializer, int(rng.integers(2**31)))
        weights += [initializer(kernel.shape, dtype="float32").numpy(), np.zeros(bias.shape)]
    if quantiles is not None:
        k = len(quantiles)
        weights[-2] = np.repeat(weights[-2][:, ::k], k, axis=1)
        weights[-1] = np.tile(FIRST_SPREAD * ndtri(quantiles), len(weights[-1]) // k)
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, model.fresh_optimizer_state, strict=True):
        variable.assign(value)
    if learning_rate is not None:
        model.optimizer.learning_rate = learning_rate
    model.schedule = SCHEDULES[schedule]
    model.shuffle_rng = rng


def _seeded(initializer: Any, seed: int) -> keras.initializers.Initializer:
    if isinstance(initializer, str):
        try:
            # Made without a seed, it would draw one from Python's global generator.
            return keras.initializers.get({"class_name": initializer, "config": {"seed": seed}})
        except TypeError:  # nothing random in it, such as "zeros"
            return keras.initializers.get(initializer)
    config = initializer.get_config()
    return type(initializer).from_config({**config, "seed": seed} if "seed" in config else config)


def device() -> str:
    """Name the device that TensorFlow computes on."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return f"GPU ({tf.config.experimental.get_device_details(gpus[0]).get('device_name', '?')})"


class _StopIfCancelled(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        raise_if_cancelled()


class _StopOnRequest(keras.callbacks.Callback):
    """End training after the epoch in which it is asked for, with the best weights so far."""

    def __init__(self, watched: str) -> None:
        super().__init__()
        self.watched = watched
        self.best_loss = np.inf
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = (logs or {}).get(self.watched, np.nan)
        if loss < self.best_loss:
            self.best_loss, self.best_weights = loss, self.model.get_weights()
        if stopped() and epoch + 1 < self.params["epochs"]:
            self.model.stop_training = True
            if self.best_weights is not None:
                self.model.set_weights(self.best_weights)


def _make_callback(given: Any) -> keras.callbacks.Callback:
    """Take a callback, or make one."""
    made = given() if callable(given) and not isinstance(given, keras.callbacks.Callback) else given
    if not isinstance(made, keras.callbacks.Callback):
        raise TypeError(
            "callbacks must hold keras.callbacks.Callback objects, or callables that make one, "
            f"such as their classes; got {given!r}."
        )
    return made


def train(
    model: InMemorySequential,
    training: InMemoryData,
    validation: InMemoryData | None,
    *,
    batch_size: int,
    epochs: int,
    patience: int | None,
    callbacks: Any,
    verbose: int,
) -> dict[str, list[float]]:
    """Train an initialised network, with early stopping, and return its history."""
    given = [_make_callback(each) for each in callbacks or ()]
    used = [*given, keras.callbacks.TerminateOnNaN(), _StopIfCancelled()]
    watched = "loss" if validation is None else "val_loss"
    if can_be_stopped():
        used.append(_StopOnRequest(watched))
    if patience is not None:
        used.append(
            keras.callbacks.EarlyStopping(watched, patience=patience, restore_best_weights=True)
        )
    progress = [EpochProgress()] if verbose else []
    try:
        history = model.fit(
            training,
            batch_size=batch_size,
            epochs=epochs,
            callbacks=used + progress,
            validation_data=validation,
            verbose=0,
        )
    finally:
        for bar in progress:
            bar.on_train_end()
        for callback in given:
            # A callback that kept its model would tie the fitted estimator to Keras.
            callback.set_model(None)
    return history.history
