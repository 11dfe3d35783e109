"""The card beside a catalogue: what its columns are, where it comes from, how to open it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sfml.flags import DESCRIPTIONS
from sfml.targets import known_target

_OPEN = {
    "parquet": 'pandas.read_parquet("{name}")',
    "feather": 'pandas.read_feather("{name}")',
    "text": 'pandas.read_csv("{name}")',
    "fits": 'astropy.table.Table.read("{name}", hdu=1)',
    "votable": 'astropy.table.Table.read("{name}", format="votable")',
    "ecsv": 'astropy.table.Table.read("{name}", format="ascii.ecsv")',
    "hdf5": 'h5py.File("{name}")["catalogue"]["<column>"][:]',
}
_PERCENTILE = re.compile(r"(?P<target>.+)_p(?P<percent>\d+)")
_REMARKS = {
    "text": "CSV has no types: text that is all digits comes back as numbers, unless it begins "
    "with a zero.",
    "fits": "Blanks at the end of text are lost in FITS.",
    "votable": "Empty text is null in a VOTable.",
    "ecsv": "Empty text is null in ECSV.",
}


class Column(NamedTuple):
    """A column, for the card."""

    name: str
    kind: str
    unit: str


def card_path(path: Path) -> Path:
    """Where the card of a file is."""
    return path.with_name(f"{path.name}.README.md")


def render_card(
    path: Path,
    format_: str,
    columns: Sequence[Column],
    n_rows: int,
    provenance: Mapping[str, Any] | None,
) -> str:
    """Write the card of a catalogue, in Markdown."""
    predicted = is_predicted([column.name for column in columns])
    lines = [
        f"# {path.name}",
        "",
        f"A catalogue of {n_rows:,} rows and {len(columns)} columns, written by sfml.",
        "",
        "```python",
        f'sfml.io.read_catalogue("{path.name}")',
        f"{_OPEN[format_].format(name=path.name)}  # without sfml",
        "```",
        "",
        *([_REMARKS[format_], ""] if format_ in _REMARKS else []),
        "## Columns",
        "",
        "| column | type | unit | what it is |",
        "|---|---|---|---|",
        *(
            f"| `{c.name}` | {c.kind} | {c.unit} | {describe(c.name) if predicted else ''} |"
            for c in columns
        ),
        "",
    ]
    if predicted:
        lines += [
            "## Flags",
            "",
            "Bits of `flag`:",
            "",
            "| bit | name | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| {int(flag)} | {str(flag.name).lower()} | {text} |"
            for flag, text in DESCRIPTIONS.items()
        ]
        lines.append("")
    if provenance:
        lines += ["## Where it comes from", "", "| | |", "|---|---|"]
        lines += [f"| {key} | {value} |" for key, value in provenance.items()]
        lines.append("")
    return "\n".join(lines)


def is_predicted(names: Sequence[str]) -> bool:
    """Whether a table has the columns that `predict_table` adds, and so its targets."""
    return {"flag", "reasons"} <= set(names)


def describe(name: str) -> str:
    """Say what a column of predictions is; nothing of others."""
    if name == "flag":
        return "reservations about the predictions, a sum of the bits below; 0 is none"
    if name == "reasons":
        return "names of the flags, joined by |"
    if known_target(name) is not None:
        return "predicted median"
    match = _PERCENTILE.fullmatch(name)
    if match and known_target(match["target"]) is not None:
        return f"percentile {int(match['percent'])} of {match['target']}"
    return ""


def unit_of(name: str) -> str:
    """Look up the unit of a predicted target, or of its percentile; "" for others."""
    match = _PERCENTILE.fullmatch(name)
    target = known_target(match["target"] if match else name)
    return target.unit if target is not None else ""
