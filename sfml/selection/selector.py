"""Which galaxies to learn from: the sample selection of Surana et al. (2020, section 2.1)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.flags import CUT_FLAGS, raised
from sfml.photometry.guard import UnitGuard
from sfml.photometry.photometry import N_REDSHIFT, Photometry
from sfml.selection.dropout import draw_dropout
from sfml.selection.funnel import SelectionReport, count_funnel
from sfml.targets import TARGETS, check_limits, open_ends, read_one_target

__all__ = ["GamaSampleSelector", "SelectionReport"]


class GamaSampleSelector(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
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
        Galaxies with a missing band. A band is missing where its flux or its error is NaN or one
        of the band set's codes, or where the error is not positive. Allowed ones become NaN.
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
    redshift : {"spectroscopic", "photometric", "none"}, default="spectroscopic"
        "photometric" reads the redshift's error too, which becomes the last output. "none" reads
        no redshift: there is none among the outputs, and `z_range` is not applied.
    targets : sequence of str, default=TARGETS
        What the columns of a y without names are.
    unit_guard : bool, default=True
        Whether `transform` refuses a catalogue most of whose galaxies are ten times brighter, or
        fainter, than nearly all (99.8 %) of those selected in `fit`: fluxes in another unit, most
        likely. Fewer than 100 galaxies in `fit` are no guard.

    Attributes
    ----------
    report_ : SelectionReport
        The funnel of the galaxies given to `fit`.
    bands_ : BandSet or None
        The bands in use; None with "positional".
    feature_names_in_ : ndarray of str
        The columns read: fluxes, errors where needed, and the redshift.
    n_features_in_ : int
        Their number.

    Notes
    -----
    Flux errors are read only if a cut or the output needs them (``min_bands > 0`` or
    ``keep_errors``). A table's columns are found by name and others are left alone; an array
    without names must have exactly the columns of `feature_names_in_`, in that order.

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
        self.redshift = redshift
        self.targets = targets
        self.unit_guard = unit_guard

    def fit(self, X: Any, y: Any = None) -> GamaSampleSelector:
        """Check the catalogue's layout and count what each cut rejects.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue with fluxes and errors in the band set's unit and the redshift.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex. Only the stellar mass is looked at, for `report_`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or if columns are absent, not numeric, infinite, or
            in a unit that cannot be converted.
        """
        self._check_params()
        photometry = self._read(X, reset=True)
        flags = self._flags(photometry, y)
        self.report_ = count_funnel(flags, self._descriptions(), len(photometry.flux))
        self._guard = UnitGuard.learn(photometry.rows(~_any(flags, len(photometry.flux))))
        return self

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
        check_is_fitted(self)
        photometry = self._read(X, reset=False)
        rejected = _any(self._flags(photometry, None), len(photometry.flux))
        if self.unit_guard and self.bands_ is not None:
            self._guard.check(photometry.rows(~rejected))
        out = photometry.columns(errors=self.keep_errors)
        out[rejected] = np.nan
        return out

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
        """Say which cuts reject each galaxy; needs no `fit`.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.
        y : array-like of shape (n_galaxies, n_targets), default=None
            Targets in dex, for the cut in stellar mass.

        Returns
        -------
        DataFrame of bool, shape (n_galaxies, n_cuts)
            One column a cut in use, True where it rejects; with the index of X if it has one.
        """
        self._check_params()
        flags = self._flags(self._read(X, reset=None), y)
        index = tables.row_index(X)
        return pd.DataFrame(
            flags, index=pd.RangeIndex(tables.n_rows(X)) if index is None else index
        )

    def flag(self, X: Any) -> np.ndarray:
        """Flag the galaxies that `transform` blanks.

        Parameters
        ----------
        X : table or array of shape (n_galaxies, n_columns)
            Catalogue.

        Returns
        -------
        ndarray of int, shape (n_galaxies,)
            Sums of `sfml.flags.Flag`.
        """
        flag = np.zeros(tables.n_rows(X), dtype=np.int64)
        for name, rejected in self.reasons(X).items():
            flag |= raised(CUT_FLAGS[str(name)], rejected.to_numpy())
        return flag

    def split(self, values: Any) -> Photometry:
        """Tell the columns that `transform` gives apart, if the bands are named.

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
        assert self.bands_ is not None
        return Photometry.split(
            np.asarray(values, dtype=np.float64),
            len(self.bands_),
            errors=self.keep_errors,
            n_redshift=N_REDSHIFT[self.redshift],
        )

    def drop_bands(
        self, X: np.ndarray, n_variants: int, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Take bands away from galaxies, at random and as surveys do.

        Parameters
        ----------
        X : ndarray of shape (n_galaxies, n_outputs)
            What `transform` gave.
        n_variants : int
            How often.
        rng : Generator
            Source of randomness.

        Returns
        -------
        list of ndarray of shape (n_galaxies, n_outputs)
            The galaxies as they would be without these bands; NaN marks a band not observed.
            Each keeps as many bands that reach `min_snr` as `min_bands` asks for.
        """
        check_is_fitted(self)
        assert self.bands_ is not None
        photometry = self.split(X)
        flux, error = photometry.flux, photometry.error
        observed = ~np.isnan(flux)
        detected = observed if error is None else flux >= self.min_snr * error
        wavelengths = np.asarray(self.bands_.wavelengths)
        return [
            photometry.without(
                draw_dropout(observed, detected, wavelengths, self.min_bands, rng)
            ).columns(errors=True)
            for _ in range(n_variants)
        ]

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Name the outputs of `transform`.

        Parameters
        ----------
        input_features : sequence of str, default=None
            If given, must be the columns read in `fit`.

        Returns
        -------
        ndarray of str
        """
        names = super().get_feature_names_out(input_features)
        if self.bands_ is None or self.keep_errors or not self._needs_errors():
            return names
        n_bands = len(self.bands_)
        return np.concatenate([names[:n_bands], names[2 * n_bands :]])

    def _needs_errors(self) -> bool:
        return bool(self.min_bands) or self.keep_errors or self.upper_limits is not None

    def _check_params(self) -> None:
        for name in ("missing", "negative"):
            if getattr(self, name) not in ("reject", "allow"):
                raise ValueError(
                    f"{name} must be 'reject' or 'allow'; got {getattr(self, name)!r}."
                )
        if self.redshift not in N_REDSHIFT:
            raise ValueError(
                f"redshift must be 'spectroscopic', 'photometric' or 'none'; got {self.redshift!r}."
            )
        if self.upper_limits is not None and not (
            isinstance(self.upper_limits, Real) and float(self.upper_limits) > 0
        ):
            raise ValueError(
                "upper_limits must be None or the number of sigma of the limits, such as 3; got "
                f"{self.upper_limits!r}."
            )
        for name in ("z_range", "stellar_mass_range"):
            _check_range(name, getattr(self, name))
        is_count = isinstance(self.min_bands, Integral) and not isinstance(self.min_bands, bool)
        if not is_count or self.min_bands < 0:
            raise ValueError(
                f"min_bands must be a whole number, 0 for no cut; got {self.min_bands!r}."
            )
        if not isinstance(self.min_snr, Real) or np.isnan(self.min_snr):
            raise ValueError(f"min_snr must be a number; got {self.min_snr!r}.")
        if not (
            self.bands is None or self.bands == "positional" or isinstance(self.bands, BandSet)
        ):
            raise ValueError(f"bands must be a BandSet, 'positional' or None; got {self.bands!r}.")
        if isinstance(self.bands, BandSet) and self.min_bands > len(self.bands):
            raise ValueError(
                f"min_bands={self.min_bands} can never be reached with {len(self.bands)} bands: "
                "lower it, or use 0 for no cut."
            )
        if self.bands == "positional" and self.redshift != "spectroscopic":
            raise ValueError(
                f"redshift={self.redshift!r} needs a BandSet that says which columns are which."
            )
        if self.bands == "positional" and self._needs_errors():
            raise ValueError(
                "bands='positional' has no flux errors: set min_bands=0 and keep_errors=False, or "
                "describe the columns with a BandSet."
            )

    def _read(self, X: Any, *, reset: bool | None) -> Photometry:
        """Read what the cuts need; `reset` is as in `validate_data`, None to leave no trace."""
        if isinstance(self.bands, str):
            return self._read_positional(X, reset)
        bands = GAMA if self.bands is None else self.bands
        if reset and not tables.n_rows(X):
            raise ValueError("Found array with 0 sample(s): a catalogue to fit needs galaxies.")
        errors = bands.error_columns if self._needs_errors() else ()
        redshift = self._redshift_columns(bands)
        columns = [*bands.flux_columns, *errors, *redshift]
        units = [bands.unit] * (len(columns) - len(redshift)) + [None] * len(redshift)
        named = tables.column_names(X) is not None
        if reset is False and self._fitted_on_names and not named:
            warnings.warn(
                "X does not have valid feature names, but GamaSampleSelector was fitted with "
                "feature names: its columns are taken to be feature_names_in_, in that order.",
                UserWarning,
                stacklevel=3,
            )
        values = tables.extract(X, columns, unit=units, missing_codes=bands.missing_codes)
        _check_finite(values, columns)
        if reset:
            self.bands_: BandSet | None = bands
            self._fitted_on_names: bool = named
            self.n_features_in_ = len(columns)
            self.feature_names_in_ = np.asarray(columns, dtype=object)
        return Photometry.split(
            values, len(bands), errors=bool(errors), n_redshift=len(redshift)
        ).clean(bands, self.upper_limits)

    def _read_positional(self, X: Any, reset: bool | None) -> Photometry:
        own = self if reset is not None else GamaSampleSelector()
        values = validate_data(
            own,
            X,
            reset=reset is not False,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=1 if reset else 0,
            copy=True,
        )
        if reset:
            self.bands_ = None
        return Photometry.split(values, values.shape[1] - 1, errors=False).clean(GAMA)

    def _redshift_columns(self, bands: BandSet) -> list[str]:
        if self.redshift == "none":
            return []
        if self.redshift == "spectroscopic":
            return [bands.redshift]
        if bands.redshift_error is None:
            raise ValueError(
                "redshift='photometric' needs the name of the column with the redshift's error: "
                "set the band set's redshift_error, as in "
                "dataclasses.replace(sfml.GAMA, redshift_error='Z_err')."
            )
        return [bands.redshift, bands.redshift_error]

    def _flags(self, photometry: Photometry, y: Any) -> dict[str, Any]:
        """Where each cut in use rejects, in the order of the paper."""
        flux, error, redshift, redshift_error = photometry
        flags: dict[str, Any] = {}
        if self.z_range is not None and redshift is not None:
            low, high = open_ends(self.z_range)
            flags["redshift"] = ~((redshift > low) & (redshift <= high))
            if redshift_error is not None:
                flags["redshift"] |= ~(redshift_error >= 0)
        mass = self._stellar_mass(y, len(flux))
        if mass is not None and self.stellar_mass_range is not None:
            low, high = open_ends(self.stellar_mass_range)
            flags["stellar_mass"] = ~((mass >= low) & (mass <= high))
        if self.missing == "reject":
            flags["missing"] = np.isnan(flux).any(axis=1)
        if self.negative == "reject":
            flags["negative"] = (flux < 0).any(axis=1)
        if self.min_bands:
            assert error is not None
            n_detected = np.sum(flux >= self.min_snr * error, axis=1)
            flags["snr"] = n_detected < self.min_bands
        return flags

    def _stellar_mass(self, y: Any, n_galaxies: int) -> np.ndarray | None:
        if y is None or self.stellar_mass_range is None:
            return None
        mass = read_one_target(y, "stellar_mass", self.targets)
        if mass is not None and len(mass) != n_galaxies:
            check_consistent_length(np.empty(n_galaxies), mass)
        return mass

    def _descriptions(self) -> dict[str, str]:
        bands = "band" if self.min_bands == 1 else "bands"
        return {
            "redshift": _as_text("z", self.z_range, "<"),
            "stellar_mass": _as_text("log10 M*/Msun", self.stellar_mass_range, "<="),
            "missing": "every band measured",
            "negative": "no negative flux",
            "snr": f"at least {self.min_bands} {bands} with SNR >= {self.min_snr:g}",
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _any(flags: dict[str, Any], n_galaxies: int) -> np.ndarray:
    """Where at least one cut rejects."""
    rejected: np.ndarray = np.zeros(n_galaxies, dtype=bool)
    for flagged in flags.values():
        rejected |= flagged
    return rejected


def _check_range(name: str, limits: Any) -> None:
    if limits is None:
        return
    check_limits(name, limits)


def _as_text(quantity: str, limits: Any, below: str) -> str:
    if limits is None:
        return quantity
    low, high = limits
    left = "" if low is None else f"{low:g} {below} "
    right = "" if high is None else f" <= {high:g}"
    return f"{left}{quantity}{right}"


def _check_finite(values: np.ndarray, columns: Sequence[str]) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        named = [name for name, bad in zip(columns, infinite.any(axis=0), strict=True) if bad]
        raise ValueError(
            f"Input X contains infinity in {infinite.sum()} places, in the columns "
            f"{', '.join(named)}: write NaN, or one of the band set's codes, for a missing value."
        )
