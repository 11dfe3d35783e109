"""`sfml.domain.DomainDetector`, which stands in `sfml.uncertainty.domain`."""

from sfml.uncertainty.domain import DomainDetector

__all__ = ["DomainDetector"]
