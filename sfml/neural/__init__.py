"""Multilayer perceptrons: trained by Keras, kept and run as NumPy arrays.

`mlp` holds the estimator, `trainer` the compiled training loop, `network` what SciKeras builds,
and `forward` the prediction. Only `backend` decides when TensorFlow is imported.
"""

from sfml.neural.mlp import KerasMLPRegressor

__all__ = ["KerasMLPRegressor"]
