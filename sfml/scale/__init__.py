"""Catalogues of any size: predict where the data lie, and train on more rows than fit in memory.

`predict_catalog` takes LSDB catalogues and dask DataFrames, and stays lazy; `predict_dataset` takes
``pyarrow.dataset`` datasets and gives batches one after the other. What a galaxy gets is what
`StarFormationPipeline.predict_table` gives it, however its catalogue is cut into parts.
"""

from sfml.scale.batches import predict_dataset, write_parquet
from sfml.scale.partitions import predict_catalog
from sfml.scale.training import fit_dataset

__all__ = ["fit_dataset", "predict_catalog", "predict_dataset", "write_parquet"]
