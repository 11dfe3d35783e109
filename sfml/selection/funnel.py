"""The funnel of a sample selection, as a report."""

from __future__ import annotations

from dataclasses import dataclass
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

    @property
    def n_selected(self) -> int:
        """Galaxies left after the last cut."""
        return self.cuts[-1].left if self.cuts else self.n_galaxies

    def to_frame(self) -> pd.DataFrame:
        """Give the funnel as a table, one row a cut, indexed by the cut's name.

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
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html()


def count_funnel(
    flags: dict[str, np.ndarray], descriptions: dict[str, str], n_galaxies: int
) -> SelectionReport:
    """Count what each cut rejects.

    Parameters
    ----------
    flags : dict of str to ndarray of bool, shape (n_galaxies,)
        Where each cut rejects, in sequence.
    descriptions : dict of str to str
        What each cut keeps.
    n_galaxies : int
        Number of galaxies.

    Returns
    -------
    SelectionReport
    """
    cuts = []
    left = np.ones(n_galaxies, dtype=bool)
    for name, rejected in flags.items():
        before = int(left.sum())
        left &= ~rejected
        after = int(left.sum())
        cuts.append(Cut(name, descriptions[name], int(rejected.sum()), before - after, after))
    return SelectionReport(n_galaxies, tuple(cuts))
