"""Training on whole epochs, compiled in memory. Importing this module imports TensorFlow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from sfml.compat import has_keras_metrics

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


# A batch is learnt in so many parts, if it has at least so many rows.
PARTS = 2
SMALLEST_SPLIT = 128


# Batches of fewer rows than asked for are made of whole multiples of this.
SMALLEST_BATCH = 64
VALIDATION_BATCH = 256

_lock = threading.Lock()
_users = 0
_users_floatx = "float32"


@contextmanager
def keras_in_float32() -> Iterator[None]:
    """Keep Keras's global float type out of what is built or traced in the block.

    Losses and optimizers take it from there alone. Blocks of several threads may overlap.
    """
    global _users, _users_floatx
    with _lock:
        if not _users:
            _users_floatx = keras.config.floatx()
            keras.config.set_floatx("float32")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                keras.config.set_floatx(_users_floatx)


class Batches(NamedTuple):
    """Rows in batches, filled up so that data of nearly the same size have the same shapes."""

    x: tf.Tensor  # (n_variants * n_batches * batch_size, n_inputs)
    y: tf.Tensor  # (n_variants * n_batches * batch_size, n_outputs)
    weights: tf.Tensor  # (n_batches * batch_size,), by place in the epoch
    shares: tf.Tensor  # (n_batches,), each batch's share of the rows
    n_steps: tf.Tensor  # batches that have any
    row_weights: tf.Tensor | None = None  # (n_batches * batch_size,), by row


class InMemoryData(NamedTuple):
    """Rows ready for `InMemorySequential.fit`, which several networks may share."""

    batches: Batches
    n_samples: int
    n_variants: int = 1

    @classmethod
    def from_arrays(
        cls,
        x: Iterable[Any],
        y: Iterable[Any],
        batch_size: int,
        weights: np.ndarray | None = None,
        n_batches: int | None = None,
    ) -> InMemoryData:
        """Cut rows into batches.

        Rows that fill up have no weight. The real rows of the last batch weigh more in return,
        since Keras divides a batch's loss by its length: so every batch has its rows' mean loss.

        Parameters
        ----------
        x, y : iterable of ndarray of shape (n_samples, n_columns)
            The samples, and then their variants. Each is dropped when TensorFlow has copied it.
        batch_size : int
            Rows per batch.
        weights : ndarray of shape (n_samples,) or None
            Weights of the samples, with a mean of 1.
        n_batches : int or None
            Batches to fill up to, so that chunks share one program; by default, about as many as
            there are.
        """
        y = [np.asarray(each) for each in y]
        n_samples = len(y[0])
        n_batches = n_batches or count_batches(n_samples, batch_size)
        in_batch = np.clip(n_samples - batch_size * np.arange(n_batches), 0, batch_size)
        filled = np.arange(batch_size) < in_batch[:, np.newaxis]
        by_place = np.where(filled, batch_size / np.maximum(in_batch, 1)[:, np.newaxis], 0)
        batches = Batches(
            x=_stack(x, batch_size * n_batches),
            y=_stack(y, batch_size * n_batches),
            weights=tf.constant(by_place.ravel(), dtype=tf.float32),
            shares=tf.constant(in_batch / n_samples, dtype=tf.float32),
            n_steps=tf.constant(-(-n_samples // batch_size)),
            row_weights=None if weights is None else _stack([weights], batch_size * n_batches),
        )
        return cls(batches, n_samples, len(y))

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Give the rows back, with their weights if they have any, for `keras.Model.fit`."""
        x, y, weights = self.batches.x, self.batches.y, self.batches.row_weights
        return tuple(a.numpy()[: self.n_samples] for a in (x, y, weights) if a is not None)


class ChunkedData(NamedTuple):
    """Rows that do not fit in memory, for `InMemorySequential.fit`: chunk after chunk, each epoch.

    Chunks with equally many batches share one compiled program.
    """

    chunks: Callable[[], Iterator[InMemoryData]]
    """Gives the chunks of the next epoch."""
    n_steps: int
    """About how many steps an epoch has, by which the schedule of the learning rate goes."""


def _stack(arrays: Iterable[Any], n_rows: int) -> tf.Tensor:
    """Copy arrays one below the other, each filled up to `n_rows`."""
    padded = (
        np.pad(np.asarray(a, np.float32), [(0, n_rows - len(a))] + [(0, 0)] * (np.ndim(a) - 1))
        for a in arrays
    )
    # Without `identity`, TensorFlow holds the array beside its copy until its next operation.
    tensors = [tf.identity(tf.constant(a)) for a in padded]
    return tensors[0] if len(tensors) == 1 else tf.concat(tensors, axis=0)


def count_batches(n_samples: int, batch_size: int) -> int:
    """Count the batches that so many samples are filled up to."""
    n_steps = -(-n_samples // batch_size)
    # At most a sixteenth more: the folds of a cross-validation then share one program.
    return _round_up(n_steps, max(1, n_steps // 16))


def usual_batch_size(batch_size: int | None, n_samples: int) -> int:
    """Return the batch size asked for, or less if there are not so many samples."""
    return min(batch_size or 32, _round_up(n_samples, SMALLEST_BATCH))


class InMemorySequential(keras.Sequential):
    """A `keras.Sequential` whose `fit` runs each epoch as one compiled program.

    Catalogues fit in memory and the networks are small, so that plain `Model.fit` spends nearly
    all its time between batches. Here the rows are shuffled, cut into batches and learnt within
    one XLA program per epoch; `fit` takes the same arguments, drives the same callbacks once per
    epoch and returns the same `History`. What needs more than that (generators, class weights,
    extra metrics, callbacks that want every batch) goes to `keras.Model.fit` as it is.

    `x` may also be `InMemoryData`, without `y`; that may hold variants of the same samples, of
    which each epoch draws one. So may `validation_data`. `x` may be `ChunkedData` too: an epoch is
    then one compiled program per chunk.

    Attributes
    ----------
    shuffle_rng : numpy.random.Generator
        Source of the epochs' permutations; set it before `fit` for reproducible training.
    schedule : callable or None
        Factor on the learning rate as a function of the share of training done, an array from
        0 to 1 with one entry per step. Callbacks see and set the rate before the factor.
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
            if isinstance(x, ChunkedData):
                raise ValueError("keras.Model.fit cannot learn from chunks of samples.")
            if isinstance(x, InMemoryData):
                if x.n_variants > 1:
                    raise ValueError("keras.Model.fit cannot choose between variants of samples.")
                x, y, *weights = x.arrays()
                other["sample_weight"] = weights[0] if weights else None
            if isinstance(validation_data, InMemoryData):
                validation_data = validation_data.arrays()
            with keras_in_float32():
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
        if not isinstance(x, InMemoryData | ChunkedData):
            x = InMemoryData.from_arrays([x], [y], usual_batch_size(batch_size, len(x)))
        validation = validation_data
        if validation is not None and not isinstance(validation, InMemoryData):
            x_val, y_val = validation
            validation = InMemoryData.from_arrays([x_val], [y_val], VALIDATION_BATCH)
        chunks = x.chunks if isinstance(x, ChunkedData) else lambda: iter([x])
        n_steps = x.n_steps if isinstance(x, ChunkedData) else int(x.batches.n_steps)
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
            logs = self._run_epoch(
                chunks(),
                partial(_share_done, n_steps=n_steps, epoch=epoch, epochs=epochs),
                n_steps,
                shuffle=shuffle,
                validation=validation and validation.batches,
                callbacks=callbacks,
            )
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end(logs)
        return self.history

    def _fits_in_memory(
        self, x: Any, y: Any, validation_data: Any, callbacks: Any, other: dict[str, Any]
    ) -> bool:
        """Whether the compiled epochs can do what was asked of `fit`."""
        given = [] if isinstance(x, InMemoryData | ChunkedData) else [x, y]
        if not isinstance(validation_data, InMemoryData):
            given += validation_data or ()
        plain = len(given) % 2 == 0 and all(
            isinstance(a, np.ndarray | tf.Tensor) and len(a.shape) == 2 for a in given
        )
        wants_batches = [c for c in _as_list(callbacks) if _wants_every_batch(c)]
        if wants_batches:
            warnings.warn(
                f"{', '.join(type(c).__name__ for c in wants_batches)} asks for every batch, "
                "which compiled epochs do not show: training with plain keras.Model.fit, "
                "which is many times slower.",
                stacklevel=4,
            )
        plain = plain and not any(np.ndim(value) or value for value in other.values())
        return plain and not wants_batches and not has_keras_metrics(self)

    def _draw_order(self, data: InMemoryData, shuffle: bool) -> tf.Tensor:
        """Rows of `data` in the order of an epoch's batches, filled up with its first.

        With several variants of each sample, the epoch takes one of each: the first, which is the
        sample as it is, half of the time.
        """
        n_samples, n_rows = data.n_samples, data.batches.weights.shape[0]
        rng = getattr(self, "shuffle_rng", None) or np.random.default_rng()
        rows = np.zeros(n_rows, dtype=np.int32)
        rows[:n_samples] = rng.permutation(n_samples) if shuffle else np.arange(n_samples)
        if data.n_variants > 1:
            other = rng.integers(1, data.n_variants, n_samples)
            rows[:n_samples] += n_rows * np.where(rng.random(n_samples) < 0.5, 0, other)
        return tf.constant(rows)

    def _run_epoch(
        self,
        chunks: Iterator[InMemoryData],
        progress: Callable[[np.ndarray], np.ndarray],
        n_steps: int,
        *,
        shuffle: bool,
        validation: Batches | None,
        callbacks: Any,
    ) -> dict[str, float]:
        # Keras's own callbacks that have batch hooks use them to look at the loss or to count.
        callbacks.on_train_batch_begin(n_steps - 1)
        rate = None if self.schedule is None else self.optimizer.learning_rate.numpy()
        losses, counts, done = [], [], 0
        for chunk, is_last in _tell_last(chunks):
            rates = None
            if self.schedule is not None:
                factors = self.schedule(progress(done + np.arange(len(chunk.batches.shares))))
                rates = tf.constant(rate * factors, dtype=tf.float32)
            order = self._draw_order(chunk, shuffle)
            loss, val_loss = self._compiled_epoch()(
                order, rates, chunk.batches, validation if is_last else None
            )
            losses.append(float(loss))
            counts.append(chunk.n_samples)
            done += int(chunk.batches.n_steps)
        if not losses:
            raise ValueError("There are no rows to learn from in an epoch's chunks.")
        if rate is not None:
            self.optimizer.learning_rate = rate
        logs = {"loss": float(np.dot(losses, np.divide(counts, np.sum(counts))))}
        callbacks.on_train_batch_end(n_steps - 1, logs)
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

    @keras_in_float32()  # Python code runs only while the program is traced
    def _epoch(
        self,
        order: tf.Tensor,
        rates: tf.Tensor | None,
        data: Batches,
        validation: Batches | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        batch_size = data.weights.shape[0] // data.shares.shape[0]
        weights = data.weights
        if data.row_weights is not None:
            weights *= tf.gather(data.row_weights, order % weights.shape[0])
        # One gather for the epoch and contiguous slices for its batches: fewer small copies.
        x, y = tf.gather(data.x, order), tf.gather(data.y, order)

        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = [_slice_rows(a, i * batch_size, batch_size) for a in (x, y, weights)]
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
        weights = data.weights
        weights *= tf.repeat(data.shares, data.x.shape[0] // n_batches) * n_batches
        if data.row_weights is not None:
            weights *= data.row_weights
        return self.compute_loss(
            x=data.x,
            y=data.y,
            y_pred=self(data.x, training=False),
            sample_weight=weights,
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


def _share_done(steps: np.ndarray, n_steps: int, epoch: int, epochs: int) -> np.ndarray:
    """Share of the training that is done before steps of an epoch, which may have a few more."""
    return (epoch + np.minimum(steps / n_steps, 1)) / epochs


def _tell_last(chunks: Iterator[InMemoryData]) -> Iterator[tuple[InMemoryData, bool]]:
    """Say of each chunk whether it is the last one."""
    chunk = next(chunks, None)
    while chunk is not None:
        following = next(chunks, None)
        yield chunk, following is None
        chunk = following


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


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _slice_rows(array: tf.Tensor, start: tf.Tensor, size: int) -> tf.Tensor:
    begin = tf.stack([start, *[0] * (len(array.shape) - 1)])
    return tf.slice(array, begin, [size, *array.shape[1:]])
