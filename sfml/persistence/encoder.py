"""From fitted objects to a document of plain JSON and named arrays.

Everything that an object holds is walked: what cannot be written is an error that says where it
is, so that nothing is lost in silence.

In the document, None, truth values, integers, finite floats, texts and lists stand for themselves.
All else is a JSON object with one key that says what it is: ``{"tuple": [...]}``,
``{"dict": {...}}``, ``{"float": "nan"}``, ``{"numpy": "float64", ...}``, ``{"array": 3}`` (a
place in the list of arrays), ``{"object": 5}`` (a place in the list of objects),
``{"record": "sfml.BandSet", ...}``, ``{"frame": ...}``, ``{"names": [...]}`` or
``{"random_state": ...}``. Objects and arrays are listed once, however many places hold them, and
an object comes after those that it holds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sfml.persistence import trees
from sfml.persistence.container import DTYPES, to_json
from sfml.persistence.kinds import location_of
from sfml.persistence.known import (
    CONFIG,
    ESTIMATOR,
    KNOWN,
    OBJECT,
    RECORD,
    TREE,
    Known,
    name_of,
    parameters_of,
)

FORMAT = 1
"""Number of the format. It grows when files are written that earlier versions cannot read."""

ROUTING = "_metadata_request"
# The document nests about as deep as a pipeline; a list that holds itself never ends.
_DEEPEST = 100


class Encoded(NamedTuple):
    """An object as a document and arrays."""

    objects: list[dict[str, Any]]
    places: list[dict[str, Any]]
    """Of each array the name, and whether columns are stored side by side."""
    arrays: dict[str, np.ndarray]
    digests: dict[str, str]
    """Of each array the SHA-256 of its type, shape and values."""
    left_out: frozenset[str] = frozenset()
    """Names of parameters that were given, and are not saved."""

    def content_hash(self) -> str:
        """Compute one number from all of it: the same for the same content, wherever it lies."""
        held = [self.digests[place["tensor"]] for place in self.places]
        content = {"format": FORMAT, "objects": self.objects, "arrays": held}
        return hashlib.sha256(to_json(content).encode()).hexdigest()


def encode(value: Any, *, to_hash: bool = False) -> Encoded:
    """Write an object of a known class as a document and arrays.

    Parameters
    ----------
    value : object
        Such as a `StarFormationPipeline`.
    to_hash : bool, default=False
        Whether it is written for its hash alone: of what cannot be written, a hash then takes the
        place.

    Returns
    -------
    Encoded

    Raises
    ------
    TypeError
        If it holds anything that cannot be written: the error says where.
    """
    encoder = _Encoder(to_hash=to_hash)
    encoder.write_object(value, "")
    return Encoded(
        encoder.objects,
        encoder.places,
        encoder.arrays,
        encoder.digests,
        frozenset(encoder.left_out),
    )


def digest_of(array: np.ndarray) -> str:
    """Compute the SHA-256 of an array's type, shape and values, in whatever order they lie."""
    head = f"{array.dtype.str} {array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


class _Encoder:
    """Walks an object, and lists what it finds."""

    def __init__(self, *, to_hash: bool = False) -> None:
        self.to_hash = to_hash
        self.objects: list[dict[str, Any]] = []
        self.places: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.digests: dict[str, str] = {}
        self.left_out: set[str] = set()
        self._by_digest: dict[str, str] = {}
        # By id, with what has the id, so that no other object gets the same.
        self._seen: dict[int, tuple[Any, int]] = {}

    def write(self, value: Any, path: str, depth: int = 0) -> Any:
        """Write one value; its path is for the error if it cannot be written."""
        if not self.to_hash:
            return self._write(value, path, depth)
        try:
            return self._write(value, path, depth)
        except TypeError:
            return {"hash": joblib.hash(value)}

    def _write(self, value: Any, path: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise TypeError(f"{path or 'the model'} holds itself, or is nested too deeply.")
        plain = type(value)
        if value is None or plain in (bool, int, str):
            return value
        if plain is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, np.generic):
            return self._write_scalar(value, path)
        if plain in (list, tuple):
            parts = [self.write(v, f"{path}[{k}]", depth + 1) for k, v in enumerate(value)]
            return parts if plain is list else {"tuple": parts}
        if plain in (dict, Bunch):
            return {"dict" if plain is dict else "bunch": self._write_items(value, path, depth)}
        if isinstance(value, np.ndarray) and plain is np.ndarray:
            return self._write_array(value, path)
        if plain is pd.DataFrame:
            return self._write_frame(value, path)
        if plain is np.random.RandomState:
            return {"random_state": self._write_random_state(value, path)}
        name = name_of(plain)
        if name is None:
            raise _cannot(path, value)
        if KNOWN[name].style == RECORD:
            return self._write_record(name, value, path, depth)
        return {"object": self.write_object(value, path, depth)}

    def write_object(self, value: Any, path: str, depth: int = 0) -> int:
        """List an object, unless it is listed already; return its place."""
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        name = name_of(type(value))
        if name is None:
            raise _cannot(path, value)
        known = KNOWN[name]
        entry: dict[str, Any] = {"class": name}
        if known.style == ESTIMATOR:
            entry |= self._write_estimator(value, known, path, depth)
        elif known.style == TREE:
            entry["attributes"] = self._write_tree(value, path)
        elif known.style == OBJECT:
            _check_attributes(set(vars(value)), set(known.attributes), value, path)
            entry["attributes"] = self._write_attributes(vars(value), path, depth)
        self.objects.append(entry)
        self._seen[id(value)] = value, len(self.objects) - 1
        return len(self.objects) - 1

    def _write_estimator(self, value: Any, known: Known, path: str, depth: int) -> dict[str, Any]:
        attributes = dict(vars(value))
        lacking = sorted(set(parameters_of(type(value))) - set(attributes))
        if lacking:
            raise TypeError(f"{_join(path, lacking[0])} is a parameter that is not there.")
        parameters = {name: attributes.pop(name) for name in parameters_of(type(value))}
        self._check_preset(value, known, parameters, attributes, path)
        if not self.to_hash:
            for name in known.left_out & set(parameters):
                if parameters[name]:
                    self.left_out.add(name)
                    parameters[name] = None
        for name in known.preset:
            attributes.pop(name, None)
        entry = {"parameters": self._write_attributes(parameters, path, depth)}
        if ROUTING in attributes:
            entry["routing"] = _write_routing(attributes.pop(ROUTING))
        _check_attributes(set(attributes), {*known.attributes, CONFIG}, value, path)
        return entry | {"attributes": self._write_attributes(attributes, path, depth)}

    def _check_preset(
        self, value: Any, known: Known, parameters: Any, attributes: Any, path: str
    ) -> None:
        """Check that what the constructor makes untold was not changed: it is made anew."""
        if not known.preset:
            return
        fresh = vars(type(value)(**parameters))
        for name in sorted(known.preset & set(attributes)):
            same = name in fresh and _alike(fresh[name], attributes[name])
            if not same:
                raise TypeError(
                    f"{_join(path, name)} was changed to {attributes[name]!r}, which no parameter "
                    "of the estimator says, and cannot be saved."
                )

    def _write_attributes(
        self, attributes: Mapping[str, Any], path: str, depth: int
    ) -> dict[str, Any]:
        written = {}
        for name in sorted(attributes):
            if name in ("steps", "_fitted_steps") and type(attributes[name]) is list:
                written[name] = self._write_steps(attributes[name], name, path, depth)
            else:
                written[name] = self.write(attributes[name], _join(path, name), depth + 1)
        return written

    def _write_steps(self, steps: list[Any], name: str, path: str, depth: int) -> list[Any]:
        """Write the steps of a pipeline, whose names are the path to what they hold."""
        start = path if name == "steps" else _join(path, name)
        written: list[Any] = []
        for k, step in enumerate(steps):
            if type(step) is tuple and len(step) == 2 and isinstance(step[0], str):
                value = self.write(step[1], _join(start, step[0]), depth + 1)
                written.append({"tuple": [step[0], value]})
            else:
                written.append(self.write(step, f"{_join(path, name)}[{k}]", depth + 1))
        return written

    def _write_items(self, items: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        wrong = [key for key in items if type(key) is not str]
        if wrong:
            raise TypeError(f"{path} has the key {wrong[0]!r}; keys that are saved are texts.")
        return {key: self.write(v, f"{path}[{key!r}]", depth + 1) for key, v in items.items()}

    def _write_record(self, name: str, value: Any, path: str, depth: int) -> dict[str, Any]:
        fields = value._asdict() if hasattr(value, "_asdict") else dict(vars(value))
        _check_attributes(set(fields), set(KNOWN[name].attributes), value, path)
        written = {key: self.write(fields[key], _join(path, key), depth + 1) for key in fields}
        return {"record": name, "fields": written}

    def _write_tree(self, tree: Any, path: str) -> dict[str, Any]:
        try:
            state = trees.state_of(tree)
        except TypeError as error:
            raise TypeError(f"{path} {error}") from None
        return self._write_attributes(state, path, 0)

    def _write_scalar(self, value: np.generic, path: str) -> dict[str, Any]:
        if isinstance(value, np.str_):
            return {"numpy": "str_", "value": str(value)}
        if isinstance(value, np.bool_):
            return {"numpy": "bool", "value": bool(value)}
        if isinstance(value, np.integer):
            return {"numpy": value.dtype.name, "value": int(value)}
        if isinstance(value, np.float64 | np.float32):
            return {"numpy": value.dtype.name, "value": self.write(float(value), path)}
        raise _cannot(path, value)

    def _write_array(self, array: np.ndarray, path: str) -> dict[str, Any]:
        if array.dtype.kind in "OU" and array.ndim == 1:
            return self._write_names(array, path)
        if array.dtype not in DTYPES.values():
            raise TypeError(
                f"{path} is an array of {array.dtype}, which cannot be saved: arrays are of "
                f"{', '.join(map(str, DTYPES.values()))}."
            )
        if id(array) not in self._seen:
            by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
            self.places.append({"tensor": self._store(array, path), "by_columns": by_columns})
            self._seen[id(array)] = array, len(self.places) - 1
        return {"array": self._seen[id(array)][1]}

    def _store(self, array: np.ndarray, path: str) -> str:
        """Keep the values of an array, unless another has the same; return their name."""
        digest = digest_of(array)
        if digest not in self._by_digest:
            name, k = path or "array", 2
            while name in self.arrays:
                name, k = f"{path} ({k})", k + 1
            self._by_digest[digest] = name
            self.arrays[name], self.digests[name] = array, digest
        return self._by_digest[digest]

    def _write_names(self, array: np.ndarray, path: str) -> dict[str, Any]:
        names = array.tolist()
        if not all(type(name) is str for name in names):
            raise TypeError(f"{path} is an array of objects which are not all texts.")
        if array.dtype.kind == "U":
            if np.array(names).dtype != array.dtype:
                raise TypeError(f"{path} is an array of {array.dtype}, wider than its texts.")
            return {"names": names, "objects": False}
        return {"names": names, "objects": True}

    def _write_frame(self, frame: pd.DataFrame, path: str) -> dict[str, Any]:
        """Write a table of numbers whose rows are numbered."""
        if not all(type(name) is str for name in frame.columns) or not frame.columns.is_unique:
            raise TypeError(f"{path} is a table whose columns have no names of their own.")
        columns = {
            name: self.write(frame[name].to_numpy(), f"{path}[{name!r}]") for name in frame.columns
        }
        index = self.write(frame.index.to_numpy(), f"{path}.index")
        name = self.write(frame.index.name, f"{path}.index.name")
        return {"frame": columns, "index": index, "name": name}

    def _write_random_state(self, state: np.random.RandomState, path: str) -> dict[str, Any]:
        kind, key, position, has_gauss, gauss = state.get_state(legacy=True)
        if kind != "MT19937":
            raise TypeError(f"{path} is a random generator of the kind {kind}; give a number.")
        return {
            "key": self._write_array(np.asarray(key), path),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "gauss": self.write(float(gauss), path),
        }


def _write_routing(request: Any) -> dict[str, Any]:
    """Write which metadata the methods of an estimator were told to ask for."""
    return {
        method: dict(sorted(each.requests.items()))
        for method, each in sorted(vars(request).items())
        if hasattr(each, "requests") and each.requests
    }


def _check_attributes(given: set[str], known: set[str], value: Any, path: str) -> None:
    unknown = sorted(given - known)
    if unknown:
        raise TypeError(
            f"{_join(path, unknown[0])} is an attribute of {type(value).__name__} that "
            "sfml.persistence does not know, and would be lost: models are saved as `fit` leaves "
            "them."
        )


def _cannot(path: str, value: Any) -> TypeError:
    classes = ", ".join(name for name, known in KNOWN.items() if known.style == ESTIMATOR)
    hint = ""
    if location_of(type(value)).startswith("keras."):
        hint = " Give its name instead, such as 'adam', before `fit`."
    return TypeError(
        f"{path or 'the model'} is a {location_of(type(value))}, which cannot be saved.{hint} "
        f"Saved are numbers, texts, arrays, and the classes {classes}. joblib.dump saves others, "
        "in a file that runs code when it is loaded."
    )


def _alike(one: Any, other: Any) -> bool:
    """Whether two values would be written alike."""
    first, second = _Encoder(), _Encoder()
    alike = first.write(one, "") == second.write(other, "")
    return alike and first.objects == second.objects and first.digests == second.digests


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
