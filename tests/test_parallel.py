"""Jobs that stop together, BLAS's threads, and processes forked in the middle of a prediction."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import make_quick_pipeline
from joblib import delayed
from sklearn.model_selection import GridSearchCV
from threadpoolctl import ThreadpoolController, threadpool_limits

from sfml import parallel
from sfml.neural.forward import forward
from sfml.parallel import JobCancelled, raise_if_cancelled, run_jobs, single_threaded_blas

WAIT = 20.0  # seconds that nothing here should take


class Worker:
    """A job that goes on, as a network does, until it is told to stop."""

    def __init__(self) -> None:
        self.began, self.ended = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.began.set()
        try:
            end = time.monotonic() + WAIT
            while time.monotonic() < end:
                raise_if_cancelled()
                time.sleep(0.01)
        finally:
            time.sleep(0.1)
            self.ended.set()


class TestRunJobs:
    @pytest.mark.parametrize("n_jobs", [None, 1, 2])
    def test_results_are_in_order(self, n_jobs):
        assert run_jobs((delayed(pow)(i, 2) for i in range(9)), n_jobs) == [i**2 for i in range(9)]
        assert run_jobs([], n_jobs) == []

    def test_keywords(self):
        assert run_jobs([delayed(sorted)([1, 2], reverse=True)]) == [[2, 1]]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_when_one_fails_the_others_have_stopped(self, error):
        worker = Worker()

        def fail() -> None:
            worker.began.wait(WAIT)
            raise error("of this job")

        with pytest.raises(error, match="of this job"):
            run_jobs([delayed(worker)(), delayed(fail)()], n_jobs=2)
        assert worker.ended.is_set()

    def test_jobs_that_wait_for_their_turn_do_not_begin(self):
        begun = []

        def fail() -> None:
            raise ValueError("the first")

        def late() -> None:
            begun.append(1)

        with pytest.raises(ValueError, match="the first"):
            run_jobs([delayed(fail)(), *[delayed(late)()] * 3], n_jobs=1)
        assert not begun

    def test_a_job_is_told_of_its_own_run_alone(self):
        raise_if_cancelled()
        with pytest.raises(ValueError, match="inner"):
            run_jobs([delayed(self.inner)()])
        raise_if_cancelled()

    @staticmethod
    def inner() -> None:
        with pytest.raises(ZeroDivisionError):
            run_jobs([delayed(divmod)(1, 0)])
        raise_if_cancelled()
        raise ValueError("inner")

    def test_a_search_over_failed_fits_does_not_go_on(self):
        assert not issubclass(JobCancelled, Exception)

    @pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
    def test_other_backends(self, backend):
        with joblib.parallel_config(backend):
            assert run_jobs([delayed(pow)(2, 3), delayed(pow)(3, 2)], n_jobs=2) == [8, 9]
            with pytest.raises(ZeroDivisionError):
                run_jobs([delayed(divmod)(1, 0), delayed(pow)(3, 2)], n_jobs=2)


TRAINING = """
import os, threading, time
import numpy as np, keras
from joblib import delayed
from sfml import KerasMLPRegressor
from sfml.parallel import run_jobs

epochs = {}

class Count(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        epochs[threading.get_ident()] = epoch
        if len(epochs) == 2 and min(epochs.values()) > 2:
            os.write(1, b"both train\\n")  # one call: lines of two threads do not mix

X = np.random.default_rng(0).normal(size=(500, 3))
mlps = [KerasMLPRegressor((8, k), epochs=10**7, patience=None, callbacks=[Count]) for k in (4, 5)]
try:
    run_jobs([delayed(mlp.fit)(X, X[:, 0]) for mlp in mlps], n_jobs=2)
except KeyboardInterrupt:
    before = dict(epochs)
    time.sleep(0.5)
    assert epochs == before, "a network went on"
    assert not any(hasattr(mlp, "coefs_") or hasattr(mlp, "n_features_in_") for mlp in mlps)
    print("all have stopped")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_ctrl_c_stops_the_training_of_every_thread():
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "both train\n"
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert output.splitlines()[-1:] == ["all have stopped"], errors


def blas_threads() -> set[int]:
    blas = ThreadpoolController().select(user_api="blas")
    return {library["num_threads"] for library in blas.info()}


@pytest.fixture
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


class TestSingleThreadedBLAS:
    def test_the_limit_is_lifted_by_the_last(self, two_threads):
        with single_threaded_blas() as outer, single_threaded_blas() as inner:
            assert outer == inner == 2
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def in_child(function) -> int:
    """Run a function in a forked process; its exit status, or -1 if it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads and fork
        child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can be forked")
class TestFork:
    def test_in_the_middle_of_a_prediction(self, two_threads):
        """Threads are within the block all the time, or about to enter it."""
        rng = np.random.default_rng(0)
        coefs = [rng.normal(size=s).astype(np.float32) for s in ((4, 64), (64, 1))]
        intercepts = [np.zeros(n, np.float32) for n in (64, 1)]
        X = rng.normal(size=(600, 4))
        expected = forward(X, coefs, intercepts, "relu")[0]
        stop = threading.Event()

        def predict() -> None:
            while not stop.is_set():
                forward(X, coefs, intercepts, "relu")[0]

        def check() -> None:
            assert parallel._users == 0
            assert blas_threads() == {2}
            np.testing.assert_array_equal(forward(X, coefs, intercepts, "relu")[0], expected)

        threads = [threading.Thread(target=predict) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            assert [in_child(check) for _ in range(20)] == [0] * 20
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def test_while_the_lock_is_held(self):
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with parallel._lock:
                held.set()
                release.wait(0.3)

        def enter() -> None:
            with single_threaded_blas():
                pass

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(WAIT)
        assert in_child(enter) == 0
        release.set()
        thread.join()
        enter()

    def test_within_the_block(self, two_threads):
        def enter_again() -> None:
            with single_threaded_blas() as n_threads:
                assert n_threads == 2

        with single_threaded_blas():
            assert in_child(enter_again) == 0
        assert parallel._users == 0


@pytest.mark.slow
class TestFitsBesideEachOther:
    def test_fits_in_threads_give_what_they_give_alone(self, survey):
        X, _ = survey
        alone = [make_quick_pipeline("sfml", random_state=k).fit(*survey) for k in range(2)]
        pipes = [make_quick_pipeline("sfml", random_state=k) for k in range(2)]
        threads = [threading.Thread(target=pipe.fit, args=survey) for pipe in pipes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for pipe, expected in zip(pipes, alone, strict=True):
            pd.testing.assert_frame_equal(
                pipe.predict_table(X), expected.predict_table(X), check_exact=True
            )

    def test_grid_searches_one_after_the_other_where_a_network_was_trained(self, survey):
        X, y = survey
        pipe = make_quick_pipeline("sfml", network={"epochs": 1}).fit(X, y)
        grid = {"regress__stellar_mass__epochs": [1, 2]}
        scores = [
            GridSearchCV(pipe, grid, cv=2, n_jobs=2, error_score="raise")
            .fit(X, y)
            .cv_results_["mean_test_score"]
            for _ in range(2)
        ]
        np.testing.assert_array_equal(*scores)
