"""What every estimator of sfml shares: how its `fit` begins, and how it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["fit_method", "unchanged_on_failure"]

Method = TypeVar("Method", bound=Callable[..., Any])


@contextmanager
def unchanged_on_failure(*estimators: Any) -> Iterator[None]:
    """Give estimators back the state that they had, if the block fails or is interrupted.

    Parameters
    ----------
    *estimators : estimator
        They, and the estimators among their parameters, get their attributes back. Attributes must
        be replaced, not changed in place, as a `fit` does.
    """
    before = [(each, vars(each).copy()) for each in _with_nested(estimators)]
    try:
        yield
    except BaseException:  # Ctrl-C too
        for each, state in before:
            vars(each).clear()
            vars(each).update(state)
        raise


def fit_method(fit: Method) -> Method:
    """Make a `fit` check the parameters first, and leave no trace if it fails.

    A `fit` that raises or is interrupted leaves the previous fit as it was, or an estimator that
    was never fitted. Parameters are checked against ``_parameter_constraints``.
    """

    @functools.wraps(fit)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(self, "_parameter_constraints"):
            self._validate_params()
        with unchanged_on_failure(self):
            return fit(self, *args, **kwargs)

    return checked  # type: ignore[return-value]


def _with_nested(estimators: tuple[Any, ...]) -> list[Any]:
    """List estimators, and those among their parameters, each once."""
    found = {id(each): each for each in estimators}
    for each in estimators:
        if hasattr(each, "get_params") and not isinstance(each, type):
            nested = each.get_params(deep=True).values()
            found |= {id(value): value for value in nested if hasattr(value, "fit")}
    return [
        each for each in found.values() if hasattr(each, "__dict__") and not isinstance(each, type)
    ]
