"""What a command prints: a summary for people or JSON for machines, progress, and warnings."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any


class Terminal:
    """Where a command prints.

    The summary goes to the standard output; progress, warnings and errors go to the standard
    error, progress only if that is a terminal.

    Parameters
    ----------
    quiet : bool
        Print neither progress nor a summary.
    json : bool
        Print one JSON object instead of the summary.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self.quiet = quiet
        self.json = json
        self._warned: set[str] = set()

    def say(self, text: object = "") -> None:
        """Print a line of the summary."""
        if not (self.quiet or self.json):
            print(text)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Print the result for machines, if they asked for it."""
        if self.json:
            print(json.dumps(_plain(result), indent=2))

    def note(self, text: str) -> None:
        """Print a line on the standard error, unless asked to be quiet."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def fail(self, message: str) -> None:
        """Print why a command failed."""
        print(f"sfml: error: {message}", file=sys.stderr)
        self.finish({"status": "failed", "error": message})

    @contextmanager
    def warnings_as_lines(self) -> Iterator[None]:
        """Print each warning of the library once, without the line of code that it is from."""
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)
            others = warnings.showwarning

            def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
                if not issubclass(category, UserWarning):
                    others(message, category, *where, **more)
                elif str(message) not in self._warned:
                    self._warned.add(str(message))
                    print(f"sfml: warning: {message}", file=sys.stderr)

            warnings.showwarning = show
            yield

    def status(self, text: str) -> Any:
        """Make a context that shows what is being done, with a spinner."""
        if self._hides_progress():
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True).status(text)

    @contextmanager
    def progress(self, what: str, total: int | None, done: int = 0) -> Iterator[Callable]:
        """Show rows done, rows per second and the time left; yields a function of rows done."""
        if self._hides_progress():
            yield lambda n_rows: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(what),
            BarColumn(),
            TextColumn("{task.completed:,.0f} rows"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(what, total=total, completed=done, rate="")

            def advance(n_rows: int) -> None:
                progress.advance(task, n_rows)
                speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
                progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")

            yield advance

    def _hides_progress(self) -> bool:
        return self.quiet or not sys.stderr.isatty()


def _plain(value: Any) -> Any:
    """Write what JSON has no word for otherwise: NaN as null, NumPy's numbers as plain ones."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
