"""What the command line understands, and how it ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from sfml import __version__
from sfml.cli import convert, demo_command, evaluate, inspect, predict, report, train
from sfml.cli.options import UsageError, read_config
from sfml.cli.terminal import Terminal

_INTERRUPTED = 130  # 128 + SIGINT, the shells' convention
_NOT_READ = 141  # 128 + SIGPIPE

_COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "predict": predict,
    "evaluate": evaluate,
    "report": report,
    "inspect": inspect,
    "convert": convert,
    "demo": demo_command,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        What follows the command's name; None takes it from the process.

    Returns
    -------
    int
        The exit code: 0 for success, 1 for failure, 130 after Ctrl-C. A mistake in the arguments
        ends in `SystemExit` with code 2, as argparse does it.

    Examples
    --------
    >>> from sfml.cli import main
    >>> main(["inspect", "no such file"])
    1
    """
    parser, commands = _make_parser()
    options = parser.parse_args(arguments)
    command = commands[options.command]
    if options.config is not None:
        try:
            command.set_defaults(**read_config(options.config, command, options.command))
        except UsageError as error:
            command.error(str(error))
        options = parser.parse_args(arguments)
    return _run(options, command)


def _run(options: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Run a command; its errors are told without a traceback, unless that is asked for."""
    terminal = Terminal(quiet=options.quiet, json=options.json)
    expected = () if options.debug else (OSError, ValueError, ImportError, MemoryError)
    try:
        with terminal.warnings_as_lines():
            return int(_COMMANDS[options.command].run(options, terminal))
    except UsageError as error:
        command.error(str(error))
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # such as of `| head`, which has read enough
        # What is still to be written at exit must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOT_READ
    except expected as error:
        terminal.fail(str(error) or type(error).__name__)
        return 1


def _make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="sfml",
        description="Predict star-formation properties of galaxies from broad-band photometry.",
        epilog="exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted (Ctrl-C)",
    )
    parser.add_argument("--version", action="version", version=f"sfml {__version__}")
    # What commands that lack these options, such as the demo, have instead.
    parser.set_defaults(config=None, json=False, quiet=False, debug=False)
    group = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    commands = {}
    for name, module in _COMMANDS.items():
        commands[name] = group.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION.strip(),
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(commands[name])
    return parser, commands
