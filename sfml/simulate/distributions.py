"""Distributions of single parameters, which priors are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class Uniform:
    """Every value between two limits is as likely as any other.

    Parameters
    ----------
    low, high : float
        The limits.

    Raises
    ------
    ValueError
        If the limits are not finite or do not grow.

    Examples
    --------
    >>> from sfml.simulate import Uniform
    >>> float(Uniform(0, 4).quantile(0.25))
    1.0
    """

    low: float
    high: float
    code_name: ClassVar[str] = "uniform"  # as Bagpipes calls it
    words: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        _check_limits(self)

    def quantile(self, level: Any, most: Any = np.inf) -> Any:
        """Give the value below which a fraction of the probability lies.

        Parameters
        ----------
        level : float or array-like of shape (n,)
            The fraction, from 0 to 1.
        most : float or array-like of shape (n,), default=inf
            An upper limit that holds where it is below `high`, such as the age of the universe.

        Returns
        -------
        float or ndarray of shape (n,)
        """
        return self.low + (np.minimum(self.high, most) - self.low) * level


@dataclass(frozen=True)
class LogUniform(Uniform):
    """Every value of the logarithm between two limits is as likely as any other.

    Parameters
    ----------
    low, high : float
        The limits, of the value itself, above 0.

    Raises
    ------
    ValueError
        If the limits are not finite, not above 0, or do not grow.

    Examples
    --------
    >>> from sfml.simulate import LogUniform
    >>> round(float(LogUniform(0.1, 10).quantile(0.5)), 6)
    1.0
    """

    code_name: ClassVar[str] = "log_10"
    words: ClassVar[str] = "log-uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise ValueError(f"LogUniform needs limits above 0; got {self.low:g}.")

    def quantile(self, level: Any, most: Any = np.inf) -> Any:
        """Give the value below which a fraction of the probability lies.

        Parameters
        ----------
        level : float or array-like of shape (n,)
            The fraction, from 0 to 1.
        most : float or array-like of shape (n,), default=inf
            An upper limit that holds where it is below `high`.

        Returns
        -------
        float or ndarray of shape (n,)
        """
        return self.low * (np.minimum(self.high, most) / self.low) ** level


def _check_limits(distribution: Uniform) -> None:
    limits = (distribution.low, distribution.high)
    are_finite = all(isinstance(limit, Real) and math.isfinite(limit) for limit in limits)
    if not are_finite or not limits[0] < limits[1]:
        raise ValueError(
            f"{type(distribution).__name__} needs two finite limits that grow; got {limits}. A "
            "parameter that is not varied is a plain number."
        )


def as_distribution(name: str, value: Any) -> Uniform | float:
    """Take a distribution, or a number for a parameter that is held fixed."""
    if isinstance(value, Uniform):
        return value
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(
        f"{name} must be Uniform(low, high), LogUniform(low, high) or a number that it is held at; "
        f"got {value!r}."
    )


def in_words(value: Uniform | float, unit: str) -> str:
    """Describe a distribution: "uniform from 0 to 4 mag"."""
    end = f" {unit}" if unit else ""
    if isinstance(value, Uniform):
        return f"{value.words} from {value.low:g} to {value.high:g}{end}"
    return f"{value:g}{end}"


def limits_of(values: Mapping[str, Uniform | float], name: str) -> tuple[float, float]:
    """Lowest and highest value of a parameter; equal if it is held fixed."""
    value = values[name]
    return (value.low, value.high) if isinstance(value, Uniform) else (value, value)
