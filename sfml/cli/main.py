"""What the command line understands, and how it ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sfml import __version__
from sfml.cli.output import FolderTakenError, OutputFolder

_INTERRUPTED = 130  # 128 + SIGINT, the shells' convention
_DEFAULT_FOLDER = Path("sfml-demo")
_FEWEST_GALAXIES = 300  # a fifth of those selected must outnumber the networks' 22 inputs
_LARGEST_SEED = 2**32 - 1  # what NumPy's RandomState takes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        What follows the command's name; None takes it from the process.

    Returns
    -------
    int
        The exit code: 0 for success, 1 if files could not be written, 130 after Ctrl-C. A mistake
        in the arguments ends in `SystemExit` with code 2, as argparse does it.
    """
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options, parser)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        print(f"sfml: error: {error}", file=sys.stderr)
        return 1


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sfml",
        description="Predict star-formation properties of galaxies from broad-band photometry.",
    )
    parser.add_argument("--version", action="version", version=f"sfml {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="run the whole method on a mock survey: selection, training, scores, figures",
        description="Make a mock survey, select, train the networks of Surana et al. (2020) on a "
        "quick schedule and a random forest beside them, and leave scores, figures and the "
        "trained pipeline in a folder. Takes about two minutes on two cores.",
    )
    demo.set_defaults(run=_run_demo)
    _add_demo_options(demo)
    return parser


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder for the results (default: {_DEFAULT_FOLDER}, or {_DEFAULT_FOLDER}-2 and so "
        "on where that is taken)",
    )
    demo.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results that the folder holds",
    )
    demo.add_argument(
        "--n-galaxies",
        type=_whole_number(_FEWEST_GALAXIES),
        default=20_000,
        metavar="N",
        help="size of the mock survey (default: %(default)s)",
    )
    demo.add_argument(
        "--seed",
        type=_whole_number(0, _LARGEST_SEED),
        default=0,
        help="seed of all that is random (default: %(default)s)",
    )
    demo.add_argument(
        "--full",
        action="store_true",
        help="train as many epochs as the paper, which takes much longer",
    )


def _whole_number(smallest: int, largest: int | None = None) -> Callable[[str], int]:
    """Make a reader of integers between two limits, both included."""
    wanted = f"a whole number of at least {smallest}"
    if largest is not None:
        wanted += f" and at most {largest}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {wanted}; got {text!r}") from None
        if number < smallest or (largest is not None and number > largest):
            raise argparse.ArgumentTypeError(f"must be {wanted}; got {number}")
        return number

    return read


def _run_demo(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        if options.output is None and not options.overwrite:
            output = OutputFolder.fresh(_DEFAULT_FOLDER)
        else:
            path = options.output or _DEFAULT_FOLDER
            output = OutputFolder.open(path, overwrite=options.overwrite)
    except FolderTakenError as error:
        parser.error(str(error))

    from sfml.cli.demo import Demo

    demo = Demo(n_galaxies=options.n_galaxies, seed=options.seed, full=options.full)
    demo.run(output)
    return 0
