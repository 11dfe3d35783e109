"""From a metric of one target's pair to a metric of labels and predictions."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np

from sfml.metrics.docs import describe_shared
from sfml.metrics.pairing import Pair, over_targets

_PARAMETERS = "Parameters\n----------\n"
_RETURNS = "Returns\n-------\nfloat or ndarray of shape (n_targets,)\n\n"


class Metric(Protocol):
    """A metric of labels and predictions, and that of one pair which it averages."""

    of_pair: Callable[..., float]

    def __call__(self, *args: Any, **kwargs: Any) -> float | np.ndarray:
        """Evaluate it for each target."""


def per_target(make_pairs: Callable[..., list[Pair]]) -> Callable[[Callable[..., float]], Metric]:
    """Make a metric of a pair one of labels and predictions, as `make_pairs` takes them.

    After these come the other arguments of the metric, then `sample_weight` and `multioutput`. All
    but the metric's own are described in `sfml.metrics.docs`, and what is returned here.
    """
    positional, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(make_pairs).parameters.values()
    first = [each.replace(annotation=each.empty) for each in parameters if each.kind == positional]
    last = [
        inspect.Parameter("sample_weight", keyword, default=None),
        inspect.Parameter("multioutput", keyword, default="uniform_average"),
    ]
    given = [each.name for each in first]

    def decorate(metric: Callable[..., float]) -> Metric:
        parameters = list(inspect.signature(metric).parameters.values())[1:]
        signature = inspect.Signature([*first, *parameters, *last])

        @functools.wraps(metric)
        def public(*args: Any, **kwargs: Any) -> float | np.ndarray:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            rest = dict(bound.arguments)
            arrays = [rest.pop(name) for name in given]
            weight, multioutput = rest.pop("sample_weight"), rest.pop("multioutput")
            pairs = make_pairs(*arrays, sample_weight=weight)
            return over_targets(lambda pair: metric(pair, **rest), pairs, multioutput)

        doc = inspect.cleandoc(metric.__doc__ or "")
        summary, *rest = re.split(r"(?=^\w+\n---+$)", doc, flags=re.MULTILINE)
        described = rest.pop(0).removeprefix(_PARAMETERS) if _PARAMETERS in doc else ""
        described = f"{', '.join(given)}\n{described.strip()}".strip()
        public.__doc__ = (
            f"{summary.strip()}\n\n{_PARAMETERS}{described}\nsample_weight, multioutput\n\n"
            f"{_RETURNS}{''.join(rest)}"
        )
        public.__signature__ = signature  # type: ignore[attr-defined]
        public.of_pair = metric  # type: ignore[attr-defined]
        return cast(Metric, describe_shared(public))

    return decorate
