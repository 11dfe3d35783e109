"""The rules of a selection: which columns it reads, and which galaxies it rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from sfml import tables
from sfml.photometry import Layout, Photometry
from sfml.targets import check_limits, open_ends, read_one_target

Range = tuple[float | None, float | None] | None


@dataclass(frozen=True)
class Rules:
    """What `GamaSampleSelector` was told, checked; it does not change once made."""

    layout: Layout
    z_range: Range
    stellar_mass_range: Range
    missing: str
    negative: str
    min_bands: int
    min_snr: float
    targets: Sequence[str]

    def __post_init__(self) -> None:
        for name in ("z_range", "stellar_mass_range"):
            if getattr(self, name) is not None:
                check_limits(name, getattr(self, name))
        bands = self.layout.bands
        if bands is not None and self.min_bands > len(bands):
            raise ValueError(
                f"min_bands={self.min_bands} can never be reached with {len(bands)} bands: "
                "lower it, or use 0 for no cut."
            )

    def rejected(
        self, photometry: Photometry, y: Any = None, stellar_mass_range: Range = None
    ) -> dict[str, np.ndarray]:
        """Say where each cut in use rejects, (n_galaxies,), in the order of the paper.

        `stellar_mass_range` are the limits of that cut, where the rules have none of their own.
        """
        flux, error, redshift, redshift_error = photometry
        cuts: dict[str, Any] = {}
        if self.z_range is not None and redshift is not None:
            low, high = open_ends(self.z_range)
            cuts["redshift"] = ~((redshift > low) & (redshift <= high))
            if redshift_error is not None:
                cuts["redshift"] |= ~(redshift_error >= 0)
        limits = self.stellar_mass_range or stellar_mass_range
        mass = None if y is None or limits is None else self._stellar_mass(y, len(flux))
        if mass is not None and limits is not None:
            low, high = open_ends(limits)
            cuts["stellar_mass"] = np.asarray(~((mass >= low) & (mass <= high)))
        if self.missing == "reject":
            cuts["missing"] = np.asarray(np.isnan(flux).any(axis=1))
        if self.negative == "reject":
            cuts["negative"] = (flux < 0).any(axis=1)
        if self.min_bands:
            assert error is not None
            cuts["snr"] = np.sum(flux >= self.min_snr * error, axis=1) < self.min_bands
        return cuts

    def describe(self, stellar_mass_range: Range = None) -> dict[str, str]:
        """Say what each cut keeps."""
        bands = "band" if self.min_bands == 1 else "bands"
        mass = self.stellar_mass_range or stellar_mass_range
        return {
            "redshift": _as_text("z", self.z_range, "<"),
            "stellar_mass": _as_text("log10 M*/Msun", mass, "<="),
            "missing": "every band measured",
            "negative": "no negative flux",
            "snr": f"at least {self.min_bands} {bands} with SNR >= {self.min_snr:g}",
        }

    def _stellar_mass(self, y: Any, n_galaxies: int) -> np.ndarray | None:
        mass = read_one_target(y, "stellar_mass", self.targets)
        if mass is not None and len(mass) != n_galaxies:
            check_consistent_length(np.empty(n_galaxies), mass)
        return mass


def any_of(cuts: dict[str, np.ndarray], n_galaxies: int) -> np.ndarray:
    """Say where at least one cut rejects."""
    rejected = np.zeros(n_galaxies, dtype=bool)
    for where in cuts.values():
        rejected |= where
    return rejected


def index_of(X: Any) -> Any:
    """Row labels of X, or 0, 1, 2, ... where it has none."""
    index = tables.row_index(X)
    return range(tables.n_rows(X)) if index is None else index


def _as_text(quantity: str, limits: Any, below: str) -> str:
    if limits is None:
        return quantity
    low, high = limits
    left = "" if low is None else f"{low:g} {below} "
    right = "" if high is None else f" <= {high:g}"
    return f"{left}{quantity}{right}"
