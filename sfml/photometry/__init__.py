"""Photometry: what is measured, in which unit, and what counts as missing."""
