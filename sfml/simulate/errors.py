"""Flux errors of a survey: how large at which flux, with their scatter, and together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.linear_model import RidgeCV

# Levels at which the distribution of errors about what is expected is kept.
ERROR_LEVELS = np.array([0.005, 0.025, *np.arange(0.05, 0.96, 0.05), 0.975, 0.995])
# Galaxies in a bin of flux, at least, and bins, at most.
_IN_BIN, _MOST_BINS = 50, 20
# Fluxes below so many errors are one bin: noise, not the galaxy, sets their order.
_FAINT = 2.0
_RIDGES = np.logspace(-5, 2, 8)


class ErrorCurve(NamedTuple):
    """Typical error of a band as a function of flux, both in Jy.

    Between the bins it is interpolated in logarithms; fainter fluxes have the error of the faintest
    bin, and brighter ones errors that go on growing as a power of the flux.
    """

    log_flux: np.ndarray  # (n_bins,), growing; natural logarithms
    log_error: np.ndarray  # (n_bins,)
    growth: float  # of log_error with log_flux beyond the last bin, 0 to 1

    @classmethod
    def learn(cls, flux: np.ndarray, error: np.ndarray) -> ErrorCurve:
        """Learn from the measured fluxes and errors, (n,)."""
        faint = flux <= np.quantile(flux, 0.3)
        # Fluxes that are lost in the noise of a faint galaxy are alike.
        log_flux = np.log(np.maximum(flux, _FAINT * np.median(error[faint])))
        n_bins = int(np.clip(len(flux) // _IN_BIN, 1, _MOST_BINS))
        inner = np.unique(np.quantile(log_flux, np.arange(1, n_bins) / n_bins))
        bins = np.searchsorted(inner, log_flux, side="right")
        members = [bins == k for k in np.unique(bins)]
        x = np.array([np.median(log_flux[rows]) for rows in members])
        y = np.array([np.median(np.log(error[rows])) for rows in members])
        growth = (y[-1] - y[-2]) / (x[-1] - x[-2]) if len(x) > 1 else 0.0
        return cls(x, y, float(np.clip(growth, 0.0, 1.0)))

    def at(self, flux: np.ndarray) -> np.ndarray:
        """Give the logarithm of the typical error at fluxes, (n,)."""
        log_flux = np.log(np.maximum(flux, np.exp(self.log_flux[0])))
        beyond = np.maximum(log_flux - self.log_flux[-1], 0.0)
        return np.interp(log_flux, self.log_flux, self.log_error) + self.growth * beyond

    def bins_of(self, flux: np.ndarray) -> np.ndarray:
        """Find the bin nearest to each flux, (n,)."""
        log_flux = np.log(np.maximum(flux, np.exp(self.log_flux[0])))
        return np.searchsorted(0.5 * (self.log_flux[1:] + self.log_flux[:-1]), log_flux)


class BandErrors(NamedTuple):
    """Errors of one band, given the fluxes, and the errors of the bands before it.

    The deviation of the logarithm of an error from the typical one is linear in the deviations
    of the bands before, and in the typical errors of all of them; a rest is drawn at random.
    """

    curve: ErrorCurve
    centre: float  # mean of the typical errors' logarithms
    weights: np.ndarray  # (2 * n_before + 1,): of deviations before, typical errors before and own
    intercept: float
    rest: np.ndarray  # (n_bins, n_levels), at `ERROR_LEVELS`
    limits: tuple[float, float]  # smallest and largest deviation


class ErrorModel(NamedTuple):
    """Errors of all bands of a survey, drawn together, one band after the other."""

    bands: tuple[BandErrors, ...]

    @classmethod
    def learn(cls, flux: np.ndarray, error: np.ndarray) -> ErrorModel:
        """Learn from fluxes and errors, (n, n_bands) in Jy, NaN where not measured."""
        # A band that was not measured says nothing: no deviation, and a typical error as usual.
        deviation, typical = np.zeros(flux.shape), np.zeros(flux.shape)
        models = []
        for j in range(flux.shape[1]):
            known = ~np.isnan(flux[:, j])
            curve = ErrorCurve.learn(flux[known, j], error[known, j])
            expected = curve.at(flux[known, j])
            centre = float(expected.mean())
            typical[known, j] = expected - centre
            deviation[known, j] = np.log(error[known, j]) - expected
            inputs = np.hstack([deviation[known, :j], typical[known, : j + 1]])
            ridge = RidgeCV(_RIDGES).fit(inputs, deviation[known, j])
            rest = deviation[known, j] - ridge.predict(inputs)
            table = _table(rest, curve.bins_of(flux[known, j]), len(curve.log_flux))
            limits = (float(deviation[known, j].min()), float(deviation[known, j].max()))
            intercept = float(ridge.intercept_)
            models.append(BandErrors(curve, centre, ridge.coef_, intercept, table, limits))
        return cls(tuple(models))

    @classmethod
    def from_depths(cls, faint: np.ndarray, relative: float, scatter: float) -> ErrorModel:
        """Make the errors of published depths: `faint`, (n_bands,), is 1 sigma in Jy.

        A fraction of the flux is added in quadrature; all scatters by `scatter` in its natural
        logarithm, in each band for itself.
        """
        models = []
        for j, sigma in enumerate(faint):
            flux = sigma * np.geomspace(1, 1e5, 51)
            log_error = 0.5 * np.log(sigma**2 + (relative * flux) ** 2)
            curve = ErrorCurve(np.log(flux), log_error, 1.0 if relative else 0.0)
            rest = np.tile(scatter * ndtri(ERROR_LEVELS), (len(flux), 1))
            models.append(BandErrors(curve, 0.0, np.zeros(2 * j + 1), 0.0, rest, (-np.inf, np.inf)))
        return cls(tuple(models))

    def draw(self, flux: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw errors for true fluxes, both (n, n_bands) in Jy."""
        deviation, typical = np.zeros(flux.shape), np.zeros(flux.shape)
        logs = np.empty(flux.shape)
        for j, band in enumerate(self.bands):
            expected = band.curve.at(flux[:, j])
            typical[:, j] = expected - band.centre
            inputs = np.hstack([deviation[:, :j], typical[:, : j + 1]])
            tables = band.rest[band.curve.bins_of(flux[:, j])]
            drawn = inputs @ band.weights + band.intercept
            drawn += _interpolate(tables, rng.random(len(flux)))
            deviation[:, j] = np.clip(drawn, *band.limits)
            logs[:, j] = expected + deviation[:, j]
        return np.exp(logs)

    def typical(self, band: int, flux: np.ndarray) -> np.ndarray:
        """Give the typical errors, (n,), of one band at true fluxes, (n,)."""
        return np.exp(self.bands[band].curve.at(flux))


def _table(values: np.ndarray, bins: np.ndarray, n_bins: int) -> np.ndarray:
    """Quantiles of values, (n,), in each bin; of all of them in a bin without any."""
    overall = np.quantile(values, ERROR_LEVELS)
    rows = [bins == k for k in range(n_bins)]
    return np.array(
        [np.quantile(values[row], ERROR_LEVELS) if row.any() else overall for row in rows]
    )


def _interpolate(tables: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Interpolate each row of (n, n_levels) tables at its own level, (n,)."""
    level = np.clip(level, ERROR_LEVELS[0], ERROR_LEVELS[-1])
    upper = np.clip(np.searchsorted(ERROR_LEVELS, level), 1, len(ERROR_LEVELS) - 1)
    share = (level - ERROR_LEVELS[upper - 1]) / (ERROR_LEVELS[upper] - ERROR_LEVELS[upper - 1])
    rows = np.arange(len(level))
    return tables[rows, upper - 1] * (1 - share) + tables[rows, upper] * share
