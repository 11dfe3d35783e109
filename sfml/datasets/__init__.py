"""Catalogues to learn from: a simulated survey, and the loader of the real GAMA tables."""

from sfml.datasets.gama import load_gama
from sfml.datasets.mock import make_mock_survey

__all__ = ["load_gama", "make_mock_survey"]
