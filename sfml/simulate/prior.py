"""What Bagpipes' models are drawn from, and its own fits too: one prior for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.features.cosmology import age
from sfml.simulate.checks import REDSHIFT
from sfml.simulate.distributions import LogUniform, Uniform, as_distribution, in_words, limits_of

_HISTORY = "history"  # stands for the component that the history is in Bagpipes
# A history may begin so soon after the Big Bang, as a fraction of the age of the universe:
# Bagpipes interpolates that age in a table and refuses histories that begin before.
_EARLIEST = 0.999


class _Parameter(NamedTuple):
    """A parameter: where Bagpipes has it, its unit, the code's limits, and its default."""

    component: str
    key: str
    unit: str
    low: float
    high: float
    default: Uniform | float
    # The highest value as a multiple of the age of the universe at the galaxy's redshift.
    ages: float = np.inf


# Draine & Li's (2007) grids end at 0.1 and 25 (umin), 0.1 and 4.58 (qpah), and Bagpipes reads the
# wrong columns at the ends themselves.
_PARAMETERS = {
    REDSHIFT: _Parameter("", "redshift", "", 1e-4, 10, Uniform(0.01, 0.5)),
    "log_mass_formed": _Parameter(_HISTORY, "massformed", "dex (Msun)", 0, 16, Uniform(7.0, 12.5)),
    "metallicity": _Parameter(_HISTORY, "metallicity", "solar", 0.005, 5, LogUniform(0.1, 2.25)),
    "A_V": _Parameter("dust", "Av", "mag", 0, 30, LogUniform(0.02, 4.0)),
    "birth_cloud": _Parameter("dust", "eta", "", 1, 20, Uniform(1.0, 4.0)),
    "umin": _Parameter("dust", "umin", "Habing", 0.1001, 24.999, LogUniform(0.11, 24.9)),
    "qpah": _Parameter("dust", "qpah", "%", 0.1001, 4.5799, Uniform(0.5, 4.57)),
    "gamma": _Parameter("dust", "gamma", "", 0, 1, LogUniform(0.001, 0.5)),
    "log_u": _Parameter("nebular", "logU", "dex", -4, 0, Uniform(-3.9, -2.0)),
}
_OF_HISTORY = {
    "delayed": {
        "age": _Parameter(_HISTORY, "age", "Gyr", 0.01, 13.8, Uniform(0.1, 13.5), _EARLIEST),
        "tau": _Parameter(_HISTORY, "tau", "Gyr", 0.01, 1000, LogUniform(0.1, 10.0)),
    },
    "lognormal": {
        "tmax": _Parameter(_HISTORY, "tmax", "Gyr", 0.05, 13.8, Uniform(0.5, 13.5), 1.0),
        "fwhm": _Parameter(_HISTORY, "fwhm", "Gyr", 0.05, 100, LogUniform(0.3, 20.0)),
    },
    "double_power_law": {
        "tau": _Parameter(_HISTORY, "tau", "Gyr", 0.05, 20, Uniform(0.2, 13.5), 1.49),
        "alpha": _Parameter(_HISTORY, "alpha", "", 0.01, 1000, LogUniform(0.1, 100.0)),
        "beta": _Parameter(_HISTORY, "beta", "", 0.01, 1000, LogUniform(0.1, 100.0)),
    },
}
_OF_DUST = {
    "CF00": {"dust_slope": _Parameter("dust", "n", "", 0, 3, Uniform(0.4, 1.2))},
    "Calzetti": {},
}
_CODE_NAMES = {"delayed": "delayed", "lognormal": "lognormal", "double_power_law": "dblplaw"}


@dataclass(frozen=True, init=False, repr=False)
class BagpipesPrior:
    """The prior of Bagpipes' models: what a library is drawn from, and what its own fits assume.

    Stars are those of Bruzual & Charlot (2003) with the MILES library, nebulae Cloudy's, and dust
    absorbs and emits (Draine & Li 2007) the same energy.

    Parameters
    ----------
    history : {"delayed", "lognormal", "double_power_law"}, default="delayed"
        Star-formation history: ``t exp(-t / tau)`` since `age` before the galaxy is seen; a
        log-normal in time; or a double power law in time.
    dust_law : {"CF00", "Calzetti"}, default="CF00"
        Charlot & Fall's (2000) power law, or Calzetti et al.'s (2000).
    **parameters : Uniform, LogUniform or float
        Parameters that differ from the default (see Notes): a distribution, or a number at which
        one is held.

    Attributes
    ----------
    parameters : dict of str to Uniform, LogUniform or float
        All parameters by name.
    free : tuple of str
        Names of those that are not held at a number.
    units : dict of str to str
        Units of all parameters.

    Raises
    ------
    ValueError
        If there is no such history, dust law or parameter, limits are beyond those of Bagpipes, or
        a history would begin before the Big Bang.

    Notes
    -----
    ===================  ============================  ============================================
    parameter            default                       meaning
    ===================  ============================  ============================================
    redshift             Uniform(0.01, 0.5)
    log_mass_formed      Uniform(7, 12.5)              dex (Msun), of all stars ever formed
    metallicity          LogUniform(0.1, 2.25)         of stars and gas, solar units
    age                  Uniform(0.1, 13.5)            Gyr; "delayed" alone
    tau                  LogUniform(0.1, 10)           Gyr; of "double_power_law" Uniform(0.2, 13.5)
    tmax, fwhm           Uniform(0.5, 13.5),           Gyr; "lognormal" alone: time of the peak
                         LogUniform(0.3, 20)           since the Big Bang, and full width
    alpha, beta          LogUniform(0.1, 100)          slopes of the fall and the rise;
                                                       "double_power_law" alone
    A_V                  LogUniform(0.02, 4)           mag, of the diffuse dust
    dust_slope           Uniform(0.4, 1.2)             of attenuation with wavelength; "CF00" alone
    birth_cloud          Uniform(1, 4)                 attenuation of stars younger than 10 Myr, in
                                                       units of that of older stars
    umin                 LogUniform(0.11, 24.9)        radiation field that heats most of the dust
    qpah                 Uniform(0.5, 4.57)            per cent of dust mass in PAHs
    gamma                LogUniform(0.001, 0.5)        fraction of dust heated more strongly
    log_u                Uniform(-3.9, -2)             ionisation parameter of nebulae
    ===================  ============================  ============================================

    No history begins before the Big Bang: at each redshift the range of `age` ends at the age of
    the universe (0.999 of it), that of `tmax` at that age too, and that of the `tau` of a double
    power law at 1.49 times it, as Bagpipes demands.

    References
    ----------
    Carnall et al. 2018, MNRAS 480, 4379 (Bagpipes).

    Examples
    --------
    >>> from sfml.simulate import BagpipesPrior, Uniform
    >>> prior = BagpipesPrior(redshift=Uniform(0.02, 0.1), birth_cloud=2)
    >>> prior.draw(3, random_state=0)[["redshift", "birth_cloud"]].round(3).shape
    (3, 2)
    >>> prior.fit_instructions(0.05)["dust"]["eta"]
    2.0
    """

    history: str
    dust_law: str
    parameters: dict[str, Uniform | float]

    def __init__(
        self, history: str = "delayed", dust_law: str = "CF00", **parameters: Uniform | float
    ) -> None:
        for kind, value, known in (
            ("history", history, _OF_HISTORY),
            ("dust_law", dust_law, _OF_DUST),
        ):
            if value not in known:
                raise ValueError(f"{kind} must be one of {', '.join(known)}; got {value!r}.")
        known_here = {**_PARAMETERS, **_OF_HISTORY[history], **_OF_DUST[dust_law]}
        for name in parameters:
            _check_known(name, known_here)
        chosen = {name: parameters.get(name, each.default) for name, each in known_here.items()}
        values = {name: as_distribution(name, value) for name, value in chosen.items()}
        object.__setattr__(self, "history", history)
        object.__setattr__(self, "dust_law", dust_law)
        object.__setattr__(self, "parameters", values)
        for name in values:
            self._check_limits(name)

    def _known(self) -> dict[str, _Parameter]:
        return {**_PARAMETERS, **_OF_HISTORY[self.history], **_OF_DUST[self.dust_law]}

    def _check_limits(self, name: str) -> None:
        known, (low, high) = self._known()[name], limits_of(self.parameters, name)
        if low < known.low or high > known.high:
            raise ValueError(
                f"{name} must lie between {known.low:g} and {known.high:g} in Bagpipes; got "
                f"{in_words(self.parameters[name], known.unit)}."
            )
        if not np.isfinite(known.ages):
            return
        highest = limits_of(self.parameters, REDSHIFT)[1]
        most = known.ages * float(age(np.array(highest)))
        is_free = isinstance(self.parameters[name], Uniform)
        if low > most or (is_free and low >= most):
            raise ValueError(
                f"{name} is {in_words(self.parameters[name], known.unit)}, but at redshift "
                f"{highest:g}, the prior's highest, it may be {most:.3g} Gyr at most: the universe "
                "is no older. Lower it, or the redshifts."
            )

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are drawn."""
        return tuple(n for n, value in self.parameters.items() if isinstance(value, Uniform))

    @property
    def units(self) -> dict[str, str]:
        """Unit of each parameter; "" for a number without unit."""
        return {name: known.unit for name, known in self._known().items()}

    def describe(self) -> dict[str, str]:
        """Describe the prior in words, as a library's file holds it.

        Returns
        -------
        dict of str to str
            The history, the dust law, and the distribution of each parameter.
        """
        words = {n: in_words(value, self.units[n]) for n, value in self.parameters.items()}
        return {"history": self.history, "dust_law": self.dust_law, **words}

    def __repr__(self) -> str:
        lines = [f"  {name}: {text}" for name, text in self.describe().items()]
        return "\n".join([f"BagpipesPrior: {len(self.free)} free parameters", *lines])

    def draw(self, n: int, random_state: int | np.random.RandomState | None = None) -> pd.DataFrame:
        """Draw parameters, which fill their space more evenly than random ones.

        Parameters
        ----------
        n : int
            How many models.
        random_state : int, RandomState instance or None, default=None
            Seeds the scrambling of the Sobol sequence.

        Returns
        -------
        DataFrame of shape (n, n_parameters)
            One row per model; parameters that are held are columns too.
        """
        from scipy.stats import qmc

        seed = int(check_random_state(random_state).randint(2**31 - 1))
        levels: dict[str, Any] = {}
        if self.free:
            sequence = qmc.Sobol(len(self.free), scramble=True, seed=seed)
            # A sequence is balanced over a power of 2 alone; its first n points are nearly so.
            points = sequence.random_base2(max(0, int(n - 1).bit_length()))[:n]
            levels = dict(zip(self.free, points.T, strict=True))
        drawn: dict[str, np.ndarray] = {}
        for name, value in self.parameters.items():  # the redshift comes first
            if isinstance(value, Uniform):
                drawn[name] = value.quantile(levels[name], self._most(name, drawn.get(REDSHIFT)))
            else:
                drawn[name] = np.full(n, value)
        return pd.DataFrame(drawn)

    def _most(self, name: str, redshift: Any) -> Any:
        """Highest value at a redshift; infinity for parameters whose limit is the prior's own."""
        ages = self._known()[name].ages
        return ages * age(redshift) if np.isfinite(ages) else np.inf

    def components(self, values: Mapping[str, float]) -> dict[str, Any]:
        """Arrange the parameters of one model as Bagpipes' ``model_components``.

        Parameters
        ----------
        values : mapping of str to float
            Parameters by name, such as a row of `draw`.

        Returns
        -------
        dict
            What ``bagpipes.model_galaxy`` takes.
        """
        return self._arranged({name: float(values[name]) for name in self.parameters})

    def fit_instructions(self, redshift: float | None = None) -> dict[str, Any]:
        """Write the prior as Bagpipes' own fits take it.

        Parameters
        ----------
        redshift : float or None, default=None
            The galaxy's redshift, which is held. None: it is fitted too, and Bagpipes gives models
            that begin before the Big Bang no likelihood.

        Returns
        -------
        dict
            What ``bagpipes.fit`` takes.

        Examples
        --------
        >>> from sfml.simulate import BagpipesPrior
        >>> instructions = BagpipesPrior().fit_instructions(redshift=0.1)
        >>> instructions["redshift"], instructions["delayed"]["massformed"]
        (0.1, (7.0, 12.5))
        """
        entries: dict[str, Any] = {}
        for name, value in self.parameters.items():
            if name == REDSHIFT and redshift is not None:
                entries[name] = float(redshift)
            elif isinstance(value, Uniform):
                most = np.inf if redshift is None else self._most(name, np.array(redshift))
                entries[name] = (value.low, float(min(value.high, most)))
            else:
                entries[name] = value
        arranged = self._arranged(entries)
        for name, value in self.parameters.items():
            known = self._known()[name]
            if isinstance(value, Uniform) and isinstance(entries[name], tuple):
                where = arranged[self._component(known)] if known.component else arranged
                where[f"{known.key}_prior"] = value.code_name
        return arranged

    def _arranged(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        arranged: dict[str, Any] = {"dust": {"type": self.dust_law}}
        for name, known in self._known().items():
            component = self._component(known)
            where = arranged.setdefault(component, {}) if component else arranged
            where[known.key] = entries[name]
        return arranged

    def _component(self, known: _Parameter) -> str:
        return _CODE_NAMES[self.history] if known.component == _HISTORY else known.component


def _check_known(name: str, known: Mapping[str, _Parameter]) -> None:
    if name in known:
        return
    if any(name in each for each in (*_OF_HISTORY.values(), *_OF_DUST.values())):
        hint = " It belongs to another history or dust law."
    else:
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"This prior has no parameter {name!r}; it has {', '.join(known)}.{hint}")
