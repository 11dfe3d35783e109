"""A simulated survey to train on: drawn once, or with fresh noise in every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, gen_batches

from sfml.bands import SAME_WAVELENGTH, BandSet
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

    See Also
    --------
    fit_library : Train with fresh noise in every epoch, which makes more of a small library.

    Notes
    -----
    Several galaxies may be one model with different noise: the index of X and y says which. Test on
    galaxies of other models, and give ``groups=X.index`` to `fit`, so that it calibrates intervals
    on galaxies of models that it has not learnt.

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
    _check_targets(library, targets, "Name others with targets=.")
    X, y = noise.observe(library, n, random_state)
    return X, y[list(targets)]


def fit_library(
    pipe: Any,
    library: ModelLibrary,
    noise: SurveyNoise,
    n: int | None = None,
    *,
    sample_rows: int = 200_000,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    """Fit a pipeline to a library of models that are observed anew in every epoch.

    All but the networks learns from one simulated survey, as in ``pipe.fit``: the features, the
    scaler, the intervals and the test for odd galaxies. The networks see every model with other
    noise and other gaps in each epoch, and so cannot learn the noise by heart.

    Parameters
    ----------
    pipe : StarFormationPipeline
        Pipeline whose regressors are networks (``method="mlp"``), for the bands of `noise`.
    library : ModelLibrary
        Models, with the pipeline's targets among their parameters.
    noise : SurveyNoise
        The survey's noise, gaps and selection.
    n : int, default=None
        Galaxies in each epoch; None for as many as there are models.
    sample_rows : int, default=200000
        Galaxies in the one survey that all else learns from, at most.
    random_state : int, RandomState or None, default=None
        Seeds models and noise; the networks' own seeds are `pipe`'s.

    Returns
    -------
    StarFormationPipeline
        `pipe`, fitted.

    Raises
    ------
    TypeError
        If `pipe`, `library` or `noise` is something else.
    ValueError
        If the pipeline's bands are in another unit or at other wavelengths than those of `noise`,
        the library lacks a target or a band, a regressor is no network, `n` or `sample_rows` is no
        whole number of at least 2, or as by ``fit``.

    See Also
    --------
    make_training_survey : The survey as a table, for any regressor.

    Notes
    -----
    Models whose galaxies are held back, to calibrate the intervals, are never learnt from.

    Examples
    --------
    >>> import sfml
    >>> from sfml.simulate import SurveyNoise, fit_library, mock_library
    >>> library = mock_library(300, random_state=0)
    >>> noise = SurveyNoise.from_depths({name: 22.0 for name in library.bands.names}, library.bands)
    >>> pipe = sfml.make_star_formation_pipeline(random_state=0)
    >>> pipe = pipe.set_params(**{f"regress__{target}__epochs": 3 for target in sfml.TARGETS})
    >>> pipe = fit_library(pipe, library, noise, random_state=0)
    >>> X, y = noise.observe(library, 5, random_state=1)
    >>> pipe.predict(X).shape
    (5, 3)
    """
    for name, given, wanted in (("library", library, ModelLibrary), ("noise", noise, SurveyNoise)):
        if not isinstance(given, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}; got {type(given).__name__}.")
    bands = getattr(pipe[0], "bands", None) if isinstance(pipe, Pipeline) else None
    if bands is None:
        raise TypeError(
            "pipe must be a pipeline as make_star_formation_pipeline makes it; got "
            f"{type(pipe).__name__}."
        )
    _check_same_bands(bands, noise.bands)
    n = len(library) if n is None else n
    for name, value in (("n", n), ("sample_rows", sample_rows)):
        if not isinstance(value, int | np.integer) or value < 2:
            raise ValueError(f"{name} must be a whole number of at least 2; got {value!r}.")
    targets = tuple(pipe[0].targets)
    _check_targets(library, targets, "Make the pipeline with targets=.")
    rng = check_random_state(random_state)
    survey = SimulatedSurvey(library, noise, targets, int(n), seed=rng.randint(2**31 - 1))
    X, y = make_training_survey(library, noise, int(min(n, sample_rows)), rng, targets=targets)
    last = pipe.steps[-1][0]
    with config_context(enable_metadata_routing=False):  # chunks are no metadata of the user's
        return pipe.fit(X, y, **{f"{last}__chunks": survey, f"{last}__groups": X.index})


class SimulatedSurvey:
    """A library as a survey would observe it, with other noise each time.

    A source of chunks for `sfml.pipeline.PipelineChunks`.

    Parameters
    ----------
    library : ModelLibrary
    noise : SurveyNoise
    targets : sequence of str
        Parameters that are labels.
    n_rows : int
        Galaxies in each epoch.
    seed : int
        Which noise and models, along with the seed of each epoch.
    chunk_rows : int, default=100000
        The most galaxies in one chunk.
    """

    def __init__(
        self,
        library: ModelLibrary,
        noise: SurveyNoise,
        targets: Sequence[str],
        n_rows: int,
        *,
        seed: int,
        chunk_rows: int = 100_000,
    ) -> None:
        self.library = library
        self.noise = noise
        self.targets = list(targets)
        self.n_rows = n_rows
        self.seed = seed
        self.chunk_rows = min(chunk_rows, n_rows)

    def chunks(self, seed: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, pd.Index]]:
        """Give X, y and the models of an epoch's galaxies."""
        seeds = np.random.SeedSequence([self.seed, seed])
        rng = np.random.RandomState(np.random.MT19937(seeds))
        for rows in gen_batches(self.n_rows, self.chunk_rows):
            X, y = self.noise.observe(self.library, rows.stop - rows.start, rng)
            yield X, y[self.targets], X.index


def _check_same_bands(bands: BandSet, simulated: BandSet) -> None:
    """Raise if the pipeline would read simulated fluxes in another unit, or of other filters."""
    mend = "Make the pipeline with the same bands, or with some of them: bands=noise.bands."
    if bands.unit != simulated.unit:
        raise ValueError(
            f"The pipeline's bands are in {bands.unit!r}, those of the noise in "
            f"{simulated.unit!r}. {mend}"
        )
    known = dict(zip(simulated.flux_columns, simulated.wavelengths, strict=True))
    for column, wavelength in zip(bands.flux_columns, bands.wavelengths, strict=True):
        other = known.get(column)
        if other is None or abs(other - wavelength) > SAME_WAVELENGTH * wavelength:
            found = "there is none" if other is None else f"it is at {other:g} micron"
            raise ValueError(
                f"The pipeline has {column!r} at {wavelength:g} micron; among the bands of the "
                f"noise {found}. {mend}"
            )


def _check_targets(library: ModelLibrary, targets: Sequence[str], mend: str) -> None:
    lacking = [name for name in targets if name not in library.parameters]
    if lacking:
        raise ValueError(
            f"The library has no parameter {', '.join(lacking)}; it has "
            f"{', '.join(library.parameters)}. {mend}"
        )
