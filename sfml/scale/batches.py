"""Predictions for ``pyarrow.dataset`` datasets, batch by batch, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfml.scale.prediction import QUANTILES, Prediction, as_arrow_types
from sfml.tables.writing import write_files

if TYPE_CHECKING:
    import pyarrow as pa


def predict_dataset(
    dataset: Any,
    pipe: Any,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    nested: bool = False,
    *,
    batch_rows: int = 65_536,
) -> pa.RecordBatchReader:
    """Predict for a ``pyarrow.dataset``, one batch of rows after the other.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
        Catalogue in one or many files. Only the columns that are needed are read.
    pipe : StarFormationPipeline
        Fitted pipeline.
    columns : dict of str to str, default=None
        The catalogue's names of columns that the pipeline knows by another name.
    keep : sequence of str, default=()
        Columns of the catalogue to put in front of the predictions, such as identifiers.
    nested : bool, default=False
        As in `predict_catalog`; quantiles are a struct of lists.
    batch_rows : int, default=65536
        Rows per batch, at most. Memory grows with them, not with the dataset.

    Returns
    -------
    pyarrow.RecordBatchReader
        An iterator of record batches, in the order of the rows, with the columns of
        `StarFormationPipeline.predict_table` in dex. `write_parquet` and
        ``pyarrow.dataset.write_dataset`` take it.

    Raises
    ------
    TypeError
        If `dataset` is none, or `pipe` does not read its columns by name.
    ValueError
        If columns are absent, or if one of `keep` is called as a prediction is.

    Notes
    -----
    A batch is not refused for the unit of its fluxes: see `predict_catalog`.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.dataset
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0).fit(X, y)
    >>> dataset = pa.dataset.dataset(pa.Table.from_pandas(X))
    >>> batches = sfml.scale.predict_dataset(dataset, pipe, keep=["Z"], batch_rows=100)
    >>> batches.schema.names[:3]
    ['Z', 'stellar_mass', 'stellar_mass_p16']
    >>> [batch.num_rows for batch in batches]
    [100, 100, 100]
    """
    import pyarrow as pa

    if not hasattr(dataset, "to_batches") or not hasattr(dataset, "get_fragments"):
        raise TypeError(
            "dataset must be a pyarrow.dataset.Dataset, as pyarrow.dataset.dataset(path) makes it; "
            f"got {type(dataset).__module__}.{type(dataset).__qualname__}."
        )
    prediction = Prediction.of(
        pipe, dataset.schema.names, columns=columns, keep=keep, nested=nested
    )
    names = prediction.columns
    few = pa.schema([dataset.schema.field(name) for name in names])
    schema = _predict_batch(prediction, few.empty_table()).schema

    def batches() -> Iterator[pa.RecordBatch]:
        # The readers' own defaults hold 16 batches of 4 files.
        parts = dataset.to_batches(
            columns=names, batch_size=batch_rows, batch_readahead=2, fragment_readahead=1
        )
        for part in parts:
            if part.num_rows:
                yield _predict_batch(prediction, pa.Table.from_batches([part]))

    return pa.RecordBatchReader.from_batches(schema, batches())


def write_parquet(
    batches: pa.RecordBatchReader, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write record batches to one Parquet file, as they come.

    Parameters
    ----------
    batches : pyarrow.RecordBatchReader
        Such as `predict_dataset` returns.
    path : str or path-like
        File, which is there in full or not at all.
    overwrite : bool, default=False
        Whether to replace a file of that name.

    Returns
    -------
    Path

    Raises
    ------
    FileExistsError
        If there is a file of that name, and `overwrite` is False.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa
    >>> import pyarrow.dataset as ds
    >>> import pyarrow.parquet as pq
    >>> import sfml
    >>> from sfml.scale import predict_dataset, write_parquet
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0).fit(X, y)
    >>> dataset = ds.dataset(pa.Table.from_pandas(X))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_parquet(predict_dataset(dataset, pipe), f"{folder}/predictions.parquet")
    ...     pq.read_metadata(path).num_rows
    300
    """

    def write(temporary: Path) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(temporary, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    return write_files({path: write}, overwrite=overwrite)[0]


def _predict_batch(prediction: Prediction, part: pa.Table) -> pa.RecordBatch:
    """Predict for a batch; columns that are kept stay as they are."""
    import pyarrow as pa

    inputs = {name: part[there].to_numpy() for name, there in prediction.found.items()}
    names = prediction.names
    table = as_arrow_types(prediction.predict(inputs, part.num_rows), names)
    columns = {name: part[name].combine_chunks() for name in prediction.keep}
    for name in names:
        values: Any = table[name].array
        array = values.struct_array if name == QUANTILES else pa.array(values)
        columns[name] = array.combine_chunks() if hasattr(array, "combine_chunks") else array
    return pa.record_batch(columns)
