"""From fluxes, errors and redshift to what a network learns best from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from sfml._cosmology import log_distance_factor
from sfml._redshift_grid import RedshiftGrid, find_redshift_grid
from sfml.bands import GAMA, BandSet
from sfml.targets import read_targets


class FluxFeatures(TransformerMixin, BaseEstimator):
    """Colours, relative errors, and one luminosity.

    A galaxy twice as bright in every band has twice the stellar mass, star-formation rate and
    dust luminosity. So each flux is divided by a reference flux, the geometric mean of the near
    infrared bands, which leaves colours; the reference flux goes with the redshift into one
    luminosity, the last output, to which a network need only learn the ratio of each target
    (`KerasMLPRegressor.offset_feature`).

    Ratios become asinh magnitudes (Lupton, Gunn & Szalay 1999), which are logarithms of bright
    fluxes and linear in fluxes below the noise, zero and negative ones included: the softening is
    each flux's own error or, without errors, learned for each band.

    Parameters
    ----------
    bands : BandSet, "positional" or None, default=None
        The bands of the inputs; None is `GAMA`. With "positional", the last column is the
        redshift, all others are fluxes without errors, and all serve as reference.
    errors : bool, default=True
        Whether the inputs have flux errors, between the fluxes and the redshift.
    reference_range : (float, float), default=(0.85, 2.5)
        Effective wavelengths, in micron, of the bands that make the reference flux. All bands
        do if none lies between.
    redshift_grid : "auto", (float, float) or None, default="auto"
        Step and offset of the grid of redshifts at which the labels were fitted, with points at
        ``(i + offset) * step``: the luminosity is then taken at the nearest of them. "auto"
        looks for a grid in the labels given to `fit`; None takes each galaxy's own redshift.

    Attributes
    ----------
    softening_ : ndarray of shape (n_bands,), or None
        Without errors, each band's softening: a tenth of the median positive flux ratio of the
        galaxies in `fit`.
    redshift_grid_ : (float, float), or None
        Step and offset of the grid in use.
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of str
        Names of the inputs; only if they were given as a table with names.

    Notes
    -----
    NaN stays NaN: rows that were blanked stay blank, and so do galaxies at no positive redshift
    or without any reference band. Reference bands that are NaN, while others are not, are left
    out of the mean; one fainter than its error counts as its error.

    References
    ----------
    Lupton, R. H., Gunn, J. E. & Szalay, A. S. 1999, AJ, 118, 1406.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml import BandSet, FluxFeatures
    >>> bands = BandSet(["r", "K"], [0.62, 2.15])
    >>> X = np.array([[1e-4, 3e-4, 1e-6, 2e-6, 0.1], [4e-4, 12e-4, 4e-6, 8e-6, 0.1]])
    >>> features = FluxFeatures(bands).fit(X)
    >>> out = features.transform(X)
    >>> np.allclose(out[0, :4], out[1, :4])  # same colours, same relative errors
    True
    >>> features.get_feature_names_out()[-1], round(10 ** (out[1, -1] - out[0, -1]), 3)
    ('log_reference_luminosity', np.float64(4.0))
    """

    def __init__(
        self,
        bands: BandSet | str | None = None,
        *,
        errors: bool = True,
        reference_range: tuple[float, float] = (0.85, 2.5),
        redshift_grid: str | tuple[float, float] | None = "auto",
    ) -> None:
        self.bands = bands
        self.errors = errors
        self.reference_range = reference_range
        self.redshift_grid = redshift_grid

    def fit(self, X: Any, y: Any = None) -> FluxFeatures:
        """Learn the redshift grid of the labels, and without errors each band's softening.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            Fluxes, errors if any, and redshift, as `GamaSampleSelector` gives them (with
            ``keep_errors=True`` for the errors). Missing values are NaN.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets), default=None
            Targets in dex, to find the redshift grid; without them, none is looked for.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `redshift_grid` is none of the above, or if X has another number of columns than
            the bands ask for, or holds infinity.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        n_bands = self._n_bands()
        self._reference = self._reference_bands(n_bands)
        self.softening_ = None
        if not self._has_errors():
            ratio = X[:, :n_bands] / self._reference_flux(X[:, :n_bands], None)[:, np.newaxis]
            self.softening_ = 0.1 * _positive_medians(ratio)
        self.redshift_grid_ = self._find_grid(X, y)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            An asinh magnitude (natural logarithm) a band, a relative error in dex a band if
            there are errors, the redshift, its logarithm, the logarithm of the reference flux,
            with a redshift grid what the grid adds to the logarithm of a luminosity, and the
            logarithm of the reference luminosity, in arbitrary units.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )
        n_bands = self._n_bands()
        flux, redshift = X[:, :n_bands], X[:, -1]
        error = X[:, n_bands:-1] if self._has_errors() else None
        reference = self._reference_flux(flux, error)
        scale = reference[:, np.newaxis]
        if error is None:
            parts = [_asinh_magnitude(flux / scale, self.softening_)]
        else:
            relative = error / scale
            parts = [_asinh_magnitude(flux / scale, relative), np.log10(relative)]
        at = np.where(redshift > 0, redshift, np.nan)
        parts += [redshift, np.log10(at), np.log10(reference)]
        log_luminosity = np.log10(reference) + log_distance_factor(np.log10(at))
        if self.redshift_grid_ is not None:
            shift = self.redshift_grid_.shift(at)
            parts.append(shift)
            log_luminosity += shift
        return np.column_stack([*parts, log_luminosity])

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Name the outputs of `transform`.

        Parameters
        ----------
        input_features : sequence of str, default=None
            If given, must be the names of the inputs in `fit`.

        Returns
        -------
        ndarray of str
        """
        names_in = _check_feature_names_in(self, input_features)
        named = isinstance(self._bands(), BandSet)
        bands = self._bands().names if named else names_in[:-1]  # type: ignore[union-attr]
        names = [f"{band}_asinh" for band in bands]
        if self._has_errors():
            names += [f"{band}_log_error" for band in bands]
        names += ["redshift", "log_redshift", "log_reference_flux"]
        if self.redshift_grid_ is not None:
            names.append("redshift_grid_shift")
        return np.asarray([*names, "log_reference_luminosity"], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _bands(self) -> BandSet | str:
        return GAMA if self.bands is None else self.bands

    def _has_errors(self) -> bool:
        return self.errors and self.bands != "positional"

    def _n_bands(self) -> int:
        bands = self._bands()
        if not isinstance(bands, BandSet):
            return self.n_features_in_ - 1
        expected = (2 if self.errors else 1) * len(bands) + 1
        if self.n_features_in_ != expected:
            raise ValueError(
                f"X has {self.n_features_in_} columns, but {len(bands)} bands with "
                f"errors={self.errors} need {expected}: the fluxes, "
                f"{'their errors, ' if self.errors else ''}and the redshift. Set errors as "
                "GamaSampleSelector's keep_errors, and the same bands."
            )
        return len(bands)

    def _find_grid(self, X: np.ndarray, y: Any) -> RedshiftGrid | None:
        grid = self.redshift_grid
        if grid is None or (isinstance(grid, str) and grid == "auto" and y is None):
            return None
        if isinstance(grid, tuple | list) and len(grid) == 2 and grid[0] > 0:
            return RedshiftGrid(*grid)
        if not isinstance(grid, str) or grid != "auto":
            raise ValueError(
                "redshift_grid must be 'auto', None, or a positive step and an offset such as "
                f"(0.01, 0.5); got {grid!r}."
            )
        targets, _ = read_targets(y)
        check_consistent_length(X, targets)
        self.redshift_grid_ = None
        features = self.transform(X)
        usable = np.isfinite(features).all(axis=1) & np.isfinite(targets).all(axis=1)
        if not usable.any():
            return None
        features, targets = features[usable], targets[usable]
        return find_redshift_grid(X[usable, -1], features, targets - features[:, [-1]])

    def _reference_bands(self, n_bands: int) -> np.ndarray:
        bands = self._bands()
        if not isinstance(bands, BandSet):
            return np.ones(n_bands, dtype=bool)
        low, high = self.reference_range
        wavelengths = np.asarray(bands.wavelengths)
        inside = (wavelengths >= low) & (wavelengths <= high)
        return inside if inside.any() else np.ones(n_bands, dtype=bool)

    def _reference_flux(self, flux: np.ndarray, error: np.ndarray | None) -> np.ndarray:
        """Geometric mean of the reference bands; NaN where none is measured."""
        flux = flux[:, self._reference]
        floor = np.zeros_like(flux) if error is None else error[:, self._reference]
        bright = np.maximum(flux, floor)
        measured = bright > 0
        total = np.where(measured, np.log(np.where(measured, bright, 1)), 0).sum(axis=1)
        count = measured.sum(axis=1)
        return np.where(count > 0, np.exp(total / np.maximum(count, 1)), np.nan)


def _asinh_magnitude(ratio: np.ndarray, softening: Any) -> np.ndarray:
    """Lupton et al.'s (1999) magnitude, as a growing natural logarithm of the flux ratio."""
    return np.arcsinh(ratio / (2 * softening)) + np.log(softening)


def _positive_medians(ratio: np.ndarray) -> np.ndarray:
    """Median of each column's positive values, 1 where there are none."""
    medians = np.ones(ratio.shape[1])
    for j, column in enumerate(ratio.T):
        positive = column[column > 0]
        if len(positive):
            medians[j] = np.median(positive)
    return medians
