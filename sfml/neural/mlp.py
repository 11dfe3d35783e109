"""The multilayer perceptron as a scikit-learn regressor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.neural import backend
from sfml.neural.checks import check_params
from sfml.neural.forward import forward
from sfml.neural.gradient import input_gradient
from sfml.uncertainty import uncross

if TYPE_CHECKING:
    import keras


class KerasMLPRegressor(RegressorMixin, BaseEstimator):
    """A multilayer perceptron trained by Keras and kept as NumPy arrays.

    The defaults are the stellar-mass network of Surana et al. (2020). Training compiles whole
    epochs and runs them in memory; once fitted, the network is a list of arrays: prediction and
    unpickling need neither Keras nor TensorFlow.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(44, 66, 66)
        Nodes of each hidden layer.
    activation : str, default="relu"
        Activation of the hidden layers, by its Keras name: "elu", "gelu", "leaky_relu",
        "linear", "relu", "sigmoid", "silu", "softplus" or "tanh". The output layer is linear.
    kernel_initializer : str or keras.initializers.Initializer, default="random_normal"
        How the weights are drawn; biases start at zero.
    loss : str or callable, default="mean_absolute_error"
        A loss that Keras knows by name, or a Keras loss.
    optimizer : str or keras.optimizers.Optimizer, default="adam"
        A copy of an optimizer object is used, with its own learning rate.
    learning_rate : float, default=0.001
        Learning rate of an optimizer given by name; with a schedule, the highest.
    schedule : {"constant", "one_cycle"}, default="constant"
        "one_cycle" raises the learning rate in a line over the first 5 % of the steps and lowers
        it to nothing along a cosine over the others, whatever number of epochs is asked for.
    weight_decay : float or None, default=None
        Decoupled weight decay (Loshchilov & Hutter 2019) of an optimizer given by name; biases
        do not decay.
    batch_size : int, default=256
        Rows a step.
    epochs : int, default=5000
        The most epochs to train.
    patience : int or None, default=300
        Stop when the validation loss has not improved for so many epochs, and go back to the
        best weights. None trains all epochs and keeps the last weights.
    validation_fraction : float, default=0.2
        Share of the rows set aside, at random, for the validation loss, unless `fit` is given
        rows for it. With 0, early stopping watches the training loss.
    quantiles : sequence of float or None, default=None
        Levels of the quantiles to learn, growing and with 0.5 among them, such as
        ``(0.16, 0.5, 0.84)``. The loss is then twice the pinball loss, averaged over them, the
        median weighing five times as much as another; that of ``(0.5,)`` is the mean absolute
        error. `predict` gives the median.
    offset_feature : int or None, default=None
        Column of X that is added to the network's output as it is, instead of being one of its
        inputs: with a luminosity in dex there, the network learns the logarithm of the ratio of
        each target to it.
    ignored_features : sequence of int, default=()
        Columns of X that are no inputs.
    fill_missing : bool, default=False
        Whether NaN among the inputs stands for what is not known, and counts as 0: the mean, if
        inputs are standardised. A NaN in the offset gives NaN. If not, NaN is an error.
    scale_target : bool, default=False
        Train on targets (less the offset) of zero mean and unit variance. `history_` is then in
        these units; predictions are not.
    n_networks : int, default=1
        Networks to train, which differ in their first weights and in the order of rows; the
        prediction is their mean.
    warm_start : bool, default=False
        Whether another `fit` goes on from the weights of the last one (a lower `learning_rate` and
        fewer `epochs` are then enough), which must be of the same shape, and keeps its scaling of
        the targets.
    callbacks : sequence of keras.callbacks.Callback, or of their classes, default=None
        Further callbacks for training, as `keras.Model.fit` takes them. They are kept as they
        are: a fitted model that holds Keras objects needs Keras to be unpickled.
    random_state : int, RandomState or None, default=None
        Seeds the split, the weights and the order of rows, and nothing outside this estimator.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out), float32
        Weights, a matrix a layer; of shape (n_networks, n_in, n_out) for several networks.
    intercepts_ : list of ndarray of shape (n_out,), float32
        Biases, a vector a layer; of shape (n_networks, n_out) for several networks.
    history_ : DataFrame, indexed by epoch from 1
        Columns `loss` and, with validation rows, `val_loss`; their means for several networks.
    n_epochs_ : int
        Epochs trained (by the network that took most).
    best_epoch_ : int
        Epoch of the weights that were kept (for several networks, of the best mean loss).
    n_train_, n_validation_ : int
        Rows learnt from, and rows held aside for the validation loss.
    n_outputs_ : int
        Number of outputs.
    device_ : str
        What the networks were trained on: "CPU", or "GPU" and its name.
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of str
        Names of the inputs; only if they were given as a table with names.

    See Also
    --------
    sfml.StarFormationRegressor : One regressor a target.

    Notes
    -----
    A seed gives the same result however many jobs run beside it, in threads or processes, on the
    same machine and version of TensorFlow. An interrupted `fit` raises `KeyboardInterrupt`.

    References
    ----------
    Surana, S. et al. 2020, MNRAS, 493, 4808, Tables 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml import KerasMLPRegressor
    >>> X = np.linspace(-1, 1, 400).reshape(-1, 1)
    >>> y = 2 * X.ravel() + 10
    >>> mlp = KerasMLPRegressor((16,), learning_rate=0.02, batch_size=32, epochs=60, random_state=0)
    >>> mlp.fit(X, y).score(X, y) > 0.99
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (44, 66, 66),
        *,
        activation: str = "relu",
        kernel_initializer: str | keras.initializers.Initializer = "random_normal",
        loss: str | Callable[..., Any] = "mean_absolute_error",
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float = 0.001,
        schedule: str = "constant",
        weight_decay: float | None = None,
        batch_size: int = 256,
        epochs: int = 5000,
        patience: int | None = 300,
        validation_fraction: float = 0.2,
        quantiles: Sequence[float] | None = None,
        offset_feature: int | None = None,
        ignored_features: Sequence[int] = (),
        fill_missing: bool = False,
        scale_target: bool = False,
        n_networks: int = 1,
        warm_start: bool = False,
        callbacks: Sequence[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.kernel_initializer = kernel_initializer
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.quantiles = quantiles
        self.offset_feature = offset_feature
        self.ignored_features = ignored_features
        self.fill_missing = fill_missing
        self.scale_target = scale_target
        self.n_networks = n_networks
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        X_val: Any = None,
        y_val: Any = None,
        variants: Sequence[Any] | None = None,
    ) -> KerasMLPRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, standardised.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; for galaxies, in dex.
        X_val : array-like of shape (n_validation, n_features), default=None
            Rows for the validation loss; none of X are then set aside.
        y_val : array-like of shape (n_validation,) or (n_validation, n_outputs), default=None
            Their targets.
        variants : sequence of array-like of shape (n_samples, n_features), default=None
            The same samples as they might have been measured instead, such as with fewer bands.
            An epoch sees each sample once: as in X half of the time, else in one of these.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, if X or y hold NaN or infinity, if there are fewer
            than two rows, if the variants are not shaped as X, or if the loss became NaN.
        """
        check_params(self)
        earlier = self._earlier_weights()
        X, y = self._check_training_data(X, y)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        if X_val is None and y_val is not None:
            raise ValueError("y_val needs X_val, the inputs of these rows; got None.")
        if X_val is None:
            learnt, validation = self._split(len(X), rng)
            held_aside = (X[validation], y[validation])
        else:
            learnt = np.arange(len(X))
            held_aside = self._check_validation_data(X_val, y_val)
        self.n_train_, self.n_validation_ = len(learnt), len(held_aside[0])
        seen = np.stack([X, *self._check_variants(variants, X.shape)])[:, learnt]
        inputs, targets = self._relative(seen, y[learnt])
        mean, scale = self._scaling if earlier else self._target_scale(targets[0])
        training = (inputs, (targets - mean) / scale)
        if len(seen) == 1:
            training = (training[0][0], training[1][0])
        inputs, targets = self._relative(*held_aside)
        held_aside = (inputs, (targets - mean) / scale)
        trained = [
            self._train_one(training, held_aside if self.n_validation_ else None, rng, weights)
            for weights in earlier or itertools.repeat(None, self.n_networks)
        ]
        self.device_ = backend.load("network").device()
        self._keep_history([history for _, history in trained])
        self._keep_weights([weights for weights, _ in trained], mean, scale)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Run the network, in NumPy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As y was in `fit`; with quantiles, the median.
        """
        out = self._outputs(X)[:, :, self._median()]
        return out.ravel() if self._y_ndim == 1 else out

    def predict_quantiles(self, X: Any) -> np.ndarray:
        """Predict the quantiles that were learnt.

        Should the network put one above the next, they are moved away from the median (see
        `sfml.uncertainty.uncross`).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            In the order of `quantiles`, growing.

        Raises
        ------
        ValueError
            If no quantiles were learnt.
        """
        return uncross(self.raw_quantiles(X), [] if self.quantiles is None else self.quantiles)

    def raw_quantiles(self, X: Any) -> np.ndarray:
        """Predict the quantiles as the network gives them, in whatever order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)

        Raises
        ------
        ValueError
            If no quantiles were learnt.
        """
        if self.quantiles is None:
            raise ValueError(
                "This network learnt no quantiles: fit it with quantiles=(0.16, 0.5, 0.84), say."
            )
        out = self._outputs(X)
        return out[:, 0] if self._y_ndim == 1 else out

    def gradient(self, X: Any) -> np.ndarray:
        """Differentiate what `predict` gives by every input, exactly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            1 for `offset_feature`, 0 for `ignored_features` and where NaN counts as 0.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            dtype=np.float64,
            ensure_all_finite=self._finite(),
            ensure_min_samples=0,
        )
        inputs, _ = self._split_offset(X)
        columns = np.arange(self.n_features_in_)
        used = np.delete(columns, self._no_inputs()) if self._no_inputs() else columns
        medians = self._median() + self._n_quantiles() * np.arange(self.n_outputs_)
        out = np.zeros((len(X), self.n_outputs_, len(columns)))
        out[:, :, used] = input_gradient(
            inputs, self.coefs_, self.intercepts_, self.activation, medians.tolist()
        )
        out *= ~np.isnan(X)[:, np.newaxis]
        if self.offset_feature is not None:
            out[:, :, self.offset_feature] = 1
        return out[:, 0] if self._y_ndim == 1 else out

    def _outputs(self, X: Any) -> np.ndarray:
        """Compute outputs of shape (n_samples, n_outputs, n_quantiles)."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            dtype=(np.float64, np.float32),
            ensure_all_finite=self._finite(),
            ensure_min_samples=0,
        )
        inputs, offset = self._split_offset(X)
        out = forward(inputs, self.coefs_, self.intercepts_, self.activation)
        return (out + offset).reshape(len(X), self.n_outputs_, self._n_quantiles())

    def _n_quantiles(self) -> int:
        return 1 if self.quantiles is None else len(self.quantiles)

    def _median(self) -> int:
        return 0 if self.quantiles is None else list(self.quantiles).index(0.5)

    def to_keras(self) -> keras.Model:
        """Rebuild the network in Keras, compiled and with its trained weights.

        An offset is no part of it: its inputs are the columns of X but `offset_feature`, and that
        column is to be added to its output.

        Returns
        -------
        keras.Model

        Raises
        ------
        ValueError
            If there are several networks.
        """
        check_is_fitted(self)
        if self.n_networks > 1:
            raise ValueError(
                f"to_keras rebuilds one network; this regressor has {self.n_networks}."
            )
        model = backend.load("network").build(self._spec())
        model.set_weights(
            [a for pair in zip(self.coefs_, self.intercepts_, strict=True) for a in pair]
        )
        return model

    def _check_training_data(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            dtype=np.float32,
            ensure_all_finite=self._finite(),
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        self._y_ndim = y.ndim
        y = y.reshape(len(y), -1).astype(np.float64)
        self.n_outputs_ = y.shape[1]
        for column in self._no_inputs():
            if not -X.shape[1] <= column < X.shape[1]:
                raise ValueError(
                    f"offset_feature={self.offset_feature} and ignored_features="
                    f"{self.ignored_features!r} must be columns of X, which has {X.shape[1]}."
                )
        return X, y

    def _check_validation_data(self, X_val: Any, y_val: Any) -> tuple[np.ndarray, np.ndarray]:
        if y_val is None:
            raise ValueError("X_val needs y_val, the targets of these rows; got None.")
        X_val = self._check_more(X_val)
        y_val = np.asarray(y_val, dtype=np.float64).reshape(len(X_val), -1)
        if y_val.shape[1] != self.n_outputs_:
            raise ValueError(f"y_val has {y_val.shape[1]} columns; y has {self.n_outputs_}.")
        return X_val, y_val

    def _check_variants(self, variants: Any, shape: tuple[int, int]) -> list[np.ndarray]:
        arrays = [self._check_more(variant) for variant in (() if variants is None else variants)]
        for array in arrays:
            if array.shape != shape:
                raise ValueError(f"Each variant must be shaped as X, {shape}; got {array.shape}.")
        return arrays

    def _split(self, n_samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers for training and for the validation loss."""
        rows = rng.permutation(n_samples)
        n_validation = round(self.validation_fraction * n_samples)
        if self.validation_fraction > 0:
            n_validation = min(max(n_validation, 1), n_samples - 1)
        return rows[n_validation:], rows[:n_validation]

    def _check_more(self, X: Any) -> np.ndarray:
        return validate_data(
            self, X, reset=False, dtype=np.float32, ensure_all_finite=self._finite()
        )

    def _finite(self) -> bool | str:
        return "allow-nan" if self.fill_missing else True

    def _no_inputs(self) -> list[int]:
        offset = () if self.offset_feature is None else (self.offset_feature,)
        return [*self.ignored_features, *offset]

    def _split_offset(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Separate the inputs of the network from what is added to its output."""
        inputs = np.delete(X, self._no_inputs(), axis=-1) if self._no_inputs() else X
        if self.fill_missing:
            inputs = np.where(np.isnan(inputs), 0, inputs)
        if self.offset_feature is None:
            return inputs, np.zeros(1)
        return inputs, X[..., [self.offset_feature]].astype(np.float64)

    def _relative(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the offset from the targets; what else is no input is left out."""
        inputs, offset = self._split_offset(X)
        return inputs, np.broadcast_to(y - offset, (*X.shape[:-1], y.shape[-1]))

    def _target_scale(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_outputs = y.shape[1]
        if not self.scale_target:
            return np.zeros(n_outputs), np.ones(n_outputs)
        scale = y.std(axis=0)
        scale[scale == 0] = 1
        return y.mean(axis=0), scale

    def _earlier_weights(self) -> list[list[np.ndarray]]:
        """Weights of each network to go on from, as Keras has them; none without `warm_start`."""
        if not self.warm_start or not hasattr(self, "coefs_"):
            return []
        mean, scale = (np.repeat(a, self._n_quantiles()) for a in self._scaling)
        coefs = [*self.coefs_[:-1], self.coefs_[-1] / scale]
        intercepts = [*self.intercepts_[:-1], (self.intercepts_[-1] - mean) / scale]
        weights = [a for pair in zip(coefs, intercepts, strict=True) for a in pair]
        if coefs[0].ndim == 2:
            return [weights]
        return [[a[k] for a in weights] for k in range(len(coefs[0]))]

    def _train_one(
        self,
        training: Any,
        validation: Any,
        rng: np.random.Generator,
        earlier: list[np.ndarray] | None,
    ) -> tuple[list[np.ndarray], pd.DataFrame]:
        """Train one network; return its weights and its losses."""
        network = backend.load("network")
        with network.borrow(self._spec()) as model:
            network.initialise(
                model,
                kernel_initializer=self.kernel_initializer,
                learning_rate=self.learning_rate if isinstance(self.optimizer, str) else None,
                schedule=self.schedule,
                rng=rng,
                quantiles=self.quantiles,
            )
            if earlier is not None:
                self._go_on_from(model, earlier)
            losses = network.train(
                model,
                training,
                validation,
                batch_size=self.batch_size,
                epochs=self.epochs,
                patience=self.patience,
                callbacks=self.callbacks,
                verbose=self.verbose,
            )
            weights = model.get_weights()
        history = pd.DataFrame(losses)
        history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
        if not all(np.isfinite(w).all() for w in weights):
            raise ValueError(
                f"The training loss became {history['loss'].iloc[-1]} in epoch {len(history)}, or "
                "the weights did: standardise the inputs (StandardScaler), or lower learning_rate "
                f"(now {self.learning_rate})."
            )
        return weights, history

    def _go_on_from(self, model: Any, weights: list[np.ndarray]) -> None:
        shapes = [w.shape for w in model.get_weights()]
        if shapes != [w.shape for w in weights]:
            raise ValueError(
                f"warm_start=True goes on from weights of shapes {[w.shape for w in weights]}, but "
                f"this network needs {shapes}: fit the same inputs, outputs and layers, or set "
                "warm_start=False."
            )
        model.set_weights(weights)

    def _keep_history(self, histories: list[pd.DataFrame]) -> None:
        self.history_ = pd.concat(histories).groupby(level="epoch").mean()
        self.n_epochs_ = len(self.history_)
        watched = self.history_.iloc[:, -1].to_numpy()  # the validation loss, if there is one
        self.best_epoch_ = self.n_epochs_ if self.patience is None else int(watched.argmin()) + 1

    def _keep_weights(
        self, weights: list[list[np.ndarray]], mean: np.ndarray, scale: np.ndarray
    ) -> None:
        """Keep arrays alone; the output layer does the scaling back to the targets."""
        layers = (
            weights[0] if len(weights) == 1 else [np.stack(w) for w in zip(*weights, strict=True)]
        )
        self._scaling = mean, scale
        # The quantiles of an output stand side by side.
        mean, scale = (np.repeat(a, self._n_quantiles()) for a in (mean, scale))
        self.coefs_, self.intercepts_ = list(layers[::2]), list(layers[1::2])
        self.coefs_[-1] = (self.coefs_[-1] * scale).astype(np.float32)
        self.intercepts_[-1] = (self.intercepts_[-1] * scale + mean).astype(np.float32)

    def _spec(self) -> Any:
        """Describe the network to `network`."""
        return backend.load("network").NetworkSpec(
            n_inputs=self.n_features_in_ - len(self._no_inputs()),
            n_outputs=self.n_outputs_,
            hidden_layer_sizes=tuple(int(size) for size in self.hidden_layer_sizes),
            activation=self.activation,
            loss=self.loss,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay if isinstance(self.optimizer, str) else None,
            quantiles=None if self.quantiles is None else tuple(map(float, self.quantiles)),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        tags.input_tags.allow_nan = self.fill_missing
        return tags
