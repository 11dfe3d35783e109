"""The multilayer perceptron as a scikit-learn regressor."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.base import fit_method
from sfml.compat import HasMethods, Interval, StrOptions
from sfml.neural import backend
from sfml.neural.ensemble import NetworkSpec, TargetScaling
from sfml.neural.forward import ACTIVATIONS, forward
from sfml.neural.gradient import input_gradient
from sfml.neural.inputs import InputColumns, check_names
from sfml.neural.rows import RowChunks, Rows, check_weights
from sfml.stopping import raise_if_stopped, stopped
from sfml.uncertainty import uncross

if TYPE_CHECKING:
    import keras

# How far medians may lie beyond the targets of training, as a share of their range.
OUTPUT_MARGIN = 0.5


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
        "one_cycle" raises the learning rate linearly over the first 5 % of the steps and lowers it
        to 0 along a cosine over the others, whatever the number of epochs.
    weight_decay : float or None, default=None
        Decoupled weight decay (Loshchilov & Hutter 2019) of an optimizer given by name; biases
        do not decay.
    batch_size : int, default=256
        Rows per step.
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
    offset_feature : str, int or None, default=None
        Name or number of the column of X that is added to the network's output as it is, instead
        of being one of its inputs: with a luminosity in dex there, the network learns the
        logarithm of the ratio of each target to it. Names are those of a table, or
        `feature_names` of `fit`; numbers may count from the end.
    ignored_features : sequence of str or int, default=()
        Columns of X that are no inputs.
    fill_missing : bool, default=False
        Whether NaN among the inputs stands for what is not known, and counts as 0: the mean, if
        inputs are standardised. A NaN in the offset gives NaN. If not, NaN is an error.
    saturation : float or None, default=None
        Share of the training rows, at each end of an input, beyond which it counts as no further
        away: the regressor is then constant outside what it has learnt, instead of wild. What it
        predicts, before the offset is added, also stays within the targets of training, give or
        take half of their range. The offset does not saturate.
    extrapolated_features : sequence of str or int, default=()
        Columns of X that may go beyond the range of training by as much again before they saturate:
        those of which the targets are smooth functions, such as the redshift.
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
    callbacks : sequence of keras.callbacks.Callback or of callables, default=None
        Further callbacks for training, as `keras.Model.fit` takes them, or what makes one, such as
        a class or ``functools.partial(keras.callbacks.TensorBoard, "logs")``: then each network has
        its own, targets share networks all the same, and the fitted model can be pickled. In a
        pipeline an object is copied for each target, and is never called itself. `sfml.save` leaves
        callbacks out.
    random_state : int, RandomState or None, default=None
        Seeds the split, the weights and the order of rows, and nothing outside this estimator.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out), float32
        Weights, one matrix per layer; of shape (n_networks, n_in, n_out) for several networks.
    intercepts_ : list of ndarray of shape (n_out,), float32
        Biases, one vector per layer; of shape (n_networks, n_out) for several networks.
    history_ : DataFrame, indexed by epoch from 1
        Columns `loss` and, with validation rows, `val_loss`; their means for several networks.
    n_epochs_ : int
        Epochs trained (by the network that took most).
    best_epoch_ : int
        Epoch of the weights that were kept (for several networks, of the best mean loss).
    n_train_, n_validation_ : int
        Rows learnt from, and rows set aside for the validation loss.
    inputs_ : InputColumns
        Which columns of X are inputs, where they saturate, and which is the offset.
    output_range_ : ndarray of shape (2, n_outputs), or None
        Lowest and highest medians, before the offset is added, if there is a `saturation`.
    network_ : NetworkSpec
        The architecture, loss and optimizer.
    scaling_ : TargetScaling
        Shift and scale of the targets in training.
    quantiles_ : tuple of float or None
        Levels of the quantiles that were learnt.
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
    sfml.StarFormationRegressor : One regressor per target.

    Notes
    -----
    A seed gives the same result however many jobs run beside it, in threads or processes, on the
    same machine and version of TensorFlow, whatever Keras's global float type. A `fit` that fails
    or is interrupted leaves the last one as it was. Changing a parameter afterwards changes
    nothing until the next `fit`.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "kernel_initializer": [str, HasMethods("get_config")],
        "loss": [str, callable],
        "optimizer": [str, HasMethods(["apply", "get_config"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"constant", "one_cycle"})],
        "weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "quantiles": ["array-like", None],
        "offset_feature": [str, Integral, None],
        "ignored_features": ["array-like"],
        "fill_missing": ["boolean"],
        "extrapolated_features": ["array-like"],
        "saturation": [Interval(Real, 0, 0.5, closed="left"), None],
        "scale_target": ["boolean"],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": ["array-like", None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    # What `fit` leaves.
    inputs_: InputColumns
    output_range_: np.ndarray | None

    # Only sample_weight is routed to `fit`.
    __metadata_request__fit: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *("X_val", "y_val", "sample_weight_val", "variants", "feature_names", "offset_map"),
            "chunks",
        ),
        UNUSED,
    )

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
        offset_feature: str | int | None = None,
        ignored_features: Sequence[str | int] = (),
        fill_missing: bool = False,
        saturation: float | None = None,
        extrapolated_features: Sequence[str | int] = (),
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
        self.saturation = saturation
        self.extrapolated_features = extrapolated_features
        self.scale_target = scale_target
        self.n_networks = n_networks
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    @np.errstate(all="ignore")  # what is not finite is told below
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        variants: Sequence[Any] | None = None,
        feature_names: Sequence[str] | None = None,
        offset_map: tuple[float, float] | None = None,
        chunks: RowChunks | None = None,
    ) -> KerasMLPRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, standardised.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; for galaxies, in dex. With `quantiles` and several outputs, NaN stands for a
            label that is not known, as long as each row and each output has one.
        sample_weight : array-like of shape (n_samples,), default=None
            How much the loss of each row counts, compared with the other rows. A row of weight 0
            is left out.
        X_val : array-like of shape (n_validation, n_features), default=None
            Rows for the validation loss; none of X are then set aside.
        y_val : array-like of shape (n_validation,) or (n_validation, n_outputs), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_validation,), default=None
            Their weights in the validation loss.
        variants : sequence of array-like of shape (n_samples, n_features), default=None
            The same samples as they might have been measured instead, such as with fewer bands; or
            one array of shape (n_variants, n_samples, n_features). Each epoch learns from each
            sample once: as in X half of the time, else as in one of these. Arrays of float32 are
            not copied.
        feature_names : sequence of str, default=None
            Names of the columns of X, if X is an array without them.
        offset_map : (float, float), default=None
            Slope and intercept: ``slope * column + intercept`` is added to the network's output
            rather than the column `offset_feature` itself. So the offset may be in dex although
            the columns were standardised. None stands for (1, 0).
        chunks : sfml.neural.rows.RowChunks, default=None
            The rows to learn from, if they do not fit in memory: chunk after chunk, in each epoch
            anew. X and y are then a random sample of them, of which the scale of the targets and
            the ranges of the inputs are learnt; `sample_weight` is not to be given.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range or names no column, if X or y hold NaN or infinity, if
            there are fewer than two rows, if weights are negative, NaN or all zero, if the variants
            are not shaped as X, or if the loss became NaN.
        """
        self._check_parameters()
        earlier = self._earlier_networks()
        y, unknown = self._check_labels(y)
        X, y = validate_data(
            self,
            X,
            y,
            dtype=np.float32,
            ensure_all_finite="allow-nan" if self.fill_missing else True,
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        of_table = getattr(self, "feature_names_in_", None)
        before = self.inputs_ if earlier else None
        self.inputs_ = InputColumns.resolve(
            self, check_names(feature_names, of_table, X.shape[1]), X.shape[1], offset_map
        )
        if before is not None:  # weights that were learnt of inputs that saturate there
            self.inputs_ = self.inputs_._replace(low=before.low, high=before.high)
        self.y_ndim_ = y.ndim
        y = np.where(unknown, np.nan, y).reshape(len(y), -1).astype(np.float64)
        self.n_outputs_ = y.shape[1]
        versions = [X, *self._check_variants(variants, X.shape)]
        weights = check_weights("sample_weight", sample_weight, len(X))
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        learnt = Rows(versions, y, weights)
        if len(learnt) < 2:
            raise ValueError("There are fewer than two rows of weight greater than 0.")
        held_aside = self._check_validation(X_val, y_val, sample_weight_val)
        if held_aside is None:
            learnt, held_aside = learnt.split(self.validation_fraction, rng)
        if chunks is not None and (weights is not None or X_val is None):
            raise ValueError("chunks needs X_val, y_val, and no sample_weight.")
        self.n_train_, self.n_validation_ = len(learnt), len(held_aside)
        self._train(learnt, held_aside, rng, earlier, chunks)
        return self

    def _train(
        self,
        learnt: Rows,
        held_aside: Rows,
        rng: np.random.Generator,
        earlier: list[list[np.ndarray]],
        chunks: RowChunks | None,
    ) -> None:
        network, trainer = backend.load("network"), backend.load("trainer")
        targets = learnt.targets(self.inputs_)
        if not earlier:
            self.output_range_ = None
            if self.saturation is not None:
                self.inputs_ = self.inputs_.saturated(learnt.sample(), self.saturation)
                self.output_range_ = _widened(targets[0])
            self.scaling_ = (
                TargetScaling.standard(targets[0], learnt.weights)
                if self.scale_target
                else TargetScaling.identity(self.n_outputs_)
            )
        self.network_ = NetworkSpec(
            n_inputs=len(self.inputs_.columns),
            n_outputs=self.n_outputs_,
            hidden_layer_sizes=tuple(int(size) for size in self.hidden_layer_sizes),
            activation=self.activation,
            loss=self.loss,
            optimizer=network.copy_optimizer(self.optimizer),
            weight_decay=self.weight_decay if isinstance(self.optimizer, str) else None,
            quantiles=None if self.quantiles is None else tuple(map(float, self.quantiles)),
        )
        if chunks is None:
            batch_size = trainer.usual_batch_size(self.batch_size, len(learnt))
            training = self._in_memory(learnt, targets, batch_size)
        else:
            training = self._in_chunks(chunks, rng)
        validation = None
        if len(held_aside):
            targets = held_aside.targets(self.inputs_)
            validation = self._in_memory(held_aside, targets, trainer.VALIDATION_BATCH)
        trained = self._train_networks(training, validation, rng, earlier)
        self.device_ = network.device()
        self._keep_history([history for _, history in trained])
        self.coefs_, self.intercepts_ = self.scaling_.join(
            [weights for weights, _ in trained], self.network_.n_quantiles
        )

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
        out = self._outputs(X)[:, :, self.network_.median]
        return out.ravel() if self.y_ndim_ == 1 else out

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
            In the order of `quantiles_`, growing.

        Raises
        ------
        ValueError
            If no quantiles were learnt.
        """
        return uncross(self.raw_quantiles(X), self.quantiles_ or ())

    def raw_quantiles(self, X: Any) -> np.ndarray:
        """Predict the quantiles as the network gives them, in whatever order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            As of `predict_quantiles`.
        """
        quantiles, _ = self.raw_quantiles_and_spread(X)
        return quantiles

    def raw_quantiles_and_spread(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predict the quantiles as the networks give them, and by how much the networks differ.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            As of `predict_quantiles`, in whatever order.
        spread : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Standard deviation of the networks' medians; 0 of a single network.
        """
        check_is_fitted(self)
        if self.quantiles_ is None:
            raise ValueError(
                "This network learnt no quantiles: fit it with quantiles=(0.16, 0.5, 0.84), say."
            )
        out, spread = self._outputs_and_spread(X)
        return (out[:, 0], spread[:, 0]) if self.y_ndim_ == 1 else (out, spread)

    def gradient(self, X: Any) -> np.ndarray:
        """Differentiate what `predict` gives with respect to every input, exactly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, prepared as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, n_outputs, n_features)
            For `offset_feature`, the slope of its map; 0 for `ignored_features` and where NaN
            counts as 0; NaN for a row without a prediction, whose offset is NaN.
        """
        X = self._check_rows(X, np.float64)
        inputs = np.empty((len(X), self.network_.n_inputs))
        self.inputs_.write(X, inputs)
        out = np.zeros((len(X), self.n_outputs_, self.n_features_in_))
        out[:, :, self.inputs_.columns] = input_gradient(
            inputs, self.coefs_, self.intercepts_, self.network_.activation, self._medians()
        )
        out[:, :, self.inputs_.columns] *= self.inputs_.slopes(X)[:, np.newaxis]
        if self.output_range_ is not None:
            low, high = self.output_range_
            medians = self._within_networks(X)[0][:, :, self.network_.median]
            out *= ((medians >= low) & (medians <= high))[:, :, np.newaxis]
        out *= ~np.isnan(X)[:, np.newaxis]
        if self.inputs_.offset is not None:
            out[:, :, self.inputs_.offset] = self.inputs_.slope
            out[np.isnan(X[:, self.inputs_.offset])] = np.nan
        return out[:, 0] if self.y_ndim_ == 1 else out

    def select_outputs(self, outputs: Sequence[int]) -> KerasMLPRegressor:
        """Make a regressor that predicts some of the outputs alone; the hidden layers are shared.

        Parameters
        ----------
        outputs : sequence of int
            Positions of the outputs to keep, in the order in which they are to be predicted.

        Returns
        -------
        KerasMLPRegressor
            Fitted. With a single output, `predict` gives a 1-d array.
        """
        check_is_fitted(self)
        new, chosen = copy.copy(self), list(outputs)
        n_quantiles = self.network_.n_quantiles
        nodes = (n_quantiles * np.array(chosen)[:, np.newaxis] + np.arange(n_quantiles)).ravel()
        new.coefs_ = [*self.coefs_[:-1], self.coefs_[-1][..., nodes]]
        new.intercepts_ = [*self.intercepts_[:-1], self.intercepts_[-1][..., nodes]]
        new.network_ = self.network_._replace(n_outputs=len(chosen))
        new.scaling_ = self.scaling_.select(chosen)
        if self.output_range_ is not None:
            new.output_range_ = self.output_range_[:, chosen]
        new.n_outputs_, new.y_ndim_ = len(chosen), 1 if len(chosen) == 1 else 2
        return new

    def to_keras(self) -> keras.Model:
        """Rebuild the network in Keras, compiled and with its trained weights.

        It takes the columns ``inputs_.columns`` of X, and ``inputs_.offsets(X)`` is to be added to
        its output: 0 without an `offset_feature`. With a `saturation`, the caller is to keep inputs
        between ``inputs_.low`` and ``inputs_.high``, and medians within `output_range_`.

        Returns
        -------
        keras.Model

        Raises
        ------
        ValueError
            If there are several networks.
        """
        check_is_fitted(self)
        if self.coefs_[0].ndim > 2:
            raise ValueError(
                f"to_keras rebuilds one network; this regressor has {len(self.coefs_[0])}."
            )
        model = backend.load("network").build(self.network_)
        model.set_weights(
            [a for pair in zip(self.coefs_, self.intercepts_, strict=True) for a in pair]
        )
        return model

    @property
    def quantiles_(self) -> tuple[float, ...] | None:
        """Levels of the quantiles that were learnt."""
        check_is_fitted(self)
        return self.network_.quantiles

    def _outputs(self, X: Any) -> np.ndarray:
        """Compute outputs of shape (n_samples, n_outputs, n_quantiles)."""
        return self._outputs_and_spread(X, spread=False)[0]

    def _outputs_and_spread(self, X: Any, *, spread: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Compute outputs, and by how much networks differ, of shape (n_samples, n_outputs)."""
        X = self._check_rows(X, (np.float64, np.float32))
        out, scatter = self._within_networks(X, self._medians() if spread else [])
        if self.output_range_ is not None:
            # All quantiles move with the median: that it saturates makes nothing more certain.
            median = out[:, :, self.network_.median]
            out += (np.clip(median, *self.output_range_) - median)[:, :, np.newaxis]
        return out + self.inputs_.offsets(X)[:, :, np.newaxis], scatter

    def _medians(self) -> list[int]:
        """List which outputs of the networks are the medians of the regressor's outputs."""
        n_quantiles = self.network_.n_quantiles
        return list(range(self.network_.median, self.n_outputs_ * n_quantiles, n_quantiles))

    def _within_networks(
        self, X: np.ndarray, spread_of: Sequence[int] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the networks, without the offset, to (n_samples, n_outputs, n_quantiles)."""
        spec = self.network_
        out, spread = forward(
            X, self.coefs_, self.intercepts_, spec.activation, self.inputs_.write, spread_of
        )
        return out.reshape(-1, spec.n_outputs, spec.n_quantiles), spread

    def _check_rows(self, X: Any, dtype: Any, min_samples: int = 0) -> np.ndarray:
        """Check rows like those of the last `fit`, or of this one as soon as inputs are known."""
        check_is_fitted(self, "inputs_")
        return validate_data(
            self,
            X,
            reset=False,
            dtype=dtype,
            ensure_all_finite="allow-nan" if self.inputs_.fill_missing else True,
            ensure_min_samples=min_samples,
        )

    def _check_labels(self, y: Any) -> tuple[Any, Any]:
        """Find labels that are not known, and write 0 for them."""
        labels = np.asarray(y) if y is not None else np.empty(0)
        if self.quantiles is None or labels.ndim != 2 or labels.dtype.kind != "f":
            return y, False
        unknown = np.isnan(labels)
        if unknown.all(axis=1).any() or unknown.all(axis=0).any():
            return y, False  # which is refused as NaN
        return np.where(unknown, 0, labels), unknown

    def _check_variants(self, variants: Any, shape: tuple[int, int]) -> list[np.ndarray]:
        checked = [
            self._check_rows(each, np.float32, 1) for each in (() if variants is None else variants)
        ]
        wrong = [array.shape for array in checked if array.shape != shape]
        if wrong:
            raise ValueError(f"Each variant must be shaped as X, {shape}; got {wrong[0]}.")
        return checked

    def _check_validation(self, X_val: Any, y_val: Any, weights: Any) -> Rows | None:
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weights}
        if X_val is None and y_val is None and weights is None:
            return None
        if X_val is None or y_val is None:
            lacking, there = ("X_val", "y_val") if X_val is None else ("y_val", "X_val")
            there = next(name for name in (there, *given) if given[name] is not None)
            raise ValueError(f"{there} needs {lacking} of the same rows; got None.")
        X_val = self._check_rows(X_val, np.float32, 1)
        y_val = np.asarray(y_val, dtype=np.float64)
        check_consistent_length(X_val, y_val)
        y_val = y_val.reshape(len(X_val), -1)
        if y_val.shape[1] != self.n_outputs_:
            raise ValueError(f"y_val has {y_val.shape[1]} columns; y has {self.n_outputs_}.")
        return Rows([X_val], y_val, check_weights("sample_weight_val", weights, len(X_val)))

    def _check_parameters(self) -> None:
        """Check what `_parameter_constraints` cannot say."""
        sizes = self.hidden_layer_sizes
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                "hidden_layer_sizes must be a sequence of positive integers, such as "
                f"(44, 66, 66); got {sizes!r}."
            )
        if self.quantiles is None:
            return
        levels = np.asarray(self.quantiles)
        good = levels.ndim == 1 and levels.dtype.kind in "fi" and 0.5 in levels
        if not good or levels[0] <= 0 or levels[-1] >= 1 or np.any(np.diff(levels) <= 0):
            raise ValueError(
                "quantiles must be None or growing levels between 0 and 1, the median 0.5 among "
                f"them, such as (0.16, 0.5, 0.84); got {self.quantiles!r}."
            )
        if self.loss != "mean_absolute_error":
            raise ValueError(
                "quantiles are learnt with the pinball loss, which for the median is the mean "
                "absolute error: leave loss='mean_absolute_error', or quantiles=None; got "
                f"loss={self.loss!r}."
            )

    def _earlier_networks(self) -> list[list[np.ndarray]]:
        """Weights of each network to go on from; none without `warm_start`."""
        if not self.warm_start or not hasattr(self, "coefs_"):
            return []
        return self.scaling_.separate(self.coefs_, self.intercepts_, self.network_.n_quantiles)

    def _train_networks(
        self,
        training: Any,
        validation: Any,
        rng: np.random.Generator,
        earlier: list[list[np.ndarray]],
    ) -> list[tuple[list[np.ndarray], pd.DataFrame]]:
        """Train one network after the other; if asked to stop, keep those that are complete."""
        starts: list[Any] = list(earlier) or [None] * self.n_networks
        trained: list[tuple[list[np.ndarray], pd.DataFrame]] = []
        for weights in starts:
            if not trained:
                raise_if_stopped()
            trained.append(self._train_one(training, validation, rng, weights))
            if stopped():
                return self._kept_of(trained, len(starts))
        return trained

    def _kept_of(
        self, trained: list[tuple[list[np.ndarray], pd.DataFrame]], n_wanted: int
    ) -> list[tuple[list[np.ndarray], pd.DataFrame]]:
        """Leave out the network whose training was stopped, unless it is the only one; warn."""
        n_epochs = len(trained[-1][1])
        if len(trained) == n_wanted and n_epochs == self.epochs:
            return trained
        of_it = ""
        if n_epochs < self.epochs:
            if len(trained) == 1:
                of_it = f", after {n_epochs} of {self.epochs} epochs"
            trained = trained[: max(1, len(trained) - 1)]
        warnings.warn(
            f"Training was stopped: {len(trained)} of {n_wanted} networks are kept{of_it}. "
            "Predictions are less accurate than those of a complete training, and their intervals "
            "are calibrated to that.",
            UserWarning,
            stacklevel=2,
        )
        return trained

    def _in_memory(self, rows: Rows, targets: np.ndarray, batch_size: int) -> Any:
        y = self.scaling_.transform(targets)
        x = rows.inputs(self.inputs_)
        return backend.load("trainer").InMemoryData.from_arrays(x, y, batch_size, rows.weights)

    def _in_chunks(self, rows: RowChunks, rng: np.random.Generator) -> Any:
        """Prepare chunks of rows for the networks when they are asked for."""
        trainer = backend.load("trainer")
        batch_size = trainer.usual_batch_size(self.batch_size, rows.chunk_rows)
        n_batches = trainer.count_batches(rows.chunk_rows, batch_size)

        def chunks() -> Iterator[Any]:
            n_train = 0
            for X, y in rows.chunks(int(rng.integers(2**63))):
                chunk = Rows([X.astype(np.float32, copy=False)], y.reshape(len(y), -1), None)
                targets = self.scaling_.transform(chunk.targets(self.inputs_))
                n_train += len(chunk)
                yield trainer.InMemoryData.from_arrays(
                    chunk.inputs(self.inputs_), targets, batch_size, n_batches=n_batches
                )
            self.n_train_ = n_train

        return trainer.ChunkedData(chunks, max(1, round(rows.n_rows / batch_size)))

    def _train_one(
        self,
        training: Any,
        validation: Any,
        rng: np.random.Generator,
        earlier: list[np.ndarray] | None,
    ) -> tuple[list[np.ndarray], pd.DataFrame]:
        """Train one network; return its weights and its losses."""
        network = backend.load("network")
        with network.borrow(self.network_) as model:
            network.initialise(
                model,
                kernel_initializer=self.kernel_initializer,
                learning_rate=self.learning_rate if isinstance(self.optimizer, str) else None,
                schedule=self.schedule,
                rng=rng,
                quantiles=self.network_.quantiles,
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        fitted: Any = getattr(self, "inputs_", self)
        tags.input_tags.allow_nan = fitted.fill_missing
        return tags


def _widened(targets: np.ndarray) -> np.ndarray:
    """Find the range of each output, widened on each side, of shape (2, n_outputs)."""
    low, high = np.nanmin(targets, axis=0), np.nanmax(targets, axis=0)
    margin = OUTPUT_MARGIN * (high - low)
    return np.stack([low - margin, high + margin]).astype(np.float32)
