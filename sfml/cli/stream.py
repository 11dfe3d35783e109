"""Batches that are read while others are computed, several at a time, in their order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def compute_ahead(
    compute: Callable[[Item], Result], items: Iterable[Item], n_jobs: int
) -> Iterator[Result]:
    """Call a function of each item in threads, and give the results in the order of the items.

    The first call ends before others begin: what is wrong with all items, it finds. `n_jobs` calls
    run at a time, each with one thread of BLAS, and one more item is waiting. After an error, those
    that run end.

    >>> list(compute_ahead(lambda x: x**2, range(5), n_jobs=2))
    [0, 1, 4, 9, 16]
    """
    from threadpoolctl import threadpool_limits

    iterator = iter(items)
    running: deque[Future[Result]] = deque()
    with (
        threadpool_limits(1, user_api="blas") if n_jobs > 1 else nullcontext(),
        ThreadPoolExecutor(n_jobs, thread_name_prefix="compute") as threads,
    ):
        running.extend(threads.submit(compute, item) for item in islice(iterator, 1))
        try:
            while running:
                yield running.popleft().result()
                for item in islice(iterator, n_jobs + 1 - len(running)):
                    running.append(threads.submit(compute, item))
        finally:
            for waiting in running:
                waiting.cancel()


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
