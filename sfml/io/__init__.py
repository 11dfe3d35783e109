"""Catalogues in and out, in any format: read by name, written with units and provenance."""

from sfml.io.catalogue import CatalogueReader, open_catalogue, read_catalogue
from sfml.io.guess import guess_columns
from sfml.io.provenance import make_provenance
from sfml.io.report import CatalogueReport
from sfml.io.writing import write_catalogue

__all__ = [
    "CatalogueReader",
    "CatalogueReport",
    "guess_columns",
    "make_provenance",
    "open_catalogue",
    "read_catalogue",
    "write_catalogue",
]
