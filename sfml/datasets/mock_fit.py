"""The mock survey's own SPS code: for examples and tests of the triage loop, never for science."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.compat import Interval, validate_params
from sfml.datasets.fitter import FEWEST_TEMPLATES, PERCENTILES, fit_percentiles
from sfml.datasets.labels import label_table
from sfml.datasets.photometry import check_bands
from sfml.photometry import Layout, read_photometry
from sfml.tables.units import flux_density_factor

# The library's youngest galaxies are older than the Universe not much farther out.
_FARTHEST = 0.6


@validate_params(
    {
        "X": "no_validation",
        "bands": [BandSet],
        "n_templates": [Interval(Integral, FEWEST_TEMPLATES, None, closed="left")],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def fit_mock_templates(
    X: Any, *, bands: BandSet = GAMA, n_templates: int = 30_000, n_jobs: int | None = None
) -> pd.DataFrame:
    """Fit galaxies with the templates that `make_mock_survey` fits its own with.

    This stands for an SPS code such as MAGPHYS wherever one is not at hand: the same chi^2 fit of
    the photometry against the same library gives a mock galaxy the very labels of
    `make_mock_survey`. The models are analytic and coarse: **for examples and tests, never for
    science.**

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, 2 * n_bands + 1)
        Fluxes, errors and the redshift, in the columns of `bands`.
    bands : BandSet, default=GAMA
        Bands to fit, with the layout, unit and missing codes of X.
    n_templates : int, default=30_000
        Size of the library, at least 1,000. The labels are those of a survey made with the same
        number.
    n_jobs : int or None, default=None
        Number of threads: None means 1 and -1 all processors.

    Returns
    -------
    DataFrame of shape (n_galaxies, 9)
        The medians ``stellar_mass``, ``sfr`` and ``dust_luminosity`` in dex (Msun, Msun/yr,
        Lsun), then the 16th and 84th percentiles ``stellar_mass_p16``, ``stellar_mass_p84``, ...,
        with the index of X if it is a DataFrame. NaN for a galaxy without any measurement, or
        whose redshift is missing or not above 0 and up to 0.6.

    Raises
    ------
    TypeError, ValueError
        If `n_templates` is not an integer or too small, `bands` is not a band set between 0.1 and
        1000 micron, or X lacks columns.

    References
    ----------
    .. [1] da Cunha, Charlot & Elbaz 2008, MNRAS 388, 1595, section 3 (the method).

    Examples
    --------
    >>> from sfml.datasets import fit_mock_templates, make_mock_survey
    >>> X, y = make_mock_survey(50, n_templates=1000, random_state=0, return_X_y=True)
    >>> fitted = fit_mock_templates(X, n_templates=1000)
    >>> bool((fitted["sfr"] == y["sfr"]).all())
    True
    """
    check_bands(bands)
    in_unit = flux_density_factor("Jy", bands.unit)
    flux, error, redshift, _ = read_photometry(X, Layout(bands))
    assert error is not None
    assert redshift is not None
    rows = np.flatnonzero((redshift > 0) & (redshift <= _FARTHEST))
    fitted = np.full((3, len(flux), len(PERCENTILES)), np.nan)
    fitted[:, rows] = fit_percentiles(
        redshift[rows],
        flux[rows] / in_unit,
        error[rows] / in_unit,
        bands,
        n_templates=int(n_templates),
        n_jobs=n_jobs,
    )
    index = tables.row_index(X)
    labels = label_table(fitted, percentiles=True)
    return labels if index is None else labels.set_axis(index, axis=0)
