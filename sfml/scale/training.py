"""Training on more galaxies than fit in memory: a sample, then shuffled chunks, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.utils import check_random_state

from sfml.bands import GAMA, BandSet
from sfml.scale.prediction import check_available, check_columns
from sfml.targets import label_columns


def fit_dataset(
    pipe: Any,
    dataset: Any,
    labels: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    *,
    sample_rows: int = 200_000,
    chunk_rows: int = 100_000,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    """Fit a pipeline to a labelled catalogue that does not fit in memory.

    All but the networks learns from a random sample of the galaxies, as in ``pipe.fit``: the
    selection, the features, the scaler, the intervals (on galaxies held back from the sample) and
    the test for odd galaxies. The networks then learn from all others, chunk after chunk: each
    epoch goes once through the catalogue, in another order, and the learning rate follows its
    schedule over the whole run.

    Parameters
    ----------
    pipe : StarFormationPipeline
        Pipeline whose regressors are networks (``method="mlp"``).
    dataset : pyarrow.dataset.Dataset, lsdb.Catalog or dask.dataframe.DataFrame
        Labelled catalogue. It is read row group by row group, or partition by partition: each must
        fit in memory.
    labels : sequence of str, default=None
        Columns of the labels in dex, and of the SPS code's percentiles. None: all that are named as
        the pipeline's targets and their percentiles are, by us or by GAMA.
    columns : dict of str to str, default=None
        The catalogue's names of columns that the pipeline knows by another name.
    sample_rows : int, default=200000
        Galaxies in the sample, at most.
    chunk_rows : int, default=100000
        Galaxies in a chunk. It is made of as many row groups or partitions, drawn at random, as it
        takes to fill it, and their rows are shuffled: where a catalogue is sorted, larger chunks
        mix it better.
    random_state : int, RandomState or None, default=None
        Seeds the sample and the order of the galaxies; the networks' own seeds are `pipe`'s.

    Returns
    -------
    StarFormationPipeline
        `pipe`, fitted.

    Raises
    ------
    TypeError
        If `dataset` is none of these.
    ValueError
        If there are no labels, columns are absent, a regressor is no network, or as by ``fit``.

    Notes
    -----
    ``pipe[-1].n_train_`` counts the galaxies learnt from. ``calibrate`` can tell only those of the
    sample from galaxies that the pipeline has not learnt from.

    Examples
    --------
    >>> import pandas as pd, pyarrow as pa, pyarrow.dataset
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
    >>> dataset = pa.dataset.dataset(pa.Table.from_pandas(pd.concat([X, y], axis=1)))
    >>> pipe = sfml.make_star_formation_pipeline(random_state=0)
    >>> pipe = pipe.set_params(**{f"regress__{target}__epochs": 3 for target in sfml.TARGETS})
    >>> pipe = sfml.scale.fit_dataset(pipe, dataset, sample_rows=300, chunk_rows=200)
    >>> pipe.predict(X[:5]).shape
    (5, 3)
    """
    for name, value, least in (("sample_rows", sample_rows, 2), ("chunk_rows", chunk_rows, 1)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    available = _names_of(dataset)
    inputs = _input_columns(pipe, columns or {}, available)
    targets = _labels_of(pipe, labels, available)
    pieces = _pieces_of(dataset, list(dict.fromkeys([*inputs.values(), *targets])))
    catalogue = Catalogue(pieces, inputs, targets, int(chunk_rows))
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    X, y = catalogue.sample(int(sample_rows), seed)
    with config_context(enable_metadata_routing=False):  # chunks are no metadata of the user's
        return pipe.fit(X, y, **{f"{pipe.steps[-1][0]}__chunks": catalogue})


class Catalogue:
    """A labelled catalogue in pieces, each of which fits in memory.

    A source of chunks for `sfml.pipeline.PipelineChunks`.

    Parameters
    ----------
    pieces : list of callable
        Each reads one piece, as a DataFrame.
    inputs : dict of str to str
        The columns that the pipeline knows, and their names in the catalogue.
    labels : list of str
        The columns that are labels.
    chunk_rows : int
        The most rows in one chunk.
    """

    def __init__(
        self,
        pieces: Sequence[Callable[[], pd.DataFrame]],
        inputs: dict[str, str],
        labels: list[str],
        chunk_rows: int,
    ) -> None:
        self.pieces = pieces
        self.inputs = inputs
        self.labels = labels
        self.chunk_rows = chunk_rows
        self.n_rows = 0  # until `sample` has counted them

    def sample(self, n_rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Draw rows at random, in the order of the catalogue, and count all on the way."""
        drawn: list[pd.DataFrame] = []
        numbers: list[np.ndarray] = []
        highest = 1.0
        self.n_rows = 0
        for k, read in enumerate(self.pieces):
            piece = read()
            self.n_rows += len(piece)
            of_rows = np.random.default_rng([seed, k]).random(len(piece))
            drawn.append(piece[of_rows <= highest])
            numbers.append(of_rows[of_rows <= highest])
            if sum(map(len, drawn)) > 2 * n_rows:
                drawn, numbers = _lowest(drawn, numbers, n_rows)
                highest = numbers[0].max()
        if not self.n_rows:
            raise ValueError("The dataset has no rows: a catalogue to fit needs galaxies.")
        return self._split(_lowest(drawn, numbers, n_rows)[0][0])

    def chunks(self, seed: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, None]]:
        """Give X and y of all rows once, in shuffled chunks; there are no groups."""
        rng = np.random.default_rng(seed)
        waiting: list[pd.DataFrame] = []
        for k in rng.permutation(len(self.pieces)):
            waiting.append(self.pieces[k]())
            if sum(map(len, waiting)) >= self.chunk_rows:
                rows = _shuffled(waiting, rng)
                n = len(rows) - len(rows) % self.chunk_rows
                for start in range(0, n, self.chunk_rows):
                    yield (*self._split(rows[start : start + self.chunk_rows]), None)
                waiting = [rows[n:]]
        rows = _shuffled(waiting, rng)
        if len(rows):
            yield (*self._split(rows), None)

    def _split(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Part a table into X, under the names that the pipeline knows, and y."""
        table = table.reset_index(drop=True)
        X = table[list(self.inputs.values())].set_axis(list(self.inputs), axis=1)
        return X, table[self.labels]


def _lowest(
    tables: list[pd.DataFrame], numbers: list[np.ndarray], n_rows: int
) -> tuple[list[pd.DataFrame], list[np.ndarray]]:
    """Keep the rows with the lowest numbers, in their order."""
    table, number = pd.concat(tables, ignore_index=True), np.concatenate(numbers)
    kept = np.sort(np.argsort(number, kind="stable")[:n_rows])
    return [table.iloc[kept]], [number[kept]]


def _shuffled(tables: list[pd.DataFrame], rng: np.random.Generator) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    return table.take(rng.permutation(len(table)))


def _input_columns(
    pipe: Any, columns: Mapping[str, str], available: Sequence[str]
) -> dict[str, str]:
    """Find the columns that a pipeline may read, and their names in the catalogue."""
    bands = getattr(pipe[0], "bands", "")
    bands = GAMA if bands is None else bands
    if not isinstance(bands, BandSet):
        raise TypeError(
            "pipe must be a StarFormationPipeline that reads its columns by name, as "
            f"make_star_formation_pipeline makes it; its first step is {pipe[0]!r}."
        )
    wanted = [*bands.columns, *filter(None, [bands.redshift_error])]
    columns = check_columns(columns, wanted, available)
    there = {name: columns.get(name, name) for name in wanted}
    return {name: column for name, column in there.items() if column in set(available)}


def _labels_of(pipe: Any, labels: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """Find the columns of the labels, or check those that were named."""
    if labels is not None:
        check_available("labels", labels, available)
        return list(labels)
    found = label_columns(available, pipe[0].targets)
    if not found:
        raise ValueError(
            f"The catalogue has no column of labels: the targets are {', '.join(pipe[0].targets)}, "
            f"and its columns {', '.join(available)}. Name them with labels=."
        )
    return found


def _names_of(dataset: Any) -> list[str]:
    """List the columns of a dataset of any kind."""
    if hasattr(dataset, "get_fragments"):
        return list(dataset.schema.names)
    if hasattr(dataset, "to_delayed") and hasattr(dataset, "columns"):
        return list(dataset.columns)
    raise TypeError(
        "dataset must be a pyarrow.dataset.Dataset, an lsdb.Catalog or a dask.dataframe.DataFrame; "
        f"got {type(dataset).__module__}.{type(dataset).__qualname__}. Use pipe.fit for a table in "
        "memory."
    )


def _pieces_of(dataset: Any, columns: list[str]) -> list[Callable[[], pd.DataFrame]]:
    """Make functions that read the pieces of a dataset: row groups, or partitions."""
    if hasattr(dataset, "get_fragments"):
        fragments = [part for whole in dataset.get_fragments() for part in _row_groups(whole)]
        return [partial(_read_fragment, part, dataset.schema, columns) for part in fragments]
    return [partial(_read_partition, part) for part in dataset[columns].to_delayed()]


def _row_groups(fragment: Any) -> list[Any]:
    """Part a Parquet file into its row groups; another file is one piece."""
    return fragment.split_by_row_group() if hasattr(fragment, "split_by_row_group") else [fragment]


def _read_fragment(fragment: Any, schema: Any, columns: list[str]) -> pd.DataFrame:
    return fragment.to_table(schema=schema, columns=columns).to_pandas()


def _read_partition(partition: Any) -> pd.DataFrame:
    return pd.DataFrame(partition.compute(scheduler="synchronous"))
