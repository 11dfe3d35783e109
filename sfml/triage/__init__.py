"""Hand doubtful galaxies to an SPS code, and learn from its results.

1. `choose` picks the galaxies, by the flags and intervals of `predict_table`.
2. `write_magphys` or `write_cigale` writes their photometry as the code's own input. The code is
   run outside of this library.
3. `read_magphys` or `read_cigale` reads what the code found, in dex. `fit_bagpipes` does both
   steps, and runs Bagpipes between them.
4. `merge` checks it and fills it into the labels, with a record of where each label came from.
5. `refit` learns from the galaxies labelled since, and measures what that gained.

Rows are identified by position, and galaxies by an identifier, which is text in every file.
"""

from sfml.triage.choose import choose
from sfml.triage.codes.bagpipes import fit_bagpipes
from sfml.triage.codes.cigale import (
    CIGALE_FILTERS,
    CIGALE_FILTERS_2020,
    read_cigale_input,
    write_cigale,
)
from sfml.triage.codes.cigale_results import read_cigale
from sfml.triage.codes.magphys import MAGPHYS_FILTER_IDS, read_magphys_input, write_magphys
from sfml.triage.codes.magphys_results import read_magphys
from sfml.triage.merge import merge
from sfml.triage.refit import refit

__all__ = [
    "CIGALE_FILTERS",
    "CIGALE_FILTERS_2020",
    "MAGPHYS_FILTER_IDS",
    "choose",
    "fit_bagpipes",
    "merge",
    "read_cigale",
    "read_cigale_input",
    "read_magphys",
    "read_magphys_input",
    "refit",
    "write_cigale",
    "write_magphys",
]
