"""What a survey does to galaxies: noise, gaps, and whom it selects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml import tables
from sfml.bands import BandSet
from sfml.io import read_catalogue
from sfml.io.formats import is_path
from sfml.photometry import Layout, read_photometry
from sfml.photometry.missing import DETECTION
from sfml.simulate.errors import ErrorModel
from sfml.simulate.gaps import Gaps, code_of
from sfml.simulate.library import ModelLibrary
from sfml.simulate.limits import FluxLimit, Redshifts, flux_of
from sfml.simulate.models import choose_models
from sfml.tables.units import flux_density_factor

FEWEST = 100
"""Galaxies that must be measured in each band, to learn its noise."""


@dataclass(frozen=True, eq=False, repr=False)
class SurveyNoise:
    """What a survey does to the light of galaxies, learnt from a catalogue without labels.

    `fit` and `from_depths` make it; `observe` gives a library's models the noise of the survey.

    Parameters
    ----------
    bands : BandSet
        Bands, and the layout and unit of the tables that `observe` makes.
    errors : ErrorModel
        Errors as a function of flux in each band, with their scatter and correlation.
    gaps : Gaps
        Patterns of missing bands, the code for them, and how non-detections are reported.
    limit : FluxLimit or None, default=None
        Flux limit of the selection; None: every galaxy is in.
    redshifts : Redshifts or None, default=None
        Distribution of redshifts; None: that of the library.

    Examples
    --------
    >>> from sfml import GAMA, make_mock_survey
    >>> from sfml.simulate import SurveyNoise, mock_library
    >>> X, _ = make_mock_survey(400, n_templates=1000, random_state=0, return_X_y=True)
    >>> noise = SurveyNoise.fit(X, GAMA.only("u", "g", "r", "i", "z"))
    >>> noise.selection[0]
    'r'
    >>> X_simulated, y = noise.observe(mock_library(500, random_state=1), 300, random_state=0)
    >>> X_simulated.shape, y.shape
    ((300, 11), (300, 3))
    """

    bands: BandSet
    errors: ErrorModel
    gaps: Gaps
    limit: FluxLimit | None = None
    redshifts: Redshifts | None = None

    @classmethod
    def fit(
        cls, catalogue: Any, bands: BandSet, *, selection_band: str | None = None
    ) -> SurveyNoise:
        """Learn from a catalogue, which needs no labels.

        Parameters
        ----------
        catalogue : path or table of shape (n_galaxies, n_columns)
            Fluxes, errors and redshifts of galaxies, in the columns and the unit of `bands`.
        bands : BandSet
            The survey's bands.
        selection_band : str or None, default=None
            Band in which the galaxies were selected. None: the one whose magnitudes end most
            sharply at the faint end, if one does within half a magnitude.

        Returns
        -------
        SurveyNoise

        Raises
        ------
        ValueError
            If columns are absent, or fewer than 100 galaxies have a redshift, or are measured in
            one of the bands.

        Warns
        -----
        UserWarning
            If fewer than 100 galaxies are detected (at 3 sigma) in a band: the errors of brighter
            galaxies are extrapolated there.
        """
        X = read_catalogue(catalogue, bands) if is_path(catalogue) else catalogue
        photometry = read_photometry(X, Layout(bands))
        flux, error, redshift, _ = photometry
        assert error is not None
        assert redshift is not None
        known = np.isfinite(redshift) & (redshift > 0)
        if known.sum() < FEWEST:
            raise ValueError(
                f"Noise is learnt from at least {FEWEST} galaxies with a redshift above 0; the "
                f"catalogue has {known.sum()} among {len(known)} rows."
            )
        in_jansky = flux_density_factor(bands.unit, "Jy")
        flux, error = in_jansky * flux[known], in_jansky * error[known]
        _check_enough(flux, error, bands)
        selected_in = None if selection_band is None else _position(bands, selection_band)
        return cls(
            bands,
            ErrorModel.learn(flux, error),
            Gaps.learn(flux, error, code_of(X, bands)),
            FluxLimit.learn(flux, selected_in),
            Redshifts.learn(redshift[known]),
        )

    @classmethod
    def from_depths(
        cls,
        depths: Mapping[str, float],
        bands: BandSet,
        *,
        relative_error: float = 0.02,
        scatter: float = 0.1,
        selection: tuple[str, float] | None = None,
    ) -> SurveyNoise:
        """Make the noise of a survey from its published depths alone.

        Every band is observed; redshifts are those of the library.

        Parameters
        ----------
        depths : mapping of str to float
            5-sigma depth of each band, in AB magnitudes.
        bands : BandSet
            The survey's bands, and the layout of its tables.
        relative_error : float, default=0.02
            Error of bright fluxes, as a fraction of the flux.
        scatter : float, default=0.1
            Scatter of the errors from galaxy to galaxy, in their natural logarithm.
        selection : (str, float) or None, default=None
            Band and faintest AB magnitude of the galaxies to be observed.

        Returns
        -------
        SurveyNoise

        Raises
        ------
        ValueError
            If there is not one depth per band, one is no AB magnitude between 0 and 40,
            `relative_error` or `scatter` is not in [0, 1), or the band of `selection` is unknown.

        Examples
        --------
        >>> from sfml import BandSet
        >>> from sfml.simulate import SurveyNoise, mock_library
        >>> bands = BandSet(["g", "r"], [0.48, 0.62], unit="nJy")
        >>> noise = SurveyNoise.from_depths({"g": 27.4, "r": 27.5}, bands)
        >>> X, y = noise.observe(mock_library(50, bands, random_state=0), 10, random_state=0)
        >>> bool((X["r_flux"] > 10 * X["r_fluxerr"]).all())
        True
        """
        _check_depths(depths, bands)
        for name, value in (("relative_error", relative_error), ("scatter", scatter)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1; got {value!r}.")
        faint = np.array([flux_of(depths[name]) / 5 for name in bands.names])
        code = float(bands.missing_codes[0]) if bands.missing_codes else np.nan
        limit = None
        if selection is not None:
            limit = FluxLimit.at(_position(bands, selection[0]), float(selection[1]))
        model = ErrorModel.from_depths(faint, relative_error, scatter)
        return cls(bands, model, Gaps.none(len(bands), code), limit)

    @property
    def selection(self) -> tuple[str, float] | None:
        """Band and faintest AB magnitude of the selection, rounded; None without one."""
        if self.limit is None:
            return None
        return self.bands.names[self.limit.band], round(self.limit.magnitude, 2)

    def __repr__(self) -> str:
        lines = [f"SurveyNoise: {len(self.bands)} bands"]
        if self.selection is not None:
            lines.append(f"  selection: {self.selection[0]} <= {self.selection[1]:.2f} (AB)")
        if self.redshifts is not None:
            low, high = self.redshifts.edges[[0, -1]]
            lines.append(f"  redshift {low:.3g} to {high:.3g}")
        unobserved = self.gaps.shares @ self.gaps.patterns
        for j, name in enumerate(self.bands.names):
            faint = float(self.errors.typical(j, np.zeros(1))[0])
            text = f"  {name}: 1 sigma of faint galaxies {faint:.2g} Jy"
            text += f", {unobserved[j]:.1%} not observed" if unobserved[j] else ""
            least = self.gaps.least_snr[j]
            lines.append(text + (f", none below {least:.2g} sigma" if np.isfinite(least) else ""))
        return "\n".join(lines)

    def observe(
        self,
        library: ModelLibrary,
        n: int,
        random_state: int | np.random.RandomState | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Observe models of a library as the survey would, each with noise of its own.

        Models are drawn with replacement, so that the redshifts are distributed as the survey's
        and as likely as the survey selects them. No model is shifted in redshift.

        Parameters
        ----------
        library : ModelLibrary
            Models to observe, in the survey's bands at least.
        n : int
            Number of galaxies.
        random_state : int, RandomState instance or None, default=None
            Which models and which noise; an int gives the same rows every time.

        Returns
        -------
        X : DataFrame of shape (n, 2 * n_bands + 1)
            Fluxes, errors and redshift, in the columns and the unit of ``bands``, indexed by
            "model", the row in the library. What is not measured has the catalogue's code.
        y : DataFrame of shape (n, n_parameters)
            Parameters of the same models, with the same index.

        Raises
        ------
        TypeError
            If `library` is no ModelLibrary.
        ValueError
            If the library lacks a band, no model of it would be in the survey, or `n` is no whole
            number above 0.

        Warns
        -----
        UserWarning
            If the library has no models at some of the survey's redshifts.
        """
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"n must be a whole number of at least 1; got {n!r}.")
        if not isinstance(library, ModelLibrary):
            raise TypeError(f"library must be a ModelLibrary; got {type(library).__name__}.")
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
        true = library.fluxes_in(self.bands)
        chance = np.ones(len(library))
        if self.limit is not None:
            column = true[:, self.limit.band]
            chance = self.limit.chance(column, self.errors.typical(self.limit.band, column))
        chosen = choose_models(library.redshift, chance, self.redshifts, int(n), rng)
        flux, error = self._measure(true[chosen], rng)
        return self._table(flux, error, library.redshift[chosen], chosen), _take(library, chosen)

    def _measure(self, true: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Measure true fluxes, (n, n_bands) in Jy; NaN where the survey reports nothing."""
        error = self.errors.draw(true, rng)
        flux = true + error * rng.standard_normal(true.shape)
        if self.limit is not None:
            j = self.limit.band
            flux[:, j] = self.limit.draw(true[:, j], error[:, j], rng)
        return self.gaps.apply(flux, error, rng)

    def _table(
        self, flux: np.ndarray, error: np.ndarray, redshift: np.ndarray, chosen: np.ndarray
    ) -> pd.DataFrame:
        in_unit = flux_density_factor("Jy", self.bands.unit)
        measured = in_unit * np.hstack([flux, error])
        measured[np.isnan(measured)] = self.gaps.code
        values = np.column_stack([measured, redshift])
        index = pd.Index(chosen, name="model")
        return pd.DataFrame(values, columns=list(self.bands.columns), index=index)


def _take(library: ModelLibrary, chosen: np.ndarray) -> pd.DataFrame:
    return library.parameters.iloc[chosen].set_axis(pd.Index(chosen, name="model"), axis=0)


def _check_enough(flux: np.ndarray, error: np.ndarray, bands: BandSet) -> None:
    """Raise if a band is measured too rarely to learn its noise, and warn if hardly detected."""
    measured = (~np.isnan(flux)).sum(axis=0)
    detected = (flux >= DETECTION * error).sum(axis=0)
    if (few := measured < FEWEST).any():
        counts = [f"{name} ({k})" for name, k in _named(bands, measured, few)]
        names = [repr(name) for name, _ in _named(bands, measured, few)]
        raise ValueError(
            f"Noise is learnt from at least {FEWEST} galaxies in each band; too few are measured "
            f"in {', '.join(counts)}. Leave these out: bands.without({', '.join(names)})."
        )
    if (few := detected < FEWEST).any():
        counts = [f"{name} ({k})" for name, k in _named(bands, detected, few)]
        warnings.warn(
            f"Fewer than {FEWEST} galaxies are detected at {DETECTION:g} sigma in "
            f"{', '.join(counts)}: how errors grow with flux is extrapolated there.",
            UserWarning,
            stacklevel=3,
        )


def _named(bands: BandSet, counts: np.ndarray, few: np.ndarray) -> list[tuple[str, int]]:
    return [(bands.names[int(j)], int(counts[j])) for j in np.flatnonzero(few)]


def _position(bands: BandSet, name: str) -> int:
    bands.only(name)  # an error that suggests another spelling
    return bands.names.index(name)


def _check_depths(depths: Mapping[str, float], bands: BandSet) -> None:
    if message := tables.absent_message(bands.names, list(depths), "depths"):
        raise ValueError(message.replace("columns", "bands"))
    bands.only(*depths)
    wrong = {name: depth for name, depth in depths.items() if not 0 < depth < 40}
    if wrong:
        raise ValueError(
            f"depths must be 5-sigma AB magnitudes, between 0 and 40; got {wrong}. A flux in Jy "
            "is the magnitude -2.5 * log10(flux / 3631)."
        )
