"""Bagpipes' models, one after the other with one model object, and what is learnt of each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from io import StringIO
from typing import Any

import numpy as np

from sfml.simulate.checks import LOWEST_SSFR
from sfml.simulate.curves import EXTRA
from sfml.simulate.prior import BagpipesPrior

_SOLAR_LUMINOSITY = 3.826e33  # erg/s, as Bagpipes has it
_INFRARED = (8e4, 1e7)  # Angstrom
_MICROJANSKY = 1e-6


def import_bagpipes() -> Any:
    """Import Bagpipes without what it prints, or name the extra that brings it."""
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import bagpipes
    except ImportError as missing:
        raise ImportError(
            f"This needs Bagpipes and its grids, which are not installed: {EXTRA}."
        ) from missing
    return bagpipes


class ModelMaker:
    """Makes models in the filters of some files, one after the other.

    A model object takes half a second to make and some milliseconds to update, for as long as the
    components (not their numbers) stay the same.

    Parameters
    ----------
    curves : sequence of str
        Files of the filter curves.
    """

    def __init__(self, curves: Sequence[str]) -> None:
        self.curves = list(curves)
        self._model: Any = None

    def make(self, components: dict[str, Any]) -> tuple[np.ndarray, dict[str, float]]:
        """Make a model; its fluxes in Jy, (n_bands,), and what `read_parameters` finds."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what is not finite is looked for in the results
            if self._model is None:
                self._model = self._first(components)
            else:
                self._model.update(components)
            flux = np.atleast_1d(self._model.photometry) * _MICROJANSKY
            return flux, read_parameters(self._model, components)

    def _first(self, components: dict[str, Any]) -> Any:
        bagpipes = import_bagpipes()
        try:
            model = bagpipes.model_galaxy(components, filt_list=self.curves, phot_units="mujy")
            _make_quicker(model)
            return model
        except Exception as error:
            raise ValueError(
                f"Bagpipes refuses a model of this prior: {type(error).__name__}: {error}. The "
                f"model was {components}."
            ) from error


def _make_quicker(model: Any) -> None:
    """Save a third of the time of each update; the fluxes stay the same to the last bit.

    Grids lie in memory as they are read, one metallicity (and ionisation parameter) after the
    other; magnitudes in U, V and J, which nobody asks for here, are not computed.
    """
    nebular, stars, igm = model.nebular, model.stellar, model.igm
    for name in ("combined_grid", "line_grid"):
        grid = getattr(nebular, name).transpose(1, 2, 0, 3)
        setattr(nebular, name, np.ascontiguousarray(grid).transpose(2, 0, 1, 3))
    stars.grid = np.ascontiguousarray(stars.grid.transpose(1, 0, 2)).transpose(1, 0, 2)
    igm.grid = np.asfortranarray(igm.grid)
    model._calculate_uvj_mags = _nothing


def _nothing() -> None:
    """Compute nothing."""


def read_parameters(model: Any, components: Mapping[str, Any]) -> dict[str, float]:
    """Read the properties of a model galaxy that sfml has names for, in its units."""
    history = model.sfh
    mass = float(history.stellar_mass)
    sfr = float(np.log10(max(history.sfr, LOWEST_SSFR * 10**mass)))
    inside = (model.wavelengths >= _INFRARED[0]) & (model.wavelengths <= _INFRARED[1])
    power = np.trapezoid(model.spectrum_full[inside], model.wavelengths[inside])
    to_solar = model.lum_flux * (1 + components["redshift"]) / _SOLAR_LUMINOSITY
    return {
        "stellar_mass": mass,
        "sfr": sfr,
        "dust_luminosity": float(np.log10(power * to_solar)),
        "ssfr": sfr - mass,
        "mass_weighted_age": float(history.mass_weighted_age),
    }


def make_models(
    prior: BagpipesPrior, values: Mapping[str, np.ndarray], curves: tuple[str, ...]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make models of a prior: fluxes in Jy, (n_models, n_bands), and their properties.

    `values` are the prior's parameters, of shape (n_models,) each. The model object is kept in the
    process for the next call with the same curves, history and dust law.
    """
    maker = _maker(curves, prior.history, prior.dust_law)
    n_models = len(values["redshift"])
    made = [
        maker.make(prior.components({name: column[k] for name, column in values.items()}))
        for k in range(n_models)
    ]
    properties = {name: np.array([each[name] for _, each in made]) for name in made[0][1]}
    return np.array([flux for flux, _ in made]), properties


@lru_cache(maxsize=2)
def _maker(curves: tuple[str, ...], history: str, dust_law: str) -> ModelMaker:
    return ModelMaker(curves)
