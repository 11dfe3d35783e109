"""The documentation site has a place for everything, without Sphinx: what to add, and where."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference.rst").read_text(encoding="utf-8")
MESSAGES = (DOCS / "messages.md").read_text(encoding="utf-8")
PACKAGE = sorted((ROOT / "sfml").rglob("*.py"))


def public_names() -> Iterator[str]:
    """Names within sfml, such as "load" and "metrics.r2"; a part's are those of its `__all__`."""
    yield from sfml._MODULE_OF
    for part in sfml._SUBMODULES:
        module = importlib.import_module(f"sfml.{part}")
        yield from (f"{part}.{name}" for name in module.__all__ if name not in sfml._MODULE_OF)


def has_page(name: str) -> bool:
    """Whether reference.rst lists a class or function, or describes a constant."""
    pattern = rf"^(   {re.escape(name)}|\.\. py:data:: {re.escape(name)})$"
    return re.search(pattern, REFERENCE, re.MULTILINE) is not None


NAMES = list(public_names())


def test_the_public_names_are_found():
    assert {"BandSet", "metrics.score_table", "targets.declare_target"} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_in_the_reference(name):
    assert has_page(name), (
        f"add a line '   {name}' to the autosummary of its task in docs/reference.rst (or, for a "
        f"constant, '.. py:data:: {name}' and a sentence)"
    )


@pytest.mark.parametrize("part", sfml._SUBMODULES)
def test_public_part_is_in_the_reference(part):
    assert re.search(rf"^\.\. (py:module|automodule):: sfml\.{part}$", REFERENCE, re.MULTILINE), (
        f"add '.. py:module:: sfml.{part}' to the end of docs/reference.rst"
    )


@pytest.mark.parametrize("name", NAMES)
def test_public_name_has_an_example(name):
    value = sfml
    for each in name.split("."):
        value = getattr(value, each)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert re.search(r"^Examples\n-+\n", inspect.getdoc(value), re.MULTILINE), (
            f"add a section 'Examples' that runs to the docstring of sfml.{name}"
        )


def test_reference_lists_nothing_twice():
    listed = re.findall(r"^   ([\w.]+)$", REFERENCE, re.MULTILINE)
    assert len(listed) == len(set(listed))


def in_toctrees() -> set[str]:
    """Names of the pages that a toctree of some page lists."""
    pages = set()
    for path in [*DOCS.glob("*.md"), *DOCS.glob("*.rst")]:
        text = path.read_text(encoding="utf-8")
        trees = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        trees += re.findall(r"^\.\. toctree::\n((?:\s*\n|   .*\n)*)", text, re.MULTILINE)
        for tree in trees:
            pages.update(line.strip() for line in tree.splitlines() if line.strip())
    return pages


@pytest.mark.parametrize("page", sorted(path.stem for path in DOCS.glob("*.md")))
def test_page_is_in_a_toctree(page):
    assert page == "index" or page in in_toctrees(), (
        f"add '{page}' to the toctree of docs/guide.md, docs/trust.md or docs/benchmarks.md"
    )


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_page_links_to_pages_of_the_site(page):
    """Sphinx knows no document outside of docs/, and `make docs` is too long to run each time."""
    text = (DOCS / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+\.(?:md|rst))[^)]*\)", text)
    outside = [t for t in targets if (DOCS / t).resolve().parent != DOCS.resolve()]
    assert not outside, f"docs/{page} links to {outside}, which are no pages of the site"


@pytest.mark.parametrize("example", sorted(path.name for path in ROOT.glob("examples/plot_*.py")))
def test_example_has_its_place(example):
    text = (DOCS / "examples.rst").read_text(encoding="utf-8")
    assert f"../examples/{example}" in text, f"add it to a gallery of docs/examples.rst: {example}"


@pytest.mark.parametrize("flag", [str(flag.name).lower() for flag in sfml.flags.DESCRIPTIONS])
def test_flag_is_explained(flag):
    assert f"| `{flag}` |" in MESSAGES, f"add a row '| `{flag}` | ...' to docs/messages.md"


def exception_classes() -> Iterator[str]:
    """Public classes of errors and warnings that the package defines."""
    ends = ("Error", "Warning", "Exception")
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases = [ast.unparse(base) for base in node.bases]
                if any(base.endswith(ends) for base in bases):
                    yield node.name


@pytest.mark.parametrize("name", sorted(exception_classes()))
def test_class_of_error_is_explained(name):
    assert f"`{name}`" in MESSAGES, f"say in docs/messages.md what `{name}` means"


def warning_texts() -> Iterator[tuple[str, str]]:
    """Module of each warning, and the longest piece of its text in which no value is filled in."""
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                texts = (
                    node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else node.args
                )
                pieces = [str(t.value) for t in texts if isinstance(t, ast.Constant)]
                if pieces:
                    yield str(path.relative_to(ROOT)), max(pieces, key=len)


@pytest.mark.parametrize(("module", "text"), list(warning_texts()))
def test_warning_is_explained(module, text):
    """Its first words can be searched for on the page."""
    words = " ".join(re.findall(r"\w+", text)[:4])
    page = " ".join(re.findall(r"\w+", MESSAGES))
    assert words in page, (
        f"{module} warns: ...{text.strip()[:70]}... Say in docs/messages.md what it means and what "
        f"to do, under a heading that has its words '{words}'"
    )


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


@pytest.fixture(scope="module")
def package_texts() -> str:
    """Every text in the package, and in scikit-learn's place what it says of NaN."""
    texts = ["Input contains NaN"]
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return " | ".join(words(text) for text in texts)


def quoted_messages() -> list[str]:
    """What messages.md quotes, in pieces between which values are filled in."""
    quotes = re.findall(r'(?:\*\*|\| |, |, \*\*)"((?:[^"\\]|\\")+)"', MESSAGES)
    return [piece for quote in quotes for piece in quote.split("...") if len(words(piece)) > 12]


def test_quotes_are_found():
    assert len(quoted_messages()) > 40


@pytest.mark.parametrize("piece", quoted_messages())
def test_quoted_message_exists(piece, package_texts):
    assert words(piece.replace("\\", "")) in package_texts
