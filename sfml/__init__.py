"""sfml: star-formation properties of galaxies from broad-band photometry.

Public names are loaded when first used, so that ``import sfml`` stays light: TensorFlow is
imported by `fit` alone, matplotlib by the displays, astropy by what reads or converts its tables.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_MODULE_OF = {
    "GAMA": "bands",
    "BandSet": "bands",
    "FluxFeatures": "features",
    "GamaSampleSelector": "selection",
    "KerasMLPRegressor": "neural",
    "SelectionReport": "selection",
    "read_catalogue": "io",
    "write_catalogue": "io",
    "StarFormationPipeline": "pipeline",
    "StarFormationRegressor": "regressor",
    "TARGETS": "targets",
    "fetch_gama": "datasets",
    "load": "persistence",
    "load_gama": "datasets",
    "make_mock_survey": "datasets",
    "make_star_formation_pipeline": "pipeline",
    "open_catalogue": "io",
    "query_gama": "datasets",
    "save": "persistence",
    "show_versions": "system",
}
_SUBMODULES = (
    "bands",
    "datasets",
    "displays",
    "domain",
    "explain",
    "export",
    "features",
    "flags",
    "io",
    "metrics",
    "neural",
    "persistence",
    "report",
    "scale",
    "selection",
    "simulate",
    "stopping",
    "surveys",
    "targets",
    "triage",
    "uncertainty",
)

__all__ = [*_MODULE_OF, *_SUBMODULES, "__version__"]

if TYPE_CHECKING:
    from sfml.bands import GAMA, BandSet
    from sfml.datasets import fetch_gama, load_gama, make_mock_survey, query_gama
    from sfml.features import FluxFeatures
    from sfml.io import open_catalogue, read_catalogue, write_catalogue
    from sfml.neural import KerasMLPRegressor
    from sfml.persistence import load, save
    from sfml.pipeline import StarFormationPipeline, make_star_formation_pipeline
    from sfml.regressor import StarFormationRegressor
    from sfml.selection import GamaSampleSelector, SelectionReport
    from sfml.system import show_versions
    from sfml.targets import TARGETS


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"sfml.{_MODULE_OF[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"sfml.{name}")
    raise AttributeError(f"module 'sfml' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
