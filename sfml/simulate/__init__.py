"""Learning from an SPS code directly: its models, observed as a survey would observe them."""

from sfml.simulate.library import ModelLibrary
from sfml.simulate.mock import mock_library

__all__ = ["ModelLibrary", "mock_library"]
