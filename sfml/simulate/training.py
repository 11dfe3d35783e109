"""A simulated survey to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sfml.simulate.library import ModelLibrary
from sfml.simulate.noise import SurveyNoise
from sfml.targets import TARGETS


def make_training_survey(
    library: ModelLibrary,
    noise: SurveyNoise,
    n: int,
    random_state: int | np.random.RandomState | None = None,
    *,
    targets: Sequence[str] = TARGETS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a labelled catalogue from a library of models and a survey's noise.

    ``make_star_formation_pipeline(bands=noise.bands).fit(X, y)`` learns from it what an SPS code
    with the library's prior would say: its intervals are those of the posterior.

    Parameters
    ----------
    library : ModelLibrary
        Models, with the targets among their parameters.
    noise : SurveyNoise
        The survey's noise, gaps and selection.
    n : int
        Number of galaxies.
    random_state : int, RandomState instance or None, default=None
        Which models and which noise; an int gives the same rows every time.
    targets : sequence of str, default=("stellar_mass", "sfr", "dust_luminosity")
        Parameters to learn.

    Returns
    -------
    X : DataFrame of shape (n, 2 * n_bands + 1)
        Fluxes, errors and redshift, as `SurveyNoise.observe` makes them.
    y : DataFrame of shape (n, n_targets)
        The targets: true values, without error.

    Raises
    ------
    ValueError
        If the library lacks a target or a band, or no model of it would be in the survey.

    Notes
    -----
    Several galaxies may be one model with different noise: the index of X and y says which. Test on
    galaxies of other models. `n` is best not much larger than the library: `fit` calibrates the
    intervals on galaxies that it holds back, some of which are then of models that it has learnt.

    Examples
    --------
    >>> from sfml import make_star_formation_pipeline
    >>> from sfml.simulate import SurveyNoise, make_training_survey, mock_library
    >>> library = mock_library(400, random_state=0)
    >>> depths = {name: 22.0 for name in library.bands.names}
    >>> noise = SurveyNoise.from_depths(depths, library.bands)
    >>> X, y = make_training_survey(library, noise, 300, random_state=0)
    >>> pipe = make_star_formation_pipeline(method="random_forest", random_state=0).fit(X, y)
    >>> pipe.predict(X[:2]).shape
    (2, 3)
    """
    lacking = [name for name in targets if name not in library.parameters]
    if lacking:
        raise ValueError(
            f"The library has no parameter {', '.join(lacking)}; it has "
            f"{', '.join(library.parameters)}. Name others with targets=."
        )
    X, y = noise.observe(library, n, random_state)
    return X, y[list(targets)]
