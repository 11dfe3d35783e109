"""Models in files that can be shared: safe to load, and telling what they are.

A model is one safetensors file: arrays, and in the header its structure and a model card as JSON.
docs/security.md says what loading believes, and what it refuses.
"""

from sfml.persistence.files import content_hash, load, read_card, save
from sfml.persistence.readme import write_readme

__all__ = ["content_hash", "load", "read_card", "save", "write_readme"]
