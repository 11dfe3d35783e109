"""HDF5: groups of columns (h5py, RAIL, vaex), compound datasets (astropy), pandas's tables."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sfml.io.series import base, element, elements, named_columns, split_nulls
from sfml.io.source import SlicedSource, Source, check_unique

PROVENANCE_KEY = "provenance"
_GROUP = "catalogue"
_NULLS = "__null"
_ASTROPY = ".__table_column_meta__"
"""Where astropy keeps the units of a table."""
_BLOCK = 1 << 23
_LARGEST_HEAP = 1 << 28
_HEAP = struct.Struct("<4sI Q")  # signature, version, size
_OBJECT = struct.Struct("<H6x Q")  # index, size
_EXTRA = "HDF5 files need {}, which is not installed: pip install 'sfml[data]'."


class _Table(NamedTuple):
    """A table that was found in a file: what kind, in which group, with which columns."""

    kind: str
    where: str
    columns: list[str]
    others: list[str]
    """What else lies beside the columns, and is not read."""


def open_hdf5(path: Path, wanted: Sequence[str]) -> Source:
    """Open the first table of an HDF5 file that has the columns wanted, or most of them."""
    with _opened(path) as file:
        if _has_heaps(file):
            _check_heaps(path)
        tables = list(_find_tables(file))
        if not tables:
            raise ValueError(
                "there is no table in it: neither a group of columns of equal length, nor a "
                "compound dataset, nor a DataFrame of pandas or vaex."
            )
        bases = set(map(base, wanted))
        table = max(tables, key=lambda each: len(bases & set(map(base, each.columns))))
        if table.kind == "pandas":
            _check_pickles(file)
    source = _KINDS[table.kind](path, table)
    source.kind = f"HDF5, {table.where!r} ({table.kind})"
    source.notes = [*source.notes]
    if table.others:
        source.notes.append(f"Not read, for their length differs: {', '.join(table.others)}.")
    if len(tables) > 1:
        others = ", ".join(repr(each.where) for each in tables if each is not table)
        source.notes.append(f"Of {len(tables)} tables, {table.where!r} was read; not {others}.")
    return source


@contextmanager
def _opened(path: Path, mode: str = "r") -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise ImportError(_EXTRA.format("h5py")) from None

    with h5py.File(path, mode) as file:
        yield file


def _has_heaps(file: Any) -> bool:
    """Whether something in a file is of varying length: text, usually."""
    import h5py

    def has_heap(name: str, each: Any) -> bool | None:
        kinds = [each.attrs.get_id(key).dtype for key in each.attrs]
        kinds += [each.dtype] if isinstance(each, h5py.Dataset) else []
        return True if any(kind.hasobject for kind in kinds) else None

    return bool(has_heap("/", file) or file.visititems(has_heap))


def _check_heaps(path: Path) -> None:
    """Refuse a file whose heaps are damaged so that HDF5's library would read them for ever.

    A heap ("GCOL") is a series of objects with their sizes. The library goes from one to the
    next, and stays where it is at free space of size 0.
    """
    with path.open("rb") as file:
        start, block = 0, file.read(_BLOCK)
        while len(block) >= _HEAP.size:
            found = block.find(b"GCOL")
            while found >= 0:
                _check_heap(file, start + found)
                found = block.find(b"GCOL", found + 1)
            start += len(block) - 3  # one may begin at the end of a block
            file.seek(start)
            block = file.read(_BLOCK)


def _check_heap(file: Any, start: int) -> None:
    file.seek(start)
    head = file.read(_HEAP.size)
    if len(head) < _HEAP.size:
        return
    _, version, size = _HEAP.unpack(head)
    if version != 1:
        return  # these letters by chance
    heap = file.read(min(size, _LARGEST_HEAP))
    position = 0
    while position + _OBJECT.size <= len(heap):
        index, length = _OBJECT.unpack_from(heap, position)
        step = length if index == 0 else _OBJECT.size + -(-length // 8) * 8
        if step == 0:
            raise ValueError("it is damaged: one of its heaps, which hold text, has no end.")
        position += step


def _find_tables(group: Any, where: str = "/") -> Iterator[_Table]:
    """Find the tables in a group and in those below it."""
    if "pandas_type" in group.attrs:
        # Its columns are known to pandas alone.
        yield _Table("pandas", where, _pandas_columns(group), [])
        return
    vaex = [name for name, each in group.items() if _is_vaex(each)]
    if vaex:
        yield _Table("vaex", where, vaex, [])
        return
    datasets = {
        name: each
        for name, each in group.items()
        if hasattr(each, "dtype") and each.shape and not name.endswith(_ASTROPY)
    }
    plain = {name: each.shape[0] for name, each in datasets.items() if not each.dtype.names}
    if plain:
        length, _ = Counter(plain.values()).most_common(1)[0]
        columns = [name for name, size in plain.items() if size == length]
        nulls = {f"{name}{_NULLS}" for name in columns}
        others = [name for name, size in plain.items() if size != length]
        yield _Table("columns", where, [name for name in columns if name not in nulls], others)
    for name, dataset in datasets.items():
        if dataset.dtype.names and dataset.ndim == 1:
            yield _Table("compound", f"{where}{name}", list(dataset.dtype.names), [])
    for name, each in group.items():
        if hasattr(each, "items"):
            yield from _find_tables(each, f"{where}{name}/")


def _is_vaex(each: Any) -> bool:
    return hasattr(each, "items") and "data" in each and hasattr(each["data"], "dtype")


def _unit(attributes: Any) -> str:
    unit = attributes.get("unit", attributes.get("units", ""))
    return (unit.decode() if isinstance(unit, bytes) else str(unit)).strip()


class _Columns(SlicedSource):
    """Columns that are datasets of a group."""

    def __init__(self, path: Path, table: _Table) -> None:
        self._path, self._where = path, table.where
        with _opened(path) as file:
            group = file[table.where]
            self._places, self.units = {}, {}
            self.n_rows = self._count(group, table.columns)
            for name in table.columns:
                shape = self._shape(group, name)
                for element, place in elements(name, shape).items():
                    self._places[element] = (name, place)
                    if unit := self._unit(group, name):
                        self.units[element] = unit
        self.names = list(self._places)
        check_unique(self.names)

    def _count(self, group: Any, columns: list[str]) -> int:
        return group[columns[0]].shape[0]

    def _shape(self, group: Any, name: str) -> tuple[int, ...]:
        return group[name].shape[1:]

    def _unit(self, group: Any, name: str) -> str:
        return _unit(group[name].attrs)

    def _column(self, group: Any, name: str, rows: slice) -> tuple[np.ndarray, np.ndarray | None]:
        nulls = f"{name}{_NULLS}"
        return group[name][rows], group[nulls][rows] if nulls in group else None

    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Read the rows from `start` up to `stop`."""
        columns, whole = {}, {}
        with _opened(self._path) as file:
            group = file[self._where]
            for name in names:
                column, place = self._places[name]
                if column not in whole:
                    values, mask = self._column(group, column, slice(start, stop))
                    whole[column] = _decoded(values), mask
                values, mask = whole[column]
                columns[name] = element(values, mask, place)
        return pd.DataFrame(columns)


class _Compound(_Columns):
    """A dataset whose rows have fields, as astropy writes it."""

    def _count(self, group: Any, columns: list[str]) -> int:
        return group.shape[0]

    def _shape(self, group: Any, name: str) -> tuple[int, ...]:
        return group.dtype[name].shape

    def _unit(self, group: Any, name: str) -> str:
        return self._astropys(group).get(name) or ""

    def _astropys(self, group: Any) -> dict[str, str]:
        meta = group.parent.get(f"{group.name.rpartition('/')[2]}{_ASTROPY}")
        if meta is None:
            return {}
        from astropy.table.meta import get_header_from_yaml

        header = get_header_from_yaml([line.decode() for line in meta[:]])
        return {column["name"]: column.get("unit") for column in header["datatype"]}

    def _column(self, group: Any, name: str, rows: slice) -> tuple[np.ndarray, np.ndarray | None]:
        return group.fields(name)[rows], None


class _Vaex(_Columns):
    """Columns as vaex keeps them: a group for each, with data, masks and the ends of texts."""

    def _count(self, group: Any, columns: list[str]) -> int:
        column = group[columns[0]]
        return column["indices"].shape[0] - 1 if "indices" in column else column["data"].shape[0]

    def _shape(self, group: Any, name: str) -> tuple[int, ...]:
        return () if "indices" in group[name] else group[name]["data"].shape[1:]

    def _unit(self, group: Any, name: str) -> str:
        return _unit(group[name].attrs)

    def _column(self, group: Any, name: str, rows: slice) -> tuple[np.ndarray, np.ndarray | None]:
        column = group[name]
        mask = column["mask"][rows].astype(bool) if "mask" in column else None
        if "null_bitmap" in column:
            bits = column["null_bitmap"][rows.start // 8 : -(-rows.stop // 8)]
            valid = np.unpackbits(bits, bitorder="little")[rows.start % 8 :]
            mask = valid[: rows.stop - rows.start] == 0
        if "indices" not in column:
            return column["data"][rows], mask
        ends = column["indices"][rows.start : rows.stop + 1]
        text = column["data"][ends[0] : ends[-1]].tobytes()
        pairs = zip(ends[:-1] - ends[0], ends[1:] - ends[0], strict=True)
        return np.array([text[a:b] for a, b in pairs], dtype=object), mask


def _decoded(values: np.ndarray) -> np.ndarray:
    """Decode text of varying length, which h5py gives as bytes."""
    if values.dtype.kind != "O":
        return values
    return np.array([_text(v) if isinstance(v, bytes) else v for v in values], dtype=object)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Pandas(SlicedSource):
    """A DataFrame that pandas has written, in its format "fixed" or "table"."""

    units: Mapping[str, str] = {}

    def __init__(self, path: Path, table: _Table) -> None:
        self._path, self._where = path, table.where
        with self._store() as store:
            nothing = store.select(table.where, start=0, stop=0)
            storer = store.get_storer(table.where)
            self.n_rows = int(storer.nrows if storer.is_table else storer.shape[0])
        self._index = list(nothing.index.names)
        self.names = list(self._with_index(nothing).columns)
        check_unique(self.names)
        if self._index == [None]:
            self.notes = ["The index of the DataFrame, which has no name, was left out."]

    @contextmanager
    def _store(self) -> Iterator[Any]:
        try:
            import tables  # noqa: F401
        except ImportError:
            raise ImportError(_EXTRA.format("PyTables (tables), for pandas's layout,")) from None

        with pd.HDFStore(self._path, mode="r") as store:
            yield store

    def _with_index(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.reset_index(drop=self._index == [None])

    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Read the rows from `start` up to `stop`."""
        with self._store() as store:
            frame = store.select(self._where, start=start, stop=stop)
        return self._with_index(frame)[list(names)]


def _pandas_columns(group: Any) -> list[str]:
    """Names that occur in pandas's description of a table: to choose among several."""
    names: list[Any] = []
    for key in ("axis0", "axis1"):
        if key in group and group[key].ndim == 1:
            names += _decoded(np.array(group[key][:], dtype=object)).tolist()
    table = group.get("table")
    if table is not None:
        names += list(table.dtype.names or ())
        for key, value in table.attrs.items():
            if key.endswith("_kind") and isinstance(value, bytes) and value.endswith(b"."):
                content = _DataOnly.load_from(value)
                names += content if isinstance(content, list) else []
    return [str(name) for name in names]


class _DataOnly(pickle.Unpickler):
    """Read a pickle of text, numbers, lists, dicts and arrays; refuse one that would call more."""

    _HARMLESS = {
        *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
        *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
        *(("numpy", name) for name in ("ndarray", "dtype")),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._HARMLESS:
            return super().find_class(module, name)
        raise ValueError(
            f"it holds a pickle that would run {module}.{name} when it is opened. Write the "
            "DataFrame as Parquet instead, if you trust the file."
        )

    @classmethod
    def load_from(cls, data: bytes) -> Any:
        """Read a pickle; None if it is none."""
        try:
            return cls(io.BytesIO(data)).load()
        except ValueError:
            raise
        except Exception:  # of text that is no pickle, anything may come
            return None


def _check_pickles(file: Any) -> None:
    """Refuse a file with pickles that would run code: PyTables loads those in its attributes."""
    import h5py

    def check(name: str, each: Any) -> None:
        for value in each.attrs.values():
            if isinstance(value, bytes) and value.endswith(b"."):
                _DataOnly.load_from(value)
        if hasattr(each, "dtype") and h5py.check_vlen_dtype(each.dtype) == np.uint8:
            for row in each[:]:
                _DataOnly.load_from(row.tobytes())

    check("/", file)
    file.visititems(check)


_KINDS: dict[str, Callable[[Path, _Table], Any]] = {
    "columns": _Columns,
    "compound": _Compound,
    "vaex": _Vaex,
    "pandas": _Pandas,
}


def write_hdf5(
    frame: pd.DataFrame, units: Mapping[str, str], provenance: Mapping[str, Any] | None, path: Path
) -> None:
    """Write a group of columns, one dataset each, as RAIL and h5py read them."""
    wrong = [name for name in named_columns(frame) if "/" in name or name.strip(".") == ""]
    if wrong:
        raise ValueError(f"HDF5 does not allow these names of columns: {wrong}. Rename them.")
    with _opened(path, "w") as file:
        text = sys.modules["h5py"].string_dtype()
        group = file.create_group(_GROUP, track_order=True)
        if provenance:
            group.attrs[PROVENANCE_KEY] = json.dumps(provenance)
        for name, series in named_columns(frame).items():
            values, mask = split_nulls(series)
            if values.dtype.kind == "U":
                dataset = group.create_dataset(name, data=values.astype(object), dtype=text)
            else:
                dataset = group.create_dataset(name, data=values)
            if units.get(name):
                dataset.attrs["unit"] = units[name]
            if mask.any():
                group.create_dataset(f"{name}{_NULLS}", data=mask)
