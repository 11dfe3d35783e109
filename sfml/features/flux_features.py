"""From fluxes, errors and redshift to what a network learns best from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from sfml.bands import GAMA, BandSet
from sfml.features.cosmology import log_distance_factor
from sfml.features.redshift_grid import RedshiftGrid, find_redshift_grid
from sfml.features.reference import learn_reference
from sfml.flags import Flag, raised
from sfml.photometry.photometry import N_REDSHIFT, Photometry, mean_log_snr
from sfml.targets import read_targets

_CHOICES = {
    "missing": ("auto", "flag", "nan"),
    "redshift": ("spectroscopic", "photometric", "none"),
}

_LEAST_REDSHIFT_ERROR = 1e-5
# The quantile of the training rows' signal-to-noise ratios below which galaxies are flagged.
_LOWEST_SNR = 1e-3


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
    missing : {"auto", "flag", "nan"}, default="auto"
        What is said of galaxies that miss some bands. "flag" adds an output a band, 1 where it was
        observed and 0 where not, and reads the reference flux off whatever bands there are; "nan"
        leaves it at NaN for the band's outputs; "auto" flags if `fit` sees such galaxies.
    redshift : {"spectroscopic", "photometric", "none"}, default="spectroscopic"
        "photometric": the inputs end with the redshift and its error, which is an output too.
        "none": they have no redshift, and the last output is the reference flux.
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
    flags_missing_ : bool
        Whether there is an output a band that says if it was observed.
    redshift_range_, fewest_bands_, least_log_snr_ : (float, float), int, float
        What `flag` compares with: the range of redshifts, the smallest number of bands, and the
        mean logarithm of the signal-to-noise ratios that all but 1 in 1000 galaxies exceed.
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of str
        Names of the inputs; only if they were given as a table with names.

    Notes
    -----
    The outputs of a missing band are NaN, and all outputs are for galaxies that were blanked, or
    at no positive redshift. Where missing bands are flagged, the reference flux is that of a
    typical galaxy of `fit` scaled to the bands observed, each weighted by how closely it tells the
    near infrared; else reference bands that are NaN are left out of the mean. A reference band
    fainter than its error counts as its error.

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
        missing: str = "auto",
        redshift: str = "spectroscopic",
        reference_range: tuple[float, float] = (0.85, 2.5),
        redshift_grid: str | tuple[float, float] | None = "auto",
    ) -> None:
        self.bands = bands
        self.errors = errors
        self.missing = missing
        self.redshift = redshift
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
            If a parameter is none of the above, or if X has another number of columns than
            the bands ask for, or holds infinity.
        """
        self._check_params()
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        photometry = self._split(X)
        self.flags_missing_ = self._decide_flags(photometry.flux)
        self._reference = learn_reference(
            photometry.flux,
            photometry.error,
            self._reference_bands(photometry.flux.shape[1]),
            any_bands=self.flags_missing_,
        )
        self.softening_ = self.redshift_grid_ = None
        if photometry.error is None:
            reference = np.exp(self._reference.log(photometry.flux, None))
            self.softening_ = 0.1 * _positive_medians(photometry.flux / reference[:, np.newaxis])
        self.redshift_grid_ = self._find_grid(X, photometry, y)
        self._learn_limits(photometry)
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
            As `get_feature_names_out` names them: an asinh magnitude (natural logarithm) a band; if
            there are errors, a relative error in dex a band; if missing bands are flagged, 1 a
            band observed and 0 a band missing; with a redshift grid what it adds to the logarithm
            of a luminosity; the relative error of a photometric redshift in dex; the mean logarithm
            of the bands' signal-to-noise ratios, in dex; the redshift and its logarithm; the
            logarithm of the reference flux; and that of the reference luminosity, in arbitrary
            units.

        Raises
        ------
        ValueError
            If X has not the columns of `fit`, or holds infinity.
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
        return self.compute(self._split(X))

    def flag(self, X: Any) -> np.ndarray:
        """Flag galaxies beyond those of `fit` in redshift, bands or signal-to-noise ratio.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            As for `fit`; blanked galaxies get no flag.

        Returns
        -------
        ndarray of int, shape (n_galaxies,)
            Sums of `sfml.flags.Flag`.
        """
        check_is_fitted(self)
        photometry = self._split(np.asarray(X, dtype=np.float64))
        low, high = self.redshift_range_
        n_bands, log_snr = _depth(photometry)
        flag = raised(Flag.FEW_BANDS, (n_bands > 0) & (n_bands < self.fewest_bands_))
        if photometry.redshift is not None:
            redshift = photometry.redshift
            flag |= raised(Flag.REDSHIFT, (redshift < low) | (redshift > high))
        return flag | raised(Flag.LOW_SNR, log_snr < self.least_log_snr_)

    def compute(self, photometry: Photometry) -> np.ndarray:
        """Compute the features of photometry that was checked.

        Fluxes may be complex: the imaginary part of the features is then, to the last digit, their
        derivative along that of the fluxes (Squire & Trapp 1998, SIAM Rev., 40, 110).

        Parameters
        ----------
        photometry : Photometry
            Fluxes, errors, and redshifts with their errors, of n galaxies.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
        """
        flux, error, redshift, redshift_error = photometry
        reference = self._reference.log(flux, error)
        parts = [self._band_features(photometry, reference)]
        if self.flags_missing_:
            parts.append(~np.isnan(flux))
        log_reference = reference / np.log(10)
        brightness = log_reference
        late = []
        if redshift is not None:
            at = np.where(redshift > 0, redshift, np.nan)
            brightness = log_reference + log_distance_factor(np.log10(at))
            if self.redshift_grid_ is not None:
                shift = self.redshift_grid_.shift(at)
                parts.append(shift)
                brightness = brightness + shift
            if redshift_error is not None:
                late = [np.log10(np.maximum(redshift_error, _LEAST_REDSHIFT_ERROR) / (1 + at))]
            late += [redshift, np.log10(at)]
        if error is not None:
            late.insert(len(late) and -2, mean_log_snr(flux, error))
        features = np.column_stack([*parts, *late, log_reference, brightness])
        features[np.isnan(brightness)] = np.nan
        return features

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
        if self.flags_missing_:
            names += [f"{band}_observed" for band in bands]
        if self.redshift_grid_ is not None:
            names.append("redshift_grid_shift")
        if self._mode() == "photometric":
            names.append("log_redshift_error")
        if self._has_errors():
            names.append("log_snr")
        if self._mode() != "none":
            names += ["redshift", "log_redshift"]
        last = "log_reference_flux_offset" if self._mode() == "none" else "log_reference_luminosity"
        return np.asarray([*names, "log_reference_flux", last], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _bands(self) -> BandSet | str:
        return GAMA if self.bands is None else self.bands

    def _has_errors(self) -> bool:
        return self.errors and self.bands != "positional"

    def _learn_limits(self, photometry: Photometry) -> None:
        n_bands, log_snr = _depth(photometry)
        self.fewest_bands_ = int(n_bands[n_bands > 0].min(initial=photometry.flux.shape[1]))
        self.least_log_snr_, self.redshift_range_ = -np.inf, (-np.inf, np.inf)
        if np.isfinite(log_snr).any():
            self.least_log_snr_ = float(np.nanquantile(log_snr, _LOWEST_SNR))
        if photometry.redshift is not None and np.isfinite(photometry.redshift).any():
            redshift = photometry.redshift
            self.redshift_range_ = float(np.nanmin(redshift)), float(np.nanmax(redshift))

    def _mode(self) -> str:
        return self.redshift if isinstance(self._bands(), BandSet) else "spectroscopic"

    def _check_params(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}."
                )

    def _decide_flags(self, flux: np.ndarray) -> bool:
        gaps = np.isnan(flux)
        seen = isinstance(self._bands(), BandSet) and (gaps.any(axis=1) & ~gaps.all(axis=1)).any()
        return self.missing == "flag" or (self.missing == "auto" and bool(seen))

    def _split(self, X: np.ndarray) -> Photometry:
        """Tell fluxes, errors and redshifts apart."""
        bands = self._bands()
        n_last = N_REDSHIFT[self._mode()]
        n_bands = X.shape[1] - 1
        if isinstance(bands, BandSet):
            n_bands = len(bands)
            expected = (2 if self.errors else 1) * n_bands + n_last
            if X.shape[1] != expected:
                raise ValueError(
                    f"X has {X.shape[1]} columns, but {n_bands} bands with errors={self.errors} "
                    f"and redshift={self.redshift!r} need {expected}: the fluxes, "
                    f"{'their errors, ' if self.errors else ''}and the redshift columns. Set "
                    "errors as GamaSampleSelector's keep_errors, and the same bands and redshift."
                )
        return Photometry.split(X, n_bands, errors=self._has_errors(), n_redshift=n_last)

    def _band_features(self, photometry: Photometry, log_reference: np.ndarray) -> np.ndarray:
        """Compute asinh magnitudes and, if there are errors, relative errors; NaN where missing."""
        scale = np.exp(log_reference)[:, np.newaxis]
        if photometry.error is None:
            return _asinh_magnitude(photometry.flux / scale, self.softening_)
        relative = photometry.error / scale
        return np.hstack([_asinh_magnitude(photometry.flux / scale, relative), np.log10(relative)])

    def _find_grid(self, X: np.ndarray, photometry: Photometry, y: Any) -> RedshiftGrid | None:
        grid, redshift = self.redshift_grid, photometry.redshift
        nothing_to_see = y is None or redshift is None
        if grid is None or (isinstance(grid, str) and grid == "auto" and nothing_to_see):
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
        features = self.compute(photometry)
        usable = np.isfinite(features[:, -1]) & np.isfinite(targets).all(axis=1)
        if not usable.any():
            return None
        features, targets = _filled(features[usable]), targets[usable]
        assert redshift is not None
        return find_redshift_grid(redshift[usable], features, targets - features[:, [-1]])

    def _reference_bands(self, n_bands: int) -> np.ndarray:
        bands = self._bands()
        if not isinstance(bands, BandSet):
            return np.ones(n_bands, dtype=bool)
        low, high = self.reference_range
        wavelengths = np.asarray(bands.wavelengths)
        inside = (wavelengths >= low) & (wavelengths <= high)
        return inside if inside.any() else np.ones(n_bands, dtype=bool)


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


def _depth(photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
    """Count observed bands; compute mean log signal-to-noise ratios, NaN without errors."""
    flux, error = photometry.flux, photometry.error
    log_snr = np.full(len(flux), np.nan) if error is None else mean_log_snr(flux, error)
    return (~np.isnan(flux)).sum(axis=1), log_snr


def _filled(features: np.ndarray) -> np.ndarray:
    """Write each column's mean for NaN, 0 for a column of nothing else."""
    known = ~np.isnan(features)
    mean = np.where(known, features, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, features, mean)
