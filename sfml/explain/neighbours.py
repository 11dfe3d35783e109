"""The galaxies of the training catalogue that a galaxy resembles most."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from sfml.explain.steps import regressor_of, selector_of


def nearest_galaxies(
    pipe: Pipeline, X: Any, X_train: Any, n_neighbors: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Find the training galaxies nearest to each galaxy, as the regressors see them.

    A model does not keep the galaxies that it was trained on: they are given here.

    Parameters
    ----------
    pipe : Pipeline
        Fitted.
    X : table of shape (n_galaxies, n_columns)
        Catalogue.
    X_train : table of shape (n_training, n_columns)
        Catalogue to look in. Its rejected galaxies are passed over.
    n_neighbors : int, default=5
        How many to find for each galaxy.

    Returns
    -------
    distances : ndarray of shape (n_galaxies, n_neighbors)
        Euclidean distances between the standardised inputs of the regressors, over those that
        both galaxies have, scaled up for those left out. Nearest first; NaN for rejected galaxies.
    rows : ndarray of shape (n_galaxies, n_neighbors)
        Positions in X_train; -1 for rejected galaxies.

    Raises
    ------
    TypeError, ValueError
        If the pipeline has other steps than those of `make_star_formation_pipeline`, or if X_train
        has fewer than `n_neighbors` galaxies that are not rejected.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> pipe = pipe.fit(X[:300], y[:300])
    >>> distances, rows = sfml.explain.nearest_galaxies(pipe, X[300:], X[:300], n_neighbors=3)
    >>> rows.shape
    (100, 3)
    """
    selector_of(pipe)
    regressor_of(pipe)
    if not isinstance(n_neighbors, numbers.Integral) or n_neighbors < 1:
        raise ValueError(f"n_neighbors must be a positive integer; got {n_neighbors!r}.")
    inputs = np.asarray(pipe[:-1].transform(X))
    known = np.asarray(pipe[:-1].transform(X_train))
    candidates = np.flatnonzero(np.isfinite(known).any(axis=1))
    if len(candidates) < n_neighbors:
        raise ValueError(
            f"X_train must have at least n_neighbors={n_neighbors} galaxies that the pipeline does "
            f"not reject; it has {len(candidates)} among {len(known)}. "
            "`pipe[0].funnel(X_train)` says why."
        )
    search = NearestNeighbors(n_neighbors=n_neighbors, metric="nan_euclidean")
    search.fit(known[candidates])
    usable = np.isfinite(inputs).any(axis=1)
    distances = np.full((len(inputs), n_neighbors), np.nan)
    rows = np.full((len(inputs), n_neighbors), -1)
    if usable.any():
        distances[usable], nearest = search.kneighbors(inputs[usable])
        rows[usable] = candidates[nearest]
    return distances, rows
