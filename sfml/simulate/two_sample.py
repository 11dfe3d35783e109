"""A classifier two-sample test: whether a simulated catalogue looks like a real one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from sfml.bands import BandSet
from sfml.photometry import Layout, Photometry, read_photometry

_FOLDS = 5
_FEWEST = 50


def two_sample_auc(
    real: Any,
    simulated: Any,
    bands: BandSet,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Test whether a classifier can tell a simulated catalogue from a real one.

    Boosted trees (scikit-learn's) are trained on asinh fluxes, errors, missing bands and
    redshift, and score the part of the galaxies that they have not seen, in five folds.

    Parameters
    ----------
    real, simulated : tables of shape (n_galaxies, n_columns)
        Catalogues in the columns and the unit of `bands`.
    bands : BandSet
        The bands to compare.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the classifier.

    Returns
    -------
    float
        Area under the ROC curve: 0.5 if they cannot be told apart, 1 if every galaxy can.

    Raises
    ------
    ValueError
        If columns are absent, or a catalogue has fewer than 50 galaxies.

    Notes
    -----
    All differences count, those of the populations too: a library whose prior has more dusty
    galaxies than the sky is told from it, however good the noise.

    References
    ----------
    Lopez-Paz & Oquab 2017, ICLR (arXiv:1610.06545).

    Examples
    --------
    >>> from sfml import GAMA, make_mock_survey
    >>> from sfml.simulate import two_sample_auc
    >>> X, _ = make_mock_survey(200, n_templates=1000, random_state=0, return_X_y=True)
    >>> brighter = X.assign(r_flux=3 * X["r_flux"])
    >>> two_sample_auc(X, brighter, GAMA.only("g", "r"), random_state=0) > 0.9
    True
    """
    parts = [read_photometry(X, Layout(bands)) for X in (real, simulated)]
    sizes = [len(part.flux) for part in parts]
    if min(sizes) < _FEWEST:
        raise ValueError(
            f"Two catalogues of at least {_FEWEST} galaxies are compared; got {sizes[0]} real and "
            f"{sizes[1]} simulated ones."
        )
    assert parts[0].error is not None
    scale = typical_errors(parts[0].error)
    features = np.vstack([_features(part, scale) for part in parts])
    labels = np.repeat([0, 1], sizes)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    # Where processors are shared, threads that wait for each other take a hundred times as long.
    with threadpool_limits(limits=1, user_api="openmp"):
        chance = cross_val_predict(
            HistGradientBoostingClassifier(random_state=seed),
            features,
            labels,
            cv=StratifiedKFold(_FOLDS, shuffle=True, random_state=seed),
            method="predict_proba",
        )
    return float(roc_auc_score(labels, chance[:, 1]))


def typical_errors(error: np.ndarray) -> np.ndarray:
    """Typical error of each band, (n_bands,); 1 for a band that was never measured."""
    known = [column[np.isfinite(column)] for column in error.T]
    return np.array([np.median(column) if len(column) else 1.0 for column in known])


def _features(photometry: Photometry, scale: np.ndarray) -> np.ndarray:
    flux, error, redshift, _ = photometry
    assert error is not None
    assert redshift is not None
    gaps = np.isnan(flux)
    return np.column_stack([np.arcsinh(flux / scale), np.log(error / scale), gaps, redshift])
