"""The parts of a prediction made one file, with units, provenance and a count of the flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfml.cli.parts import PartsFolder
from sfml.flags import Flag

if TYPE_CHECKING:
    import pyarrow as pa


class Tally:
    """Counts the galaxies, those that are predicted, and the flags.

    Attributes
    ----------
    n_rows : int
        Number of galaxies.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.cli.joining import Tally
    >>> tally = Tally()
    >>> tally.add(np.array([0, 16, 128 + 1]))
    >>> tally.summary()["n_rows"], tally.summary()["n_predicted"]
    (3, 2)
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self._counts = dict.fromkeys(Flag, 0)

    def add(self, flags: np.ndarray) -> None:
        """Count the flags of some galaxies."""
        self.n_rows += len(flags)
        for flag in Flag:
            self._counts[flag] += int(np.count_nonzero(flags & int(flag)))

    def summary(self) -> dict[str, Any]:
        """Give the counts, those of the flags by name."""
        return {
            "n_rows": self.n_rows,
            "n_predicted": self.n_rows - self._counts[Flag.NOT_PREDICTED],
            "flags": {str(flag.name).lower(): n for flag, n in self._counts.items()},
        }


def publish(
    parts: PartsFolder,
    units: Mapping[str, str],
    provenance: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Tally:
    """Make the output of the parts, and remove them.

    Parameters
    ----------
    parts : PartsFolder
        Folder of all parts.
    units : dict of str to str
        Units of the columns that have one.
    provenance : dict
        What the output is to say of where it is from.
    overwrite : bool, default=False
        Whether to replace the output, if it is there.

    Returns
    -------
    Tally
        Counts of galaxies and flags.
    """
    if parts.output.suffix.lower() == ".parquet":
        schema = _schema(parts, units, provenance)
        return parts.publish(
            lambda path: _write_parquet(parts, path, schema),
            lambda tally: _write_card(parts, schema, tally, provenance),
            overwrite=overwrite,
        )
    tally = _write_other(parts, units, provenance, overwrite=overwrite)
    parts.remove()
    return tally


def _schema(
    parts: PartsFolder, units: Mapping[str, str], provenance: Mapping[str, Any]
) -> pa.Schema:
    from sfml.io.arrow import schema_with_metadata

    return schema_with_metadata(parts.schema(), units, provenance)


def _write_parquet(parts: PartsFolder, path: Path, schema: pa.Schema) -> Tally:
    """Write the parts as the row groups of one Parquet file, one at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tally = Tally()
    # Numbers that hardly ever repeat gain nothing from a dictionary, which takes long to make.
    repeated = [field.name for field in schema if not pa.types.is_floating(field.type)]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated) as writer:
        for table in _counted(parts, tally):
            writer.write_table(table.cast(schema))
    return tally


def _write_card(
    parts: PartsFolder, schema: pa.Schema, tally: Tally, provenance: Mapping[str, Any]
) -> None:
    """Write the card of the output beside it, as `write_catalogue` does."""
    from sfml.io.card import card_path
    from sfml.tables.writing import write_files

    card = render_parquet_card(parts.output, schema, tally.n_rows, provenance)
    write_files({card_path(parts.output): card}, overwrite=True)


def render_parquet_card(
    path: Path, schema: pa.Schema, n_rows: int, provenance: Mapping[str, Any]
) -> str:
    """Write the card of a Parquet file that was written piece by piece."""
    from sfml.io.card import Column, render_card

    columns = [
        Column(field.name, str(field.type), (field.metadata or {}).get(b"unit", b"").decode())
        for field in schema
    ]
    return render_card(path, "parquet", columns, n_rows, provenance)


def _write_other(
    parts: PartsFolder,
    units: Mapping[str, str],
    provenance: Mapping[str, Any],
    *,
    overwrite: bool,
) -> Tally:
    """Write the parts in another format, put together in memory."""
    import pyarrow as pa

    from sfml.io import write_catalogue
    from sfml.io.arrow import to_pandas

    tally = Tally()
    table = to_pandas(pa.concat_tables(_counted(parts, tally)))
    write_catalogue(table, parts.output, overwrite=overwrite, units=units, provenance=provenance)
    return tally


def _counted(parts: PartsFolder, tally: Tally) -> Iterator[pa.Table]:
    for table in parts.tables():
        tally.add(table.column("flag").to_numpy())
        yield table
