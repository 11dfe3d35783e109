"""Docstrings of the public names, as numpydoc validates them."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from numpydoc.validate import validate

import sfml

NOT_ASKED = {
    "SA01": "a See Also section is for what a reader could mistake, not for every name",
    "ES01": "some functions are said in one line",
    "EX01": "examples are where a name is used on its own: classes and main functions",
    "RT03": "`self`, or a type such as DataFrame under a summary that says it all, needs no text",
}
"""numpydoc's checks that are not asked for, with the reason. All others are."""


def with_members(name: str, value: Any) -> Iterator[str]:
    """A name, and those of the public methods and properties its class defines."""
    yield name
    if inspect.isclass(value):
        for member, kind in vars(value).items():
            if member.startswith("_"):
                continue
            if inspect.isfunction(kind) or isinstance(kind, property | classmethod | staticmethod):
                yield f"{name}.{member}"


def public_names() -> Iterator[str]:
    """Full names of public classes, methods and functions."""
    for name in sfml._MODULE_OF:
        value = getattr(sfml, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield from with_members(f"sfml.{name}", value)
    for module_name in sfml._SUBMODULES:
        module = importlib.import_module(f"sfml.{module_name}")
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if name not in sfml._MODULE_OF and (
                inspect.isclass(value) or inspect.isfunction(value)
            ):
                yield from with_members(f"{module.__name__}.{name}", value)


def is_enumeration(name: str) -> bool:
    value = pkgutil.resolve_name(name)
    return inspect.isclass(value) and issubclass(value, enum.Enum)


NAMES = list(public_names())


def test_the_public_names_are_found():
    assert {"sfml.KerasMLPRegressor.fit", "sfml.metrics.score_table", "sfml.BandSet.only"} <= {
        *NAMES
    }
    assert any(name.startswith("sfml.displays.") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_docstring_is_valid(name):
    not_asked = {*NOT_ASKED}
    if is_enumeration(name):
        not_asked.add("PR01")  # its members are there, and it is not called
    errors = [f"{code} {text}" for code, text in validate(name)["errors"] if code not in not_asked]
    assert not errors


@pytest.mark.parametrize("name", [name for name in NAMES if name.count(".") == 1])
def test_main_names_have_examples(name):
    """Classes and functions at the top of the package show how they are used."""
    assert "EX01" not in {code for code, _ in validate(name)["errors"]}


@pytest.mark.parametrize("name", NAMES)
def test_arrays_have_a_shape(name):
    kinds = re.findall(r" : (.*array-like.*)$", validate(name)["docstring"], re.MULTILINE)
    assert all("shape" in kind for kind in kinds if "Axes" not in kind), kinds
