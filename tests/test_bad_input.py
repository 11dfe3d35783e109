"""What astronomers' tables hold in practice: the right answer, or an error that says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

import sfml
from sfml import GAMA, TARGETS

# Arrays are given here to pipelines fitted on names; that warning has its own test.
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")


GAMA_NAMES = ["mass_stellar_percentile50", "SFR_0_1Gyr_percentile50", "L_dust_percentile50"]


@pytest.fixture
def pipe() -> Pipeline:
    """The recipe's pipeline with one linear model per target: input is the pipeline's business."""
    pipe = sfml.make_star_formation_pipeline("surana2020", random_state=0)
    return pipe.set_params(**{f"regress__{name}": Ridge() for name in TARGETS})


@pytest.fixture
def fitted(pipe, galaxies) -> Pipeline:
    return clone(pipe).fit(*galaxies)


@pytest.fixture(params=["fit", "predict", "score"])
def refuses(request, pipe, fitted, galaxies):
    """Function that asserts that `fit`, `predict` and `score` each refuse an X with a message."""

    def check(X: object, message: str, error: Any = ValueError) -> None:
        y = galaxies[1]
        call = {
            "fit": lambda: pipe.fit(X, y),
            "predict": lambda: fitted.predict(X),
            "score": lambda: fitted.score(X, y),
        }[request.param]
        with pytest.raises(error, match=message):
            call()

    return check


def as_fits(X: pd.DataFrame, unit: str = "Jy", factor: float = 1.0) -> fits.FITS_rec:
    """A FITS table as GAMA publishes them: big-endian, with units."""
    columns = [
        fits.Column(name, "D", unit=None if name == "Z" else unit, array=scaled(X[name], factor))
        for name in X.columns
    ]
    return fits.BinTableHDU.from_columns(columns).data


def scaled(column: pd.Series, factor: float) -> np.ndarray:
    """Fluxes in another unit; codes and the redshift stay what they are."""
    values = column.to_numpy()
    return values if column.name == "Z" else np.where(values == -999, values, values * factor)


def as_astropy(X: pd.DataFrame, unit: str = "Jy", factor: float = 1.0) -> Table:
    table = Table({name: scaled(X[name], factor) for name in X.columns})
    for name in table.colnames:
        table[name].unit = None if name == "Z" else unit
    return table


def as_masked(X: pd.DataFrame) -> Table:
    """An astropy table whose missing fluxes are masked, with nonsense below the mask."""
    table = Table(masked=True)
    for name in X.columns:
        values = X[name].to_numpy()
        table[name] = MaskedColumn(np.where(values == -999, 1e3, values), mask=values == -999)
    return table


def as_qtable(X: pd.DataFrame) -> QTable:
    columns = {name: scaled(X[name], 1e3) * u.mJy for name in X.columns if name != "Z"}
    return QTable({**columns, "Z": X["Z"].to_numpy()})


KINDS = {
    "polars": lambda X: pl.DataFrame(X.to_dict("list")),
    "polars with nulls": lambda X: pl.DataFrame(X.replace(-999, None).to_dict("list")),
    "pyarrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
    "pandas, arrow types": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable types": lambda X: X.replace(-999, np.nan).convert_dtypes(),
    "pandas, objects": lambda X: X.astype(object),
    "pandas, big-endian": lambda X: X.astype(">f8"),
    "pandas, NaN for codes": lambda X: X.replace(-999, np.nan),
    "pandas, other codes": lambda X: X.replace(-999, -99),
    "structured array": lambda X: X.to_records(index=False),
    "big-endian structured array": lambda X: np.array(
        X.to_records(index=False), dtype=[(name, ">f8") for name in X.columns]
    ),
    "FITS": as_fits,
    "FITS in mJy": lambda X: as_fits(X, "mJy", 1e3),
    "astropy": as_astropy,
    "astropy in mJy": lambda X: as_astropy(X, "mJy", 1e3),
    "astropy in uJy": lambda X: as_astropy(X, "uJy", 1e6),
    "astropy, masked": as_masked,
    "astropy, quantities": as_qtable,
    "array": lambda X: X[list(GAMA.columns)].to_numpy(),
    "big-endian array": lambda X: X[list(GAMA.columns)].to_numpy().astype(">f8"),
    "Fortran array": lambda X: np.asfortranarray(X[list(GAMA.columns)]),
    "list": lambda X: X[list(GAMA.columns)].to_numpy().tolist(),
}


class TestKindsOfTables:
    @pytest.mark.parametrize("kind", KINDS)
    def test_predictions_are_those_of_pandas(self, fitted, galaxies, kind):
        X, _ = galaxies
        expected = fitted.predict(X)
        assert np.isnan(expected).any()
        np.testing.assert_allclose(fitted.predict(KINDS[kind](X)), expected, rtol=1e-9)

    @pytest.mark.parametrize("kind", KINDS)
    def test_training_is_that_of_pandas(self, pipe, fitted, galaxies, kind):
        X, y = galaxies
        table = KINDS[kind](X)
        predicted = pipe.fit(table, y.to_numpy()).predict(table)
        np.testing.assert_allclose(predicted, fitted.predict(X), rtol=1e-9)
        assert pipe.score(table, y) == pytest.approx(fitted.score(X, y))

    def test_single_precision(self, fitted, galaxies):
        X, _ = galaxies
        predicted = fitted.predict(X.astype(np.float32))
        np.testing.assert_allclose(predicted, fitted.predict(X), atol=1e-4)

    def test_unknown_names_are_taken_by_position_with_a_warning(self, pipe, fitted, galaxies):
        X, y = galaxies
        with pytest.warns(UserWarning, match="a, b, c are none of the targets' names"):
            pipe.fit(X, y.set_axis(["a", "b", "c"], axis=1))
        np.testing.assert_array_equal(pipe.predict(X), fitted.predict(X))

    @pytest.mark.parametrize(
        "make",
        [
            lambda y: y.to_numpy(),
            lambda y: y.to_numpy().astype(">f8"),
            lambda y: y.to_numpy().tolist(),
            lambda y: y.set_axis(GAMA_NAMES, axis=1),
            lambda y: y.set_axis(GAMA_NAMES, axis=1)[GAMA_NAMES[::-1]],
            lambda y: y[list(TARGETS[::-1])],
            lambda y: y.set_axis([0, 1, 2], axis=1),
            lambda y: y.astype("Float64"),
            lambda y: pl.DataFrame(y.to_dict("list")),
            lambda y: pa.Table.from_pandas(y, preserve_index=False),
            lambda y: Table({name: y[name].to_numpy() for name in y}),
            lambda y: y.to_records(index=False),
        ],
    )
    def test_kinds_of_y(self, pipe, fitted, galaxies, make):
        X, y = galaxies
        predicted = pipe.fit(X, make(y)).predict(X)
        np.testing.assert_array_equal(predicted, fitted.predict(X))
        assert pipe.score(X, make(y)) == fitted.score(X, y)

    @pytest.mark.parametrize(
        "make",
        [
            lambda y: y,
            lambda y: y.to_numpy(),
            lambda y: y.tolist(),
            lambda y: y.rename("SFR_0_1Gyr_percentile50"),
            lambda y: y.rename(None),
            lambda y: pl.Series("sfr", y.to_numpy()),
            lambda y: pl.Series(y.to_numpy()),
            lambda y: y.to_frame(),
            lambda y: pl.DataFrame({"sfr": y.to_numpy()}),
            lambda y: y.to_numpy()[:, np.newaxis],
            lambda y: MaskedColumn(y.to_numpy(), name="sfr"),
        ],
    )
    def test_kinds_of_one_column(self, galaxies, make):
        X, y = galaxies
        pipe = sfml.make_star_formation_pipeline(targets=["sfr"], missing="reject", random_state=0)
        pipe.set_params(regress__sfr=Ridge())
        expected = clone(pipe).fit(X, y["sfr"]).predict(X)
        assert expected.shape == (len(X),)
        y_given = make(y["sfr"])
        predicted = pipe.fit(X, y_given).predict(X)
        assert predicted.ndim == np.asarray(y_given).ndim
        np.testing.assert_array_equal(predicted.ravel(), expected)


class TestColumns:
    def test_absent_ones_are_all_named(self, refuses, galaxies):
        X, _ = galaxies
        absent = "'FUV_flux', 'W3_flux', 'K_fluxerr', 'Z'"
        message = f"lacks 4 of the 43 columns needed: {absent}"
        refuses(X.drop(columns=["Z", "K_fluxerr", "W3_flux", "FUV_flux"]), message)

    def test_the_spelling_meant_is_suggested(self, refuses, galaxies):
        X, _ = galaxies
        refuses(X.rename(columns={"Z": "z", "r_flux": "r_Flux"}), "'r_flux'.*mean 'r_Flux'")

    def test_too_few_or_many_without_names(self, refuses, galaxies):
        array = galaxies[0].to_numpy()
        refuses(array[:, :22], "22 columns without names, but exactly 43 .*'FUV_flux'")
        refuses(np.c_[array, array], "86 columns without names, but exactly 43")

    def test_a_prediction_needs_the_columns_of_the_fit(self, galaxies):
        X, y = galaxies
        pipe = sfml.make_star_formation_pipeline(bands=GAMA.without("X"), targets=["sfr"])
        pipe.set_params(regress__sfr=Ridge(), select__missing="reject").fit(X, y["sfr"])
        with pytest.raises(ValueError, match="lacks 1 of the 41 columns needed: 'Y_flux'"):
            pipe.predict(X.drop(columns="Y_flux"))

    def test_repeated(self, refuses, galaxies):
        X, _ = galaxies
        refuses(pd.concat([X, X[["r_flux"]]], axis=1), "more than one column named 'r_flux'")

    def test_a_repeated_one_that_is_not_needed_may_stay(self, fitted, galaxies):
        X, _ = galaxies
        ids = pd.DataFrame(np.zeros((len(X), 2)), X.index, ["ID", "ID"])
        expected = fitted.predict(X)
        np.testing.assert_array_equal(fitted.predict(pd.concat([X, ids], axis=1)), expected)

    def test_text(self, refuses, galaxies):
        X, _ = galaxies
        refuses(X.assign(r_flux="n/a"), "'r_flux' holds text: 'n/a' in row 0")
        refuses(X.assign(r_flux=X["r_flux"].astype(str)), "'r_flux' holds text")

    def test_a_single_text_among_numbers(self, refuses, galaxies):
        X, _ = galaxies
        mixed = X["r_flux"].astype(object)
        mixed.iloc[5] = "--"
        refuses(X.assign(r_flux=mixed), "'r_flux' holds text: '--' in row 5")

    @pytest.mark.parametrize(
        ("value", "what"),
        [(True, "boolean"), (1j, "complex"), (pd.Timestamp("2020-01-01"), "date")],
    )
    def test_other_things_than_numbers(self, refuses, galaxies, value, what):
        X, _ = galaxies
        refuses(X.assign(r_flux=[value] * len(X)), f"'r_flux' holds .*{what}")

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinity(self, refuses, galaxies, value):
        X, _ = galaxies
        X.iloc[3, X.columns.get_loc("r_flux")] = value
        X.iloc[4, X.columns.get_loc("Z")] = value
        refuses(X, "contains infinity in 2 places, in the columns r_flux, Z")

    def test_some_labels_not_strings(self, refuses, galaxies):
        X, _ = galaxies
        refuses(X.rename(columns={"Z": 0}), "label 0", TypeError)

    def test_labels_of_several_levels(self, refuses, galaxies):
        """They are names all the same: never to be read by position."""
        X, _ = galaxies
        levels = pd.MultiIndex.from_product([["photometry"], X.columns])
        refuses(X.set_axis(levels, axis=1), "columns", (TypeError, ValueError))

    def test_units_that_are_no_flux(self, refuses, galaxies):
        table = as_astropy(galaxies[0])
        table["r_flux"].unit = "mag"
        table["i_flux"].unit = "erg/s"
        refuses(table, "'r_flux' is in 'mag', expected 'Jy'; 'i_flux' is in 'erg / s'")

    @pytest.mark.parametrize("shape", ["Series", "array", "list"])
    def test_one_dimension(self, refuses, galaxies, shape):
        row = galaxies[0].iloc[0]
        X = {"Series": row, "array": row.to_numpy(), "list": row.tolist()}[shape]
        refuses(X, "one-dimensional .*Reshape your data")

    @pytest.mark.parametrize("X", [None, 3, "catalogue.fits"])
    def test_no_table(self, refuses, X):
        refuses(X, "Expected a table", TypeError)

    def test_a_table_without_the_columns(self, refuses):
        refuses({"Z": [0.1]}, "lacks 42 of the 43 columns")

    def test_lazy_tables(self, refuses, galaxies):
        refuses(pl.LazyFrame(galaxies[0].to_dict("list")), r"collect", TypeError)

    def test_three_dimensions(self, refuses):
        refuses(np.ones((3, 43, 2)), "3 dimensions")


class TestRows:
    def test_one_galaxy_is_predicted(self, fitted, galaxies):
        X, _ = galaxies
        np.testing.assert_array_equal(fitted.predict(X.iloc[[7]]), fitted.predict(X)[[7]])
        array = X[list(GAMA.columns)].to_numpy()
        np.testing.assert_array_equal(fitted.predict(array[[7]]), fitted.predict(X)[[7]])

    def test_one_galaxy_is_too_few_to_train_a_network(self, quick_pipeline, selected):
        X, y = selected
        with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
            quick_pipeline().fit(X.iloc[[0]], y.iloc[[0]])

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_galaxy_gives_no_prediction(self, fitted, galaxies, kind):
        if kind == "list":
            pytest.skip("a list without rows has no columns either")
        table = KINDS[kind](galaxies[0])[:0]
        assert fitted.predict(table).shape == (0, 3)

    def test_no_galaxy_gives_no_prediction_of_a_network(self, quick_pipeline, galaxies):
        X, y = galaxies
        pipe = quick_pipeline(targets=["sfr"])
        assert pipe.fit(X, y["sfr"]).predict(X.iloc[:0]).shape == (0,)
        assert pipe.fit(X, y[["sfr"]]).predict(X.iloc[:0]).shape == (0, 1)

    @pytest.mark.parametrize("kind", ["pandas, big-endian", "polars", "FITS", "array"])
    def test_no_galaxy_cannot_be_learnt_from(self, pipe, galaxies, kind):
        X, y = galaxies
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            pipe.fit(KINDS[kind](X)[:0], y[:0])

    def test_columns_are_asked_for_even_without_rows(self, fitted, galaxies):
        with pytest.raises(ValueError, match="lacks 1 of the 43"):
            fitted.predict(galaxies[0].iloc[:0].drop(columns="Z"))

    def test_all_rejected_cannot_be_learnt_from(self, pipe, galaxies):
        X, y = galaxies
        message = "No galaxy is left to train 'stellar_mass' on, of 400 given: 400 .*report_"
        with (
            pytest.warns(UserWarning, match="The cut 'redshift'"),
            pytest.raises(ValueError, match=message),
        ):
            pipe.fit(X.assign(Z=2.0), y)

    def test_all_rejected_are_predicted_to_be_nan(self, fitted, galaxies):
        predicted = fitted.predict(galaxies[0].assign(Z=2.0))
        assert predicted.shape == (400, 3)
        assert np.isnan(predicted).all()

    def test_all_rejected_cannot_be_scored(self, fitted, galaxies):
        X, y = galaxies
        with pytest.raises(ValueError, match="No galaxy has both a label and a prediction"):
            fitted.score(X.assign(Z=2.0), y)

    @pytest.mark.parametrize("redshift", [np.nan, -9.0, -999.0, 0.0, -0.01, 0.51])
    def test_redshifts_out_of_range_or_missing(self, fitted, galaxies, redshift):
        assert np.isnan(fitted.predict(galaxies[0].assign(Z=redshift))).all()

    @pytest.mark.parametrize("code", [-999.0, -99.0, -9.0, np.nan])
    def test_codes_in_flux_or_error(self, fitted, selected, code):
        X, _ = selected
        assert np.isfinite(fitted.predict(X)).all()
        assert np.isnan(fitted.predict(X.assign(K_flux=code))).all()
        assert np.isnan(fitted.predict(X.assign(K_fluxerr=code))).all()


class TestLabels:
    def test_linear_units(self, pipe, fitted, galaxies):
        X, y = galaxies
        for call in (pipe.fit, fitted.score):
            with pytest.raises(ValueError, match=r"stellar_mass must be in dex.*np\.log10"):
                call(X, y.assign(stellar_mass=10 ** y["stellar_mass"]))
            with pytest.raises(ValueError, match=r"dust_luminosity must be in dex"):
                call(X, y.assign(dust_luminosity=10 ** y["dust_luminosity"]).to_numpy())

    def test_codes_for_absent_labels(self, pipe, galaxies):
        X, y = galaxies
        y.iloc[::10, 1] = -999
        with pytest.raises(ValueError, match=r"sfr must be in dex.*-999 in 40 of 400 rows.*NaN"):
            pipe.fit(X, y)

    @pytest.mark.parametrize("name", TARGETS)
    def test_galaxies_without_a_label_are_left_out(self, pipe, galaxies, name):
        X, y = galaxies
        pipe.set_params(regress__calibration_fraction=None)
        fitted = clone(pipe).fit(X, y)
        some = np.random.default_rng(0).random(len(y)) < 0.3
        gaps = y.copy()
        gaps.loc[some, name] = np.nan
        predicted = clone(pipe).fit(X, gaps).predict(X)
        # By hand: blanked to the selection, so that the scaler is still the same.
        by_hand = clone(pipe["regress"]).fit(fitted[:-1].transform(X)[~some], y[~some])
        expected = by_hand.predict(fitted[:-1].transform(X))
        column = TARGETS.index(name)
        np.testing.assert_allclose(predicted[:, column], expected[:, column])
        others = [i for i in range(3) if i != column]
        if name != "stellar_mass":  # without a mass, the cut in mass cannot be applied
            np.testing.assert_array_equal(predicted[:, others], fitted.predict(X)[:, others])

    def test_galaxies_without_any_label_may_as_well_be_dropped(self, quick_pipeline, selected):
        X, y = selected
        some = np.arange(len(y)) % 5 == 0
        gaps = y.copy()
        gaps.loc[some] = np.nan
        pipe = quick_pipeline().set_params(scale=None)
        dropped = clone(pipe).fit(X[~some], y[~some])
        np.testing.assert_array_equal(pipe.fit(X, gaps).predict(X), dropped.predict(X))
        assert pipe.score(X, gaps) == pytest.approx(dropped.score(X[~some], y[~some]))

    def test_no_label_at_all(self, pipe, galaxies):
        X, y = galaxies
        with (
            pytest.warns(UserWarning, match="The cut 'stellar_mass'"),
            pytest.raises(ValueError, match=r"No galaxy is left to train.*400 have no label"),
        ):
            pipe.fit(X, y * np.nan)

    def test_infinity(self, pipe, galaxies):
        X, y = galaxies
        y.iloc[0, 0] = -np.inf
        with pytest.raises(
            ValueError, match=r"1 infinite values in 'stellar_mass'.*first in row 0"
        ):
            pipe.fit(X, y)

    def test_text(self, pipe, galaxies):
        X, y = galaxies
        with pytest.raises(ValueError, match="'sfr' holds text: 'high' in row 0"):
            pipe.fit(X, y.assign(sfr="high"))

    @pytest.mark.parametrize("as_array", [False, True])
    def test_another_number_of_columns(self, pipe, galaxies, as_array):
        X, y = galaxies
        two = y[["stellar_mass", "sfr"]]
        message = r"y must have 3 columns, one each for stellar_mass, sfr, dust_lum.*got 2"
        with pytest.raises(ValueError, match=message):
            pipe.fit(X, two.to_numpy() if as_array else two)

    def test_one_target_in_anothers_place(self, galaxies):
        X, y = galaxies
        pipe = sfml.make_star_formation_pipeline(targets=["sfr"]).set_params(regress__sfr=Ridge())
        with pytest.raises(ValueError, match="no column for sfr: its columns are stellar_mass"):
            pipe.fit(X, y["stellar_mass"])

    def test_a_repeated_target(self, pipe, galaxies):
        X, y = galaxies
        with pytest.raises(ValueError, match="sfr"):
            pipe.fit(X, y.set_axis(["stellar_mass", "sfr", "sfr"], axis=1))

    @pytest.mark.parametrize("as_array", [False, True])
    def test_another_length_than_x(self, pipe, fitted, galaxies, as_array):
        X, y = galaxies
        short = y[:-1].to_numpy() if as_array else y[:-1]
        for call in (pipe.fit, fitted.score):
            with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[400, 399\]"):
                call(X, short)

    def test_none(self, pipe, galaxies):
        with pytest.raises(ValueError, match="requires y to be passed"):
            pipe.fit(galaxies[0])

    def test_three_dimensions(self, pipe, galaxies):
        X, y = galaxies
        with pytest.raises(ValueError, match="dim"):
            pipe.fit(X, y.to_numpy()[:, :, np.newaxis])

    def test_the_catalogue_itself(self, pipe, galaxies):
        """X and y swapped by mistake."""
        X, y = galaxies
        with pytest.raises(ValueError, match="lacks 43 of the 43 columns"):
            pipe.fit(y, X)


class TestUse:
    def test_before_fit(self, pipe, galaxies):
        X, y = galaxies
        for call in (lambda: pipe.predict(X), lambda: pipe.score(X, y)):
            with pytest.raises(NotFittedError):
                call()

    def test_before_fit_without_rows(self, pipe, galaxies):
        with pytest.raises(NotFittedError):
            pipe.predict(galaxies[0].iloc[:0])

    def test_a_failed_fit_leaves_the_parameters(self, pipe, galaxies):
        X, y = galaxies
        before = repr(pipe)
        with (
            pytest.warns(UserWarning, match="The cut 'redshift'"),
            pytest.raises(ValueError, match="No galaxy is left"),
        ):
            pipe.fit(X.assign(Z=2.0), y)
        assert repr(pipe) == before
        pipe.fit(X, y)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"select__missing": "drop"}, "'missing' parameter .* Got 'drop'"),
            ({"select__negative": None}, "'negative' parameter .* Got None"),
            ({"select__z_range": (0.5, 0)}, r"z_range .* growing limits; got \(0.5, 0\)"),
            ({"select__z_range": 0.5}, "'z_range' parameter .* Got 0.5"),
            ({"select__z_range": "all"}, "'z_range' parameter .* Got 'all'"),
            ({"select__z_range": (0, "1")}, r"z_range must be a pair .* got \(0, '1'\)"),
            ({"select__stellar_mass_range": (9,)}, r"stellar_mass_range must .* got \(9,\)"),
            ({"select__min_bands": 22}, "min_bands=22 can never be reached with 21 bands"),
            ({"select__min_bands": 2.5}, "'min_bands' parameter .* Got 2.5"),
            ({"select__min_bands": -1}, "'min_bands' parameter .* Got -1"),
            ({"select__min_snr": "3"}, "'min_snr' parameter .* Got '3'"),
            ({"select__bands": "GAMA"}, "'bands' parameter .* Got 'GAMA'"),
            ({"select__bands": ["u", "g"]}, r"'bands' parameter .* Got \['u', 'g'\]"),
            ({"regress__target_limits": {"mass": (9, None)}}, "target_limits names 'mass'"),
            ({"regress__target_limits": {"sfr": 9}}, "target_limits.*9"),
            ({"regress__target_limits": {"sfr": (1, -1)}}, r"target_limits.*\(1, -1\)"),
            ({"regress__target_limits": (9, None)}, r"target_limits.*\(9, None\)"),
            ({"regress__max_train_samples": 0}, "max_train_samples.* Got 0"),
            ({"regress__max_train_samples": -5}, "max_train_samples.* Got -5"),
            ({"regress__max_train_samples": 10.5}, r"max_train_samples.* Got 10\.5"),
            ({"regress__estimators": "forest"}, "'estimators' parameter .* Got 'forest'"),
            ({"regress__estimators": []}, r"estimators must name at least one.*got \[\]"),
            ({"regress__sfr": "mlp"}, "sfr.*'mlp'"),
            ({"regress__sfr": None}, "sfr.*None"),
            ({"regress__estimators": None}, "'estimators' parameter .* Got None"),
            ({"regress__random_state": "zero"}, "'random_state' parameter .* Got 'zero'"),
            ({"regress__targets": ["sfr"]}, "targets.*differ"),
            ({"regress__joint": True}, "joint=True trains one regressor"),
        ],
    )
    def test_wrong_parameters(self, pipe, galaxies, parameters, message):
        with pytest.raises((ValueError, TypeError), match=message):
            pipe.set_params(**parameters).fit(*galaxies)

    def test_an_unknown_parameter(self, pipe):
        with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
            pipe.set_params(regress__epochs=3)

    @pytest.mark.parametrize("targets", [("sfr", "sfr"), ["joint"], ["a__b"], [1], ["targets"]])
    def test_targets_that_cannot_be_names(self, galaxies, targets):
        X, y = galaxies
        y = pd.DataFrame(dict.fromkeys(range(len(targets)), y["sfr"]))
        with pytest.raises((ValueError, TypeError), match=r"[Nn]ame|target"):
            sfml.make_star_formation_pipeline(targets=targets).fit(X, y)
