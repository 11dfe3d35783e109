"""A library of the mock survey's own models: for examples and tests, never for science."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.bands import GAMA, BandSet
from sfml.compat import Interval, validate_params
from sfml.datasets.photometry import check_bands
from sfml.datasets.survey import select_galaxies
from sfml.simulate.library import ModelLibrary

_PRIOR = {
    "models": "those of sfml.make_mock_survey: analytic and coarse, for examples and tests",
    "stellar_mass": "Baldry et al. (2012), log10 from 8 to 12.2",
    "redshift": "comoving volume, 0.002 to 0.55",
    "selection": "r < 19.8 (AB), without noise",
    "history": "exponential with quenching and bursts",
    "dust": "Charlot & Fall (2000) in energy balance",
}


@validate_params(
    {
        "n": [Interval(Integral, 1, None, closed="left")],
        "bands": [BandSet],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def mock_library(
    n: int, bands: BandSet = GAMA, *, random_state: int | np.random.RandomState | None = None
) -> ModelLibrary:
    """Make a library of the model galaxies of `sfml.make_mock_survey`, without noise.

    The models are analytic and coarse: **for examples and tests, never for science.**

    Parameters
    ----------
    n : int
        Number of models, all brighter than r = 19.8.
    bands : BandSet, default=GAMA
        Bands, between 0.1 and 1000 micron.
    random_state : int, RandomState instance or None, default=None
        Which galaxies: those that `sfml.make_mock_survey` draws with the same int.

    Returns
    -------
    ModelLibrary
        With the parameters `sfml.TARGETS`: the true stellar mass, SFR and dust luminosity, in dex.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a positive integer, or `bands` is not a band set between 0.1 and 1000 micron.

    Examples
    --------
    >>> from sfml.simulate import mock_library
    >>> library = mock_library(200, random_state=0)
    >>> library.flux.shape, list(library.parameters)
    ((200, 21), ['stellar_mass', 'sfr', 'dust_luminosity'])
    """
    check_bands(bands)
    seed = check_random_state(random_state).randint(2**31 - 1)
    sky, _ = np.random.default_rng(seed).spawn(2)  # as make_mock_survey does
    models = select_galaxies(sky, int(n), bands)
    parameters = pd.DataFrame(
        {
            "stellar_mass": models.log_mass,
            "sfr": models.log_sfr,
            "dust_luminosity": models.log_dust_luminosity,
        }
    )
    return ModelLibrary(bands, models.flux, models.redshift, parameters, prior=_PRIOR)
