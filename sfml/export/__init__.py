"""Predictions, and models, in the forms that other projects read.

`to_qp` and `from_qp` translate predicted quantiles to and from ensembles of `qp`, in which RAIL
holds distributions; `to_onnx` writes a fitted pipeline as an ONNX model, which runs without Python.
What they need is optional, and imported when they are called.
"""

from sfml.export.onnx_model import to_onnx
from sfml.export.qp_ensembles import from_qp, to_qp

__all__ = ["from_qp", "to_onnx", "to_qp"]
