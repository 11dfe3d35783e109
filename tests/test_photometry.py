"""Photometry: what counts as missing, what is no flux, and which column is what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import sfml
from sfml import GAMA, BandSet, GamaSampleSelector
from sfml.photometry import REDSHIFT_COLUMNS, Layout, Photometry, mean_log_snr, read_photometry
from sfml.photometry.guard import FEWEST, UnitGuard, check_are_fluxes
from sfml.photometry.missing import (
    LARGEST_RATIO,
    USUAL_ERRORS,
    apply_upper_limits,
    find_missing,
    learn_largest_errors,
)

BANDS = BandSet(["a", "b", "c"], [0.5, 1.0, 2.0])
FLUXES, ERRORS = list(GAMA.flux_columns), list(GAMA.error_columns)

numbers = st.one_of(
    st.sampled_from([np.nan, 0.0, -999.0, 9.9e99, 1e30, 1e-30]),
    st.floats(-1e4, 1e4),
)
photometry = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        arrays(float, (n, 3), elements=numbers), arrays(float, (n, 3), elements=numbers)
    )
)


def table(**columns):
    """Two galaxies of `BANDS`: fluxes of 10 and errors of 1, unless told otherwise."""
    plain = {f"{band}_flux": 10.0 for band in "abc"} | {f"{band}_fluxerr": 1.0 for band in "abc"}
    return pd.DataFrame({**plain, "Z": 0.1, **columns}, index=[5, 3])


class TestMissing:
    @pytest.mark.parametrize(
        ("flux", "error", "missing"),
        [
            (1.0, 1.0, False),
            (0.0, 1.0, False),
            (-5.0, 1.0, False),
            (1e8, 1.0, False),
            (np.nan, 1.0, True),
            (1.0, np.nan, True),
            (1.0, 0.0, True),
            (1.0, -1.0, True),
            (-999.0, -999.0, True),
            (0.0, 9.9e99, True),
            (0.0, np.inf, True),
            (1e40, 1e30, True),
            (-99.9, 1e-3, True),  # a code that nobody declared
        ],
    )
    def test_one_measurement(self, flux, error, missing):
        found = find_missing(np.array([[flux, 10.0]]), np.array([[error, 1.0]]))
        assert found.tolist() == [[missing, False]]

    def test_without_errors_only_nan_is_missing(self):
        assert find_missing(np.array([[np.nan, 0.0, -1e9]]), None).tolist() == [
            [True, False, False]
        ]

    @pytest.mark.parametrize(("factor", "missing"), [(0.9, False), (1.1, True)])
    def test_an_error_far_above_the_brightest_detection_says_nothing(self, factor, missing):
        error = factor * LARGEST_RATIO * 10
        found = find_missing(np.array([[10.0, 0.0]]), np.array([[1.0, error]]))
        assert found.tolist() == [[False, missing]]
        # A detection says something however large its error is.
        assert not find_missing(np.array([[10.0, 4 * error]]), np.array([[1.0, error]])).any()

    def test_errors_beyond_those_of_the_survey_say_nothing(self):
        rng = np.random.default_rng(0)
        errors = np.column_stack([rng.uniform(1, 2, 200), rng.uniform(1e-3, 2e-3, 200)])
        errors[::2, 1] = 1e5  # half of the galaxies were not observed
        largest = learn_largest_errors(errors)
        assert largest == pytest.approx([USUAL_ERRORS, USUAL_ERRORS * 1e-3], rel=0.2)
        flux, error = np.array([[0.0, 0.0], [5e4, 0.0]]), np.array([[1.0, 1e5], [1e4, 1.5e-3]])
        assert find_missing(flux, error, largest).tolist() == [[False, True], [False, False]]
        assert learn_largest_errors(None) is None
        assert learn_largest_errors(np.full((3, 1), np.nan)).tolist() == [np.inf]

    @given(photometry)
    def test_what_is_missing_does_not_depend_on_the_other_galaxies(self, values):
        flux, error = values
        together = find_missing(flux, error)
        alone = [find_missing(flux[[i]], error[[i]])[0] for i in range(len(flux))]
        np.testing.assert_array_equal(together, alone)

    @given(photometry, st.integers(-30, 30))
    def test_what_is_missing_does_not_depend_on_the_unit(self, values, power):
        # Neither near the absolute limit of codes, nor so small that the product is rounded.
        flux, error = (
            np.where((np.abs(v) > 1e20) | (np.abs(v) < 1e-200), np.sign(v), v) for v in values
        )
        scaled = find_missing(flux * 2.0**power, error * 2.0**power)
        np.testing.assert_array_equal(scaled, find_missing(flux, error))

    @pytest.mark.parametrize(
        ("flux", "error", "expected"),
        [
            (6.0, -6.0, (0.0, 2.0)),
            (6.0, -0.1, (0.0, 2.0)),
            (6.0, 6.0, (6.0, 6.0)),
            (6.0, -9999.0, (6.0, -9999.0)),  # CIGALE's mark of a band that was not observed
            (-6.0, -6.0, (-6.0, -6.0)),
            (np.nan, -6.0, (np.nan, -6.0)),
        ],
    )
    def test_cigales_negative_errors_are_upper_limits(self, flux, error, expected):
        flux, error = np.array([[flux]]), np.array([[error]])
        apply_upper_limits(flux, error, 3)
        np.testing.assert_array_equal([flux.item(), error.item()], expected)


class TestReading:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @given(code=st.floats(-1e4, -1e-3) | st.floats(11, 1e4))
    @example(code=99.9)
    @example(code=-99.99)
    def test_codes_count_in_the_precision_of_the_column(self, dtype, code):
        bands = replace(BANDS, missing_codes=(code,), unit="mJy")
        X = table(a_flux=np.array([code, 10.0])).astype(dtype)
        flux = read_photometry(X, Layout(bands)).flux
        assert np.isnan(flux).tolist() == [[True, False, False], [False] * 3]

    def test_codes_are_not_converted_to_another_unit(self):
        X = Table.from_pandas(table(a_flux=[-999.0, 10.0], b_fluxerr=[1.0, -99.0]))
        for name in X.colnames[:-1]:
            X[name].unit = "mJy"
        read = read_photometry(X, Layout(BANDS))
        np.testing.assert_allclose(read.flux, [[np.nan, 0.01, 0.01], [0.01, np.nan, 0.01]])
        np.testing.assert_allclose(read.error, [[np.nan, 1e-3, 1e-3], [1e-3, np.nan, 1e-3]])

    def test_a_band_is_missing_with_its_flux_and_its_error(self):
        X = table(a_flux=[np.nan, 10.0], b_fluxerr=[1.0, 9.9e99], c_fluxerr=[0.0, 1.0])
        before = X.copy()
        read = read_photometry(X, Layout(BANDS))
        expected = [[True, False, True], [False, True, False]]
        assert np.isnan(read.flux).tolist() == np.isnan(read.error).tolist() == expected
        pd.testing.assert_frame_equal(X, before)

    def test_negative_errors_are_limits_only_if_declared(self):
        X = table(a_flux=[6.0, 6.0], a_fluxerr=[-6.0, -9999.0])
        read = read_photometry(X, Layout(BANDS), upper_limits=3.0)
        np.testing.assert_array_equal(read.flux[:, 0], [0, np.nan])
        np.testing.assert_array_equal(read.error[:, 0], [2, np.nan])
        assert np.isnan(read_photometry(X, Layout(BANDS)).flux[:, 0]).all()

    def test_columns_are_found_by_name(self):
        X = table(a_flux=[1.0, 2.0], Z=[0.3, 0.4])
        expected = read_photometry(X, Layout(BANDS))
        turned = read_photometry(X[X.columns[::-1]].assign(name="NGC"), Layout(BANDS))
        for ours, other in zip(expected[:3], turned[:3], strict=True):
            np.testing.assert_array_equal(ours, other)
        assert expected.redshift.tolist() == [0.3, 0.4]
        assert expected.redshift_error is None

    def test_absent_bands_are_missing_only_if_allowed(self):
        X = table().drop(columns=["b_flux", "b_fluxerr"])
        with pytest.warns(UserWarning, match=r"no columns of 1 of 3 bands.*: b\.$"):
            read = read_photometry(X, Layout(BANDS), absent_bands=True)
        assert np.isnan(read.flux).tolist() == [[False, True, False]] * 2
        with pytest.raises(ValueError, match="lacks 2 of the 7 columns"):
            read_photometry(X, Layout(BANDS))
        for columns in (["b_flux"], [f"{b}_{c}" for b in "abc" for c in ("flux", "fluxerr")]):
            with pytest.raises(ValueError, match="lacks"):
                read_photometry(table().drop(columns=columns), Layout(BANDS), absent_bands=True)

    def test_infinity_is_named(self):
        X = table(b_fluxerr=[np.inf, 1.0], Z=[0.1, -np.inf])
        with pytest.raises(ValueError, match="infinity in 2 places, in the columns b_fluxerr, Z"):
            read_photometry(X, Layout(BANDS))


class TestLayout:
    @pytest.mark.parametrize("redshift", REDSHIFT_COLUMNS)
    @pytest.mark.parametrize("errors", [True, False])
    @given(data=st.data())
    def test_split_is_the_inverse_of_columns(self, redshift, errors, data):
        layout = Layout(BANDS, errors, redshift)
        shape = data.draw(st.integers(0, 4)), len(layout.names)
        values = data.draw(arrays(float, shape, elements=numbers))
        split = layout.split(values)
        np.testing.assert_array_equal(split.columns(errors=errors), values)
        assert split.flux.shape == (len(values), 3)
        assert (split.error is not None) == errors
        assert (split.redshift is not None) == (redshift != "none")
        assert (split.redshift_error is not None) == (redshift == "photometric")
        assert layout.with_errors(errors) == layout
        assert layout.with_errors(not errors).errors is not errors

    def test_names_are_the_same_for_every_survey(self):
        survey = BandSet(
            ["a"], [1.0], flux="F({band})", error="dF({band})", redshift="zp", redshift_error="dzp"
        )
        layout = Layout(survey, redshift="photometric")
        assert layout.names == ["a_flux", "a_fluxerr", "redshift", "redshift_error"]
        assert layout.catalogue_columns == ["F(a)", "dF(a)", "zp", "dzp"]
        assert Layout(None, errors=False, n_bands=2).names == ["x0_flux", "x1_flux", "redshift"]

    @pytest.mark.parametrize("n_columns", [3, 6, 8])
    def test_another_number_of_columns_is_explained(self, n_columns):
        message = (
            f"X has {n_columns} columns, but 7 are needed: the fluxes of 3 bands, their errors"
        )
        with pytest.raises(ValueError, match=message):
            Layout(BANDS).split(np.ones((2, n_columns)))

    def test_rows_and_bands_can_be_left_out(self):
        whole = Photometry(
            np.arange(6.0).reshape(2, 3), np.ones((2, 3)), np.array([0.1, 0.2]), None
        )
        kept = whole.rows(np.array([False, True]))
        assert kept.flux.tolist() == [[3, 4, 5]]
        assert kept.redshift.tolist() == [0.2]
        assert kept.redshift_error is None
        without = whole.without(np.array([[True, False, False]] * 2))
        assert np.isnan(without.error).tolist() == [[True, False, False]] * 2
        assert not np.isnan(whole.flux).any()

    @given(st.floats(1.5, 12))
    def test_the_mean_signal_to_noise_ratio_is_in_dex(self, log_snr):
        flux = np.array([[10**log_snr, 10**log_snr, np.nan], [np.nan] * 3])
        mean = mean_log_snr(flux, np.ones_like(flux))
        assert mean[0] == pytest.approx(log_snr, abs=1e-3)
        assert np.isnan(mean[1])


def in_magnitudes(X):
    """The catalogue in AB magnitudes with their errors; 99 where there is no detection."""
    out = X.copy()
    for flux, error in zip(FLUXES, ERRORS, strict=True):
        detected = (X[flux] > 0) & (X[error] > 0)
        out[flux] = (-2.5 * np.log10(X[flux].where(detected) / 3631)).fillna(99.0)
        out[error] = (1.0857 * X[error] / X[flux]).where(detected, 99.0)
    return out


def with_inverse_variances(X):
    return X.assign(**{name: (1 / X[name] ** 2).where(X[name] > 0, np.nan) for name in ERRORS})


class TestWhatIsNoFlux:
    """Magnitudes and inverse variances are refused by `fit`, with the conversion to write."""

    MAGNITUDES = replace(GAMA, missing_codes=(99.0,))

    def test_magnitudes(self, galaxies):
        X, y = galaxies
        message = r"look like magnitudes: they lie .*flux = 3631 \* 10\*\*\(-0\.4 \* mag\)"
        for bands in (self.MAGNITUDES, GAMA):  # whether or not 99 is declared
            pipe = sfml.make_star_formation_pipeline(bands=bands, method="random_forest")
            with pytest.raises(ValueError, match=message):
                pipe.fit(in_magnitudes(X), y)

    def test_the_conversion_of_the_message_is_right(self, galaxies):
        X, _ = galaxies
        mags = in_magnitudes(X)
        for name, error in zip(FLUXES, ERRORS, strict=True):
            mags[name] = 3631 * 10 ** (-0.4 * mags[name].where(mags[name] < 99))
            mags[error] = mags[name] * mags[error] / 1.0857
        select = GamaSampleSelector(missing="allow", keep_errors=True)
        ours, converted = (select.fit(each).split(select.transform(each)) for each in (X, mags))
        known = ~np.isnan(converted.flux)
        np.testing.assert_allclose(converted.flux[known], ours.flux[known], rtol=1e-9)
        np.testing.assert_allclose(converted.error[known], ours.error[known], rtol=1e-9)

    @pytest.mark.parametrize(
        "change",
        [
            with_inverse_variances,
            lambda X: X.assign(**in_magnitudes(X)[ERRORS].where(lambda error: error < 99)),
        ],
        ids=["inverse variances", "errors of magnitudes"],
    )
    def test_what_is_no_error(self, galaxies, change):
        X, y = galaxies
        pipe = sfml.make_star_formation_pipeline(method="random_forest")
        message = r"do not look like errors: .*1 / np\.sqrt\(ivar\).*magerr / 1\.0857, in Jy"
        with pytest.raises(ValueError, match=message):
            pipe.fit(change(X), y)

    def test_the_check_can_be_switched_off(self, galaxies):
        X, _ = galaxies
        select = GamaSampleSelector(
            self.MAGNITUDES, unit_guard=False, missing="allow", min_bands=0, keep_errors=True
        )
        assert np.isfinite(select.fit_transform(in_magnitudes(X))).any()

    @settings(max_examples=25, deadline=None)
    @given(st.floats(-12, 12))
    def test_fluxes_are_fluxes_in_any_unit(self, power):
        check_are_fluxes(self.fluxes(10.0**power), GAMA)

    @staticmethod
    def fluxes(factor=1.0, n_galaxies=300):
        X = sfml.make_mock_survey(n_galaxies, n_templates=2000, random_state=0)
        read = read_photometry(X, Layout(GAMA))
        return read._replace(flux=factor * read.flux, error=factor * read.error)

    def test_few_rows_are_not_judged_by_their_errors(self, galaxies):
        X, _ = galaxies
        rows = with_inverse_variances(X)[: FEWEST - 1]
        check_are_fluxes(read_photometry(rows, Layout(GAMA)), GAMA)


class TestUnitGuard:
    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls):
        return TestWhatIsNoFlux.fluxes(n_galaxies=500)

    @pytest.fixture(scope="class")
    @classmethod
    def guard(cls, whole):
        return UnitGuard.learn(whole)

    def test_training_is_within_its_own_range(self, guard, whole):
        guard.check(whole)
        assert guard.flag(whole).mean() < 0.01

    @pytest.mark.parametrize("factor", [1e-3, 1e3, 1e6])
    def test_another_unit(self, guard, whole, factor):
        scaled = whole._replace(flux=factor * whole.flux, error=factor * whole.error)
        assert guard.flag(scaled).mean() > 0.95
        with pytest.raises(ValueError, match="in another unit, such as mJy for Jy"):
            guard.check(scaled)
        guard.check(scaled.rows(np.arange(FEWEST - 1)))  # few rows are flagged, never refused

    def test_flags_do_not_depend_on_the_other_galaxies(self, guard, whole):
        factors = 10.0 ** np.random.default_rng(0).uniform(-4, 4, (len(whole.flux), 1))
        mixed = whole._replace(flux=factors * whole.flux, error=factors * whole.error)
        together = guard.flag(mixed)
        alone = [guard.flag(mixed.rows(slice(i, i + 1))).item() for i in range(len(factors))]
        assert together.tolist() == alone
        assert 0.2 < together.mean() < 0.98

    def test_a_deeper_survey_is_no_other_unit(self, guard, whole):
        """Its errors are smaller, and its fluxes as they were: flagged perhaps, never refused."""
        guard.check(whole._replace(error=whole.error / 5))

    def test_few_galaxies_teach_nothing(self, whole):
        guard = UnitGuard.learn(whole.rows(np.arange(FEWEST - 1)))
        scaled = whole._replace(flux=1e9 * whole.flux, error=1e9 * whole.error)
        guard.check(scaled)
        assert not guard.flag(scaled).any()

    def test_without_errors_or_redshifts(self, whole):
        for left_out in ({"error": None}, {"redshift": None}, {"error": None, "redshift": None}):
            part = whole._replace(**left_out)
            guard = UnitGuard.learn(part)
            guard.check(part)
            with pytest.raises(ValueError, match="in another unit"):
                guard.check(part._replace(flux=1e4 * part.flux))


class TestNotObserved:
    """However a survey writes that a band was not observed, the prediction is that of NaN."""

    HERSCHEL = ("P100", "P160", "S250", "S350", "S500")

    def coded(self, X, flux, error):
        fluxes = dict.fromkeys([f"{band}_flux" for band in self.HERSCHEL], flux)
        return X.assign(**fluxes, **dict.fromkeys([f"{b}_fluxerr" for b in self.HERSCHEL], error))

    @pytest.mark.parametrize(
        ("flux", "error"),
        [
            *((-999, -999), (0, 0), (0, 99), (0, 1e10), (0, 9.9e99), (99, 99), (-99.9, 1e-3)),
            *((0, -1), (np.nan, 1e-3), (1e-3, np.nan)),
        ],
    )
    def test_predictions_are_those_of_nan(self, gappy_pipe, survey, flux, error):
        X, _ = survey
        expected = gappy_pipe.predict_table(self.coded(X, np.nan, np.nan))
        assert expected["sfr"].notna().any()
        found = gappy_pipe.predict_table(self.coded(X, flux, error))
        pd.testing.assert_frame_equal(found, expected)

    @pytest.mark.parametrize(("flux", "error"), [(0, 9.9e99), (-99.9, 1e-3), (0, 0)])
    def test_the_report_counts_them(self, survey, flux, error):
        X, _ = survey
        report = GamaSampleSelector(missing="allow").fit(self.coded(X, flux, error)).report_
        assert {report.missing[band] for band in self.HERSCHEL} == {len(X)}

    def test_learning_from_them_is_learning_from_nan(self, survey, quick_pipeline):
        X, y = survey
        half = np.arange(len(X)) % 2 == 0
        pipes = []
        for flux, error in ((np.nan, np.nan), (0, 9.9e99)):
            coded = pd.concat([X[half], self.coded(X[~half], flux, error)])
            pipe = quick_pipeline("sfml", targets=["sfr"], method="random_forest")
            pipes.append(
                pipe.set_params(regress__sfr__n_estimators=5).fit(
                    coded, y[["sfr"]].loc[coded.index]
                )
            )
        np.testing.assert_array_equal(*(pipe.predict(X) for pipe in pipes))
