"""From fluxes, errors and redshift to the inputs that a network learns best from."""

from sfml.features.flux_features import FluxFeatures

__all__ = ["FluxFeatures"]
