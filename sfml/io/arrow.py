"""Tables of Apache Arrow: Parquet files and folders of them, Feather files, tables in memory."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa

from sfml.io.series import named_columns
from sfml.io.source import Source, check_unique

PROVENANCE_KEY = "sfml.provenance"
_VOTABLE_KEY = "IVOA.VOTable-Parquet.content"
_VOTABLE_VERSION_KEY = "IVOA.VOTable-Parquet.version"
_ASTROPY_KEY = "table_meta_yaml"
# All of a row group may be larger than the memory: so much of a column is read at a time.
_BUFFER = 1 << 20
# A sample of the catalogue that HATS keeps beside it.
_NOT_DATA = "data_thumbnail.parquet"

_NULLABLE = {
    **{getattr(pa, f"int{bits}")(): getattr(pd, f"Int{bits}Dtype")() for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): getattr(pd, f"UInt{bits}Dtype")() for bits in (8, 16, 32, 64)},
    pa.bool_(): pd.BooleanDtype(),
}


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Give a DataFrame in which integers and booleans that are null in places stay what they are.

    Vectors of fixed length become one column per element, named ``NMGY[2]``.
    """
    table = _flat(table)
    # The index that pandas notes in the schema's metadata is a column like others.
    frame = table.to_pandas(ignore_metadata=True)
    for i, column in enumerate(table.columns):
        if column.null_count and column.type in _NULLABLE:
            frame.isetitem(i, column.to_pandas(types_mapper=_NULLABLE.get))
    return frame


def from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Give an Arrow table with NaN where the DataFrame has NaN, and null where it has null."""
    return pa.table({name: _array(series) for name, series in named_columns(frame).items()})


def _array(series: pd.Series) -> Any:
    # pyarrow's own conversion of a column of pandas makes NaN null.
    if series.dtype.kind == "f" and not pd.api.types.is_extension_array_dtype(series.dtype):
        return pa.array(series.to_numpy(), from_pandas=False)
    return pa.array(series)


def _flat(table: pa.Table) -> pa.Table:
    """Part vectors of fixed length into one column per element."""
    if not any(pa.types.is_fixed_size_list(field.type) for field in table.schema):
        return table
    import pyarrow.compute as pc

    names, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        names += _elements(field)
        if pa.types.is_fixed_size_list(field.type):
            columns += [pc.list_element(column, i) for i in range(field.type.list_size)]
        else:
            columns.append(column)
    return pa.Table.from_arrays(columns, names=names)


def _elements(field: pa.Field) -> list[str]:
    """Name the columns that a field becomes."""
    if pa.types.is_fixed_size_list(field.type):
        return [f"{field.name}[{i}]" for i in range(field.type.list_size)]
    return [field.name]


def in_batches(tables: Iterable[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    """Cut tables that follow one another into pieces of `n_rows`; one is empty if all are."""
    kept: list[pa.Table] = []
    is_first = True
    for table in tables:
        kept.append(table)
        while _count(kept) >= n_rows:
            whole = pa.concat_tables(kept)
            yield whole.slice(0, n_rows)
            kept, is_first = [whole.slice(n_rows)], False
    if is_first or _count(kept):
        yield pa.concat_tables(kept)


def _count(tables: list[pa.Table]) -> int:
    return sum(table.num_rows for table in tables)


def skip_rows(tables: Iterable[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    """Leave the first rows out of tables that follow one another."""
    for table in tables:
        yield table.slice(min(n_rows, len(table)))
        n_rows -= min(n_rows, len(table))


class ArrowSource(Source):
    """A table that comes as pieces of Arrow tables, one after the other."""

    schema: pa.Schema

    def _describe(self, schema: pa.Schema, kind: str) -> None:
        self.schema, self.kind = schema, kind
        self.names = [name for field in schema for name in _elements(field)]
        check_unique(self.names)
        self.units = _units(schema)

    @abstractmethod
    def tables(self, fields: list[str], start: int) -> Iterator[pa.Table]:
        """Read some fields from a row on, piece by piece; at least one piece, maybe empty."""

    def _fields(self, names: Sequence[str]) -> list[str]:
        known = set(self.schema.names)
        parts = (name if name in known else name.rpartition("[")[0] for name in names)
        return list(dict.fromkeys(parts))

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read all rows of some columns."""
        return to_pandas(pa.concat_tables(self.tables(self._fields(names), 0)))[list(names)]

    def batches(self, names: Sequence[str], n_rows: int, start: int = 0) -> Iterator[pd.DataFrame]:
        """Read some rows at a time."""
        for table in in_batches(self.tables(self._fields(names), start), n_rows):
            yield to_pandas(table)[list(names)]


class TableSource(ArrowSource):
    """An Arrow table in memory."""

    def __init__(self, table: pa.Table, kind: str) -> None:
        self._describe(table.schema, kind)
        self._table, self.n_rows = table, len(table)

    def tables(self, fields: list[str], start: int) -> Iterator[pa.Table]:
        """Give some fields."""
        yield self._table.select(fields).slice(start)


class DatasetSource(ArrowSource):
    """A `pyarrow.dataset`, read piece by piece in the order of its fragments."""

    def __init__(self, dataset: Any) -> None:
        self._describe(dataset.schema, "a pyarrow dataset")
        self._dataset, self.n_rows = dataset, dataset.count_rows()

    def tables(self, fields: list[str], start: int) -> Iterator[pa.Table]:
        """Read some fields, one record batch at a time."""
        yield _empty(self.schema, fields)
        batches = self._dataset.to_batches(columns=fields)
        yield from skip_rows((pa.Table.from_batches([batch]) for batch in batches), start)


class ParquetSource(ArrowSource):
    """A Parquet file, or a folder of them whose names end in .parquet, in natural order."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._parts = parts_of(path)
        self._schemas, self._n_rows = [], []
        for part in self._parts:
            with pq.ParquetFile(part) as file:
                self._schemas.append(file.schema_arrow)
                self._n_rows.append(file.metadata.num_rows)
        self._describe(self._common_schema(), "Parquet")
        if path.is_dir():
            self.kind = f"a folder of {len(self._parts)} Parquet files"
            self.notes = _notes_on_folders(path, self._parts)
        self.n_rows = sum(self._n_rows)

    def _common_schema(self) -> pa.Schema:
        """Give all fields of all parts, each with a type that holds the values of all."""
        fields: dict[str, pa.Field] = {}
        for part, schema in zip(self._parts, self._schemas, strict=True):
            check_unique(schema.names)
            for field in schema:
                known = fields.setdefault(field.name, field)
                common = _common_type(known.type, field.type)
                if common is None:
                    raise ValueError(
                        f"its files disagree: {field.name!r} is of type {field.type} in "
                        f"{part.name!r}, and of type {known.type} in others. Write it with one "
                        "type in all files."
                    )
                fields[field.name] = known.with_type(common)
        return pa.schema(list(fields.values()), metadata=self._schemas[0].metadata)

    def _check_parts(self, fields: list[str]) -> None:
        for part, schema in zip(self._parts, self._schemas, strict=True):
            if lacking := [name for name in fields if name not in schema.names]:
                raise ValueError(
                    f"{part.name!r} lacks the columns {lacking}, which other parts have."
                )

    def tables(self, fields: list[str], start: int) -> Iterator[pa.Table]:
        """Read some fields, part of a row group at a time."""
        import pyarrow.parquet as pq

        self._check_parts(fields)
        yield (nothing := _empty(self.schema, fields))
        for part, n_rows in zip(self._parts, self._n_rows, strict=True):
            if start >= n_rows:
                start -= n_rows
                continue
            with pq.ParquetFile(part, buffer_size=_BUFFER, pre_buffer=False) as file:
                groups, skipped = _groups_after(file.metadata, start)
                batches = file.iter_batches(row_groups=groups, columns=fields)
                pieces = (pa.Table.from_batches([batch]).select(fields) for batch in batches)
                for piece in skip_rows(pieces, start - skipped):
                    yield piece.cast(nothing.schema)
            start = 0


def _groups_after(metadata: Any, start: int) -> tuple[list[int], int]:
    """Row groups that hold rows from `start` on, and the number of rows before them."""
    skipped, first = 0, 0
    while first < metadata.num_row_groups:
        n_rows = metadata.row_group(first).num_rows
        if skipped + n_rows > start:
            break
        skipped, first = skipped + n_rows, first + 1
    return list(range(first, metadata.num_row_groups)), skipped


def _empty(schema: pa.Schema, fields: list[str]) -> pa.Table:
    # Of the schema's metadata, what pandas notes of an index would confuse.
    return pa.schema([schema.field(name) for name in fields]).empty_table()


def parts_of(path: Path) -> list[Path]:
    """List the files of a Parquet table: part.2 before part.10."""
    if not path.is_dir():
        return [path]
    parts = [
        part
        for part in path.rglob("*.parquet")
        if part.name[0] not in "._" and part.name != _NOT_DATA and part.is_file()
    ]
    if not parts:
        raise ValueError(f"The folder {str(path)!r} has no file whose name ends in .parquet.")
    return sorted(parts, key=lambda part: _natural(part.relative_to(path)))


def _natural(path: Path) -> list[list[tuple[int, str]]]:
    pieces = (re.findall(r"\d+|\D+", name) for name in path.parts)
    return [[(int(p), "") if p.isdigit() else (-1, p) for p in piece] for piece in pieces]


def _notes_on_folders(path: Path, parts: list[Path]) -> list[str]:
    folders = {name for part in parts for name in part.relative_to(path).parts[:-1] if "=" in name}
    if not folders:
        return []
    return [f"Names of folders, such as {min(folders)!r}, are not read as columns."]


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Type that holds the values of two others exactly; None if there is none."""
    if one == other:
        return one
    for null, value in ((one, other), (other, one)):
        if pa.types.is_null(null):
            return value
    kinds = (pa.types.is_integer, pa.types.is_floating, _is_text)
    if not any(kind(one) and kind(other) for kind in kinds):
        return None
    schemas = [pa.schema([("x", each)]) for each in (one, other)]
    return pa.unify_schemas(schemas, promote_options="permissive").field("x").type


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


class FeatherSource(ArrowSource):
    """A Feather file, which is an Arrow file, read one record batch at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            self._describe(reader.schema, "Feather")
        self.n_rows = None

    def tables(self, fields: list[str], start: int) -> Iterator[pa.Table]:
        """Read some fields, one record batch at a time."""
        positions = sorted(self.schema.get_field_index(name) for name in fields)
        options = pa.ipc.IpcReadOptions(included_fields=positions)
        yield _empty(self.schema, fields)
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_file(file, options=options) as reader:
            yield from skip_rows(_record_batches(reader, fields), start)


def _record_batches(reader: Any, fields: list[str]) -> Iterator[pa.Table]:
    for i in range(reader.num_record_batches):
        batch = reader.get_batch(i)
        batch.validate(full=True)  # of a damaged file, lengths and text may be wrong
        table = pa.Table.from_batches([batch]).select(fields)
        yield table.cast(pa.schema([table.schema.field(name) for name in fields]))


def _units(schema: pa.Schema) -> dict[str, str]:
    """Find units in the metadata of the fields, and as VOParquet and astropy write them."""
    metadata = {key.decode(): value for key, value in (schema.metadata or {}).items()}
    units: dict[str, str] = {}
    if _ASTROPY_KEY in metadata:
        from astropy.table.meta import get_header_from_yaml

        header = get_header_from_yaml(metadata[_ASTROPY_KEY].decode().splitlines())
        units |= {column["name"]: column.get("unit") for column in header["datatype"]}
    if _VOTABLE_KEY in metadata:
        for element in ElementTree.fromstring(metadata[_VOTABLE_KEY]).iter():
            if element.tag.rpartition("}")[2] == "FIELD":
                units[element.get("name", "")] = element.get("unit", "")
    for field in schema:
        of_field = field.metadata or {}
        unit = of_field.get(b"unit", of_field.get(b"units"))
        if unit is not None:
            units[field.name] = unit.decode()
    return {
        name: units[field.name]
        for field in schema
        if units.get(field.name)
        for name in _elements(field)
    }


def with_metadata(
    table: pa.Table, units: Mapping[str, str], provenance: Mapping[str, Any] | None
) -> pa.Table:
    """Write units and provenance into the schema of a table, units as VOParquet has them too."""
    return table.replace_schema_metadata(None).cast(
        schema_with_metadata(table.schema, units, provenance)
    )


def schema_with_metadata(
    schema: pa.Schema, units: Mapping[str, str], provenance: Mapping[str, Any] | None
) -> pa.Schema:
    """Write units and provenance into a schema, for those who write a file piece by piece."""
    metadata = {_VOTABLE_KEY: _votable(schema, units), _VOTABLE_VERSION_KEY: "1.0"}
    if provenance:
        metadata[PROVENANCE_KEY] = json.dumps(provenance)
    fields = [
        field.with_metadata({"unit": units[field.name]}) if units.get(field.name) else field
        for field in schema
    ]
    return pa.schema(fields, metadata=metadata)


_VOTABLE_TYPES = {
    **{pa.bool_(): "boolean", pa.uint8(): "unsignedByte", pa.int16(): "short", pa.int32(): "int"},
    **{pa.int64(): "long", pa.float32(): "float", pa.float64(): "double"},
}


def _votable(schema: pa.Schema, units: Mapping[str, str]) -> bytes:
    """Describe the columns by a VOTable without data."""
    root = ElementTree.Element(
        "VOTABLE", {"version": "1.4", "xmlns": "http://www.ivoa.net/xml/VOTable/v1.3"}
    )
    table = ElementTree.SubElement(ElementTree.SubElement(root, "RESOURCE"), "TABLE")
    for field in schema:
        kind = _VOTABLE_TYPES.get(field.type)
        size = {"datatype": kind} if kind else {"datatype": "unicodeChar", "arraysize": "*"}
        unit = {"unit": units[field.name]} if units.get(field.name) else {}
        ElementTree.SubElement(table, "FIELD", {"name": field.name, **size, **unit})
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def write_parquet(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a Parquet file."""
    import pyarrow.parquet as pq

    pq.write_table(with_metadata(from_pandas(frame), units, provenance), path, compression="zstd")


def write_feather(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a Feather file."""
    from pyarrow import feather

    feather.write_feather(with_metadata(from_pandas(frame), units, provenance), str(path))
