"""Predicted quantiles to and from ensembles of `qp`, in which RAIL holds distributions.

`qp` is the library of the LSST Dark Energy Science Collaboration. It is an optional dependency
(``pip install "sfml[rail]"``), imported when one of the two is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from sfml.metrics.pairing import match_columns, position_of, read_quantiles
from sfml.uncertainty.distribution import check_levels, quantiles_at

if TYPE_CHECKING:
    from qp import Ensemble

__all__ = ["from_qp", "to_qp"]

# qp interpolates its CDF by parabolas, which may leave [0, 1] or fall between few quantiles, and
# extends it by a straight line beyond the last of them.
_FINE_LEVELS = np.r_[0.0001, 0.001, 0.005, np.arange(1, 100) / 100, 0.995, 0.999, 0.9999]

# In dex. Equal quantiles are separated by this much, as qp would divide by their difference.
_LEAST_STEP = 1e-9


def to_qp(
    y_quantiles: Any,
    levels: Sequence[float],
    *,
    target: str | int | None = None,
    targets: Sequence[str] | None = None,
    fine: bool = True,
    ancil: Mapping[str, Any] | None = None,
) -> Ensemble:
    """Make a `qp` ensemble with the parameterisation `quant` from predicted quantiles.

    Parameters
    ----------
    y_quantiles : array-like of shape (n_galaxies, n_levels) or (n_galaxies, n_targets, n_levels)
        Predicted quantiles, in dex, as ``predict_quantiles`` returns them.
    levels : sequence of float of length n_levels
        Levels of the quantiles, increasing, between 0 and 1, at least two.
    target : str or int, default=None
        The target to export, by its name or position; needed if there are several, as a
        distribution of qp has one dimension.
    targets : sequence of str, default=None
        Names of the targets in `y_quantiles`, in order, such as ``pipe[-1].targets_``. By default,
        three are `sfml.TARGETS`.
    fine : bool, default=True
        Store quantiles at 105 levels from 0.0001 to 0.9999 besides those given, interpolated as in
        `sfml.metrics.pit`, so that qp's CDF is that of our metrics. False stores only those given;
        from few levels qp can make a CDF that falls or leaves [0, 1].
    ancil : dict of str to array of shape (n_galaxies,), default=None
        Further columns to store, such as the galaxies' identifiers.

    Returns
    -------
    qp.Ensemble
        One distribution per galaxy. Galaxies with NaN, which the selection rejected, are left out;
        "row" in its `ancil` is each galaxy's position in `y_quantiles`.

    Raises
    ------
    ImportError
        If qp is not installed.
    ValueError
        If there are several targets and none is chosen, an entry of `ancil` does not have one
        value per galaxy, or no galaxy is left.

    See Also
    --------
    from_qp : The inverse.

    Examples
    --------
    >>> from sfml.export import from_qp, to_qp
    >>> y_quantiles = [[9.9, 10.0, 10.1], [8.8, 9.0, 9.3]]
    >>> ensemble = to_qp(y_quantiles, [0.16, 0.5, 0.84])
    >>> from_qp(ensemble, [0.16, 0.84]).round(2)
    array([[ 9.9, 10.1],
           [ 8.8,  9.3]])
    """
    qp = _qp()
    at = check_levels(levels, least=2, growing=True, name="levels")
    quantiles = _choose(read_quantiles(y_quantiles, at), target, targets)
    rows = np.flatnonzero(~np.isnan(quantiles[:, 0]))
    if not len(rows):
        raise ValueError(f"No galaxy to export: all {len(quantiles)} rows of y_quantiles hold NaN.")
    kept: dict[str, np.ndarray] = {"row": rows}
    for name, values in (ancil or {}).items():
        if np.ndim(values) == 0 or len(values) != len(quantiles):
            raise ValueError(
                f"ancil[{name!r}] must hold one value for each of the {len(quantiles)} galaxies; "
                f"got shape {np.shape(values)}."
            )
        kept[name] = np.asarray(values)[rows]
    stored = np.union1d(at, _FINE_LEVELS) if fine else at
    locations = quantiles_at(quantiles[rows], at, ndtri(stored))
    return qp.quant.create_ensemble(quants=stored, locs=_separate(locations), ancil=kept)


def from_qp(ensemble: Ensemble, levels: Sequence[float]) -> np.ndarray:
    """Evaluate quantiles of a `qp` ensemble of any parameterisation.

    Parameters
    ----------
    ensemble : qp.Ensemble
        Distributions, such as `to_qp` makes or RAIL estimates.
    levels : sequence of float of length n_levels
        Levels of the quantiles wanted, increasing, between 0 and 1.

    Returns
    -------
    ndarray of shape (n_galaxies, n_levels)
        In the form that the metrics accept. Exact at the levels that an ensemble of the
        parameterisation `quant` stores, otherwise interpolated by qp.

    See Also
    --------
    to_qp : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> import qp
    >>> from sfml.export import from_qp
    >>> normal = {"loc": np.array([10.0, 9.0]), "scale": np.array([0.1, 0.2])}
    >>> ensemble = qp.stats.norm.create_ensemble(normal)
    >>> from_qp(ensemble, [0.16, 0.5, 0.84]).round(2)
    array([[ 9.9, 10. , 10.1],
           [ 8.8,  9. ,  9.2]])
    """
    at = check_levels(levels, growing=True, name="levels")
    if not hasattr(ensemble, "ppf") or not hasattr(ensemble, "npdf"):
        raise TypeError(
            f"ensemble must be a qp.Ensemble, as to_qp and qp.read return; got "
            f"{type(ensemble).__name__}."
        )
    return np.asarray(ensemble.ppf(at), dtype=float).reshape(ensemble.npdf, len(at))


def _choose(
    quantiles: np.ndarray, target: str | int | None, targets: Sequence[str] | None
) -> np.ndarray:
    names, _ = match_columns({}, targets, quantiles.shape[1])
    if target is None and len(names) > 1:
        raise ValueError(f"Choose target= of {', '.join(names)}, or its position.")
    return quantiles[:, 0 if target is None else position_of(names, target)]


def _separate(locations: np.ndarray) -> np.ndarray:
    """Make every row increase, where quantiles are equal or rounding has swapped them."""
    steps = np.diff(locations, axis=1)
    tied = np.flatnonzero(np.any(steps < _LEAST_STEP, axis=1))
    increasing = locations.copy()
    increasing[tied, 1:] = locations[tied, :1] + np.maximum(steps[tied], _LEAST_STEP).cumsum(axis=1)
    return increasing


def _qp() -> Any:
    try:
        import qp
    except ImportError as missing:
        raise ImportError(
            'Ensembles of distributions need qp, which is not installed: pip install "sfml[rail]".'
        ) from missing
    return qp
