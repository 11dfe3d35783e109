"""What the options of the commands have in common: their types, and the file of settings."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

LARGEST_SEED = 2**32 - 1  # what NumPy's RandomState takes


class UsageError(Exception):
    """What was asked for cannot be done: exit code 2, and nothing was changed."""


def whole_number(smallest: int, largest: int | None = None) -> Callable[[str], int]:
    """Make a reader of integers between two limits, both included."""
    wanted = f"a whole number of at least {smallest}"
    if largest is not None:
        wanted += f" and at most {largest}"

    def read(text: str) -> int:
        try:
            number = int(text.replace("_", ""))
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {wanted}; got {text!r}") from None
        if number < smallest or (largest is not None and number > largest):
            raise argparse.ArgumentTypeError(f"must be {wanted}; got {number}")
        return number

    return read


def share(text: str) -> float:
    """Read a number from 0 up to 1, without 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and less than 1; got {text!r}")
    return number


def name_list(text: str) -> list[str]:
    """Read names that are separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names separated by commas; got {text!r}")
    return names


def assignment(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; the value is text unless TOML knows it as something else."""
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def check_output(options: argparse.Namespace, source: Path | None = None) -> None:
    """Refuse to write to a file that is there, unless asked to; and to the catalogue itself."""
    output = options.output
    if source is not None and output.exists() and source.exists() and output.samefile(source):
        raise UsageError(f"{output} is the catalogue itself: choose another output.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder: name a file in it.")
    if output.exists() and not options.overwrite:
        raise UsageError(
            f"{output} is there already: choose another output, or replace it with --overwrite."
        )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has."""
    group = parser.add_argument_group("in every command")
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of settings: a table named as the command, with the names of its options; "
        "what stands on the command line goes before it",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object for machines")
    group.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    group.add_argument("--debug", action="store_true", help="print the traceback of an error")


def add_bands(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add the options that say which bands a catalogue has."""
    group = parser.add_argument_group("bands")
    group.add_argument(
        "--survey",
        metavar="NAME",
        default=default,
        help="the survey whose bands, columns and units the catalogue has; another layout is "
        f"described in the table [bands] of the settings (default: {default or 'none'})",
    )
    group.add_argument(
        "--bands", type=name_list, metavar="A,B,...", help="use these bands of it alone"
    )
    group.add_argument("--without", type=name_list, metavar="A,B,...", help="leave these bands out")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what the columns of bands are called in a catalogue."""
    parser.add_argument(
        "--column",
        type=assignment,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="what a column of the bands is called in this catalogue, as r_flux=FLUX_R, or "
        "'{band}_flux=FLUX_{BAND}' for all bands; with its unit as "
        '\'r_flux=["MAG_R", "AB mag"]\', and false where there is none; in the settings, the '
        "table [columns]",
    )


def add_labels(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the option that says what the columns of labels are called in a catalogue."""
    parser.add_argument(
        "--label",
        type=assignment,
        action="append",
        default=[],
        metavar="TARGET=COLUMN",
        help=text,
    )


def add_held_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that keeps to the galaxies which training has not seen."""
    parser.add_argument(
        "--held-out",
        action="store_true",
        help=f"{what} only the galaxies that `sfml train` kept aside of this catalogue",
    )


def read_config(path: Path, parser: argparse.ArgumentParser, command: str) -> dict[str, Any]:
    """Read the settings of a command from a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    parser : ArgumentParser
        Of the command: its options say what the settings may be.
    command : str
        Name of the command, and of the table in the file.

    Returns
    -------
    dict
        Values of options by their ``dest``. The tables "bands" and "columns" are of all commands:
        the first becomes ``band_table``, the second ``column``.

    Raises
    ------
    UsageError
        If the file cannot be read, or a setting is none or has a value that it cannot have.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings in {path} cannot be read: {error}") from error
    given = tables.get(command, {})
    if not isinstance(given, Mapping):
        raise UsageError(f"{command} in {path} must be a table, [{command}]; got {given!r}.")
    actions = {
        option.lstrip("-").replace("-", "_"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and action.dest not in ("help", "config")
    }
    settings: dict[str, Any] = {}
    for name, value in given.items():
        action = actions.get(name.replace("-", "_"))
        if action is None:
            close = get_close_matches(name.replace("-", "_"), actions, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{path}: {name!r} is no setting of {command!r}.{hint}")
        settings[action.dest] = _setting(action, value, f"{path}: {name!r}")
    if "bands" in tables:
        settings["band_table"] = tables["bands"]
    if "columns" in tables and "column" in actions:
        settings["column"] = _setting(actions["column"], tables["columns"], f"{path}: 'columns'")
    return settings


def _setting(action: argparse.Action, value: Any, where: str) -> Any:
    """Read a setting as the option of the same name would be read."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{where} must be true or false; got {value!r}.")
        return value
    if isinstance(action, argparse._AppendAction):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} must be a table of names and values; got {value!r}.")
        return list(value.items())
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        read = action.type(text) if callable(action.type) else text
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{where} {error}.") from error
    if action.choices is not None and read not in action.choices:
        listed = ", ".join(map(str, action.choices))
        raise UsageError(f"{where} must be one of {listed}; got {value!r}.")
    return read
