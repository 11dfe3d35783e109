"""The one place where TensorFlow is imported, and only when a network is trained."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def load(module: str) -> ModuleType:
    """Import ``sfml.neural.<module>``, which needs Keras, and check Keras's backend.

    Parameters
    ----------
    module : {"network", "trainer"}
        A module of this package that imports Keras.

    Returns
    -------
    module

    Raises
    ------
    RuntimeError
        If Keras is set to run on anything but TensorFlow.
    """
    with _quiet_tensorflow_import():
        loaded = importlib.import_module(f"sfml.neural.{module}")
        import keras
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "sfml trains its networks with Keras on TensorFlow, but Keras is set to use "
            f"{keras.backend.backend()!r}. Set the environment variable KERAS_BACKEND=tensorflow "
            "before Keras is first imported. (Prediction needs no backend.)"
        )
    return loaded


@contextmanager
def _quiet_tensorflow_import() -> Iterator[None]:
    """Keep TensorFlow's start-up notes off the terminal; a level the user set stands."""
    name = "TF_CPP_MIN_LOG_LEVEL"
    if name in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ[name] = "3"
    try:
        yield
    finally:
        del os.environ[name]
