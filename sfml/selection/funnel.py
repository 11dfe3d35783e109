"""The funnel of a sample selection, as a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd


class Cut(NamedTuple):
    """One line of a selection's funnel."""

    name: str
    description: str
    rejected_alone: int
    rejected_in_sequence: int
    left: int


@dataclass(frozen=True)
class SelectionReport:
    """The funnel of a selection: what each cut rejects, alone and after those before it.

    Parameters
    ----------
    n_galaxies : int
        Galaxies before the first cut.
    cuts : tuple of Cut
        The cuts in sequence: name, description, rejected_alone, rejected_in_sequence, left.
    missing : dict of str to int
        For each band with any, the galaxies in which it was not measured: those whose error says
        nothing count too.

    Examples
    --------
    >>> from sfml import GamaSampleSelector, make_mock_survey
    >>> catalogue = make_mock_survey(n_galaxies=200, random_state=0)
    >>> report = GamaSampleSelector().fit(catalogue).report_
    >>> report.n_galaxies, report.to_frame().columns.tolist()
    (200, ['description', 'rejected_alone', 'rejected_in_sequence', 'left'])
    """

    n_galaxies: int
    cuts: tuple[Cut, ...]
    missing: dict[str, int] = field(default_factory=dict)

    @property
    def n_selected(self) -> int:
        """Galaxies left after the last cut."""
        return self.cuts[-1].left if self.cuts else self.n_galaxies

    def to_frame(self) -> pd.DataFrame:
        """Give the funnel as a table, one row per cut, indexed by the cut's name.

        Returns
        -------
        DataFrame
        """
        return pd.DataFrame(self.cuts, columns=Cut._fields).set_index("name")

    def __str__(self) -> str:
        head = ("cut", "keeps", "rejects alone", "in sequence", "left")
        first = ("all galaxies", "", "", "", f"{self.n_galaxies:,}")
        rows: list[tuple[str, ...]] = [head, first]
        for cut in self.cuts:
            counts = (cut.rejected_alone, cut.rejected_in_sequence, cut.left)
            rows.append((cut.name, cut.description, *(f"{count:,}" for count in counts)))
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._gaps()])

    def _gaps(self) -> list[str]:
        if not self.missing:
            return []
        gaps = ", ".join(f"{band} {count:,}" for band, count in self.missing.items())
        return [f"galaxies in which a band is missing: {gaps}"]

    def _repr_html_(self) -> str:
        return "".join(
            [
                f"<p>{self.n_selected:,} of {self.n_galaxies:,} galaxies are selected.</p>",
                self.to_frame().to_html(),
                *(f"<p>{escape(line)}</p>" for line in self._gaps()),
            ]
        )


def count_funnel(
    cuts: dict[str, np.ndarray], descriptions: dict[str, str], flux: np.ndarray, bands: list[str]
) -> SelectionReport:
    """Count what each cut rejects, and what is missing."""
    counted = []
    left = np.ones(len(flux), dtype=bool)
    for name, rejected in cuts.items():
        before = int(left.sum())
        left &= ~rejected
        after = int(left.sum())
        counted.append(Cut(name, descriptions[name], int(rejected.sum()), before - after, after))
    missing = dict(zip(bands, np.isnan(flux).sum(axis=0).tolist(), strict=True))
    return SelectionReport(
        len(flux), tuple(counted), {band: count for band, count in missing.items() if count}
    )
