"""What is predicted for one part of a catalogue, whatever the catalogue is kept in."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sfml import tables
from sfml.photometry.guard import part_of_catalogue
from sfml.uncertainty import LEVELS

PREFIX = "sfml_"
QUANTILES = f"{PREFIX}quantiles"


class Prediction:
    """What to predict for each part of a catalogue.

    Parameters
    ----------
    pipe : StarFormationPipeline
        Fitted.
    found : dict of str to str
        The pipeline's columns that the catalogue has, and their names there.
    absent : tuple of str
        The pipeline's columns that it does not have, which count as missing.
    keep : tuple of str
        Columns of the catalogue to put in front.
    nested : bool
        Whether quantiles are a nested column.
    """

    def __init__(
        self,
        pipe: Any,
        found: Mapping[str, str],
        absent: tuple[str, ...],
        keep: tuple[str, ...],
        *,
        nested: bool,
    ) -> None:
        self.pipe = pipe
        self.found = dict(found)
        self.absent = absent
        self.keep = keep
        self.nested = nested
        self.names = [str(name) for name in self.predict({}, 0)]
        # The same for the same question, in whatever process: dask names its tasks by it.
        self.token = json.dumps([pipe.__dask_tokenize__(), self.found, absent, keep, nested])

    @classmethod
    def of(
        cls,
        pipe: Any,
        available: Collection[str],
        *,
        columns: Mapping[str, str] | None = None,
        keep: Sequence[str] = (),
        nested: bool = False,
        always: Sequence[str] = (),
    ) -> Prediction:
        """Check what was asked for against the columns that a catalogue has."""
        needed = _columns_of(pipe)
        columns = check_columns(columns, needed, available)
        found = {name: columns.get(name, name) for name in needed}
        found = {name: there for name, there in found.items() if there in available}
        kept = tuple(dict.fromkeys([*_check_keep(keep, available), *always]))
        absent = tuple(name for name in needed if name not in found)
        prediction = cls(pipe, found, absent, kept, nested=nested)
        # Raises for columns that must be there, and warns, once, of those that may be absent.
        pipe.predict_table(pd.DataFrame(np.empty((0, len(found))), columns=list(found)))
        clash = set(kept) & set(prediction.names)
        if clash:
            raise ValueError(
                f"keep has {', '.join(sorted(clash))}, which predictions are called too: rename "
                "these columns of the catalogue first."
            )
        return prediction

    def __dask_tokenize__(self) -> str:
        return self.token

    @property
    def columns(self) -> list[str]:
        """The catalogue's columns that are read."""
        return list(dict.fromkeys([*self.keep, *self.found.values()]))

    def table(self, part: pd.DataFrame) -> pd.DataFrame:
        """Predict for a part: the columns kept, then those predicted, with the part's index."""
        inputs = {name: part[there] for name, there in self.found.items()}
        predicted = self.predict(inputs, len(part)).set_axis(part.index)
        return pd.concat([part[list(self.keep)], predicted], axis=1)

    def predict(self, inputs: Mapping[str, Any], n_rows: int) -> pd.DataFrame:
        """Predict from columns that have the names which the pipeline knows."""
        nothing = np.full(n_rows, np.nan)
        given = {name: inputs.get(name, nothing) for name in (*self.found, *self.absent)}
        with part_of_catalogue():
            table = self.pipe.predict_table(given)
            if not self.nested:
                return table
            regress = self.pipe[-1]
            levels = regress.intervals_.supported(LEVELS)
            quantiles = self.pipe.predict_quantiles(given, levels)
        shape = n_rows, len(regress.targets_), len(levels)
        return _nest(table, regress.targets_, np.asarray(levels), quantiles.reshape(shape))


def as_arrow_types(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Give columns the types that HATS catalogues have: double, int64 and string of pyarrow."""
    import pyarrow as pa

    kinds = {"f": pa.float64(), "i": pa.int64()}
    types = {
        name: pd.ArrowDtype(kinds.get(getattr(table[name].dtype, "kind", "O"), pa.string()))
        for name in names
        if name != QUANTILES
    }
    return table.astype(types)


def _columns_of(pipe: Any) -> list[str]:
    """List the columns of a catalogue that a fitted pipeline reads."""
    check_is_fitted(pipe)
    if getattr(pipe[0], "bands_", None) is None or not hasattr(pipe, "predict_table"):
        raise TypeError(
            "pipe must be a fitted StarFormationPipeline that reads its columns by name, as "
            f"make_star_formation_pipeline makes it; got {type(pipe).__name__} whose first step is "
            f"{pipe[0]!r}."
        )
    return list(pipe[0].feature_names_in_)


def check_columns(
    columns: Mapping[str, str] | None, needed: Sequence[str], available: Collection[str]
) -> dict[str, str]:
    """Check a mapping from the pipeline's names to the catalogue's."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise TypeError(
            "columns must map names that the pipeline knows to the catalogue's, as in "
            f"{{'r_flux': 'r_psfFlux'}}; got {columns!r}."
        )
    strange = [name for name in columns if name not in needed]
    if strange:
        raise ValueError(
            f"columns names {', '.join(map(repr, strange))}, which the pipeline does not read. It "
            f"reads {', '.join(needed)}."
        )
    check_available("columns", columns.values(), available)
    return dict(columns)


def _check_keep(keep: Sequence[str], available: Collection[str]) -> list[str]:
    if isinstance(keep, str):
        raise TypeError(f"keep must be a sequence of names, such as [{keep!r}]; got {keep!r}.")
    check_available("keep", keep, available)
    return list(keep)


def check_available(argument: str, names: Any, available: Collection[str]) -> None:
    """Raise a ValueError if a catalogue lacks columns that an argument names."""
    message = tables.absent_message(list(names), list(available), "The catalogue")
    if message:
        raise ValueError(f"{argument}: {message}")


def _nest(
    table: pd.DataFrame, targets: Sequence[str], levels: np.ndarray, quantiles: np.ndarray
) -> pd.DataFrame:
    """Name predictions as Rubin's photometric redshifts are, with quantiles as a nested column."""
    columns: dict[str, Any] = {}
    for target in targets:
        ends = {"median": "", "err68_low": "_p16", "err68_high": "_p84"}
        for name, end in ends.items():
            columns[f"{PREFIX}{target}_{name}"] = table[f"{target}{end}"]
    columns |= {f"{PREFIX}{name}": table[name] for name in ("flag", "reasons")}
    lists = {"level": np.broadcast_to(levels, (len(table), len(levels)))}
    lists |= {target: quantiles[:, k] for k, target in enumerate(targets)}
    columns[QUANTILES] = pd.Series(_nested_array(lists), index=table.index)
    return pd.DataFrame(columns)


def _nested_array(lists: Mapping[str, np.ndarray]) -> Any:
    """Make a nested column: in each row, a table with one column per entry of `lists`."""
    try:
        from nested_pandas.series.ext_array import NestedExtensionArray
    except ImportError as missing:
        raise ImportError(
            'nested=True needs nested-pandas, which LSDB brings: pip install "sfml[lsdb]".'
        ) from missing
    import pyarrow as pa

    arrays = [
        pa.ListArray.from_arrays(
            pa.array(np.arange(len(values) + 1) * values.shape[1], pa.int32()),
            pa.array(np.ascontiguousarray(values).ravel(), pa.float64()),
        )
        for values in lists.values()
    ]
    return NestedExtensionArray(pa.StructArray.from_arrays(arrays, list(lists)))
