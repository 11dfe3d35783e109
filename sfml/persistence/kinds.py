"""What a value may be: checks of types that say what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import Bunch


class Kind(NamedTuple):
    """A type of values, in words and as a test."""

    name: str
    accepts: Callable[[Any], bool]

    def __or__(self, other: Kind) -> Kind:  # type: ignore[override]
        """Accept what one of two kinds accepts."""
        return Kind(f"{self.name} or {other.name}", lambda v: self.accepts(v) or other.accepts(v))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


_FLOATS = (float, np.floating)

ANYTHING = Kind("anything", lambda value: True)
NOTHING = Kind("None", lambda value: value is None)
INTEGER = Kind("an integer", _is_integer)
COUNT = Kind("an integer of at least 0", lambda value: _is_integer(value) and value >= 0)
NUMBER = Kind("a number", lambda value: INTEGER.accepts(value) or isinstance(value, _FLOATS))
TRUTH = Kind("True or False", lambda value: isinstance(value, bool | np.bool_))
TEXT = Kind("a text", lambda value: isinstance(value, str))
NAMES = Kind(
    "a vector of names",
    lambda value: (
        isinstance(value, np.ndarray)
        and value.ndim == 1
        and value.dtype == object
        and all(isinstance(name, str) for name in value)
    ),
)
FRAME = Kind("a DataFrame", lambda value: isinstance(value, pd.DataFrame))


def array(dtype: str, *ndims: int) -> Kind:
    """Accept arrays of one type, such as "float64", and of so many dimensions."""
    wanted = np.dtype(dtype)
    return Kind(
        f"an array of {dtype} with {' or '.join(map(str, ndims))} dimensions",
        lambda value: (
            isinstance(value, np.ndarray) and value.dtype == wanted and value.ndim in ndims
        ),
    )


def list_of(kind: Kind) -> Kind:
    """Accept lists whose members are all of one kind."""
    return Kind(
        f"a list, each {kind.name}",
        lambda value: type(value) is list and all(map(kind.accepts, value)),
    )


def tuple_of(kind: Kind, length: int | None = None) -> Kind:
    """Accept tuples, of a length if it is given, whose members are all of one kind."""
    return Kind(
        f"a tuple{'' if length is None else f' of {length}'}, each {kind.name}",
        lambda value: (
            type(value) is tuple
            and (length is None or len(value) == length)
            and all(map(kind.accepts, value))
        ),
    )


def dict_of(kind: Kind) -> Kind:
    """Accept dictionaries whose values are all of one kind."""
    return Kind(
        f"a dict, each value {kind.name}",
        lambda value: type(value) in (dict, Bunch) and all(map(kind.accepts, value.values())),
    )


def instance(*locations: str) -> Kind:
    """Accept objects of classes that are defined in these places, such as "sfml.bands.BandSet"."""
    names = [location.rpartition(".")[2] for location in locations]
    return Kind(f"a {' or '.join(names)}", lambda value: location_of(type(value)) in locations)


def location_of(cls: type) -> str:
    """Say where a class is defined."""
    return f"{cls.__module__}.{cls.__qualname__}"
