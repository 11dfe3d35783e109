"""Ctrl-C that ends a training early, with what was learnt so far, instead of undoing it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["StopRequest", "stop_on_interrupt"]


class StopRequest:
    """Whether training was asked to stop.

    Attributes
    ----------
    made : bool
        True once it was.

    Examples
    --------
    >>> from sfml.stopping import stop_on_interrupt
    >>> with stop_on_interrupt() as request:
    ...     pass  # fit here
    >>> "stopped early" if request.made else "complete"
    'complete'
    """

    made = False


_current: StopRequest | None = None


@contextmanager
def stop_on_interrupt(announce: Callable[[], Any] = lambda: None) -> Iterator[StopRequest]:
    """Let Ctrl-C end the training of networks in this block, which keep what they have learnt.

    The network in training ends with its epoch, and takes its best weights so far; of several
    networks that are averaged, those that are complete are kept, and `fit` warns of it. So a `fit`
    that is stopped leaves a fitted estimator, calibrated as usual. Where nothing can be kept, as
    some target has no network yet, `fit` raises `KeyboardInterrupt`; so does a second Ctrl-C. Other
    regressors than `KerasMLPRegressor` cannot be stopped, nor can trainings in other processes.

    Parameters
    ----------
    announce : callable, default=lambda: None
        Called when Ctrl-C is pressed.

    Yields
    ------
    StopRequest
        Its `made` tells whether Ctrl-C was pressed.

    Raises
    ------
    ValueError
        If this is not the main thread, which alone is told of Ctrl-C.

    Examples
    --------
    >>> import sfml
    >>> from sfml.stopping import stop_on_interrupt
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> with stop_on_interrupt() as request:
    ...     pipe = pipe.fit(X, y)
    >>> request.made
    False
    """
    global _current
    request, outer = StopRequest(), _current

    def handle(number: int, frame: Any) -> None:
        if request.made:
            raise KeyboardInterrupt
        request.made = True
        announce()

    before = signal.signal(signal.SIGINT, handle)
    _current = request
    try:
        yield request
    finally:
        _current = outer
        signal.signal(signal.SIGINT, before)


def can_be_stopped() -> bool:
    """Tell whether this is within `stop_on_interrupt`."""
    return _current is not None


def stopped() -> bool:
    """Tell whether training is to stop."""
    return _current is not None and _current.made


def raise_if_stopped() -> None:
    """Raise `KeyboardInterrupt` if training is to stop, and there is nothing to keep yet."""
    if stopped():
        raise KeyboardInterrupt
