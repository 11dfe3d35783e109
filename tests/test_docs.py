"""Docstrings of the public names, as numpydoc validates them, and what the documents say."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
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


ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
WITH_CODE = ["README.md", "docs/tour.md", "CONTRIBUTING.md"]
WITH_CODE += [f"docs/{name}.md" for name in ("contract", "io", "missing", "simulate", "surveys")]


def read(document: str | Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", WITH_CODE)
def test_code_in_documents_runs(document, tmp_path, monkeypatch, capsys):
    """All blocks of one document run, one after the other, as a reader would run them."""
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```", read(document), re.DOTALL | re.MULTILINE)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for indent, block in blocks:
        lines = [line.removeprefix(indent) for line in block.splitlines()]
        # A smaller survey takes the same road in less time.
        program = "\n".join(lines).replace("make_mock_survey(2000", "make_mock_survey(500")
        exec(compile(program, str(document), "exec"), names)
    if document == "README.md":
        assert "stellar_mass" in capsys.readouterr().out
        assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_documents_name_exists(document):
    """Paths of the repository, and links to other documents."""
    text = read(document)
    paths = re.findall(r"\b((?:sfml|tests|benchmarks|examples|docs)/[\w/-]+(?:\.\w+)?)\b", text)
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    folder = (ROOT / document).parent
    made = "docs/_build"  # by `make docs`
    assert not [p for p in paths if not (ROOT / p).exists() and not p.startswith(made)]
    assert not [link for link in links if not (folder / link).exists()]


def test_figures_of_the_withdrawn_survey_are_withdrawn():
    """Its name stands only where it is said that figures which rest on it do not hold."""
    files = [*DOCUMENTS, *(ROOT / "sfml").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    for file in files:
        for paragraph in read(file).split("\n\n"):
            assert "mock_survey.parquet" not in paragraph or "withdrawn" in paragraph, file
