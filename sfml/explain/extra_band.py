"""Which further band would tell most about a galaxy."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from sfml import tables
from sfml.explain.steps import check_target, in_columns_of, regressor_of, selector_of
from sfml.photometry.photometry import Photometry


def best_extra_band(
    pipe: Pipeline,
    X: Any,
    reference: Any,
    *,
    target: str | None = None,
    coverage: float = 0.68,
    uncertainty: str = "emulator",
    n_neighbours: int = 20,
) -> pd.DataFrame:
    """Say which band, if it were observed too, would shrink a galaxy's interval most.

    What a galaxy's missing band would show is not known, but that of galaxies like it is. So the
    galaxies of a reference catalogue which have the band are stripped down to the bands that the
    galaxy has, the nearest to it are found in the network's inputs, and each is asked how much
    narrower its interval becomes when the band is given back.

    Parameters
    ----------
    pipe : Pipeline
        Fitted, with missing bands allowed (recipe "sfml").
    X : table or array of shape (n_galaxies, n_columns)
        Catalogue of the galaxies asked about.
    reference : table or array of shape (n_reference, n_columns)
        Catalogue of galaxies that have the bands which those of X miss, such as the pipeline's
        training catalogue. Some thousands are enough.
    target : str or None, default=None
        Target whose interval it is; None for the geometric mean over the targets.
    coverage : float, default=0.68
        Coverage of the intervals.
    uncertainty : {"emulator", "sps", "total"}, default="emulator"
        As in `StarFormationRegressor.predict_interval`.
    n_neighbours : int, default=20
        Galaxies alike that are asked; fewer if the reference has fewer.

    Returns
    -------
    DataFrame of shape (n_galaxies, n_bands + 1)
        Row by row as in X, with its index if it has one. One column per band: the factor by which
        the interval's width is expected to change (0.8 is a fifth narrower), the median over the
        neighbours. NaN for bands that the galaxy has, bands that no reference galaxy has beside
        the galaxy's own, and galaxies without a prediction. The last column, ``best``, names the
        band of the smallest factor; it is missing if none is below 1.

    Raises
    ------
    TypeError, ValueError
        If a parameter is none of the above, if the pipeline does not allow missing bands, or if
        the selection rejects the whole reference.

    Notes
    -----
    The band is taken to be observed as deeply as in the reference: a factor near 1 for a far
    infrared band may only say that it is too shallow there. Galaxies that are alike in the bands
    observed are taken to be alike in the band missing, and a network's intervals to be right with
    any set of bands, which `calibrate` on galaxies with the same gaps makes sure of.

    The time it takes grows with the number of combinations of missing bands.

    Examples
    --------
    >>> import numpy as np
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(n_galaxies=600, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(targets=["sfr"], missing="allow", random_state=0)
    >>> pipe = pipe.set_params(regress__sfr__epochs=3, regress__sfr__n_networks=1)
    >>> pipe = pipe.fit(X, y[["sfr"]])
    >>> complete = sfml.GamaSampleSelector().select(X)
    >>> without_ultraviolet = complete.assign(FUV_flux=np.nan, NUV_flux=np.nan)
    >>> table = sfml.explain.best_extra_band(pipe, without_ultraviolet.head(5), X)
    >>> table.columns[table.notna().any()].tolist()
    ['FUV', 'NUV', 'best']
    """
    select = selector_of(pipe)
    if select.rules_.missing != "allow":
        raise ValueError(
            "This pipeline knows no missing bands (select__missing='reject'): make it with "
            "make_star_formation_pipeline(missing='allow')."
        )
    if isinstance(n_neighbours, bool) or not isinstance(n_neighbours, Integral) or n_neighbours < 1:
        raise ValueError(
            f"n_neighbours must be a whole number of at least 1; got {n_neighbours!r}."
        )
    regress = regressor_of(pipe)
    given = select.transform(X)
    galaxies, known = select.split(given), select.split(select.transform(reference))
    known = known.rows(~np.isnan(known.flux).all(axis=1))
    if not len(known.flux):
        raise ValueError(
            f"The selection rejects all {tables.n_rows(reference)} galaxies of reference: see "
            "the selector's reasons(reference)."
        )
    ask = _Asked(pipe, given, check_target(regress, target), coverage, uncertainty)
    ratios = _ratios(ask, galaxies, known, int(n_neighbours))
    assert select.bands_ is not None
    table = pd.DataFrame(ratios, index=tables.row_index(X), columns=pd.Index(select.bands_.names))
    return table.assign(best=_best(ratios, select.bands_.names))


class _Asked(NamedTuple):
    """The pipeline behind the selection, and which widths are asked of it."""

    pipe: Pipeline
    given: Any  # what the selection gave: a table if it gives tables
    targets: list[int]
    coverage: float
    uncertainty: str

    def inputs(self, photometry: Photometry) -> np.ndarray:
        """Compute the networks' inputs, (n_galaxies, n_features)."""
        values = photometry.columns(errors=True)
        return np.asarray(self.pipe[1:-1].transform(in_columns_of(values, self.given)))

    def log_widths(self, inputs: np.ndarray) -> np.ndarray:
        """Compute the logarithms of the intervals' widths, averaged over the targets."""
        ends = self.pipe[-1].predict_interval(inputs, self.coverage, uncertainty=self.uncertainty)
        width = np.diff(ends.reshape(len(inputs), -1, 2))[:, self.targets, 0]
        with np.errstate(divide="ignore"):
            return np.log(width).mean(axis=1)


def _ratios(ask: _Asked, galaxies: Photometry, known: Photometry, k: int) -> np.ndarray:
    """Compute expected ratios, (n_galaxies, n_bands), one set of observed bands after the other."""
    out = np.full(galaxies.flux.shape, np.nan)
    observed, available = ~np.isnan(galaxies.flux), ~np.isnan(known.flux)
    patterns, which = np.unique(observed, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if not pattern.any() or pattern.all():
            continue
        members = np.flatnonzero(which.ravel() == i)
        points = ask.inputs(galaxies.rows(members))
        usable = ~np.isnan(points).all(axis=1)
        candidates = available[:, pattern].all(axis=1)
        for bands in _bands_together(available[candidates], ~pattern):
            others = np.flatnonzero(candidates & available[:, bands].all(axis=1))
            if usable.any() and len(others):
                alike = known.rows(others)
                expected = _expected(ask, points[usable], alike, pattern, bands, k)
                out[np.ix_(members[usable], bands)] = expected
    return out


def _bands_together(available: np.ndarray, missing: np.ndarray) -> list[list[int]]:
    """Sort missing bands by which galaxies have them, as all those of an instrument."""
    together: dict[bytes, list[int]] = {}
    for band in np.flatnonzero(missing):
        together.setdefault(available[:, band].tobytes(), []).append(int(band))
    return list(together.values())


def _expected(
    ask: _Asked,
    points: np.ndarray,
    alike: Photometry,
    pattern: np.ndarray,
    bands: list[int],
    k: int,
) -> np.ndarray:
    """Median ratios of the neighbours' widths with and without each band."""
    stripped = ask.inputs(alike.without(np.broadcast_to(~pattern, alike.flux.shape)))
    sane = np.flatnonzero(~np.isnan(stripped).all(axis=1))
    search = NearestNeighbors(n_neighbors=min(k, len(sane)), algorithm="brute")
    # What is not known counts as 0, the mean, here as it does in the networks.
    search.fit(np.nan_to_num(stripped[sane]))
    neighbours = search.kneighbors(np.nan_to_num(points), return_distance=False)
    asked, place = np.unique(sane[neighbours], return_inverse=True)
    alike = alike.rows(asked)
    without = ask.log_widths(stripped[asked])
    out = np.empty((len(points), len(bands)))
    for j, band in enumerate(bands):
        lacking = ~pattern
        lacking[band] = False
        given_back = ask.inputs(alike.without(np.broadcast_to(lacking, alike.flux.shape)))
        change = ask.log_widths(given_back) - without
        out[:, j] = np.exp(np.median(change[place.reshape(neighbours.shape)], axis=1))
    return out


def _best(ratios: np.ndarray, bands: Any) -> np.ndarray:
    """Names of the bands of the smallest ratios below 1, missing where there are none."""
    filled = np.where(np.isnan(ratios), np.inf, ratios)
    names = np.asarray(bands, dtype=object)[filled.argmin(axis=1)]
    names[filled.min(axis=1) >= 1] = None
    return names
