"""From a metric of one target's pair to a metric of labels and predictions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np

from sfml.metrics.pairing import Pair, over_targets, pair_intervals, pair_targets

_PREDICTIONS = {
    pair_targets: ("y_true, y_pred", "Labels and predictions, in dex."),
    pair_intervals: ("y_true, lower, upper", "Labels and both ends of the intervals, in dex."),
}
_FIRST = "{} : array-like of shape (n_galaxies,) or (n_galaxies, n_targets)\n    {}\n"
_LAST = """\
sample_weight : array-like of shape (n_galaxies,), default=None
    Weights of the galaxies.
multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
    Mean over the targets, or one value per target.
"""


class Metric(Protocol):
    """A metric of labels and predictions, and that of one pair which it averages."""

    of_pair: Callable[..., float]

    def __call__(self, *args: Any, **kwargs: Any) -> float | np.ndarray:
        """Evaluate it for each target."""


def per_target(make_pairs: Callable[..., list[Pair]]) -> Callable[[Callable[..., float]], Metric]:
    """Make a metric of a pair one of labels and predictions, as `make_pairs` takes them.

    After these come the other arguments of the metric, then `sample_weight` and `multioutput`. They
    are described once, here, and written into the docstring of each.
    """
    names, description = _PREDICTIONS[make_pairs]
    given = names.split(", ")

    def decorate(metric: Callable[..., float]) -> Metric:
        own = list(inspect.signature(metric).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in given]
        last = [
            inspect.Parameter("sample_weight", keyword, default=None),
            inspect.Parameter("multioutput", keyword, default="uniform_average"),
        ]
        signature = inspect.Signature([*first, *own, *last])

        @functools.wraps(metric)
        def public(*args: Any, **kwargs: Any) -> float | np.ndarray:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            rest = dict(bound.arguments)
            arrays = [rest.pop(name) for name in given]
            weight, multioutput = rest.pop("sample_weight"), rest.pop("multioutput")
            pairs = make_pairs(*arrays, sample_weight=weight)
            return over_targets(lambda pair: metric(pair, **rest), pairs, multioutput)

        head, returns, tail = inspect.cleandoc(metric.__doc__ or "").partition("Returns\n")
        summary, _, described = head.partition("Parameters\n----------\n")
        parameters = _FIRST.format(names, description) + described.strip("\n")
        parameters = f"Parameters\n----------\n{parameters.strip()}\n{_LAST}\n"
        public.__doc__ = f"{summary}{parameters}{returns}{tail}\n"
        public.__signature__ = signature  # type: ignore[attr-defined]
        public.of_pair = metric  # type: ignore[attr-defined]
        return cast(Metric, public)

    return decorate
