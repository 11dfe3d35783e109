"""Work divided among processes, with progress on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed


def in_processes(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    n_jobs: int | None,
    what: str,
    sizes: Sequence[int] | None = None,
    done: int = 0,
) -> Iterator[Any]:
    """Call a function of a module with each tuple of arguments; yield results as they come.

    Processes are joblib's: they start anew rather than by a fork, and need no
    ``if __name__ == "__main__"``. They stop when the iterator is closed, as on Ctrl-C. `sizes` is
    what each call adds to the progress, which begins at `done`; it is shown on a terminal alone.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    sizes = [1] * len(arguments) if sizes is None else sizes
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeLeft())
    calls = [delayed(_numbered)(k, function, *each) for k, each in enumerate(arguments)]
    parallel = Parallel(n_jobs=n_jobs, backend="loky", return_as="generator_unordered")
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=done + sum(sizes), completed=done)
        results = parallel(calls) if calls else iter(())
        try:
            for number, result in results:
                progress.advance(task, sizes[number])
                yield result
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()


def _numbered(number: int, function: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    return number, function(*arguments)
