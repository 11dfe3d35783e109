"""Reservations about a prediction: named flags, each one bit of an integer per galaxy."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np

__all__ = ["DESCRIPTIONS", "Flag", "MissingPredictionWarning", "describe"]


class MissingPredictionWarning(UserWarning):
    """Some galaxies have no prediction: `predict` gives NaN for them.

    Examples
    --------
    Where rejected galaxies are expected, the warning can be silenced by its class:

    >>> import warnings
    >>> import sfml
    >>> from sfml.flags import MissingPredictionWarning
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0).fit(X, y)
    >>> X.loc[X.index[0], "Z"] = -1
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", MissingPredictionWarning)
    ...     print(pipe.predict(X)[0])
    [nan nan nan]
    """


class Flag(IntFlag):
    """A reservation about one galaxy's prediction; several add up. 0 is none.

    Examples
    --------
    >>> from sfml.flags import Flag
    >>> Flag(48)
    <Flag.COLOURS|WIDE_INTERVAL: 48>
    """

    # pandas takes what can be iterated over for a list, and ``table["flag"] & Flag.COLOURS`` fails.
    __iter__ = None  # type: ignore[assignment]

    REDSHIFT = 1
    FEW_BANDS = 2
    LOW_SNR = 4
    NEGATIVE_FLUX = 8
    COLOURS = 16
    WIDE_INTERVAL = 32
    QUANTILE_CROSSING = 64
    NOT_PREDICTED = 128
    UNIT = 256


DESCRIPTIONS = {
    Flag.REDSHIFT: "the redshift is missing, or outside of the selection's or of training's range",
    Flag.FEW_BANDS: "no band is observed, a band is missing where the selection or the regressor "
    "asks for all, or fewer bands are observed than of any galaxy in training",
    Flag.LOW_SNR: "too few bands reach the selection's signal-to-noise ratio, or the mean ratio "
    "is below that of all but 1 in 1000 in training",
    Flag.NEGATIVE_FLUX: "a flux is negative where the selection wants none",
    Flag.COLOURS: "the colours, errors and redshift together are unlike those of training",
    Flag.WIDE_INTERVAL: "an interval from the 16th to the 84th percentile is wider than the limit",
    Flag.QUANTILE_CROSSING: "the network put a quantile above a higher one, by more than a tenth "
    "of the 16-84 interval, before sorting",
    Flag.NOT_PREDICTED: "there is no prediction: another flag says why",
    Flag.UNIT: "the galaxy is ten times brighter or fainter than nearly all of training, or its "
    "errors are unlike those of training at such fluxes: another unit, zero point or depth",
}
"""What each flag says."""

CUT_FLAGS = {
    "redshift": Flag.REDSHIFT,
    "missing": Flag.FEW_BANDS,
    "negative": Flag.NEGATIVE_FLUX,
    "snr": Flag.LOW_SNR,
}
"""The flag of each cut of `GamaSampleSelector`."""


def describe(flags: Any) -> np.ndarray:
    """Write flags as text.

    Parameters
    ----------
    flags : array-like of int, shape (n_galaxies,)
        Sums of `Flag`.

    Returns
    -------
    ndarray of str, shape (n_galaxies,)
        Names in lower case, joined by ``|``; empty for 0.

    Examples
    --------
    >>> from sfml.flags import describe
    >>> describe([0, 4, 48]).tolist()
    ['', 'low_snr', 'colours|wide_interval']
    """
    values, places = np.unique(np.asarray(flags, dtype=np.int64), return_inverse=True)
    texts = ["|".join(str(f.name).lower() for f in Flag if f & value) for value in values]
    return np.array(texts, dtype=object)[places]


def flag_where(flag: Flag, where: np.ndarray) -> np.ndarray:
    """Give the value of a flag where it applies, and 0 elsewhere."""
    return np.where(where, int(flag), 0)
