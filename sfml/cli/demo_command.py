"""``sfml demo``: the options of the command; `sfml.cli.demo` is what it does."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfml.cli.options import LARGEST_SEED, UsageError, whole_number
from sfml.cli.output import FolderTakenError, OutputFolder
from sfml.cli.terminal import Terminal

HELP = "run the whole method on a mock survey: training, intervals, scores, figures"
DESCRIPTION = """
Make a mock survey, train the default recipe on it, and beside it the networks of
Surana et al. (2020) on a quick schedule and a random forest. Scores, intervals, figures
and the trained pipeline are left in a folder. Takes two to three minutes on two cores.
"""
EXAMPLES = """
examples:
  sfml demo
  sfml demo --output results --n-galaxies 5000 --seed 1
"""
_DEFAULT_FOLDER = Path("sfml-demo")
_FEWEST_GALAXIES = 800  # the test galaxies with the paper's cuts must outnumber the 68 inputs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder for the results (default: {_DEFAULT_FOLDER}, or {_DEFAULT_FOLDER}-2 and so "
        "on where that is taken)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results that the folder holds",
    )
    parser.add_argument(
        "--n-galaxies",
        type=whole_number(_FEWEST_GALAXIES),
        default=12_000,
        metavar="N",
        help="size of the mock survey (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        default=0,
        help="seed of all that is random (default: %(default)s)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="train the paper's networks for as many epochs as the paper, which takes much longer",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the demo, which prints for itself."""
    try:
        if options.output is None and not options.overwrite:
            output = OutputFolder.fresh(_DEFAULT_FOLDER)
        else:
            path = options.output or _DEFAULT_FOLDER
            output = OutputFolder.open(path, overwrite=options.overwrite)
    except FolderTakenError as error:
        raise UsageError(str(error)) from error

    from sfml.cli.demo import Demo

    Demo(n_galaxies=options.n_galaxies, seed=options.seed, full=options.full).run(output)
    return 0
