"""A model library as one Parquet file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfml.bands import BandSet
from sfml.simulate.checks import REDSHIFT, flux_names
from sfml.tables.writing import write_files

if TYPE_CHECKING:
    from sfml.simulate.library import ModelLibrary

_KEY = b"sfml.library"
_VERSION = 1


def write_library(library: ModelLibrary, path: Path, *, overwrite: bool) -> Path:
    """Write a library to a temporary file, which gets its name when it is complete."""
    if path.suffix != ".parquet":
        raise ValueError(f"A library is written to a .parquet file; got {path.name!r}.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    card = {
        "version": _VERSION,
        "bands": asdict(library.bands),
        "units": library.units,
        "prior": library.prior,
    }
    try:
        text = json.dumps(card)
    except TypeError as error:
        raise ValueError(
            f"prior must be what JSON can hold (text, numbers, lists): {error}."
        ) from None
    fluxes = dict(zip(flux_names(library.bands), library.flux.T, strict=True))
    parameters = {name: values.to_numpy() for name, values in library.parameters.items()}
    table = pa.table({REDSHIFT: library.redshift, **fluxes, **parameters})
    table = table.replace_schema_metadata({_KEY: text.encode()})
    write_files({path: lambda temporary: pq.write_table(table, temporary)}, overwrite=overwrite)
    return path


def read_library(path: Path) -> dict[str, Any]:
    """Read what `ModelLibrary` is made with from a file."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no library {str(path)!r}.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{str(path)!r} is not a Parquet file, or damaged: {error}") from error
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ValueError(
            f"{str(path)!r} was not written by ModelLibrary.save; use ModelLibrary.from_table."
        )
    card = json.loads(metadata[_KEY])
    if card["version"] > _VERSION:
        raise ValueError(f"{str(path)!r} was written by a later sfml, which is needed to read it.")
    frame = table.to_pandas()
    bands = BandSet(**card["bands"])
    return {
        "bands": bands,
        "flux": frame[flux_names(bands)].to_numpy(),
        "redshift": frame[REDSHIFT].to_numpy(),
        "parameters": frame[list(card["units"])],
        "units": card["units"],
        "prior": card["prior"],
    }
