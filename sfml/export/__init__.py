"""Predictions in the forms that other projects read.

`to_qp` and `from_qp` translate predicted quantiles to and from ensembles of `qp`, the library of
the LSST Dark Energy Science Collaboration in which RAIL holds distributions. `sfml.export.rail`
has RAIL stages that train and ask a pipeline. Both are optional (``pip install "sfml[rail]"``).
"""

from sfml.export.qp_ensembles import from_qp, to_qp

__all__ = ["from_qp", "to_qp"]
