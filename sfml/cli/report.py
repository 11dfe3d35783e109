"""``sfml report``: one page on a model and a catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sfml.cli.options import (
    UsageError,
    add_columns,
    add_common,
    add_held_out,
    add_labels,
    assignment,
)
from sfml.cli.terminal import Terminal

HELP = "write one HTML page on a model and a catalogue"
DESCRIPTION = """
Predict a catalogue, and write one self-contained HTML page on it: selection, scores,
figures, calibration, what to expect, doubts, worst galaxies with their fluxes, learning
curves and the model card. Without labels, the page says what to expect.
"""
EXAMPLES = """
examples:
  sfml report model.safetensors gama.parquet -o report.html
  sfml report model.safetensors gama.parquet --held-out -o report.html --open
  sfml report model.safetensors other.fits --label sfr=logSFR --baseline forest=forest.safetensors
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model that sfml has saved")
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="file of the galaxies")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="OUT",
        help="the page (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it is there")
    add_labels(
        parser,
        "column of a target's label (default: as in training, as the target, or as in GAMA's "
        "MagPhys; without any, the page is without scores)",
    )
    add_held_out(parser, "report on")
    parser.add_argument(
        "--baseline",
        type=assignment,
        action="append",
        default=[],
        metavar="NAME=MODEL",
        help="another model, whose scores stand beside",
    )
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    add_columns(parser)
    add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the report."""
    from sfml.persistence import load, read_card
    from sfml.report import Report

    if options.output.exists() and not options.overwrite:
        raise UsageError(f"{options.output} is there already: name another, or use --overwrite.")
    pipe, card = load(options.model), read_card(options.model)
    with terminal.status("predicting and drawing"):
        X, y = _read(pipe, card, options, terminal)
        baselines = {name: load(Path(path)) for name, path in options.baseline}
        title = f"{options.model.name} on {options.catalogue.name}"
        report = Report(pipe, X, y, baselines=baselines, title=title)
        written = report.write_html(options.output, overwrite=options.overwrite)
    terminal.say(f"{written}: {len(X):,} galaxies")
    if options.open:
        import webbrowser

        webbrowser.open(written.as_uri())
    terminal.finish({"status": "done", "output": options.output, "report": report.to_dict()})
    return 0


def _read(
    pipe: Any, card: dict[str, Any], options: argparse.Namespace, terminal: Terminal
) -> tuple[Any, Any]:
    """Read the catalogue, and its labels if it has any."""
    import numpy as np

    from sfml.cli.catalogue import (
        find_labels,
        is_held_out,
        open_with_bands,
        read_labels,
        split_of,
    )

    select, targets = pipe["select"], pipe["regress"].targets_
    inputs = list(select.feature_names_in_)
    reader = open_with_bands(options.catalogue, select.bands_, options.column, inputs)
    names = reader.names
    of_training = {k: v for k, v in card.get("labels", {}).items() if v in names}
    try:
        labels = find_labels(names, targets, of_training | dict(options.label))
    except UsageError:
        if options.label:
            raise
        labels = {}
    table = reader.read()
    kept = np.ones(len(table), dtype=bool)
    if options.held_out:
        split = split_of(card, options.model)
        kept = is_held_out(table, select.bands_, split["fraction"], split["seed"])
    table = table[kept].reset_index(drop=True)
    if not all(target in labels for target in targets):
        terminal.say("no labels: the page says what to expect")
        return table, None
    labels = {target: labels[target] for target in targets}
    terminal.say(f"labels: {', '.join(f'{k} from {v}' for k, v in labels.items())}")
    y, _ = read_labels(table, labels)
    return table[[name for name in inputs if name in table]], y
