"""Tables that astropy reads whole: in memory, VOTable, ECSV, and other tables of text."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfml.io.series import base, element, elements, named_columns, split_nulls
from sfml.io.source import FrameSource, Source, check_unique
from sfml.io.text import open_file


def from_astropy(table: Any, kind: str) -> FrameSource:
    """Make a source of an astropy Table or QTable."""
    from astropy.table import Column
    from astropy.units import Quantity

    columns: dict[str, pd.Series] = {}
    units: dict[str, str] = {}
    for name in table.colnames:
        column = table[name]
        if not isinstance(column, Column | Quantity):
            raise ValueError(
                f"the column {name!r} is a {type(column).__name__}, which is no column of numbers "
                "or text. Replace it by the ones that you need, as in table['ra'] = "
                "table['coord'].ra."
            )
        values = np.asarray(getattr(column, "unmasked", column))
        mask = getattr(column, "mask", None)
        unit = str(getattr(column, "unit", None) or "").strip()
        for new, place in elements(name, values.shape[1:]).items():
            columns[new] = element(values, mask, place)
            units |= {new: unit} if unit else {}
    frame = pd.DataFrame(columns) if columns else pd.DataFrame(index=pd.RangeIndex(len(table)))
    return FrameSource(frame, units, kind)


def open_votable(path: Path, wanted: Sequence[str]) -> Source:
    """Open the first table of a VOTable file that has the columns wanted, or most of them."""
    from astropy.io import votable

    with warnings.catch_warnings(), open_file(path, "rb") as file:
        warnings.simplefilter("ignore", votable.exceptions.VOWarning)
        document = votable.parse(file, verify="ignore")
        tables = [table for table in document.iter_tables() if table.fields]
        if not tables:
            raise ValueError("there is no table in it.")
        bases = set(map(base, wanted))
        chosen = max(tables, key=lambda each: len(bases & {base(f.name) for f in each.fields}))
        check_unique([field.name for field in chosen.fields])
        table = chosen.to_table(use_names_over_ids=True)
        source = from_astropy(_with_null_text(table), "VOTable")
    if len(tables) > 1:
        which = [each is chosen for each in tables].index(True) + 1
        source.notes = [f"Of {len(tables)} tables, number {which} was read."]
    return source


def _with_null_text(table: Any) -> Any:
    """Mask empty text: in a VOTable, it stands for null."""
    from astropy.table import MaskedColumn

    for name in table.colnames:
        column = table[name]
        if column.dtype.kind in "USO" and column.ndim == 1:
            empty = np.array([isinstance(cell, str | bytes) and not cell for cell in column.data])
            if empty.any():
                mask = np.asarray(getattr(column, "mask", False)) | empty
                table[name] = MaskedColumn(column.data, name=name, mask=mask, unit=column.unit)
    return table


def open_ascii(path: Path, dialect: str) -> Source:
    """Open a table of text whose format says what its columns are: ECSV, IPAC's, the AAS's."""
    from astropy.table import Table

    with open_file(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    table = Table.read(lines, format=f"ascii.{dialect}")
    return from_astropy(table, {"ecsv": "ECSV", "ipac": "IPAC table", "mrt": "AAS table"}[dialect])


def to_astropy(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None
) -> Any:
    """Make an astropy Table, masked where the DataFrame is null."""
    from astropy.table import Column, MaskedColumn, Table

    columns = []
    for name, series in named_columns(frame).items():
        values, mask = split_nulls(series)
        unit = units.get(name)
        if mask.any():
            columns.append(MaskedColumn(values, name=name, mask=mask, unit=unit))
        else:
            columns.append(Column(values, name=name, unit=unit))
    return Table(columns, meta={"provenance": dict(provenance)} if provenance else {})


_WIDER = {"int8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
"""Integers that VOTables lack, and the type that holds them."""


def _widened(column: Any) -> Any:
    if column.dtype.name == "uint64" and len(column) and column.max() > np.iinfo(np.int64).max:
        raise ValueError(
            f"VOTables hold integers up to {np.iinfo(np.int64).max}; the column {column.name!r} "
            f"has {column.max()}. Write Parquet, FITS or ECSV."
        )
    return column.astype(_WIDER[column.dtype.name])


def write_votable(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a VOTable, in binary so that every digit and every null is kept."""
    from astropy.io import votable

    table = to_astropy(frame, units, None)
    for name in table.colnames:
        if table[name].dtype.name in _WIDER:
            table[name] = _widened(table[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", votable.exceptions.VOWarning)  # of names that are no IDs
        document = votable.from_table(table)
        for key, value in (provenance or {}).items():
            document.resources[0].infos.append(votable.tree.Info(name=key, value=str(value)))
        zipped = path.name.endswith(".gz")
        document.to_xml(str(path), tabledata_format="binary2", compressed=zipped)


def write_ecsv(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write an ECSV file."""
    table = to_astropy(frame, units, provenance)
    with gzip.open(path, "wt") if path.name.endswith(".gz") else path.open("w") as file:
        table.write(file, format="ascii.ecsv", delimiter=",")
