"""Catalogues to learn from: a simulated survey, and the real GAMA tables from files or the web."""

from sfml.datasets.gama import load_gama
from sfml.datasets.gama_archive import fetch_gama, query_gama
from sfml.datasets.mock import make_mock_survey
from sfml.datasets.mock_fit import fit_mock_templates

__all__ = ["fetch_gama", "fit_mock_templates", "load_gama", "make_mock_survey", "query_gama"]
