"""Catalogues to learn from: a simulated survey, and the loader of the real GAMA tables."""

from sfml.datasets.gama import load_gama
from sfml.datasets.mock import make_mock_survey
from sfml.datasets.mock_fit import fit_mock_templates

__all__ = ["fit_mock_templates", "load_gama", "make_mock_survey"]
