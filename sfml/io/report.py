"""What was found in a catalogue, and what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sfml.bands import BandSet

_MOST_SHOWN = 6


@dataclass
class CatalogueReport:
    """What was found in a catalogue, converted, and taken for granted; printed, it is a summary.

    Attributes
    ----------
    catalogue : str
        What it is: "The catalogue 'NAME'", or "The table".
    kind : str
        Its format.
    n_rows : int or None
        Number of rows, where it is known.
    n_columns : int
        Number of columns.
    conversions : dict of str to str
        What was done to each column of the band set, if anything.
    origins : dict of str to str
        Names in the file of the columns of the band set, where they differ.
    no_unit : list of str
        Columns that state no unit, and are taken to be in `unit`.
    unit : str or None
        The band set's unit.
    absent_bands : list of str
        Bands of which there is neither flux nor error.
    n_lost : dict of str to int
        How many values of each column became NaN in the conversion, as far as was read: codes for
        no magnitude, and inverse variances that are not positive.
    notes : list of str
        What else a user should know.

    Examples
    --------
    >>> from sfml import BandSet
    >>> from sfml.io import open_catalogue
    >>> table = {"r_flux": [1.0], "r_fluxerr": [0.1], "Z": [0.1]}
    >>> print(open_catalogue(table, BandSet(["r"], [0.62])).report)
    The table (a table in memory): 1 rows, 3 columns
    no unit is stated, taken to be in Jy: r_flux, r_fluxerr
    """

    catalogue: str
    kind: str
    n_rows: int | None
    n_columns: int
    conversions: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    no_unit: list[str] = field(default_factory=list)
    unit: str | None = None
    absent_bands: list[str] = field(default_factory=list)
    n_lost: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: Any, layout: Any, bands: BandSet | None, what: str) -> CatalogueReport:
        """Make the report of a catalogue that was opened."""
        report = cls(what, source.kind, source.n_rows, len(source.names), notes=[*source.notes])
        report.absent_bands = list(layout.absent_bands)
        renamed = {new: name for name, new in layout.names.items() if new != name}
        for new, name in renamed.items():
            if new == f"{name}_original":
                report.notes.append(f"The file's column {name!r} is called {new!r} here.")
            else:
                report.origins[new] = name
        if bands is None:
            return report
        report.unit = bands.unit
        photometry = {*bands.flux_columns, *bands.error_columns}
        for reading in layout.readings:
            if reading.conversion is not None:
                report.conversions[reading.name] = reading.conversion.describe(bands.unit)
            elif reading.unit is None and reading.name in photometry:
                report.no_unit.append(reading.name)
        return report

    def count_lost(self, name: str, n: int) -> None:
        """Count values of a column that became NaN."""
        if n:
            self.n_lost[name] = self.n_lost.get(name, 0) + n

    def __str__(self) -> str:
        """Summarise in a few lines: columns that were treated alike share one."""
        rows = "" if self.n_rows is None else f"{self.n_rows:,} rows, "
        lines = [f"{self.catalogue} ({self.kind}): {rows}{self.n_columns} columns"]
        alike: dict[str | None, list[str]] = {}
        for name in [*self.conversions, *(set_ for set_ in self.origins)]:
            names = alike.setdefault(self.conversions.get(name), [])
            if name not in names:
                names.append(name)
        lines += [self._line(names, done) for done, names in alike.items()]
        if self.no_unit:
            lines.append(f"no unit is stated, taken to be in {self.unit}: {_shown(self.no_unit)}")
        if self.absent_bands:
            lines.append(f"no columns of these bands: {', '.join(self.absent_bands)}")
        return "\n".join([*lines, *self.notes])

    def _line(self, names: list[str], done: str | None) -> str:
        parts = []
        if any(name in self.origins for name in names):
            parts.append(f"from {_shown([self.origins.get(name, name) for name in names])}")
        parts += [done] if done else []
        if lost := sum(self.n_lost.get(name, 0) for name in names):
            parts.append(f"{lost:,} became NaN")
        return f"{_shown(names)}: {'; '.join(parts)}"


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_SHOWN])
    return shown if len(names) <= _MOST_SHOWN else f"{shown}, ... ({len(names)} columns)"
