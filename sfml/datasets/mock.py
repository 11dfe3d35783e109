"""A simulated survey to learn and test on: for examples and tests, never for science."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.bands import GAMA, BandSet
from sfml.compat import Interval, validate_params
from sfml.datasets.fitter import FEWEST_TEMPLATES, fit_percentiles
from sfml.datasets.labels import gama_columns, label_table
from sfml.datasets.photometry import check_bands
from sfml.datasets.survey import observe, select_galaxies
from sfml.tables.units import flux_density_factor


@validate_params(
    {
        "n_galaxies": [Interval(Integral, 1, None, closed="left")],
        "bands": [BandSet],
        "n_templates": [Interval(Integral, FEWEST_TEMPLATES, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "return_X_y": ["boolean"],
        "percentiles": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_mock_survey(
    n_galaxies: int = 20_000,
    *,
    bands: BandSet = GAMA,
    n_templates: int = 30_000,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    return_X_y: bool = False,
    percentiles: bool = False,
) -> Any:
    """Simulate a survey like GAMA, with labels like those of MAGPHYS.

    Galaxies with random star-formation histories and two-component dust in energy balance are
    drawn from a mass function, selected at r < 19.8, observed with GAMA-like noise and gaps, and
    fitted: the labels are percentiles of a chi^2 fit of the noisy photometry against a library of
    other galaxies, as MAGPHYS makes them. The models are analytic and coarse: **use this mock
    for examples and tests, never for science.**

    Parameters
    ----------
    n_galaxies : int, default=20_000
        Number of rows, all of which have passed the survey's selection at r < 19.8.
    bands : BandSet, default=GAMA
        Bands to observe, and the layout of the columns. Bands which are not GAMA's get a depth
        interpolated between GAMA's, and all get a top-hat passband.
    n_templates : int, default=30_000
        Size of the library that the labels are fitted with, at least 1,000: the more, the less
        noisy the labels, and the longer the fit.
    random_state : int, RandomState instance or None, default=None
        Which galaxies and which noise; an int gives the same rows every time.
    n_jobs : int or None, default=None
        Number of threads of the fit: None means 1 and -1 all processors. The rows do not depend
        on it.
    return_X_y : bool, default=False
        Whether to return features and targets instead of the catalogue.
    percentiles : bool, default=False
        Whether y has the 16th and 84th percentiles too. The catalogue always has them.

    Returns
    -------
    catalogue : DataFrame of shape (n_galaxies, 2 * n_bands + 14)
        Columns ``CATAID``; ``bands.columns``, with the set's first missing code (-999) where there
        is no measurement; GAMA's columns of the labels, such as ``mass_stellar_percentile50``, and
        of their 16th and 84th percentiles, in dex, NaN for a galaxy with no measurement at all;
        and the truth ``true_log_mass``, ``true_log_sfr`` and ``true_log_ldust``, in dex. A
        negative flux is a measurement; as in GAMA there are few.
    X, y : DataFrames of shapes (n_galaxies, 2 * n_bands + 1) and (n_galaxies, 3 or 9)
        Instead, if `return_X_y`: ``bands.columns``, and the medians of the labels under the names
        `sfml.TARGETS`, followed, if `percentiles`, by ``stellar_mass_p16`` and so on.

    Raises
    ------
    TypeError, ValueError
        If `n_galaxies` or `n_templates` is not an integer or too small, or if `bands` is not a
        band set between 0.1 and 1000 micron.

    References
    ----------
    .. [1] da Cunha, Charlot & Elbaz 2008, MNRAS 388, 1595 (MAGPHYS).
    .. [2] Charlot & Fall 2000, ApJ 539, 718 (dust attenuation).
    .. [3] Driver et al. 2016, MNRAS 455, 3911 (GAMA's photometry).

    Examples
    --------
    >>> from sfml import make_mock_survey
    >>> X, y = make_mock_survey(100, n_templates=2000, random_state=0, return_X_y=True)
    >>> X.shape, list(y.columns)
    ((100, 43), ['stellar_mass', 'sfr', 'dust_luminosity'])
    """
    check_bands(bands)
    in_unit = flux_density_factor("Jy", bands.unit)
    seed = check_random_state(random_state).randint(2**31 - 1)
    sky, noise = np.random.default_rng(seed).spawn(2)
    survey = select_galaxies(sky, int(n_galaxies), bands)
    flux, error = observe(noise, survey.flux, bands)
    fitted = fit_percentiles(
        survey.redshift, flux, error, bands, n_templates=int(n_templates), n_jobs=n_jobs
    )
    measured = np.hstack([in_unit * flux, in_unit * error])
    measured[np.isnan(measured)] = bands.missing_codes[0] if bands.missing_codes else np.nan
    X = pd.DataFrame(np.column_stack([measured, survey.redshift]), columns=list(bands.columns))
    y = label_table(fitted, percentiles=percentiles or not return_X_y)
    if return_X_y:
        return X, y
    truth = {
        "true_log_mass": survey.log_mass,
        "true_log_sfr": survey.log_sfr,
        "true_log_ldust": survey.log_dust_luminosity,
    }
    catalogue = X.join(y.rename(columns=gama_columns(percentiles=True))).assign(**truth)
    catalogue.insert(0, "CATAID", np.arange(1, n_galaxies + 1))
    return catalogue
