"""Which galaxies to learn from: the sample selection of Surana et al. (2020, section 2.1)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.base import fit_method
from sfml.compat import Interval, StrOptions
from sfml.flags import CUT_FLAGS, Flag, flag_where
from sfml.photometry import Layout, Photometry, read_photometry
from sfml.photometry.guard import UnitGuard, check_are_fluxes
from sfml.photometry.missing import learn_largest_errors
from sfml.photometry.reading import blank_missing
from sfml.selection.dropout import draw_dropout
from sfml.selection.funnel import SelectionReport, count_funnel
from sfml.selection.rules import Range, Rules, any_of, index_of
from sfml.tables.keys import draw_uniform, row_keys
from sfml.targets import TARGETS

__all__ = ["GamaSampleSelector", "SelectionReport"]

# Of fewer galaxies, no share says anything of a survey.
FEWEST_TO_WARN = 10


class GamaSampleSelector(TransformerMixin, BaseEstimator):
    """Blank the galaxies that a network should not learn from or be asked about.

    A Pipeline cannot drop rows, so a rejected galaxy stays in its place with every output NaN:
    `StandardScaler` ignores it, `StarFormationRegressor` leaves it out of `fit` and `score` and
    predicts NaN for it. `select` returns the selected rows alone, for use outside a Pipeline.

    The defaults are the cuts of Surana et al. (2020): 0 < z <= 0.5, stellar mass >= 10^9 Msun, no
    missing flux, no negative flux, and at least six bands with a signal-to-noise ratio of 3.

    Parameters
    ----------
    bands : BandSet, "positional" or None, default=None
        The survey's bands and columns; None is `GAMA`. With "positional", column names play no
        part: the last column is the redshift, all others are fluxes without errors.
    z_range : (float or None, float or None) or None, default=(0, 0.5)
        Redshifts kept: above the first and up to the second, included. None switches a limit,
        or the cut, off.
    stellar_mass_range : (float or None, float or None) or None, default=(9, None)
        Stellar masses kept, in dex (log10 Msun), both limits included. Applied by `select` and
        `reasons` where y is given, and counted in `report_`; never by `transform`, since it is
        unknown when predicting. `StarFormationRegressor.target_limits` is the same cut there.
    missing : {"reject", "allow"}, default="reject"
        Galaxies with a missing band. A band is missing where its flux or its error is NaN, null,
        masked or one of the band set's codes, where the error is not positive or so large that
        the flux says nothing, and where the flux is 10,000 sigma below zero. Allowed ones become
        NaN, and a table may then lack all columns of some bands when predicting.
    negative : {"reject", "allow"}, default="reject"
        Galaxies with a negative flux that is not a code.
    min_bands : int, default=6
        Bands that must reach `min_snr`. 0 switches the cut off.
    min_snr : float, default=3
        Ratio of flux to flux error.
    upper_limits : float or None, default=None
        How many sigma the catalogue's upper limits are, if it has any: a negative error (not a
        code) then says that the flux is such a limit, as CIGALE has it, and the band is taken to
        measure 0 with an error of the limit divided by this. None: such a band is missing.
    keep_errors : bool, default=False
        Whether the flux errors are among the outputs, between the fluxes and the redshift.
    noise_factor : float, default=1
        How many times noisier, at most, the catalogues are that a model trained on this one is to
        serve. In training `StarFormationPipeline` then shows galaxies with noise added and stated
        too, if the errors are kept; 1 adds none.
    redshift : {"spectroscopic", "photometric", "none"}, default="spectroscopic"
        "photometric" reads the redshift's error too, which becomes the last output. "none" reads
        no redshift: there is none among the outputs, and `z_range` is not applied.
    targets : sequence of str, default=TARGETS
        What the columns of a y without names are.
    unit_guard : bool, default=True
        Whether `fit` refuses magnitudes and inverse variances, and `transform` a catalogue of 100
        galaxies or more that is in another unit than that of `fit`: most galaxies are ten times
        brighter, or fainter, than nearly all (99.8 %) of those selected in `fit`, or all fluxes and
        errors differ by a common factor of 5 or more, either way (from 1.25 to 5 is a warning).
        Single galaxies are never refused, but flagged.

    Attributes
    ----------
    report_ : SelectionReport
        The funnel of the galaxies given to `fit`.
    bands_ : BandSet or None
        The bands in use; None with "positional".
    noise_factor_ : float
        The `noise_factor` of `fit`.
    layout_ : Layout
        What the outputs of `transform` are.
    feature_names_in_ : ndarray of str
        The columns read: fluxes, errors where needed, and the redshift.
    n_features_in_ : int
        Their number.

    Notes
    -----
    Outputs have the same names for every survey: ``<band>_flux``, ``<band>_fluxerr``, ``redshift``
    and ``redshift_error``. Flux errors are read only if a cut or the output needs them
    (``min_bands > 0`` or ``keep_errors``). A table's columns are found by name and others are left
    alone; an array without names must have exactly the columns of `feature_names_in_`, in that
    order.

    References
    ----------
    Surana, S. et al. 2020, MNRAS, 493, 4808, section 2.1.

    Examples
    --------
    >>> from sfml import GamaSampleSelector, make_mock_survey
    >>> X, y = make_mock_survey(n_galaxies=300, random_state=0, return_X_y=True)
    >>> selector = GamaSampleSelector().set_output(transform="pandas")
    >>> blanked = selector.fit_transform(X, y)
    >>> blanked.shape
    (300, 22)
    >>> X_selected, y_selected = selector.select(X, y)
    >>> len(X_selected) == selector.report_.n_selected
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "bands": [BandSet, StrOptions({"positional"}), None],
        "z_range": [tuple, list, None],
        "stellar_mass_range": [tuple, list, None],
        "missing": [StrOptions({"reject", "allow"})],
        "negative": [StrOptions({"reject", "allow"})],
        "min_bands": [Interval(Integral, 0, None, closed="left")],
        "min_snr": [Interval(Real, None, None, closed="neither")],
        "upper_limits": [Interval(Real, 0, None, closed="neither"), None],
        "keep_errors": ["boolean"],
        "noise_factor": [Interval(Real, 1, None, closed="left")],
        "redshift": [StrOptions({"spectroscopic", "photometric", "none"})],
        "targets": ["array-like"],
        "unit_guard": ["boolean"],
    }

    def __init__(
        self,
        bands: BandSet | str | None = None,
        *,
        z_range: tuple[float | None, float | None] | None = (0, 0.5),
        stellar_mass_range: tuple[float | None, float | None] | None = (9, None),
        missing: str = "reject",
        negative: str = "reject",
        min_bands: int = 6,
        min_snr: float = 3,
        upper_limits: float | None = None,
        keep_errors: bool = False,
        noise_factor: float = 1,
        redshift: str = "spectroscopic",
        targets: Sequence[str] = TARGETS,
        unit_guard: bool = True,
    ) -> None:
        self.bands = bands
        self.z_range = z_range
        self.stellar_mass_range = stellar_mass_range
        self.missing = missing
        self.negative = negative
        self.min_bands = min_bands
        self.min_snr = min_snr
        self.upper_limits = upper_limits
        self.keep_errors = keep_errors
        self.noise_factor = noise_factor
        self.redshift = redshift
        self.targets = targets
        self.unit_guard = unit_guard

    @fit_method
    def fit(self, X: Any, y: Any = None, *, stellar_mass_range: Range = None) -> GamaSampleSelector:
        """Check the catalogue's layout and count what each cut rejects.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue with fluxes and errors in the band set's unit and the redshift.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex. Only the stellar mass is looked at, for `report_`.
        stellar_mass_range : (float or None, float or None) or None, default=None
            Cut in stellar mass that another step makes, to be counted in `report_` too.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, if columns are absent, not numeric, infinite, or in a
            unit that cannot be converted, or if fluxes look like magnitudes, or errors like
            inverse variances.

        Warns
        -----
        UserWarning
            If a cut rejects more than half of the galaxies.
        """
        rules = self._rules(X)
        # What is kept of the parameters: nothing else is read after `fit`.
        self.rules_, self._upper_limits = rules, self.upper_limits
        self.noise_factor_ = float(self.noise_factor)
        self._largest_error: np.ndarray | None = None
        self._guard: UnitGuard | None = None
        self.bands_ = rules.layout.bands
        self.layout_ = rules.layout.with_errors(bool(self.keep_errors))
        photometry = self._read(X, reset=True)
        self._largest_error = learn_largest_errors(photometry.error)
        blank_missing(photometry, self._largest_error)
        if self.unit_guard and self.bands_ is not None:
            check_are_fluxes(photometry, self.bands_)
        cuts = rules.rejected(photometry, y, stellar_mass_range)
        self.report_ = count_funnel(
            cuts, rules.describe(stellar_mass_range), photometry.flux, rules.layout.band_names
        )
        self._warn_of_large_cuts()
        if self.unit_guard and self.bands_ is not None:
            kept = ~any_of(cuts, len(photometry.flux))
            self._guard = UnitGuard.learn(photometry.rows(kept))
        return self

    def read(self, X: Any) -> Photometry:
        """Read the photometry of galaxies as `transform` does, before any cut.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue, as for `fit`.

        Returns
        -------
        Photometry
            Fluxes and errors (None where the pipeline needs none), (n_galaxies, n_bands), in the
            unit of the band set, and redshifts; NaN where not measured. A measurement that is an
            upper limit is one of 0 with its error, where `upper_limits` is given.

        Raises
        ------
        ValueError
            If columns are absent, not numeric, infinite, or in a unit that cannot be converted.
        """
        check_is_fitted(self)
        return self._read(X, reset=False)

    def transform(self, X: Any) -> np.ndarray:
        """Blank the rejected galaxies, in place.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            Fluxes, errors if kept, and the redshift, row by row as in X. Missing values are NaN;
            so are all values of a rejected galaxy.

        Raises
        ------
        ValueError
            As `fit`, or by `unit_guard`.
        """
        return self._blank_and_flag(X)[0]

    def flag(self, X: Any) -> np.ndarray:
        """Flag galaxies that `transform` blanks and, once fitted, those of another unit or depth.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        ndarray of int, shape (n_galaxies,)
            Sums of `sfml.flags.Flag`.
        """
        if hasattr(self, "rules_"):
            return self._blank_and_flag(X)[1]
        rules, photometry = self._read_unfitted(X)
        return _flags_of(rules.rejected(photometry), photometry)

    def transform_and_flag(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Do both, and read the catalogue once.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        values : ndarray of shape (n_galaxies, n_outputs)
            As `transform` gives them.
        flags : ndarray of int, shape (n_galaxies,)
            As `flag` gives them.
        """
        return self._blank_and_flag(X)

    def _blank_and_flag(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        photometry = self._read(X)
        n_galaxies = len(photometry.flux)
        cuts = self.rules_.rejected(photometry)
        rejected = any_of(cuts, n_galaxies)
        flags = _flags_of(cuts, photometry)
        if self._guard is not None:
            # Another unit can look like gaps: errors so large that they say nothing.
            others = {name: where for name, where in cuts.items() if name != "missing"}
            self._guard.check(photometry.rows(~any_of(others, n_galaxies)))
            flags |= flag_where(Flag.UNIT, self._guard.flag(photometry))
        out = photometry.columns(errors=self.layout_.errors)
        out[rejected] = np.nan
        return out, flags

    def select(self, X: Any, y: Any = None) -> Any:
        """Keep the selected galaxies only; needs no `fit`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue; all its columns are kept.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex. If given, the cut in stellar mass applies too.

        Returns
        -------
        X_selected : same kind as X
        y_selected : same kind as y
            Only if y was given.
        """
        selected = np.logical_not(self.reasons(X, y).to_numpy().any(axis=1))
        X_selected = tables.take_rows(X, selected)
        return X_selected if y is None else (X_selected, tables.take_rows(y, selected))

    def reasons(self, X: Any, y: Any = None) -> pd.DataFrame:
        """Say which cuts reject each galaxy; needs no `fit`, and reads the parameters as they are.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex, for the cut in stellar mass.

        Returns
        -------
        DataFrame of bool, shape (n_galaxies, n_cuts)
            One column for each cut in use, True where it rejects; with the index of X if it has
            one.
        """
        tables.check_same_rows(X, y)
        rules, photometry = self._read_unfitted(X)
        return pd.DataFrame(rules.rejected(photometry, y), index=index_of(X))

    def funnel(self, X: Any, y: Any = None) -> SelectionReport:
        """Count what the fitted cuts reject of any catalogue.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex, for the cut in stellar mass.

        Returns
        -------
        SelectionReport

        Examples
        --------
        >>> from sfml import GamaSampleSelector, make_mock_survey
        >>> X = make_mock_survey(n_galaxies=300, n_templates=2000, random_state=0)
        >>> selector = GamaSampleSelector().fit(X[:200])
        >>> selector.funnel(X[200:]).n_galaxies
        100
        """
        check_is_fitted(self)
        tables.check_same_rows(X, y)
        photometry, rules = self._read(X), self.rules_
        cuts = rules.rejected(photometry, y)
        return count_funnel(cuts, rules.describe(), photometry.flux, rules.layout.band_names)

    def split(self, values: Any) -> Photometry:
        """Tell the columns that `transform` gives apart.

        Parameters
        ----------
        values : array-like of shape (n_galaxies, n_outputs)
            What `transform` gave.

        Returns
        -------
        Photometry
            Arrays `flux`, `error`, `redshift` and `redshift_error`; None for what is not there.
        """
        check_is_fitted(self)
        return self.layout_.split(np.asarray(values, dtype=np.float64))

    def drop_bands(self, X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Take bands away from galaxies, at random and as surveys do.

        Parameters
        ----------
        X : ndarray of shape (n_galaxies, n_outputs)
            What `transform` gave.
        rng : Generator
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            The galaxies as they would be without these bands; NaN marks a band not observed.
            Each keeps as many bands that reach `min_snr` as `min_bands` asks for.
        """
        photometry = self.split(X)
        flux, error = photometry.flux, photometry.error
        observed = ~np.isnan(flux)
        rules = self.rules_
        detected = observed if error is None else flux >= rules.min_snr * error
        assert self.bands_ is not None
        wavelengths = np.asarray(self.bands_.wavelengths)
        dropped = draw_dropout(observed, detected, wavelengths, rules.min_bands, rng)
        return photometry.without(dropped).columns(errors=True)

    def varies(self) -> bool:
        """Tell whether galaxies are to be shown otherwise than observed too, in training.

        Returns
        -------
        bool
        """
        return self.allows_missing() or self._adds_noise()

    def vary(self, X: np.ndarray, rng: np.random.Generator, *, noise: bool = True) -> np.ndarray:
        """Show galaxies as another survey might have: with fewer bands, or noisier.

        Parameters
        ----------
        X : ndarray of shape (n_galaxies, n_outputs)
            What `transform` gave.
        rng : Generator
            Source of randomness.
        noise : bool, default=True
            Whether noise may be added.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            The galaxies without some bands, if missing bands are allowed, and every other galaxy
            (every one, if they are not) noisier, if there is a `noise_factor`.
        """
        varied = self.drop_bands(X, rng) if self.allows_missing() else X
        if not (noise and self._adds_noise()):
            return varied
        noisier = self.add_noise(varied, rng)
        if not self.allows_missing():
            return noisier
        return np.where(rng.random((len(X), 1)) < 0.5, noisier, varied)

    def add_noise(self, X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise to the fluxes, and state it in their errors.

        Parameters
        ----------
        X : ndarray of shape (n_galaxies, n_outputs)
            What `transform` gave.
        rng : Generator
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_galaxies, n_outputs)
            The galaxies with errors up to `noise_factor` times as large: half of them by one
            factor for all bands, as in a shallower survey, the others by one for each band.
            Galaxies that would keep fewer bands than `min_bands` that reach `min_snr` stay as
            they are.
        """
        photometry = self.split(X)
        flux, error = photometry.flux, photometry.error
        assert error is not None
        # Of equal galaxies equal numbers: those that count twice are learnt from as such.
        keys, n_bands = row_keys(X), flux.shape[1]
        drawn = np.column_stack([draw_uniform(keys, rng) for _ in range(2 * n_bands + 1)])
        shared, by_band, noise = drawn[:, :1] < 0.5, drawn[:, 1 : n_bands + 1], drawn[:, -n_bands:]
        factor = self.noise_factor_ ** np.where(shared, by_band[:, :1], by_band)
        noisier = error * factor
        noise = ndtri(noise) * np.sqrt(noisier**2 - error**2)
        flux = flux + noise
        enough = (flux >= self.rules_.min_snr * noisier).sum(axis=1) >= self.rules_.min_bands
        if self.rules_.negative == "reject":
            enough &= ~(flux < 0).any(axis=1)
        return np.where(
            enough[:, np.newaxis],
            photometry._replace(flux=flux, error=noisier).columns(errors=True),
            X,
        )

    def allows_missing(self) -> bool:
        """Tell whether galaxies may lack bands, so that in training some are taken away.

        Returns
        -------
        bool
        """
        return self.rules_.missing == "allow" and self.bands_ is not None

    def _adds_noise(self) -> bool:
        return self.noise_factor_ > 1 and self.layout_.errors

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Name the outputs of `transform`.

        Parameters
        ----------
        input_features : sequence of str, default=None
            Ignored: the outputs have the same names for every survey.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.asarray(self.layout_.names, dtype=object)

    def _rules(self, X: Any) -> Rules:
        """Check the parameters together, and keep what is needed of them."""
        positional = isinstance(self.bands, str)
        bands: Any = None if positional else GAMA if self.bands is None else self.bands
        needs_errors = bool(self.min_bands or self.keep_errors or self.upper_limits is not None)
        if positional and self.redshift != "spectroscopic":
            raise ValueError(
                f"redshift={self.redshift!r} needs a BandSet that says which columns are which."
            )
        if positional and needs_errors:
            raise ValueError(
                "bands='positional' has no flux errors: set min_bands=0 and keep_errors=False, or "
                "describe the columns with a BandSet."
            )
        if bands is not None and self.redshift == "photometric" and bands.redshift_error is None:
            raise ValueError(
                "redshift='photometric' needs the name of the column with the redshift's error: "
                "set the band set's redshift_error, as in "
                "dataclasses.replace(sfml.GAMA, redshift_error='Z_err')."
            )
        n_bands = np.atleast_1d(np.asarray(X)).shape[-1] - 1 if positional else None
        return Rules(
            layout=Layout(bands, needs_errors, self.redshift, n_bands),
            z_range=self.z_range,
            stellar_mass_range=self.stellar_mass_range,
            missing=self.missing,
            negative=self.negative,
            min_bands=self.min_bands,
            min_snr=self.min_snr,
            targets=tuple(self.targets),
        )

    def _read_unfitted(self, X: Any) -> tuple[Rules, Photometry]:
        """Read X by the parameters as they are."""
        self._validate_params()
        rules = self._rules(X)
        if rules.layout.bands is not None:
            return rules, read_photometry(X, rules.layout, upper_limits=self.upper_limits)
        values = validate_data(
            GamaSampleSelector(), X, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return rules, rules.layout.split(values)

    def _read(self, X: Any, *, reset: bool = False) -> Photometry:
        """Read what the cuts need, as the rules of `fit` say."""
        layout = self.rules_.layout
        if layout.bands is None:
            values = validate_data(
                self,
                X,
                reset=reset,
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                ensure_min_samples=1 if reset else 0,
                copy=True,
            )
            return layout.split(values)
        named = tables.column_names(X) is not None
        if reset:
            if not tables.n_rows(X):
                raise ValueError("Found array with 0 sample(s): a catalogue to fit needs galaxies.")
            self._fitted_on_names = named
            self.feature_names_in_ = np.asarray(layout.catalogue_columns, dtype=object)
            self.n_features_in_ = len(self.feature_names_in_)
        elif self._fitted_on_names and not named:
            warnings.warn(
                "X does not have valid feature names, but GamaSampleSelector was fitted with "
                "feature names: its columns are taken to be feature_names_in_, in that order.",
                UserWarning,
                stacklevel=4,
            )
        return read_photometry(
            X,
            layout,
            upper_limits=self._upper_limits,
            largest_error=self._largest_error,
            absent_bands=not reset and self.rules_.missing == "allow",
        )

    def _warn_of_large_cuts(self) -> None:
        n = self.report_.n_galaxies
        for cut in self.report_.cuts:
            if cut.rejected_alone * 2 > n >= FEWEST_TO_WARN:
                warnings.warn(
                    f"The cut {cut.name!r} (it keeps: {cut.description}) rejects "
                    f"{cut.rejected_alone} of {n} galaxies given to fit. Change it if it is not "
                    "meant for this survey: every cut is an argument of "
                    "make_star_formation_pipeline and a parameter of GamaSampleSelector.",
                    UserWarning,
                    stacklevel=4,
                )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _flags_of(cuts: dict[str, np.ndarray], photometry: Photometry) -> np.ndarray:
    """Flag the galaxies that cuts reject."""
    nothing = np.isnan(photometry.flux).all(axis=1)
    flags = flag_where(Flag.FEW_BANDS, nothing)
    for name, where in cuts.items():
        # Where nothing was observed, it is not the noise that is to blame.
        flags |= flag_where(CUT_FLAGS[name], where & ~nothing if name == "snr" else where)
    return flags
