"""Training on whole epochs, compiled in memory. Importing this module imports TensorFlow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


# A batch is learnt in so many parts, if it has at least so many rows.
PARTS = 2
SMALLEST_SPLIT = 128


# Batches of fewer rows than asked for are made of whole multiples of this.
SMALLEST_BATCH = 64
VALIDATION_BATCH = 256


class Batches(NamedTuple):
    """Rows in batches, filled up so that data of nearly the same size have the same shapes."""

    x: tf.Tensor  # (n_variants * n_batches * batch_size, n_inputs)
    y: tf.Tensor  # (n_variants * n_batches * batch_size, n_outputs)
    weights: tf.Tensor  # (n_batches * batch_size,), by place in the epoch
    shares: tf.Tensor  # (n_batches,), each batch's share of the rows
    n_steps: tf.Tensor  # batches that have any


class InMemorySequential(keras.Sequential):
    """A `keras.Sequential` whose `fit` runs each epoch as one compiled program.

    Catalogues fit in memory and the networks are small, so that plain `Model.fit` spends nearly
    all its time between batches. Here the rows are shuffled, cut into batches and learnt within
    one XLA program an epoch; `fit` takes the same arguments, drives the same callbacks once an
    epoch and returns the same `History`. What needs more than that (generators, class weights,
    extra metrics, callbacks that want every batch) goes to `keras.Model.fit` as it is.

    `x` and `y` may have a further dimension in front, for variants of the same samples, of which
    each epoch draws one.

    Attributes
    ----------
    shuffle_rng : numpy.random.Generator
        Source of the epochs' permutations; set it before `fit` for reproducible training.
    schedule : callable or None
        Factor on the learning rate as a function of the share of training done, an array from
        0 to 1 with one entry a step. Callbacks see and set the rate before the factor.
    """

    shuffle_rng: np.random.Generator
    schedule: Callable[[np.ndarray], np.ndarray] | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        **other: Any,
    ) -> keras.callbacks.History:
        """Train as `keras.Model.fit` does; see the class for what differs."""
        if not self._fits_in_memory(x, y, validation_data, callbacks, other):
            if np.ndim(x) == 3:
                raise ValueError("keras.Model.fit cannot choose between variants of the samples.")
            return super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                **other,
            )
        n_samples = x.shape[-2]
        batch_size = min(batch_size or 32, _round_up(n_samples, SMALLEST_BATCH))
        n_steps = -(-n_samples // batch_size)
        data = _cut_into_batches(x, y, batch_size)
        validation = None
        if validation_data is not None:
            x_val, y_val = validation_data
            validation = _cut_into_batches(x_val, y_val, VALIDATION_BATCH)
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = keras.callbacks.CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose not in (0, "auto"),
                verbose=verbose,
                epochs=epochs,
                steps=n_steps,
                model=self,
            )
        self.optimizer.build(self.trainable_variables)
        self.stop_training = False
        callbacks.on_train_begin()
        logs: dict[str, float] = {}
        for epoch in range(initial_epoch, epochs):
            callbacks.on_epoch_begin(epoch)
            order = self._draw_order(x.shape[:-1], data, shuffle)
            progress = (epoch + np.arange(len(data.shares)) / n_steps) / epochs
            logs = self._run_epoch(order, progress, data, validation, callbacks)
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end(logs)
        return self.history

    def _fits_in_memory(
        self, x: Any, y: Any, validation_data: Any, callbacks: Any, other: dict[str, Any]
    ) -> bool:
        """Whether the compiled epochs can do what was asked of `fit`."""
        arrays = [x, y, *(validation_data or ())]
        tables = all(isinstance(a, np.ndarray | tf.Tensor) and a.ndim in (2, 3) for a in arrays)
        plain = tables and len(arrays) in (2, 4)
        wants_batches = [c for c in _as_list(callbacks) if _wants_every_batch(c)]
        if wants_batches:
            warnings.warn(
                f"{', '.join(type(c).__name__ for c in wants_batches)} asks for every batch, "
                "which compiled epochs do not show: training with plain keras.Model.fit, "
                "which is many times slower.",
                stacklevel=4,
            )
        return plain and not wants_batches and not any(other.values()) and not self._has_metrics()

    def _has_metrics(self) -> bool:
        return self._compile_metrics is not None and bool(
            self._compile_metrics._user_metrics or self._compile_metrics._user_weighted_metrics
        )

    def _draw_order(self, shape: tuple[int, ...], data: Batches, shuffle: bool) -> tf.Tensor:
        """Rows of `data` in the order of an epoch's batches, filled up with its first.

        With several variants of each sample, the epoch takes one of each: the first, which is the
        sample as it is, half of the time.
        """
        *n_variants, n_samples = shape
        n_rows = data.weights.shape[0]
        rng = getattr(self, "shuffle_rng", None) or np.random.default_rng()
        rows = np.zeros(n_rows, dtype=np.int32)
        rows[:n_samples] = rng.permutation(n_samples) if shuffle else np.arange(n_samples)
        if n_variants and n_variants[0] > 1:
            other = rng.integers(1, n_variants[0], n_samples)
            rows[:n_samples] += n_rows * np.where(rng.random(n_samples) < 0.5, 0, other)
        return tf.constant(rows)

    def _run_epoch(
        self,
        order: tf.Tensor,
        progress: np.ndarray,
        data: Batches,
        validation: Batches | None,
        callbacks: Any,
    ) -> dict[str, float]:
        # Keras's own callbacks that have batch hooks use them to look at the loss or to count.
        last = int(data.n_steps) - 1
        callbacks.on_train_batch_begin(last)
        rates = None
        if self.schedule is not None:
            rate = self.optimizer.learning_rate.numpy()
            rates = tf.constant(rate * self.schedule(progress), dtype=tf.float32)
        loss, val_loss = self._compiled_epoch()(order, rates, data, validation)
        if rates is not None:
            self.optimizer.learning_rate = rate
        logs = {"loss": float(loss)}
        callbacks.on_train_batch_end(last, logs)
        if validation is not None:
            callbacks.on_test_begin()
            logs["val_loss"] = float(val_loss)
            callbacks.on_test_end({"loss": logs["val_loss"]})
        return logs

    def _compiled_epoch(self) -> Any:
        """Make the epoch one XLA program, traced again only for arrays of another shape."""
        if getattr(self, "_epoch_function", None) is None:
            self._epoch_function = tf.function(self._epoch, jit_compile=True, autograph=False)
        return self._epoch_function

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile as Keras does, and forget the program of an earlier optimizer or loss."""
        super().compile(*args, **kwargs)
        self._epoch_function = None

    def _epoch(
        self,
        order: tf.Tensor,
        rates: tf.Tensor | None,
        data: Batches,
        validation: Batches | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        batch_size = data.weights.shape[0] // data.shares.shape[0]
        # One gather for the epoch and contiguous slices for its batches: fewer small copies.
        x, y = tf.gather(data.x, order), tf.gather(data.y, order)

        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = [_slice_rows(a, i * batch_size, batch_size) for a in (x, y, data.weights)]
            if rates is not None:
                self.optimizer.learning_rate = rates[i]
            return i + 1, total + data.shares[i] * self._learn(*rows)

        start = (tf.constant(0), tf.constant(0.0))
        _, loss = tf.while_loop(lambda i, _: i < data.n_steps, step, start)
        if validation is None:
            return loss, tf.constant(np.nan, dtype=tf.float32)
        return loss, self._validate(validation)

    def _validate(self, data: Batches) -> tf.Tensor:
        """Mean loss of all rows: their weights, which are of batches, are made the epoch's."""
        n_batches = data.shares.shape[0]
        batch_weights = tf.repeat(data.shares, data.x.shape[0] // n_batches) * n_batches
        return self.compute_loss(
            x=data.x,
            y=data.y,
            y_pred=self(data.x, training=False),
            sample_weight=data.weights * batch_weights,
        )

    def _learn(self, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One step of the optimizer; returns the batch's mean loss before it."""
        # Independent parts of a batch keep two cores busy: their operations have no order.
        n_parts = PARTS if x.shape[0] % PARTS == 0 and x.shape[0] >= SMALLEST_SPLIT else 1
        parts = zip(*(tf.split(a, n_parts) for a in (x, y, weights)), strict=True)
        with tf.GradientTape() as tape:
            losses = [
                self.compute_loss(x=x, y=y, y_pred=self(x, training=True), sample_weight=weights)
                for x, y, weights in parts
            ]
            loss = tf.add_n(losses) / n_parts
        gradients = tape.gradient(loss, [v.value for v in self.trainable_variables])
        self.optimizer.apply(gradients, self.trainable_variables)
        return loss


def _as_list(callbacks: Any) -> list[keras.callbacks.Callback]:
    if callbacks is None or isinstance(callbacks, keras.callbacks.CallbackList):
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _wants_every_batch(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback does its own work on batches, rather than inherit Keras's."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return callback.save_freq != "epoch"
    if isinstance(callback, keras.callbacks.LambdaCallback):
        return any(name in vars(callback) for name in _BATCH_HOOKS)
    hooks = (getattr(type(callback), name) for name in _BATCH_HOOKS)
    return not all(hook.__module__.startswith("keras.") for hook in hooks)


def _cut_into_batches(x: Any, y: Any, batch_size: int) -> Batches:
    """Fill rows up to whole batches, and batches up to a number that other data share.

    Rows that fill up have no weight. The real rows of the last batch weigh more in return, since
    Keras divides a batch's loss by its length: so every batch has its rows' mean loss.
    """
    n_samples = x.shape[-2]
    n_steps = -(-n_samples // batch_size)
    # At most a sixteenth more: the folds of a cross-validation then share one program.
    n_batches = _round_up(n_steps, max(1, n_steps // 16))
    in_batch = np.clip(n_samples - batch_size * np.arange(n_batches), 0, batch_size)
    filled = np.arange(batch_size) < in_batch[:, np.newaxis]
    weights = np.where(filled, batch_size / np.maximum(in_batch, 1)[:, np.newaxis], 0)
    missing = n_batches * batch_size - n_samples
    x, y = (
        np.pad(np.asarray(a, np.float32), [(0, 0)] * (a.ndim - 2) + [(0, missing), (0, 0)])
        for a in (x, y)
    )
    return Batches(
        x=tf.constant(x.reshape(-1, x.shape[-1])),
        y=tf.constant(y.reshape(-1, y.shape[-1])),
        weights=tf.constant(weights.ravel(), dtype=tf.float32),
        shares=tf.constant(in_batch / n_samples, dtype=tf.float32),
        n_steps=tf.constant(n_steps),
    )


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _slice_rows(array: tf.Tensor, start: tf.Tensor, size: int) -> tf.Tensor:
    begin = tf.stack([start, *[0] * (len(array.shape) - 1)])
    return tf.slice(array, begin, [size, *array.shape[1:]])
