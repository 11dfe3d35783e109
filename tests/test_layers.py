"""The package's structure: imports point one way, and `import sfml` stays light."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfml

PACKAGE = Path(sfml.__file__).parent

MODULES = {
    ".".join(("sfml", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Low to high. A part imports only from itself and from parts below; those on one line are level,
# and know nothing of each other.
LAYERS = [
    {"base", "compat", "parallel", "stopping", "flags", "system"},
    {"tables", "weights"},
    {"bands"},
    {"targets", "surveys"},
    {"photometry", "uncertainty", "io"},
    {"domain"},  # another name of a part of uncertainty
    {"selection", "features", "neural", "metrics"},
    {"datasets"},
    {"recipes", "simulate"},
    {"regressor"},
    {"persistence"},  # names the classes above it, which it imports when a file holds them
    {"pipeline"},
    {"triage", "explain"},
    {"displays", "export", "scale"},
    {"report"},
    {""},  # `import sfml` uses everything: for those on top alone
    {"cli"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

# metrics and displays take arrays; a Display's `from_estimator` only calls the estimator given.
ARRAYS_ONLY = {"metrics", "displays"}
ESTIMATORS = {"selection", "features", "neural", "recipes", "regressor", "pipeline"}

IN_FUNCTIONS_ONLY = {
    *("matplotlib", "astropy", "corner", "qp", "tensorflow", "keras", "scikeras"),
    *("pooch", "pyvo", "requests"),
    *("dask", "lsdb", "nested_pandas"),
    *("safetensors", "onnx", "onnxruntime"),
    *("h5py", "tables"),
    *("bagpipes", "sedpy", "nautilus"),
}
IMPORTS_KERAS = {"sfml.neural.trainer", "sfml.neural.network", "sfml.neural.progress"}


def part_of(module: str) -> str:
    """Name of the part of the package that a module belongs to; "" for `sfml` itself."""
    return module.split(".")[1] if "." in module else ""


def type_checking_only(tree: ast.AST) -> set[ast.AST]:
    """Everything below an ``if TYPE_CHECKING:``, which never runs."""
    guards = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
    return {node for guard in guards for child in guard.body for node in ast.walk(child)}


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of what the import statements among `nodes` name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def all_imports(module: str) -> set[str]:
    tree = ast.parse(MODULES[module].read_text())
    skipped = type_checking_only(tree)
    return set(imported(node for node in ast.walk(tree) if node not in skipped))


def imports_at_load(module: str) -> set[str]:
    """Imports that run when the module is imported: those outside of functions."""
    tree = ast.parse(MODULES[module].read_text())
    skipped = type_checking_only(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            skipped.update(ast.walk(node))
    return set(imported(node for node in ast.walk(tree) if node not in skipped))


def parts_used(module: str) -> set[str]:
    """Parts of the package that a module imports, at load or within functions."""
    used = set()
    for name in all_imports(module):
        if name.split(".")[0] != "sfml":
            continue
        part = part_of(name)
        used.add(sfml._MODULE_OF.get(part, part))  # `from sfml import GAMA` uses bands
    return used - {part_of(module), "__version__"}


def test_every_part_has_its_place():
    parts = {part_of(module) for module in MODULES} - {""}
    assert parts <= LEVEL.keys(), "add the new part to LAYERS"
    assert len(LEVEL) == sum(map(len, LAYERS))


@pytest.mark.parametrize("module", [name for name in MODULES if name != "sfml"])
def test_imports_point_one_way(module):
    level = LEVEL[part_of(module)]
    above = {part for part in parts_used(module) if LEVEL[part] >= level}
    assert not above, f"{module} imports {above}, which are not below it"


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) in ARRAYS_ONLY])
def test_metrics_and_displays_take_arrays(module):
    assert not parts_used(module) & ESTIMATORS


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_are_imported_where_they_are_used(module):
    allowed = {"keras", "tensorflow"} if module in IMPORTS_KERAS else set()
    heavy = {name.split(".")[0] for name in imports_at_load(module)} & IN_FUNCTIONS_ONLY
    assert heavy <= allowed


def test_modules_with_keras_are_loaded_by_the_backend_alone():
    for module in set(MODULES) - IMPORTS_KERAS:
        used = all_imports(module)
        named = {name for name in used for heavy in IMPORTS_KERAS if name.startswith(heavy)}
        assert not named, module


def loaded_after(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `program`."""
    program += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_sfml_is_light():
    loaded = loaded_after("import sfml")
    assert "sfml" in loaded
    assert not loaded & {*IN_FUNCTIONS_ONLY, "numpy", "pandas", "sklearn", "scipy", "pyarrow"}


def test_public_names_and_a_pipeline_need_no_heavy_library():
    loaded = loaded_after(
        "import sfml\n"
        "for name in sfml.__all__: getattr(sfml, name)\n"
        "sfml.make_star_formation_pipeline()"
    )
    assert "sklearn" in loaded
    assert not loaded & IN_FUNCTIONS_ONLY


def test_importing_sfml_leaves_no_trace():
    program = (
        "import os, warnings, logging, random\n"
        "def state():\n"
        "    logs = logging.root.level, list(logging.root.handlers)\n"
        "    return dict(os.environ), list(warnings.filters), logs, random.getstate()\n"
        "before = state()\n"
        "import sfml\n"
        "assert state() == before"
    )
    assert "sfml" in loaded_after(program)


def test_dir_lists_the_public_names():
    assert dir(sfml) == sorted(set(sfml.__all__))
    assert len(set(sfml.__all__)) == len(sfml.__all__)


@pytest.mark.parametrize("name", sfml.__all__)
def test_public_names_resolve(name):
    assert getattr(sfml, name) is not None


@pytest.mark.parametrize("name", sfml.__all__)
def test_public_names_are_documented(name):
    value = getattr(sfml, name)
    if inspect.isclass(value) or callable(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)
        assert inspect.getdoc(value) != inspect.getdoc(type(value))


def test_static_names_are_those_loaded_lazily():
    """What type checkers see, and the run-time table, name the same things."""
    tree = ast.parse(MODULES["sfml"].read_text())
    static = {name.rsplit(".", 1)[1] for name in imported(iter(type_checking_only(tree)))}
    assert static == set(sfml._MODULE_OF)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'make_mock_surveys'"):
        sfml.make_mock_surveys  # noqa: B018
