"""The file: a safetensors file whose header holds one JSON document beside the arrays.

Nothing of a file is believed before it was compared with the file's size: the header is no longer
than the file, and the arrays lie within it, side by side. So what a reader allocates is never more
than a few times the file's own size, whatever the file claims.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sfml.tables.writing import write_files

DOCUMENT = "sfml"
"""Key of the header's metadata that holds the document."""

# In bytes. A forest of 10,000 trees needs 30 million.
LARGEST_HEADER = 50_000_000
_LENGTH = 8  # bytes that hold the header's length

DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
"""Types of arrays that are written and read, by safetensors' names."""

# How files begin that are often taken for models.
_OTHER_FILES = {
    b"\x80": "a pickle, such as joblib writes; joblib.load reads it, and runs whatever it holds",
    b"PK": "a zip archive, such as skops and Keras write",
    b"\x89HDF": "an HDF5 file",
    b"{": "JSON",
    b"\x1f\x8b": "a gzip file",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run `git lfs pull`",
}


class Header(NamedTuple):
    """What a file says of itself: the document, and the shape and type of each array."""

    document: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]


def write_container(
    path: str | os.PathLike[str],
    document: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    overwrite: bool,
) -> None:
    """Write a document and arrays, of types in `DTYPES`, to a file that is then there in full."""
    from safetensors.numpy import save

    # One key: safetensors writes several in an order that changes from run to run.
    metadata = {DOCUMENT: to_json(document)}
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # safetensors takes scalars for vectors.
    held = {name: held[name].reshape(np.shape(array)) for name, array in arrays.items()}
    names = sum(len(json.dumps(name)) + 100 for name in held)
    if len(json.dumps(metadata)) + names > LARGEST_HEADER:
        raise ValueError(
            f"The model has too many parts ({len(held)} arrays) for one file: its description "
            f"would be larger than {LARGEST_HEADER // 10**6} MB. Use fewer trees."
        )
    # Not save_file, whose files no other user may read.
    content = save(held, metadata)
    write_files({path: lambda out: out.write_bytes(content)}, overwrite=overwrite)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read what a file says of itself, and check that it can be so.

    Raises
    ------
    ValueError
        If it is no file of `write_container`, or not the whole of it.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_LENGTH)
        if len(start) < _LENGTH:
            raise ValueError(f"the file has {size} bytes; a model has more.")
        length = int.from_bytes(start, "little")
        beginning = start + file.read(16)
        if length > size - _LENGTH or beginning[_LENGTH : _LENGTH + 1] != b"{":
            raise ValueError(_what_else(beginning, size, length))
        if length > LARGEST_HEADER:
            raise ValueError(f"its header has {length} bytes; at most {LARGEST_HEADER} are read.")
        file.seek(_LENGTH)
        header = from_json(file.read(length).decode("utf-8"))
    return _check_header(header, size - _LENGTH - length)


def read_arrays(path: str | os.PathLike[str], header: Header) -> dict[str, np.ndarray]:
    """Read the arrays of a file whose header was checked."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in header.shapes}
    except SafetensorError as error:
        raise ValueError(f"safetensors refuses it: {error}.") from error
    for name, array in arrays.items():
        if array.shape != header.shapes[name] or array.dtype != header.dtypes[name]:
            raise ValueError("it changed while it was read.")
    return arrays


def to_json(document: Any) -> str:
    """Write JSON as the standard has it, the same for equal documents."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Any:
    """Read JSON as the standard has it; a name that is given twice is an error."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its JSON names {twice!r} twice.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"its JSON holds {name}, which JSON does not have.")


def _what_else(beginning: bytes, size: int, length: int) -> str:
    """Say what a file is that does not begin as safetensors do."""
    for start, what in _OTHER_FILES.items():
        if beginning.startswith(start):
            return f"it looks like {what}."
    if beginning[_LENGTH : _LENGTH + 1] == b"{":
        return f"its header claims {length} bytes, but the file has {size}: it was cut short."
    return "it is no safetensors file."


def _check_header(header: Any, data_size: int) -> Header:
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object.")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get(DOCUMENT), str):
        raise ValueError("it is a safetensors file, but holds no model of sfml.")
    document = from_json(metadata[DOCUMENT])
    if not isinstance(document, dict):
        raise ValueError("its description is no JSON object.")
    shapes, dtypes, places = {}, {}, []
    for name, entry in header.items():
        dtypes[name], shapes[name], place = _check_entry(name, entry)
        places.append(place)
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise ValueError("its arrays overlap, or leave gaps.")
        end = stop
    if end != data_size:
        what = "it was cut short" if end > data_size else "something was added"
        raise ValueError(f"its arrays take {end} bytes, but {data_size} are there: {what}.")
    return Header(document, shapes, dtypes)


def _check_entry(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], tuple[int, int]]:
    """Check what the header says of one array: type, shape, and where its bytes begin and end."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the array {name!r} needs a dtype, a shape and data_offsets.")
    dtype, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(
            f"the array {name!r} has the type {dtype!r}; known are {', '.join(DTYPES)}."
        )
    if not _are_sizes(shape) or not _are_sizes(place) or len(place) != 2 or len(shape) > 8:
        raise ValueError(f"the array {name!r} has the shape {shape!r} and the offsets {place!r}.")
    needed = math.prod(shape) * DTYPES[dtype].itemsize
    if place[1] - place[0] != needed:
        raise ValueError(
            f"the array {name!r} of shape {tuple(shape)} needs {needed} bytes; it has "
            f"{place[1] - place[0]}."
        )
    return DTYPES[dtype], tuple(shape), (place[0], place[1])


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)
