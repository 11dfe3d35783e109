"""One BLAS thread a block of rows, and the blocks shared out between Python threads.

BLAS's own threads meet after every small matrix product: on blocks that fit in cache they spend
their time waiting for each other, and many times more of it where other work shares the cores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_n_threads = 1
_limiter: Any = None


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # 1 ms to make


@contextmanager
def single_threaded_blas() -> Iterator[int]:
    """Keep BLAS to one thread, and give the number of threads that it would have used.

    The number is the user's own limit, so that workers of joblib, which give each process its
    share of the cores, are not oversubscribed. The limit holds for the whole process: it is set
    by the first to come and lifted by the last to leave.
    """
    global _users, _n_threads, _limiter
    with _lock:
        if not _users:
            libraries = _controller().info()
            _n_threads = max((library["num_threads"] for library in libraries), default=1)
            _limiter = _controller().limit(limits=1)
        _users += 1
    try:
        yield _n_threads
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _limiter.restore_original_limits()
