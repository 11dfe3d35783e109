"""Batches that are read ahead and written behind, while the main thread computes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Take the next item in a thread while the present one is used; never more than one.

    >>> list(read_ahead(range(3)))
    [0, 1, 2]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="read") as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]


class WriteBehind:
    """Calls a function in a thread, one call at a time; leaving the block waits for the last.

    An error of a call is raised by the next one, or on leaving the block.

    Parameters
    ----------
    write : callable
        The function.

    Examples
    --------
    >>> from sfml.cli.stream import WriteBehind
    >>> written = []
    >>> with WriteBehind(written.append) as write:
    ...     for part in "abc":
    ...         write(part)
    >>> written
    ['a', 'b', 'c']
    """

    def __init__(self, write: Callable[..., Any]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._running: Future | None = None

    def __enter__(self) -> WriteBehind:
        return self

    def __call__(self, *args: Any) -> None:
        """Call the function in the thread, when the last call has ended."""
        self._wait()
        self._running = self._thread.submit(self._write, *args)

    def __exit__(self, kind: Any, *error: Any) -> None:
        self._thread.shutdown()  # which waits: what was given to be written is written
        if kind is None:
            self._wait()

    def _wait(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            running.result()


class Background:
    """The result of a call in a thread, which delays no exit of the program.

    Parameters
    ----------
    call : callable
        What to call.

    Examples
    --------
    >>> from sfml.cli.stream import Background
    >>> Background(lambda: 6 * 7).wait()
    42
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> Any:
        """Wait for the result; an error of the call is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._call()
        except Exception as error:
            self._error = error
