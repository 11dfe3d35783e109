"""The posterior of one galaxy, by Bagpipes' likelihood and its sampler nautilus."""

from __future__ import annotations

import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from sfml.simulate import BagpipesPrior
from sfml.simulate.bagpipes_models import import_bagpipes, read_parameters

_N_SAMPLES = 500  # as in Bagpipes


class Measured(NamedTuple):
    """A galaxy as it is fitted: its measured bands alone."""

    redshift: float
    flux: np.ndarray  # (n_bands,), in uJy
    error: np.ndarray
    curves: tuple[str, ...]


def sample_posterior(
    galaxy: Measured,
    *,
    prior: BagpipesPrior,
    n_live: int,
    n_networks: int,
    time_limit: float,
    seed: int | None,
) -> dict[str, np.ndarray]:
    """Sample the posterior of a galaxy.

    Returns the properties of up to 500 equally probable models, (n_samples,) each, and chi2 of the
    best, n_bands, seconds of processor time, and n_models, the number of models that were made.
    Raises TimeoutError if it takes too long.
    """
    import_bagpipes()  # its seconds are not the galaxy's
    start = process_time()
    with (
        redirect_stdout(StringIO()),  # Bagpipes prints
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        threadpool_limits(limits=1),
    ):
        warnings.simplefilter("ignore")
        fitted = _fitted_model(galaxy, prior)
        sampler = _run(fitted, n_live, n_networks, time_limit, seed)
        points = _equal_weight(sampler, seed)
        properties, chi2 = _properties_of(fitted, points)
    numbers = {"chi2": chi2, "n_bands": len(galaxy.flux), "n_models": sampler.n_like}
    numbers["seconds"] = process_time() - start
    return properties | {name: np.array(value) for name, value in numbers.items()}


def _fitted_model(galaxy: Measured, prior: BagpipesPrior) -> Any:
    bagpipes = import_bagpipes()
    photometry = np.column_stack([galaxy.flux, galaxy.error])
    data = bagpipes.galaxy(
        "galaxy",
        lambda name: photometry,
        spectrum_exists=False,
        filt_list=list(galaxy.curves),
        phot_units="mujy",
        out_units="mujy",
    )
    return bagpipes.fitting.fitted_model(data, prior.fit_instructions(galaxy.redshift))


def _run(fitted: Any, n_live: int, n_networks: int, time_limit: float, seed: int | None) -> Any:
    """Run nautilus as `bagpipes.fit` does, but with a seed, a time limit, and without files."""
    from nautilus import Sampler

    sampler = Sampler(
        fitted.prior.transform,
        fitted.lnlike,
        n_dim=fitted.ndim,
        n_live=n_live,
        n_networks=n_networks,
        seed=seed,
    )
    if not sampler.run(n_eff=0, discard_exploration=False, timeout=time_limit, verbose=False):
        raise TimeoutError(f"not finished after {time_limit:g} s; raise time_limit")
    return sampler


def _equal_weight(sampler: Any, seed: int | None) -> np.ndarray:
    """Draw equally probable points, as many as there are up to 500."""
    points, log_weight, _ = sampler.posterior()
    weight = np.exp(log_weight - log_weight.max())
    effective = weight.sum() ** 2 / (weight**2).sum()
    rng = np.random.default_rng(seed)
    n_samples = int(np.clip(effective, 50, _N_SAMPLES))
    return points[_stratified(weight / weight.sum(), n_samples, rng)]


def _stratified(weight: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows by weight, with less chance than independent draws have."""
    levels = (np.arange(n) + rng.random(n)) / n
    return np.minimum(np.searchsorted(np.cumsum(weight), levels), len(weight) - 1)


def _properties_of(fitted: Any, points: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """Properties of the models at some points, and the smallest chi^2 among them."""
    found, chi2 = [], np.inf
    for point in points:
        fitted.lnlike(point)
        chi2 = min(chi2, float(fitted.chisq_phot))
        components = deepcopy(fitted.model_components)
        found.append(read_parameters(fitted.model_galaxy, components))
    return {name: np.array([each[name] for each in found]) for name in found[0]}, chi2
