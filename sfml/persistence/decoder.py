"""From a document and arrays back to objects of known classes, believing nothing.

Every JSON object must have exactly the keys of one of the forms that `sfml.persistence.encoder`
writes, every attribute the type that is known of it, and every object must hold together. Of code,
only the constructors of known classes run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sfml.persistence import trees
from sfml.persistence.encoder import ROUTING
from sfml.persistence.kinds import TEXT, Kind, dict_of
from sfml.persistence.known import (
    CONFIG,
    ESTIMATOR,
    KNOWN,
    OBJECT,
    RECORD,
    TREE,
    Known,
    parameters_of,
)

_FLOATS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
_SCALARS: dict[str, Callable[[Any], np.generic]] = {
    "bool": np.bool_,
    "str_": np.str_,
    "int64": np.int64,
    "int32": np.int32,
    "uint64": np.uint64,
    "uint32": np.uint32,
    "uint8": np.uint8,
    "float64": np.float64,
    "float32": np.float32,
}
_DEEPEST = 100
_RANDOM_NUMBERS = 624  # in the state of a Mersenne Twister


def decode(objects: Any, places: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """Make the objects of a document, and return the last, which holds the others.

    Raises
    ------
    ValueError
        If anything is not as `sfml.persistence.encoder.encode` writes it.
    """
    decoder = _Decoder(_place_arrays(places, tensors))
    _expect(type(objects) is list and objects, "it holds no object.")
    for k, entry in enumerate(objects):
        try:
            decoder.add(entry)
        except (ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
            name = entry.get("class") if type(entry) is dict else None
            raise ValueError(f"object {k}, a {name}: {error}") from error
    _expect(decoder.used == set(range(len(objects) - 1)), "an object belongs to no other.")
    return decoder.objects[-1]


def _place_arrays(places: Any, tensors: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Give each place its own copy of the array that belongs there."""
    _expect(type(places) is list, "the list of arrays is no list.")
    arrays = []
    for place in places:
        _expect_keys(place, {"tensor", "by_columns"})
        name = place["tensor"]
        _expect(type(name) is str and name in tensors, f"there is no array {name!r}.")
        _expect(type(place["by_columns"]) is bool, "by_columns must be true or false.")
        arrays.append(np.array(tensors[name], order="F" if place["by_columns"] else "C"))
    unused = set(tensors) - {place["tensor"] for place in places}
    _expect(not unused, f"the array {min(unused, default='')!r} belongs nowhere.")
    return arrays


class _Decoder:
    """Makes objects one after the other; each may hold those before it."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays
        self.objects: list[Any] = []
        self.used: set[int] = set()

    def add(self, entry: Any) -> None:
        """Make one object, of the objects and arrays that are there already."""
        _expect(type(entry) is dict, "it is no JSON object.")
        name = entry.get("class")
        _expect(type(name) is str and name in KNOWN, f"the class {name!r} is not known.")
        known = KNOWN[name]
        _expect(known.style != RECORD, f"{name} is a record.")
        if known.style == ESTIMATOR:
            self.objects.append(self._make_estimator(entry, known))
            return
        _expect_keys(entry, {"class", "attributes"})
        attributes = self._read_attributes(entry["attributes"])
        _check_kinds(attributes, known.attributes, set(known.attributes))
        if known.style == TREE:
            self.objects.append(trees.make_tree(attributes))
            return
        assert known.style == OBJECT
        made = object.__new__(known.load())
        vars(made).update(attributes)
        known.check(made)
        self.objects.append(made)

    def _make_estimator(self, entry: dict[str, Any], known: Known) -> Any:
        _expect_keys(entry, {"class", "parameters", "attributes"}, {"routing"})
        cls = known.load()
        made = cls(**_complete(cls, self._read_attributes(entry["parameters"])))
        made._validate_params()
        attributes = self._read_attributes(entry["attributes"])
        config = attributes.pop(CONFIG, None)
        if config is not None:
            _check_kinds({CONFIG: config}, {CONFIG: dict_of(TEXT)}, set())
            vars(made)[CONFIG] = config
        if attributes:
            needed = set(known.attributes) - known.sometimes
            _check_kinds(attributes, known.attributes, needed)
            vars(made).update(attributes)
            known.check(made)
        if "routing" in entry:
            vars(made)[ROUTING] = _read_routing(made, entry["routing"])
        return made

    def _read_attributes(self, node: Any) -> dict[str, Any]:
        _expect(type(node) is dict, "its attributes are no JSON object.")
        return {name: self.read(value, 0) for name, value in node.items()}

    def read(self, node: Any, depth: int) -> Any:
        """Read one value."""
        _expect(depth <= _DEEPEST, "it is nested too deeply.")
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return [self.read(part, depth + 1) for part in node]
        for form, (keys, method) in self._FORMS.items():
            if form in node:
                _expect_keys(node, keys)
                return method(self, node, depth)
        raise ValueError(f"{sorted(node)[:3]} is no form of a value.")

    def _read_float(self, node: dict[str, Any], depth: int) -> float:
        _expect(node["float"] in list(_FLOATS), f"{node['float']!r} is no float.")
        return float(_FLOATS[node["float"]])

    def _read_scalar(self, node: dict[str, Any], depth: int) -> np.generic:
        kind, value = node["numpy"], self.read(node["value"], depth + 1)
        _expect(type(kind) is str and kind in _SCALARS, f"{kind!r} is no type of NumPy's.")
        scalar = _SCALARS[kind](value)
        same = type(scalar.item()) is type(value) and (scalar == value or value != value)
        _expect(same, f"{value!r} is no {kind}.")
        return scalar

    def _read_tuple(self, node: dict[str, Any], depth: int) -> tuple[Any, ...]:
        _expect(type(node["tuple"]) is list, "a tuple is no list.")
        return tuple(self.read(part, depth + 1) for part in node["tuple"])

    def _read_dict(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        return self._read_items(node["dict"], depth)

    def _read_bunch(self, node: dict[str, Any], depth: int) -> Bunch:
        made = Bunch()
        made.update(self._read_items(node["bunch"], depth))
        return made

    def _read_items(self, node: Any, depth: int) -> dict[str, Any]:
        _expect(type(node) is dict, "a dict is no JSON object.")
        return {name: self.read(value, depth + 1) for name, value in node.items()}

    def _read_array(self, node: dict[str, Any], depth: int) -> np.ndarray:
        return self.arrays[_place(node["array"], len(self.arrays))]

    def _read_object(self, node: dict[str, Any], depth: int) -> Any:
        place = _place(node["object"], len(self.objects))
        self.used.add(place)
        return self.objects[place]

    def _read_record(self, node: dict[str, Any], depth: int) -> Any:
        name = node["record"]
        _expect(type(name) is str and name in KNOWN, f"the class {name!r} is not known.")
        known = KNOWN[name]
        _expect(known.style == RECORD, f"{name} is no record.")
        fields = self._read_items(node["fields"], depth)
        _check_kinds(fields, known.attributes, set(known.attributes))
        made = known.load()(**fields)
        # The constructor of a dataclass may know better.
        _expect(isinstance(made, tuple) or vars(made) == fields, f"a {name} has other fields.")
        known.check(made)
        return made

    def _read_names(self, node: dict[str, Any], depth: int) -> np.ndarray:
        names, objects = node["names"], node["objects"]
        _expect(type(names) is list and all(type(n) is str for n in names), "names are no texts.")
        _expect(type(objects) is bool, "objects must be true or false.")
        if not objects:
            return np.array(names, dtype=np.str_)
        array = np.empty(len(names), dtype=object)
        array[:] = names
        return array

    def _read_frame(self, node: dict[str, Any], depth: int) -> pd.DataFrame:
        columns = self._read_items(node["frame"], depth)
        index, name = self.read(node["index"], depth), node["name"]
        arrays = [index, *columns.values()]
        good = all(isinstance(a, np.ndarray) and a.ndim == 1 for a in arrays)
        _expect(good and len({len(a) for a in arrays}) == 1, "a table's columns differ in length.")
        _expect(name is None or type(name) is str, "an index's name is no text.")
        return pd.DataFrame(columns, index=pd.Index(index, name=name))

    def _read_random_state(self, node: dict[str, Any], depth: int) -> np.random.RandomState:
        state = node["random_state"]
        _expect_keys(state, {"key", "position", "has_gauss", "gauss"})
        key = self.read(state["key"], depth + 1)
        good = isinstance(key, np.ndarray) and key.dtype == np.uint32
        _expect(good and key.shape == (_RANDOM_NUMBERS,), "a random state has 624 numbers.")
        place = _place(state["position"], _RANDOM_NUMBERS + 1)
        _expect(type(state["has_gauss"]) is int and state["has_gauss"] in (0, 1), "has_gauss.")
        gauss = self.read(state["gauss"], depth + 1)
        _expect(type(gauss) is float, "gauss must be a number.")
        made = np.random.RandomState(0)
        made.set_state(("MT19937", key, place, state["has_gauss"], gauss))
        return made

    _FORMS: ClassVar[dict[str, tuple[set[str], Callable[..., Any]]]] = {
        "float": ({"float"}, _read_float),
        "numpy": ({"numpy", "value"}, _read_scalar),
        "tuple": ({"tuple"}, _read_tuple),
        "dict": ({"dict"}, _read_dict),
        "bunch": ({"bunch"}, _read_bunch),
        "array": ({"array"}, _read_array),
        "object": ({"object"}, _read_object),
        "record": ({"record", "fields"}, _read_record),
        "names": ({"names", "objects"}, _read_names),
        "frame": ({"frame", "index", "name"}, _read_frame),
        "random_state": ({"random_state"}, _read_random_state),
    }


def _complete(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """Check an estimator's parameters; those that came after the file was written have defaults."""
    known = parameters_of(cls)
    unknown = sorted(set(given) - set(known))
    _expect(not unknown, f"{cls.__name__} has no parameter {unknown[0] if unknown else ''!r} here.")
    lacking = [n for n, each in known.items() if n not in given and each.default is each.empty]
    _expect(not lacking, f"the parameter {lacking[0] if lacking else ''!r} is missing.")
    return given


def _check_kinds(given: Mapping[str, Any], kinds: Mapping[str, Kind], needed: set[str]) -> None:
    """Check that attributes are those that are known, each of its kind."""
    unknown, lacking = sorted(set(given) - set(kinds)), sorted(needed - set(given))
    _expect(not unknown, f"the attribute {unknown[0] if unknown else ''!r} is not known.")
    _expect(not lacking, f"the attribute {lacking[0] if lacking else ''!r} is missing.")
    for name, value in given.items():
        if not kinds[name].accepts(value):
            raise ValueError(f"{name} must be {kinds[name].name}; got {_shown(value)}.")


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"


def _read_routing(estimator: Any, node: Any) -> Any:
    """Tell an estimator's methods again which metadata to ask for."""
    request = estimator._get_metadata_request()
    _expect(type(node) is dict, "routing is no JSON object.")
    for method, wanted in node.items():
        each = vars(request).get(method)
        _expect(hasattr(each, "add_request") and type(wanted) is dict, f"routing of {method!r}.")
        for parameter, alias in wanted.items():
            _expect(alias is None or type(alias) in (bool, str), "an alias is no text.")
            each.add_request(param=parameter, alias=alias)
    return request


def _place(value: Any, n: int) -> int:
    _expect(type(value) is int and 0 <= value < n, f"{value!r} is none of the {n} places.")
    return value


def _expect_keys(node: Any, needed: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    _expect(type(node) is dict, "a JSON object was expected.")
    wrong = sorted(set(node) - needed - optional) or sorted(needed - set(node))
    _expect(not wrong, f"the keys {sorted(node)} should be {sorted(needed)}.")


def _expect(holds: Any, what: str) -> None:
    if not holds:
        raise ValueError(what)
