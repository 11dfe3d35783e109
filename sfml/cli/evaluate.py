"""``sfml evaluate``: how well a model predicts a catalogue that has labels."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfml.cli.options import (
    add_columns,
    add_common,
    add_held_out,
    add_labels,
    whole_number,
)
from sfml.cli.terminal import Terminal

if TYPE_CHECKING:
    import pandas as pd

    from sfml.pipeline import StarFormationPipeline

HELP = "score a model on a catalogue that has labels"
DESCRIPTION = """
Predict a catalogue that has labels, and score the predictions: errors, outliers, and
the coverage of the 68 % intervals, in dex. Galaxies that the model has learnt from are
counted, as they flatter the scores; --held-out scores those alone that `sfml train`
kept aside of the same catalogue.
"""
EXAMPLES = """
examples:
  sfml evaluate model.safetensors other.parquet
  sfml evaluate model.safetensors gama.parquet --held-out
  sfml evaluate model.safetensors other.csv --label sfr=logSFR --label stellar_mass=logM --json
"""
_BATCH_ROWS = 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model that sfml has saved")
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="file of the galaxies")
    add_labels(
        parser,
        "column of a target's label (default: as in training, as the target, or as in GAMA's "
        "MagPhys)",
    )
    add_held_out(parser, "score")
    parser.add_argument(
        "--batch-rows",
        type=whole_number(1),
        default=_BATCH_ROWS,
        metavar="N",
        help="rows read and predicted at a time (default: %(default)s)",
    )
    add_columns(parser)
    add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Score a model."""
    import pandas as pd

    from sfml.cli.catalogue import split_of
    from sfml.persistence import load, read_card

    pipe, card = load(options.model), read_card(options.model)
    split = split_of(card, options.model) if options.held_out else None
    results = list(_batches(pipe, card, split, options, terminal))
    predicted = pd.concat([each[0] for each in results], ignore_index=True)
    labels = pd.concat([each[1] for each in results], ignore_index=True)
    n_learnt = sum(each[2] for each in results)
    if not len(labels):
        raise ValueError("no galaxy is left to be scored.")
    scores = score(predicted, labels, pipe["regress"].targets_)
    which = "galaxies kept aside" if options.held_out else "galaxies"
    say_scores(scores, f"{len(labels):,} {which} of {options.catalogue}", terminal)
    if n_learnt:
        terminal.say(
            f"{n_learnt:,} of these galaxies the model has learnt from: they flatter the scores."
        )
    terminal.finish(
        {
            "status": "done",
            "model": options.model,
            "catalogue": options.catalogue,
            "n_galaxies": len(labels),
            "n_learnt_from": n_learnt,
            "scores": scores.to_dict(),
        }
    )
    return 0


def score(predicted: pd.DataFrame, labels: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """Score predictions and their intervals.

    Parameters
    ----------
    predicted : DataFrame
        As `predict_table` gives it.
    labels : DataFrame
        One column per target, in dex.
    targets : sequence of str
        The targets.

    Returns
    -------
    DataFrame
        One row per metric, one column per target.
    """
    import numpy as np
    import pandas as pd

    from sfml import metrics

    names = list(targets)
    labels = labels[names]
    table = metrics.score_table(labels, predicted[names])
    ends = [[f"{name}_{end}" for name in names] for end in ("p16", "p84")]
    of_both = {
        "coverage of 16-84": metrics.coverage,
        "mean width of 16-84": metrics.mean_width,
    }
    rows = {}
    for metric, function in of_both.items():
        values = function(
            labels,
            *(predicted[columns].set_axis(names, axis=1) for columns in ends),
            multioutput="raw_values",
        )
        rows[metric] = dict(zip(names, np.asarray(values), strict=True))
    return pd.concat([table, pd.DataFrame(rows).T])[names]


def say_scores(scores: pd.DataFrame, what: str, terminal: Terminal) -> None:
    """Print scores as a table."""
    terminal.say(f"scores of {what}, in dex")
    terminal.say(scores.to_string(float_format=lambda value: f"{value:.4f}"))
    terminal.say()


def _batches(
    pipe: StarFormationPipeline,
    card: dict[str, Any],
    split: dict[str, Any] | None,
    options: argparse.Namespace,
    terminal: Terminal,
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, int]]:
    """Give predictions, labels, and how many galaxies were learnt from, batch by batch."""
    from sfml.cli.catalogue import find_labels, is_held_out, open_with_bands, read_labels
    from sfml.cli.stream import read_ahead
    from sfml.photometry.guard import part_of_catalogue

    select, targets = pipe["select"], pipe["regress"].targets_
    inputs = list(select.feature_names_in_)
    reader = open_with_bands(options.catalogue, select.bands_, options.column, inputs)
    names = reader.names
    of_training = {k: v for k, v in card.get("labels", {}).items() if v in names}
    labels = find_labels(names, targets, of_training | dict(options.label))
    labels = {target: labels[target] for target in targets}
    read = dict.fromkeys([*(name for name in inputs if name in names), *labels.values()])
    reader = reader.only(*read)
    terminal.say(f"labels: {', '.join(f'{k} from {v}' for k, v in labels.items())}")
    with terminal.progress("predicting", reader.n_rows) as advance:
        for number, batch in enumerate(read_ahead(reader.batches(options.batch_rows))):
            advance(len(batch))
            y, _ = read_labels(batch, labels)
            scored = y.notna().any(axis=1).to_numpy()
            if split is not None:
                aside = is_held_out(batch, select.bands_, split["fraction"], split["seed"])
                scored = scored & aside
            X = batch[scored]
            # The first rows speak for the catalogue.
            with part_of_catalogue() if number else nullcontext():
                predicted = pipe.predict_table(X).drop(columns=["flag", "reasons"])
                n_learnt = _count_learnt(pipe, X)
            yield predicted, y[scored], n_learnt


def _count_learnt(pipe: StarFormationPipeline, X: pd.DataFrame) -> int:
    """Count the galaxies from which the model has learnt, found by their values."""
    import numpy as np

    from sfml.regressor.hold_back import row_keys

    inputs = pipe._inputs(X, labelled=True)  # as in `fit`, whose rows had labels
    return int(np.isin(row_keys(inputs), pipe["regress"].learnt_keys_).sum())
