"""Multilayer perceptrons: trained by Keras, kept and run as NumPy arrays.

`mlp` holds the estimator, `_trainer` the compiled training loop, `_network` what SciKeras builds,
and `_forward` the prediction. Only `_backend` decides when TensorFlow is imported.
"""

from sfml.neural.mlp import KerasMLPRegressor

__all__ = ["KerasMLPRegressor"]
