"""Photometry: what is measured, in which unit, in which column, and what counts as missing."""

from sfml.photometry.layout import REDSHIFT_COLUMNS, Layout
from sfml.photometry.photometry import Photometry, mean_log_snr
from sfml.photometry.reading import read_photometry

__all__ = ["REDSHIFT_COLUMNS", "Layout", "Photometry", "mean_log_snr", "read_photometry"]
