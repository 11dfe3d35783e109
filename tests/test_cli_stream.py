"""Batches that are computed several at a time, in their order."""

from __future__ import annotations

import threading
import time

import pytest

from sfml.cli.stream import Background, compute_ahead, read_ahead


def items(n: int, taken: list[int]):
    for i in range(n):
        taken.append(i)
        yield i


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_results_have_the_order_of_the_items(n_jobs):
    def compute(i: int) -> int:
        time.sleep(0.02 * (i % 3 == 0))
        return -i

    assert list(compute_ahead(compute, range(10), n_jobs)) == [-i for i in range(10)]
    assert list(compute_ahead(compute, [], n_jobs)) == []


def test_calls_run_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    def compute(i: int) -> int:
        if i:  # the first runs alone
            both.wait()
        return i

    assert list(compute_ahead(compute, range(5), n_jobs=2)) == [0, 1, 2, 3, 4]


def test_few_items_are_taken_ahead():
    taken: list[int] = []
    results = compute_ahead(lambda i: i, items(100, taken), n_jobs=2)
    assert next(results) == 0
    assert taken == [0]
    for _ in range(5):
        next(results)
    assert len(taken) <= 6 + 3
    results.close()


def test_the_first_error_ends_all():
    taken: list[int] = []

    def compute(i: int) -> int:
        if i == 0:
            raise ValueError("no galaxies")
        return i

    with pytest.raises(ValueError, match="no galaxies"):
        list(compute_ahead(compute, items(10, taken), n_jobs=2))
    assert taken == [0]


def test_what_is_read_ahead_is_one_item():
    taken: list[int] = []
    ahead = read_ahead(items(10, taken))
    assert next(ahead) == 0
    time.sleep(0.05)
    assert taken == [0, 1]
    assert list(ahead) == list(range(1, 10))


def test_an_error_of_the_reader_comes_through():
    def read():
        yield 1
        raise OSError("gone")

    ahead = read_ahead(read())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_an_error_in_the_background_is_raised_by_wait():
    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        Background(fail).wait()
