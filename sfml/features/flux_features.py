"""From fluxes, errors and redshift to what a network learns best from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.bands import GAMA, BandSet
from sfml.base import fit_method
from sfml.compat import StrOptions, check_feature_names_in
from sfml.features.cosmology import log_distance_factor
from sfml.features.redshift_grid import RedshiftGrid, find_redshift_grid
from sfml.features.reference import ReferenceFlux, learn_reference
from sfml.flags import Flag, flag_where
from sfml.photometry import REDSHIFT_COLUMNS, Layout, Photometry, mean_log_snr
from sfml.targets import read_targets

_LEAST_REDSHIFT_ERROR = 1e-5
# The quantile of the training rows' signal-to-noise ratios below which galaxies are flagged.
_LOWEST_SNR = 1e-3

GRID_SHIFT = "redshift_grid_shift"
REDSHIFT_FEATURES = ("redshift", "log_redshift", GRID_SHIFT)
"""Names of the features that are made of the redshift alone, each of which may be absent."""

BRIGHTNESS = "log_brightness"
"""Name of the last feature: the logarithm of the reference luminosity, in arbitrary units, or that
of the reference flux if there is no redshift."""


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
        The bands of the inputs. None: those of the layout that `fit` is given, as by
        `StarFormationPipeline`, else `GAMA`. With "positional", the last column is the redshift,
        all others are fluxes without errors, and all serve as reference.
    errors : bool or None, default=None
        Whether the inputs have flux errors, between the fluxes and the redshift. None: as the
        layout says; without one, they have.
    missing : {"auto", "flag", "nan"}, default="auto"
        What is said of galaxies that miss some bands. "flag" adds one output per band, 1 where it
        was observed and 0 where not, and reads the reference flux off whatever bands there are;
        "nan" leaves the band's outputs NaN; "auto" flags if `fit` is given such galaxies.
    redshift : {"spectroscopic", "photometric", "none"} or None, default=None
        "photometric": the inputs end with the redshift and its error, which is an output too.
        "none": they have no redshift, and the last output is the reference flux. None: as the
        layout says; without one, "spectroscopic".
    reference_range : (float, float), default=(0.85, 2.5)
        Effective wavelengths, in micron, of the bands that make the reference flux. All bands
        do if none lies between.
    redshift_grid : {"auto", "follow"}, (float, float) or None, default="auto"
        What to do if the labels look as if made at rounded redshifts. "auto" looks for a grid of
        redshifts in the labels given to `fit` and warns if there is one: `fit_transform` takes
        luminosities at its nearest point, so that a network learns past the rounding, and
        `transform` takes them at each galaxy's redshift, where the rounding would be an error.
        "follow" takes them at the grid in `transform` too, to reproduce such labels. A pair is the
        step and the offset of a grid known beforehand, with points at ``(i + offset) * step``.
        None ignores grids.

    Attributes
    ----------
    softening_ : ndarray of shape (n_bands,), or None
        Without errors, each band's softening: a tenth of the median positive flux ratio of the
        galaxies in `fit`.
    layout_ : Layout
        What the inputs are.
    redshift_grid_ : (float, float), or None
        Step and offset of the labels' grid.
    flags_missing_ : bool
        Whether there is one output per band that says if it was observed.
    redshift_range_, fewest_bands_, least_log_snr_ : (float, float), int, float
        What `flag` compares with: the range of redshifts, the smallest number of bands, and the
        mean logarithm of the signal-to-noise ratios that all but 1 in 1000 galaxies exceed.
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of str
        Names of the inputs; only if they were given as a table with names.

    Notes
    -----
    The outputs of a missing band are NaN, and so are all outputs of galaxies that were blanked, or
    at no positive redshift. MAGPHYS's and CIGALE's luminosities belong to the distance of the
    galaxy's redshift; labels that show a grid were made otherwise (older versions, rounded
    inputs), and are off by up to 0.5 dex at z = 0.02 for a step of 0.02.

    Where missing bands are flagged, the reference flux is that of a typical galaxy of `fit` scaled
    to the bands observed, each weighted by how closely it tells the near infrared; else reference
    bands that are NaN are left out of the mean. A reference band
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
    ('log_brightness', np.float64(4.0))
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "bands": [BandSet, StrOptions({"positional"}), None],
        "errors": ["boolean", None],
        "missing": [StrOptions({"auto", "flag", "nan"})],
        "redshift": [StrOptions(set(REDSHIFT_COLUMNS)), None],
        "reference_range": [tuple, list],
        "redshift_grid": [StrOptions({"auto", "follow"}), tuple, list, None],
    }

    def __init__(
        self,
        bands: BandSet | str | None = None,
        *,
        errors: bool | None = None,
        missing: str = "auto",
        redshift: str | None = None,
        reference_range: tuple[float, float] = (0.85, 2.5),
        redshift_grid: str | tuple[float, float] | None = "auto",
    ) -> None:
        self.bands = bands
        self.errors = errors
        self.missing = missing
        self.redshift = redshift
        self.reference_range = reference_range
        self.redshift_grid = redshift_grid

    @fit_method
    def fit(self, X: Any, y: Any = None, *, layout: Layout | None = None) -> FluxFeatures:
        """Learn the redshift grid of the labels, and without errors each band's softening.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            Fluxes, errors if any, and redshift, as `GamaSampleSelector` gives them (with
            ``keep_errors=True`` for the errors). Missing values are NaN.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets), default=None
            Targets in dex, to find the redshift grid; without them, none is looked for.
        layout : Layout, default=None
            What the columns of X are, as the selection's ``layout_`` says. A parameter that says
            otherwise is an error.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is none of the above, if X has another number of columns than
            the bands ask for, or holds infinity.

        Warns
        -----
        UserWarning
            If the labels show a grid of redshifts, unless it was announced.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.layout_ = self._find_layout(X.shape[1], layout)
        photometry = self.layout_.split(X)
        self.flags_missing_ = self._decide_flags(photometry.flux)
        self.reference_: ReferenceFlux = learn_reference(
            photometry.flux,
            photometry.error,
            self._reference_bands(photometry.flux.shape[1]),
            any_bands=self.flags_missing_,
        )
        self.softening_ = self.redshift_grid_ = None
        self.follows_grid_ = self.redshift_grid == "follow"
        if photometry.error is None:
            reference = np.exp(self.reference_.log(photometry.flux, None))
            self.softening_ = 0.1 * _positive_medians(photometry.flux / reference[:, np.newaxis])
        self.redshift_grid_ = self._find_grid(X, photometry, y)
        self._learn_limits(photometry)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Fit, and compute the features to learn the labels from.

        They differ from those of `transform` where the labels show a grid of redshifts.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            As for `fit`.
        y : array-like of shape (n_galaxies,) or (n_galaxies, n_targets), default=None
            As for `fit`.
        **fit_params : dict
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
        """
        return self.fit(X, y, **fit_params).transform_labelled(X)

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            As `get_feature_names_out` names them: one asinh magnitude (natural logarithm) per
            band; if there are errors, one relative error in dex per band; if missing bands are
            flagged, 1 for each band observed and 0 for each band missing; with a redshift grid what
            it adds to the logarithm of a luminosity; the relative error of a photometric redshift
            in dex; the mean logarithm of the bands' signal-to-noise ratios, in dex; the redshift
            and its logarithm; the logarithm of the reference flux; and that of the reference
            luminosity, in arbitrary units.

        Raises
        ------
        ValueError
            If X has not the columns of `fit`, or holds infinity.
        """
        return self.compute(self._split(X), at_grid=self.follows_grid_)

    def transform_labelled(self, X: Any) -> np.ndarray:
        """Compute the features at the redshifts for which the labels were made.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_inputs)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            As `transform` gives them, but at the nearest points of the grid, if there is one.
        """
        return self.compute(self._split(X), at_grid=True)

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
        photometry = self._split(X)
        low, high = self.redshift_range_
        n_bands, log_snr = _depth(photometry)
        flag = flag_where(Flag.FEW_BANDS, (n_bands > 0) & (n_bands < self.fewest_bands_))
        if photometry.redshift is not None:
            redshift = photometry.redshift
            beyond = (redshift < low) | (redshift > high) | ~(redshift > 0)
            flag |= flag_where(Flag.REDSHIFT, (n_bands > 0) & beyond)
        return flag | flag_where(Flag.LOW_SNR, log_snr < self.least_log_snr_)

    @np.errstate(all="ignore")
    def compute(self, photometry: Photometry, *, at_grid: bool = False) -> np.ndarray:
        """Compute the features of photometry that was checked.

        Fluxes may be complex: the imaginary part of the features is then, to the last digit, their
        derivative along that of the fluxes (Squire & Trapp 1998, SIAM Rev., 40, 110).

        Parameters
        ----------
        photometry : Photometry
            Fluxes, errors, and redshifts with their errors, of n galaxies.
        at_grid : bool, default=False
            Whether luminosities are those at the nearest point of the redshift grid.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
        """
        flux, error, redshift, redshift_error = photometry
        reference = self.reference_.log(flux, error)
        log_reference = reference / np.log(10)
        brightness = log_reference
        observed = [~np.isnan(flux)] if self.flags_missing_ else []
        shift: list[np.ndarray] = []
        of_redshift: list[np.ndarray] = []
        of_error: list[np.ndarray] = []
        if redshift is not None:
            positive = np.where(redshift > 0, redshift, np.nan)
            brightness = log_reference + log_distance_factor(np.log10(positive))
            if self.redshift_grid_ is not None:
                at_point = self.redshift_grid_.shift(positive)
                shift = [at_point if at_grid else np.zeros_like(at_point)]
                brightness = brightness + shift[0]
            if redshift_error is not None:
                relative = np.maximum(redshift_error, _LEAST_REDSHIFT_ERROR) / (1 + positive)
                of_error = [np.log10(relative)]
            of_redshift = [redshift, np.log10(positive)]
        snr = [] if error is None else [mean_log_snr(flux, error)]
        bands = self._band_features(photometry, reference)
        parts = [bands, *observed, *shift, *of_error, *snr, *of_redshift, log_reference, brightness]
        features = np.column_stack(parts)
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
        check_is_fitted(self)
        layout = self.layout_
        if layout.bands is None:
            bands = list(check_feature_names_in(self, input_features))[:-1]
        else:
            bands = layout.band_names
        names = [f"{band}_asinh" for band in bands]
        if layout.errors:
            names += [f"{band}_log_error" for band in bands]
        if self.flags_missing_:
            names += [f"{band}_observed" for band in bands]
        if self.redshift_grid_ is not None:
            names.append(GRID_SHIFT)
        if layout.redshift == "photometric":
            names.append("log_redshift_error")
        if layout.errors:
            names.append("log_snr")
        if layout.redshift != "none":
            names += ["redshift", "log_redshift"]
        return np.asarray([*names, "log_reference_flux", BRIGHTNESS], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _find_layout(self, n_columns: int, given: Layout | None) -> Layout:
        """Agree with the layout that was given, or make one of the parameters."""
        if given is not None:
            for name, ours, theirs in (
                ("bands", self.bands, given.bands),
                ("errors", self.errors, given.errors),
                ("redshift", self.redshift, given.redshift),
            ):
                if ours is not None and ours not in (theirs, "positional"):
                    raise ValueError(
                        f"FluxFeatures was told {name}={ours!r}, but the selection gives "
                        f"{theirs!r}. Leave {name}=None: the selection says it."
                    )
            return given
        if isinstance(self.bands, str):
            return Layout(None, errors=False, n_bands=n_columns - 1)
        return Layout(
            GAMA if self.bands is None else self.bands,
            errors=self.errors is not False,
            redshift=self.redshift or "spectroscopic",
        )

    def _learn_limits(self, photometry: Photometry) -> None:
        n_bands, log_snr = _depth(photometry)
        self.fewest_bands_ = int(n_bands[n_bands > 0].min(initial=photometry.flux.shape[1]))
        self.least_log_snr_, self.redshift_range_ = -np.inf, (-np.inf, np.inf)
        if np.isfinite(log_snr).any():
            self.least_log_snr_ = float(np.nanquantile(log_snr, _LOWEST_SNR))
        if photometry.redshift is not None and np.isfinite(photometry.redshift).any():
            redshift = photometry.redshift
            self.redshift_range_ = float(np.nanmin(redshift)), float(np.nanmax(redshift))

    def _decide_flags(self, flux: np.ndarray) -> bool:
        gaps = np.isnan(flux)
        partly = self.layout_.bands is not None and (gaps.any(axis=1) & ~gaps.all(axis=1)).any()
        return self.missing == "flag" or (self.missing == "auto" and bool(partly))

    def _split(self, X: Any) -> Photometry:
        """Check X as in `fit`, and tell its columns apart."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            reset=False,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=0,
        )
        return self.layout_.split(X)

    def _band_features(self, photometry: Photometry, log_reference: np.ndarray) -> np.ndarray:
        """Compute asinh magnitudes and, if there are errors, relative errors; NaN where missing."""
        scale = np.exp(log_reference)[:, np.newaxis]
        if photometry.error is None:
            return _asinh_magnitude(photometry.flux / scale, self.softening_)
        relative = photometry.error / scale
        return np.hstack([_asinh_magnitude(photometry.flux / scale, relative), np.log10(relative)])

    def _find_grid(self, X: np.ndarray, photometry: Photometry, y: Any) -> RedshiftGrid | None:
        grid, redshift = self.redshift_grid, photometry.redshift
        if isinstance(grid, tuple | list):
            if len(grid) == 2 and grid[0] > 0:
                return RedshiftGrid(*grid)
            raise ValueError(
                "redshift_grid must be 'auto', 'follow', None, or a positive step and an offset "
                f"such as (0.01, 0.5); got {grid!r}."
            )
        if grid is None or y is None or redshift is None:
            return None
        targets, _ = read_targets(y)
        check_consistent_length(X, targets)
        features = self.compute(photometry)
        usable = np.isfinite(features[:, -1]) & np.isfinite(targets).all(axis=1)
        if not usable.any():
            return None
        features, targets = _filled(features[usable]), targets[usable]
        found = find_redshift_grid(redshift[usable], features, targets - features[:, [-1]])
        if found is not None and grid == "auto":
            warnings.warn(
                "The labels look as if made at redshifts rounded to a grid of step "
                f"{found.step:g} (points at {found.first:g}, {found.first + found.step:g}, ...), "
                f"an error of up to {np.abs(found.shift(redshift[usable])).max():.2g} dex in them. "
                "It is learnt past, and predictions are for each galaxy's redshift. "
                "redshift_grid='follow' reproduces the labels instead, None ignores the grid.",
                UserWarning,
                stacklevel=4,
            )
        return found

    def _reference_bands(self, n_bands: int) -> np.ndarray:
        bands = self.layout_.bands
        if bands is None:
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
