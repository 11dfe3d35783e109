"""Threads: jobs that stop together, and BLAS kept to one thread where blocks of rows share cores.

BLAS's own threads meet after every small matrix product: on blocks that fit in cache they spend
their time waiting for each other, and many times more of it where other work shares the cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

__all__ = ["JobCancelled", "raise_if_cancelled", "run_jobs", "single_threaded_blas"]

_lock = threading.RLock()  # the thread that forks may hold it already
_users = 0
_n_threads = 1
_limiter: Any = None


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # takes 1 ms


@contextmanager
def single_threaded_blas() -> Iterator[int]:
    """Keep BLAS to one thread, and yield the number of threads that it would have used.

    The number is the user's own limit, so that workers of joblib, which give each process its
    share of the cores, are not oversubscribed. The limit holds for the whole process: the first
    block that is entered sets it, and the last one that is left lifts it.
    """
    global _users, _n_threads, _limiter
    with _lock:
        if not _users:
            libraries = _controller().info()
            _n_threads = max((library["num_threads"] for library in libraries), default=1)
            _let_any_thread_limit()
            _limiter = _controller().limit(limits=1)
        _users += 1
    try:
        yield _n_threads
    finally:
        with _lock:
            _users = max(0, _users - 1)  # 0 already if the process was forked in the block
            if not _users:
                _lift_limit()


def _lift_limit() -> None:
    _let_any_thread_limit()
    _limiter.restore_original_limits()
    _let_any_thread_limit()


def _let_any_thread_limit() -> None:
    """Let this thread set OpenBLAS's limit, which is the whole process's.

    Since threadpoolctl 3.8, the first thread to set it keeps all others from doing so, silently;
    products of the others then have other last digits. Here, the lock keeps them apart.
    """
    for library in _controller().lib_controllers:
        getattr(library, "clear_controlling_thread", lambda force: None)(force=True)


def _start_anew_after_fork() -> None:
    """Lift the limit in a forked process: the threads that would have lifted it are not there."""
    global _users, _lock
    _lock = threading.RLock()
    if _users:
        _users = 0
        _lift_limit()


if hasattr(os, "register_at_fork"):  # not on Windows
    # Holding the lock, no other thread is within BLAS's own settings while the process forks.
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=_start_anew_after_fork,
    )


class JobCancelled(BaseException):
    """Raised in a job whose result nobody waits for any more.

    No `Exception`, so that a search which goes on after failed fits does not go on after this.
    """


class _Jobs:
    """Counts the jobs that run, and tells them to stop."""

    def __init__(self) -> None:
        self.cancelled = False
        self._n_running = 0
        self._changed = threading.Condition()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Jobs, ()  # in another process, which joblib ends itself

    def __call__(self, function: Any, args: Any, kwargs: Any) -> Any:
        outer = getattr(_current, "jobs", None)
        with self._changed:
            self._n_running += 1
        _current.jobs = self
        try:
            raise_if_cancelled()  # a job may start after another failed
            return function(*args, **kwargs)
        finally:
            _current.jobs = outer
            with self._changed:
                self._n_running -= 1
                self._changed.notify_all()

    def cancel(self) -> None:
        """Tell the jobs to stop, and wait until they have."""
        self.cancelled = True
        with self._changed:
            self._changed.wait_for(lambda: not self._n_running)


_current = threading.local()


def raise_if_cancelled() -> None:
    """Raise `JobCancelled` if this thread runs a job of `run_jobs` that is to stop."""
    jobs = getattr(_current, "jobs", None)
    if jobs is not None and jobs.cancelled:
        raise JobCancelled


def run_jobs(calls: Iterable[Any], n_jobs: int | None = None) -> list[Any]:
    """Run calls side by side, in threads unless `joblib.parallel_config` says otherwise.

    If one fails, or the user presses Ctrl-C, the others are told to stop, and the exception is
    raised once they have: a network stops after its epoch, a scikit-learn estimator when its `fit`
    has ended. A second Ctrl-C does not wait for them.

    Parameters
    ----------
    calls : iterable of tuple
        Calls, made by `joblib.delayed`.
    n_jobs : int or None, default=None
        How many to run at the same time, as in joblib.

    Returns
    -------
    list
        The results, in the order of the calls.

    Examples
    --------
    >>> from joblib import delayed
    >>> from sfml.parallel import run_jobs
    >>> run_jobs([delayed(pow)(2, 3), delayed(pow)(3, 2)], n_jobs=2)
    [8, 9]
    """
    jobs = _Jobs()
    try:
        return list(
            Parallel(n_jobs=n_jobs, prefer="threads")(delayed(jobs)(*call) for call in calls)
        )
    except BaseException:
        jobs.cancel()
        raise
