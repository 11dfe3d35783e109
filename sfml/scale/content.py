"""A hash of what an object holds: the same in every process, before and after pickling."""

from __future__ import annotations

import copyreg
import hashlib
from typing import Any

import numpy as np


def content_hash(value: Any) -> str:
    """Hash what a value holds.

    Parameters
    ----------
    value : object
        Such as a fitted pipeline. What cannot be pickled cannot be hashed.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Add a value to a hash, with its type and the lengths that tell where it ends."""
    kind = type(value)
    digest.update(f"{kind.__module__}.{kind.__qualname__}:".encode())
    if isinstance(value, np.ndarray) and value.dtype.names:
        for name in value.dtype.names:  # between the fields there may be anything
            _add(digest, [name, value[name]])
    elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.ndarray):
        _add(digest, [value.shape, value.ravel().tolist()])
    elif value is None or isinstance(value, bool | int | float | complex):
        digest.update(f"{value!r};".encode())
    elif isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        digest.update(f"{len(data)}:".encode() + data)
    elif isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        digest.update(f"{value.__module__}.{value.__qualname__};".encode())
    elif isinstance(value, list | tuple):
        _add_all(digest, value)
    elif isinstance(value, dict):
        _add_all(digest, sorted(value.items(), key=lambda pair: repr(pair[0])))
    elif isinstance(value, set | frozenset):
        _add_all(digest, sorted(value, key=repr))
    else:
        _add_all(digest, _reduced(value))


def _add_all(digest: Any, values: Any) -> None:
    digest.update(f"{len(values)}(".encode())
    for value in values:
        _add(digest, value)
    digest.update(b")")


def _reduced(value: Any) -> list[Any]:
    """Take an object apart as pickle does."""
    reduce = copyreg.dispatch_table.get(type(value))
    parts = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(parts, str):
        return [parts]
    function, arguments, state, items, pairs = [*parts, None, None, None][:5]
    return [function, arguments, state, list(items or ()), list(pairs or ())]
