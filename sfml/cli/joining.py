"""The parts of a prediction made one file, with units, provenance and a count of the flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfml.cli.parts import PartsFolder
from sfml.flags import Flag
from sfml.targets import known_target

if TYPE_CHECKING:
    import pyarrow as pa


class Tally:
    """Counts the galaxies, those that are predicted, and the flags.

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
        self._n_rows = 0
        self._counts = dict.fromkeys(Flag, 0)

    def add(self, flags: np.ndarray) -> None:
        """Count the flags of some galaxies."""
        self._n_rows += len(flags)
        for flag in Flag:
            self._counts[flag] += int(np.count_nonzero(flags & int(flag)))

    def summary(self) -> dict[str, Any]:
        """Give the counts, those of the flags by name."""
        return {
            "n_rows": self._n_rows,
            "n_predicted": self._n_rows - self._counts[Flag.NOT_PREDICTED],
            "flags": {str(flag.name).lower(): n for flag, n in self._counts.items()},
        }


def units_of(targets: Sequence[str]) -> dict[str, str]:
    """Give the unit of each column of predictions that has one.

    >>> units_of(["sfr"])
    {'sfr': 'dex (Msun/yr)', 'sfr_p16': 'dex (Msun/yr)', 'sfr_p84': 'dex (Msun/yr)'}
    """
    units = {}
    for target in targets:
        known = known_target(target)
        if known is not None and known.unit:
            columns = [target, f"{target}_p16", f"{target}_p84"]
            units |= dict.fromkeys(columns, known.unit)
    return units


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
        return parts.publish(
            lambda path: _write_parquet(parts, path, units, provenance), overwrite=overwrite
        )
    tally = _write_other(parts, units, provenance, overwrite=overwrite)
    parts.remove()
    return tally


def _write_parquet(
    parts: PartsFolder, path: Path, units: Mapping[str, str], provenance: Mapping[str, Any]
) -> Tally:
    """Write the parts as the row groups of one Parquet file, one at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sfml.io.arrow import schema_with_metadata

    tally = Tally()
    schema = schema_with_metadata(parts.schema(), units, provenance)
    # Numbers that hardly ever repeat gain nothing from a dictionary, which takes long to make.
    repeated = [field.name for field in schema if not pa.types.is_floating(field.type)]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated) as writer:
        for table in _counted(parts, tally):
            writer.write_table(table.cast(schema))
    return tally


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
