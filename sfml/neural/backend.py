"""The one place where TensorFlow is imported, and only when a network is trained."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from sfml.compat import configured_keras_backend

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines of TensorFlow's C++ code, which writes some of them whatever the log level.
TENSORFLOW_LINE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
    rb"|[IWE]\d{4} \d\d:\d\d:\d\d|[IWE]0000 00:00:\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
)
_lock = threading.RLock()


def load(module: str) -> ModuleType:
    """Import ``sfml.neural.<module>``; RuntimeError if Keras does not run on TensorFlow."""
    with _lock, _quiet_tensorflow_import():
        try:
            import keras  # noqa: F401
        except (ImportError, ValueError) as error:
            if configured_keras_backend() in (None, "tensorflow"):
                raise
            raise _wrong_backend() from error
        if configured_keras_backend() != "tensorflow":
            raise _wrong_backend()
        return importlib.import_module(f"sfml.neural.{module}")


def _wrong_backend() -> RuntimeError:
    return RuntimeError(
        "sfml trains its networks with Keras on TensorFlow, but Keras is set to use "
        f"{configured_keras_backend()!r}. Set the environment variable KERAS_BACKEND=tensorflow "
        "(or the backend in ~/.keras/keras.json) before Keras is first imported. "
        "(Prediction needs no backend.)"
    )


@contextmanager
def _quiet_tensorflow_import() -> Iterator[None]:
    """Keep TensorFlow's start-up notes off the terminal; a log level that the user set stands."""
    if "tensorflow" in sys.modules or os.environ.get(LOG_LEVEL, "3") != "3":
        yield
        return
    was_set = LOG_LEVEL in os.environ
    os.environ[LOG_LEVEL] = "3"
    try:
        with _without_tensorflow_lines():
            yield
            if "tensorflow" in sys.modules:
                # TensorFlow looks for devices, and writes of them, at its first operation.
                sys.modules["tensorflow"].zeros(())
    finally:
        if not was_set:
            del os.environ[LOG_LEVEL]


@contextmanager
def _without_tensorflow_lines() -> Iterator[None]:
    """Hold back what the process writes to stderr; then write it, less TensorFlow's own lines."""
    try:
        terminal = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    failed = True
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held_back.seek(0)
            for line in held_back:
                if failed or not TENSORFLOW_LINE.match(line):
                    os.write(2, line)
