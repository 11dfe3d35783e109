"""``sfml train``: from a catalogue with labels to a model in a file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sfml.cli.options import (
    LARGEST_SEED,
    UsageError,
    add_bands,
    add_columns,
    add_common,
    add_labels,
    assignment,
    check_output,
    name_list,
    share,
    whole_number,
)
from sfml.cli.terminal import Terminal

if TYPE_CHECKING:
    import pandas as pd

    from sfml.bands import BandSet
    from sfml.pipeline import StarFormationPipeline

HELP = "train a model on a catalogue with labels, and score it on galaxies kept aside"
DESCRIPTION = """
Train a model on galaxies that an SPS code has fitted: fluxes, errors, a redshift, and
labels in dex (log10 of Msun, Msun/yr, Lsun). A share of the galaxies is kept aside and
the model is scored on it; the same galaxies are kept aside whatever the order of the
rows. Ctrl-C ends the training early with the best weights so far; a second one abandons
it.
"""
EXAMPLES = """
examples:
  sfml train gama.parquet -o gama.safetensors
  sfml train hatlas.csv -o dust.safetensors --without X,Y --targets dust_luminosity \\
       --label dust_luminosity=L_dust
  sfml train gama.parquet -o paper.safetensors --recipe surana2020 --seed 1
  sfml train mine.fits -o mine.safetensors --config mine.toml

settings, as in mine.toml:
  [bands]                       # instead of --survey: the layout of this catalogue
  names = ["g", "r", "i"]
  wavelengths = [0.48, 0.62, 0.75]
  flux = "flux_{band}"
  error = "err_{band}"
  redshift = "z_spec"
  unit = "uJy"

  [train]
  targets = ["stellar_mass", "sfr"]
  seed = 1
  [train.label]
  stellar_mass = "logM"
  sfr = "logSFR"
  [train.set]
  regress__stellar_mass__epochs = 200
"""
_FEWEST_TO_SCORE = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="file of the galaxies")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="MODEL", required=True, help="file of the model"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace MODEL if it is there")
    parser.add_argument(
        "--recipe",
        choices=["sfml", "surana2020"],
        default="sfml",
        help="sfml: ours, any subset of bands; surana2020: the paper's (default: %(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=["mlp", "random_forest", "svr"],
        default="mlp",
        help="family of the regressors (default: %(default)s)",
    )
    parser.add_argument(
        "--targets",
        type=name_list,
        metavar="A,B,...",
        help="what to predict (default: stellar_mass,sfr,dust_luminosity)",
    )
    add_labels(
        parser,
        "column of a target's label, and of its percentiles as sfr_p16 and sfr_p84 (default: "
        "columns named as the target, or as in GAMA's MagPhys)",
    )
    parser.add_argument(
        "--test-fraction",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="share of the galaxies that are kept aside to score the model (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        default=0,
        help="seed of all that is random (default: %(default)s)",
    )
    parser.add_argument(
        "--n-jobs", type=int, metavar="N", help="targets trained at the same time (default: 1)"
    )
    parser.add_argument(
        "--set",
        type=assignment,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the pipeline, such as select__min_bands=4",
    )
    add_bands(parser, default="GAMA")
    add_columns(parser)
    add_common(parser)


class _Galaxies(NamedTuple):
    """A catalogue and its labels."""

    X: pd.DataFrame
    y: pd.DataFrame


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Train a model."""
    from sfml.cli.catalogue import find_bands
    from sfml.stopping import stop_on_interrupt

    check_output(options, options.catalogue)
    bands = find_bands(options)
    if bands is None:
        raise UsageError("no bands are named: give --survey, or [bands] in the settings.")
    labels, galaxies = _read(options, bands, terminal)
    train, test = _split(galaxies, bands, options)
    terminal.say(f"{len(train.X):,} galaxies to learn from, {len(test.X):,} kept aside")
    pipe = _make(options, bands)
    start = time.perf_counter()
    with (
        stop_on_interrupt(lambda: terminal.note(_STOPPING)) as request,
        terminal.status(f"training on {len(train.X):,} galaxies (Ctrl-C ends it early)"),
    ):
        pipe.fit(train.X, train.y)
    seconds = time.perf_counter() - start
    terminal.say(f"\n{pipe['select'].report_}\n")
    scores = _score(pipe, test, terminal)
    card = {
        "labels": labels,
        "catalogue": options.catalogue.name,
        "test": {"fraction": options.test_fraction, "seed": options.seed, "rows": len(test.X)},
        "scores": scores,
        "stopped_early": request.made,
    }
    _save(pipe, card, options)
    early = ", stopped early" if request.made else ""
    terminal.say(f"{options.output}  the model, trained in {seconds:.1f} s{early}")
    terminal.finish(
        {
            "status": "done",
            "output": options.output,
            "seconds": seconds,
            "rows_trained": len(train.X),
            "funnel": pipe["select"].report_.to_frame().to_dict("index"),
        }
        | card
    )
    return 0


_STOPPING = (
    "\nStopping: training ends with this epoch, and the best weights so far are kept. Press Ctrl-C "
    "again to abandon it."
)


def _read(
    options: argparse.Namespace, bands: BandSet, terminal: Terminal
) -> tuple[dict[str, str], _Galaxies]:
    """Read the columns needed, and which of them are labels."""
    from sfml.cli.catalogue import find_labels, open_with_bands, read_labels
    from sfml.targets import TARGETS

    reader = open_with_bands(options.catalogue, bands, options.column)
    _check_has_bands(bands, reader.names)
    labels = find_labels(reader.names, options.targets or TARGETS, dict(options.label))
    inputs = [*bands.columns, *([bands.redshift_error] if bands.redshift_error else [])]
    reader = reader.only(*dict.fromkeys([*inputs, *labels.values()]))
    table = reader.read()
    y, codes = read_labels(table, labels)
    terminal.say(f"{len(table):,} rows of {options.catalogue}, {len(bands)} bands")
    terminal.say(f"labels: {', '.join(f'{k} from {v}' for k, v in labels.items())}")
    report = str(reader.report)
    if report:
        terminal.say(report)
    for column, counts in codes.items():
        listed = ", ".join(f"{code:g} in {n:,} rows" for code, n in counts.items())
        terminal.say(f"no label in {column}: {listed}")
    return labels, _Galaxies(table[inputs], y)


def _check_has_bands(bands: BandSet, names: list[str]) -> None:
    columns = zip(bands.names, bands.flux_columns, bands.error_columns, strict=True)
    absent = [band for band, *pair in columns if not {*pair} & {*names}]
    if absent:
        raise UsageError(
            f"the catalogue has no columns of the bands {', '.join(absent)}: leave them out with "
            f"--without {','.join(absent)}, or say what they are called with --column."
        )


def _split(
    galaxies: _Galaxies, bands: BandSet, options: argparse.Namespace
) -> tuple[_Galaxies, _Galaxies]:
    from sfml.cli.catalogue import is_held_out

    X, y = galaxies
    aside = is_held_out(X, bands, options.test_fraction, options.seed)
    return _Galaxies(X[~aside], y[~aside]), _Galaxies(X[aside], y[aside])


def _make(options: argparse.Namespace, bands: BandSet) -> StarFormationPipeline:
    import sfml

    try:
        pipe = sfml.make_star_formation_pipeline(
            options.recipe,
            bands=bands,
            targets=options.targets or sfml.TARGETS,
            method=options.method,
            n_jobs=options.n_jobs,
            random_state=options.seed,
        )
        return pipe.set_params(**dict(options.set))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _score(
    pipe: StarFormationPipeline, test: _Galaxies, terminal: Terminal
) -> dict[str, dict[str, float]]:
    from sfml.cli.evaluate import say_scores, score

    if len(test.X) < _FEWEST_TO_SCORE:
        terminal.say(f"No scores: {len(test.X)} galaxies are too few.")
        return {}
    scores = score(pipe.predict_table(test.X), test.y, pipe["regress"].targets_)
    say_scores(scores, f"the {len(test.X):,} galaxies kept aside", terminal)
    of_target: dict[str, dict[str, float]] = {
        str(name): {str(metric): float(value) for metric, value in column.items()}
        for name, column in scores.items()
    }
    return of_target


def _save(pipe: StarFormationPipeline, card: dict[str, Any], options: argparse.Namespace) -> None:
    from sfml.persistence import save

    save(pipe, options.output, card=card, overwrite=options.overwrite)
