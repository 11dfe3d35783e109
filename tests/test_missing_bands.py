"""One model for any subset of the bands: gaps, limits, negative fluxes, and wrong units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import QTable
from conftest import FillingRidge
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

import sfml
from sfml import GAMA, BandSet, FluxFeatures, GamaSampleSelector
from sfml.flags import Flag
from sfml.photometry.photometry import Photometry, mean_log_snr
from sfml.selection.dropout import draw_dropout

FLUXES, ERRORS = list(GAMA.flux_columns), list(GAMA.error_columns)
THREE = BandSet(["a", "b", "c"], [1.0, 2.0, 3.0])


@pytest.fixture
def linear(quick_pipeline):
    """Function that makes recipe "sfml" with one linear model per target, trained at once."""

    def make(**parameters):
        return as_linear(quick_pipeline("sfml", **parameters))

    return make


def as_linear(pipe):
    names = [name for name, _ in pipe["regress"].estimators]
    return pipe.set_params(**{f"regress__{name}": FillingRidge() for name in names})


def in_unit(X, factor):
    """Fluxes and errors times a factor, codes as they are."""
    columns = FLUXES + ERRORS
    return X.assign(**{c: np.where(X[c] == -999, -999, factor * X[c]) for c in columns})


@pytest.fixture
def kept(survey):
    """Galaxies with all bands, which the paper's selection keeps."""
    X, y = survey
    return GamaSampleSelector(stellar_mass_range=None).select(X, y)


class TestDropout:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 24), st.integers(0, 6))
    def test_properties(self, seed, n_galaxies, n_bands, min_bands):
        rng = np.random.default_rng(seed)
        observed = rng.random((n_galaxies, n_bands)) < rng.random()
        detected = observed & (rng.random((n_galaxies, n_bands)) < 0.7)
        wavelengths = rng.permutation(n_bands) + 1.0
        copies = observed.copy(), detected.copy(), wavelengths.copy()
        state = rng.bit_generator.state
        dropped = draw_dropout(observed, detected, wavelengths, min_bands, rng)
        for before, after in zip(copies, (observed, detected, wavelengths), strict=True):
            np.testing.assert_array_equal(before, after)
        assert dropped.shape == observed.shape
        assert dropped.dtype == bool
        assert not (dropped & ~observed).any()
        changed = dropped.any(axis=1)
        left = (detected & ~dropped).sum(axis=1)
        assert (left[changed] >= min_bands).all()
        assert (observed & ~dropped).any(axis=1)[changed].all()
        rng.bit_generator.state = state
        again = draw_dropout(observed, detected, wavelengths, min_bands, rng)
        np.testing.assert_array_equal(again, dropped)

    def test_galaxies_that_can_spare_none_lose_none(self):
        observed = np.ones((500, 6), dtype=bool)
        detected = observed & (np.arange(6) < 3)
        dropped = draw_dropout(observed, detected, np.arange(6.0), 3, np.random.default_rng(0))
        assert not (dropped & detected).any()
        assert dropped[:, 3:].any()

    def test_every_band_is_lost_and_kept_and_any_number_of_them(self):
        observed = np.ones((4000, 8), dtype=bool)
        dropped = draw_dropout(observed, observed, np.arange(8.0), 1, np.random.default_rng(0))
        assert ((dropped.mean(axis=0) > 0.1) & (dropped.mean(axis=0) < 0.9)).all()
        assert set(dropped.sum(axis=1)) == set(range(8))

    def test_neighbours_in_wavelength_are_lost_together(self):
        """By the band set's wavelengths, in whatever order its bands are."""
        wavelengths = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.5, 7.0, 6.0])
        observed = np.ones((4000, 8), dtype=bool)
        dropped = draw_dropout(observed, observed, wavelengths, 1, np.random.default_rng(0))
        by_wavelength = dropped[:, np.argsort(wavelengths)]
        together = [np.corrcoef(by_wavelength[:, 3], by_wavelength[:, k])[0, 1] for k in (4, 7)]
        # A correlation of independent bands scatters by 1 / sqrt(4000).
        assert together[0] > together[1] + 5 / np.sqrt(4000)

    def test_gaps_of_other_galaxies_are_copied(self):
        observed = np.ones((3000, 10), dtype=bool)
        observed[::2, [1, 4, 8]] = False  # as of galaxies that another survey has not covered
        dropped = draw_dropout(observed, observed, np.arange(10.0), 1, np.random.default_rng(0))
        pattern = np.isin(np.arange(10), [1, 4, 8])
        same = (dropped[1::2] == pattern).all(axis=1)
        # A third copy another galaxy's gaps, half of which are these.
        assert abs(same.mean() - 1 / 6) < 4 * np.sqrt(1 / 6 * 5 / 6 / len(same)) + 0.01


class TestTheSelector:
    def test_variants_are_the_galaxies_without_some_bands(self, survey):
        X, _ = survey
        selector = GamaSampleSelector(missing="allow", min_bands=4, keep_errors=True).fit(X)
        seen = selector.transform(X)
        before = seen.copy()
        rng = np.random.default_rng(0)
        variants = [selector.drop_bands(seen, rng) for _ in range(5)]
        np.testing.assert_array_equal(seen, before)
        for variant in variants:
            assert variant.shape == seen.shape
            gone = np.isnan(variant) & ~np.isnan(seen)
            np.testing.assert_array_equal(variant[~gone], seen[~gone])
            np.testing.assert_array_equal(gone[:, :21], gone[:, 21:42])  # a flux with its error
            assert not gone[:, 42].any()
            blank = np.isnan(seen).all(axis=1)
            np.testing.assert_array_equal(np.isnan(variant).all(axis=1), blank)
            n_detected = (variant[:, :21] >= 3 * variant[:, 21:42]).sum(axis=1)
            assert (n_detected[~blank] >= 4).all()
            # So that each would still be selected.
            assert not np.isnan(selector.transform(as_table(variant[~blank]))).all(axis=1).any()
        assert not np.array_equal(variants[0], variants[1], equal_nan=True)

    def test_without_errors(self):
        X = np.random.default_rng(0).uniform(1, 2, (50, 4))
        X = pd.DataFrame(X, columns=["a_flux", "b_flux", "c_flux", "Z"]).assign(Z=0.2)
        selector = GamaSampleSelector(THREE, missing="allow", min_bands=0).fit(X)
        variant = selector.drop_bands(selector.transform(X), np.random.default_rng(0))
        assert variant.shape == (50, 4)
        assert np.isnan(variant).any()
        assert (~np.isnan(variant[:, :3])).any(axis=1).all()

    @pytest.mark.parametrize(
        ("flux", "error", "expected"),
        [
            (6.0, -2.0, (0.0, 2.0)),  # a limit of 3 sigma
            (6.0, 2.0, (6.0, 2.0)),
            (6.0, -999.0, (np.nan, np.nan)),  # a code all the same
            (-999.0, -2.0, (np.nan, np.nan)),
            (-6.0, -2.0, (np.nan, np.nan)),  # no limit is negative
            (0.0, -2.0, (np.nan, np.nan)),
            (6.0, 0.0, (np.nan, np.nan)),
        ],
    )
    def test_upper_limits_are_declared(self, flux, error, expected):
        row = {"a_flux": flux, "a_fluxerr": error, "b_flux": 9.0, "b_fluxerr": 1.0}
        X = pd.DataFrame([row | {"c_flux": 9.0, "c_fluxerr": 1.0, "Z": 0.1}])
        selector = GamaSampleSelector(
            THREE, missing="allow", min_bands=2, keep_errors=True, upper_limits=3
        )
        np.testing.assert_array_equal(selector.fit(X).transform(X)[0, [0, 3]], expected)
        undeclared = clone(selector).set_params(upper_limits=None).fit(X).transform(X)
        if error < 0:
            assert np.isnan(undeclared[0, [0, 3]]).all()

    def test_limits_are_neither_detections_nor_missing_nor_negative(self):
        row = {f"{b}_{what}": v for b in "abc" for what, v in (("flux", 9.0), ("fluxerr", 1.0))}
        X = pd.DataFrame([row | {"Z": 0.1, "a_fluxerr": -1.0}])
        for min_bands, rejected in ((2, False), (3, True)):
            selector = GamaSampleSelector(THREE, min_bands=min_bands, upper_limits=3)
            reasons = selector.reasons(X).iloc[0]
            assert reasons["snr"] == rejected
            assert not reasons[["missing", "negative"]].any()

    @pytest.mark.parametrize("limits", [0, -3, "3"])
    def test_nonsense_for_limits(self, limits):
        with pytest.raises(ValueError, match="'upper_limits' parameter of GamaSampleSelector must"):
            GamaSampleSelector(upper_limits=limits).fit(pd.DataFrame())

    def test_errors_are_read_for_the_limits(self):
        X = pd.DataFrame([{"a_flux": 1.0, "b_flux": 1.0, "c_flux": 1.0, "Z": 0.1}])
        selector = GamaSampleSelector(THREE, min_bands=0, upper_limits=3)
        with pytest.raises(ValueError, match=r"a_fluxerr.*b_fluxerr"):
            selector.fit(X)


def as_table(rows):
    return pd.DataFrame(rows, columns=list(GAMA.columns))


class TestThePipeline:
    def test_galaxies_with_gaps_are_predicted(self, gappy_pipe, survey):
        X, _ = survey
        predicted = gappy_pipe.predict(X)
        gaps = (X[FLUXES] == -999).any(axis=1)
        rejected = gappy_pipe["select"].reasons(X).any(axis=1)
        assert (gaps & ~rejected).sum() > 100
        np.testing.assert_array_equal(np.isnan(predicted).any(axis=1), rejected)
        interval = gappy_pipe.predict_interval(X)
        np.testing.assert_array_equal(np.isnan(interval).any(axis=(1, 2)), rejected)

    @pytest.mark.parametrize(
        "bands", [["u", "g", "r", "i", "z"], ["W1", "W2", "W3"], ["g", "K", "S250"]]
    )
    def test_any_subset_of_the_bands(self, gappy_pipe, kept, bands):
        X, y = kept
        subset = X.copy()
        subset[[f"{name}_flux" for name in GAMA.names if name not in bands]] = np.nan
        detected = sum(X[f"{name}_flux"] >= 3 * X[f"{name}_fluxerr"] for name in bands) >= 3
        predicted = gappy_pipe.predict(subset)
        np.testing.assert_array_equal(np.isfinite(predicted).all(axis=1), detected)
        mass = predicted[detected, 0]
        if len(mass) > 30:
            error = np.abs(mass - y["stellar_mass"][detected])
            assert np.median(error) < y["stellar_mass"].std()

    @pytest.mark.parametrize("code", [-999.0, -99.0, -9.0, np.nan])
    @pytest.mark.parametrize("column", ["flux", "fluxerr", "both"])
    def test_however_a_gap_is_written(self, gappy_pipe, kept, code, column):
        X, _ = kept
        expected = gappy_pipe.predict_table(X.assign(W3_flux=np.nan, W3_fluxerr=np.nan))
        coded = {f"W3_{c}": code for c in ("flux", "fluxerr") if column in (c, "both")}
        table = gappy_pipe.predict_table(X.assign(**coded))
        pd.testing.assert_frame_equal(table, expected)
        assert table["stellar_mass"].notna().all()

    def test_what_stands_in_an_unobserved_band_plays_no_part(self, gappy_pipe, kept):
        X, _ = kept
        tables = [
            gappy_pipe.predict_table(X.assign(W3_flux=value, W3_fluxerr=-999.0))
            for value in (1e-5, 1e3, -7.0)
        ]
        for other in tables[1:]:
            pd.testing.assert_frame_equal(other, tables[0])

    def test_training_on_complete_galaxies_serves_gaps(self, linear, kept):
        X, y = kept
        assert not (X[FLUXES] == -999).any(axis=None)
        pipe = linear().fit(X, y)
        assert pipe["features"].flags_missing_
        without = pipe.predict(X.assign(u_flux=np.nan, W4_flux=np.nan))
        assert np.isfinite(without).all()
        assert np.isfinite(pipe.predict_interval(X.assign(K_flux=np.nan))).all()
        # Without the allowance nothing is shown, and gaps are rejected.
        strict = linear().set_params(select__missing="reject").fit(X, y)
        assert not strict["features"].flags_missing_
        assert np.isnan(strict.predict(X.assign(u_flux=np.nan))).all()

    def test_the_allowance_can_be_set_afterwards(self, linear, kept):
        X, y = kept
        by_hand = linear(missing="reject", min_bands=6)
        by_hand.set_params(select__missing="allow", select__min_bands=3)
        np.testing.assert_array_equal(by_hand.fit(X, y).predict(X), linear().fit(X, y).predict(X))

    def test_fewer_bands_give_wider_intervals(self, kept, quick_pipeline):
        X, y = kept
        pipe = quick_pipeline("sfml", network={"n_networks": 2, "epochs": 15})
        pipe.fit(X, y)
        sparse = X.copy()
        sparse[[f"{n}_flux" for n in GAMA.names if n not in ("g", "r", "i", "z")]] = np.nan
        width = [np.ptp(pipe.predict_interval(table), axis=2) for table in (X, sparse)]
        assert np.isfinite(width[1]).all(axis=1).mean() > 0.5
        assert np.all(np.nanmedian(width[1], axis=0) > np.nanmedian(width[0], axis=0))

    def test_a_fifth_is_held_back_with_and_without_bands(self, gappy_pipe):
        regress = gappy_pipe["regress"]
        assert regress.n_calibration_ == round(0.2 * regress.n_given_)
        for name, network in regress.named_estimators_.items():
            assert network.n_train_ == regress.n_train_[name]
            assert network.n_train_ + network.n_validation_ == regress.n_given_
            assert network.n_validation_ == regress.n_calibration_

    def test_predictions_do_not_depend_on_the_other_rows(self, gappy_pipe, survey):
        """Not on their number, nor on what is missing there or how bright they are."""
        X, _ = survey
        expected = gappy_pipe.predict_table(X)
        changed = X.copy()
        changed.iloc[100:300, :21] = np.nan
        changed.iloc[300:500, :42] *= 3
        table = gappy_pipe.predict_table(changed)
        untouched = np.r_[0:100, 500:900]
        pd.testing.assert_frame_equal(table.iloc[untouched], expected.iloc[untouched])
        alone = pd.concat([gappy_pipe.predict_table(X.iloc[[i]]) for i in range(0, 900, 60)])
        pd.testing.assert_frame_equal(alone, expected.iloc[::60])

    def test_nothing_is_learnt_from_what_is_predicted(self, linear, survey):
        X, y = survey
        pipe = linear().fit(X[:600], y[:600])
        before = pipe.predict(X[600:])
        pipe.predict_table(X[600:].assign(W3_flux=np.nan))
        np.testing.assert_array_equal(pipe.predict(X[600:]), before)

    def test_a_seed_gives_the_same_bands_and_another_seed_others(self, linear, survey):
        X, y = survey
        first, again, other = (linear(random_state=seed).fit(X, y).predict(X) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other, equal_nan=True)

    @pytest.mark.parametrize("kind", ["pandas", "polars"])
    def test_tables_between_the_steps(self, linear, survey, kind):
        X, y = survey
        expected = linear().fit(X, y).predict(X)
        pipe = linear().set_output(transform=kind).fit(X, y)
        np.testing.assert_allclose(pipe.predict(X), expected, rtol=1e-8)
        assert pipe.predict_table(X).index.equals(X.index)

    def test_parameters_reach_the_steps(self, linear, survey):
        X, y = survey
        weight = np.ones(len(X))
        weighted = linear().fit(X, y, scale__sample_weight=weight)
        np.testing.assert_allclose(weighted.predict(X), linear().fit(X, y).predict(X))

    def test_input_is_never_changed(self, linear, survey):
        X, y = survey
        before = X.copy(), y.copy()
        linear().fit(X, y).predict_table(X)
        pd.testing.assert_frame_equal(X, before[0])
        pd.testing.assert_frame_equal(y, before[1])

    def test_a_forest_takes_gaps_too(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline("sfml", method="random_forest")
        pipe.set_params(regress__max_train_samples=150).fit(X, y)
        rejected = pipe["select"].reasons(X).any(axis=1)
        assert rejected.sum() < 50
        np.testing.assert_array_equal(np.isnan(pipe.predict(X)).any(axis=1), rejected)

    def test_regressors_that_take_no_nan_say_so_galaxy_by_galaxy(self, survey, quick_pipeline):
        X, y = survey
        with pytest.warns(UserWarning, match="which SVR cannot take"):
            pipe = quick_pipeline("sfml", method="svr").fit(X, y)
        seen = pipe["select"].transform(X)
        complete = ~np.isnan(seen).any(axis=1)
        table = pipe.predict_table(X)
        np.testing.assert_array_equal(table["sfr"].notna(), complete)
        np.testing.assert_array_equal(table["flag"] & Flag.NOT_PREDICTED > 0, ~complete)

    def test_negative_fluxes_can_be_allowed(self, linear, kept):
        X, y = kept
        negative = X.assign(FUV_flux=-1e-7)
        rejecting = linear(negative="reject").fit(X, y)
        assert np.isnan(rejecting.predict(negative)).all()
        reasons = rejecting.predict_table(negative)["reasons"]
        assert reasons.str.contains("negative_flux").all()
        assert reasons.str.contains("not_predicted").all()
        allowing = linear().fit(X, y)
        assert np.isfinite(allowing.predict(negative)).all()
        np.testing.assert_array_equal(allowing.predict(X), rejecting.predict(X))

    def test_a_limit_is_a_measurement_of_nothing(self, linear, kept):
        X, y = kept
        pipe = linear().set_params(select__upper_limits=3).fit(X, y)
        limit = X.assign(FUV_flux=3 * X["FUV_fluxerr"], FUV_fluxerr=-X["FUV_fluxerr"])
        measured = X.assign(FUV_flux=0.0)
        np.testing.assert_allclose(pipe.predict(limit), pipe.predict(measured), rtol=1e-9)
        missing = pipe.predict(X.assign(FUV_flux=np.nan))
        assert not np.allclose(pipe.predict(limit), missing)


class TestUnits:
    @pytest.mark.parametrize("factor", [1e3, 1e6, 1e-6])
    def test_millijansky_taken_for_jansky(self, gappy_pipe, complete_pipe, survey, factor):
        X, _ = survey
        for pipe in (gappy_pipe, complete_pipe):
            for call in (pipe.predict, pipe.predict_interval, pipe.predict_table):
                with pytest.raises(ValueError, match="another unit, such as mJy for Jy"):
                    call(in_unit(X, factor))

    @pytest.mark.parametrize("factor", [1e3, 1e-3])
    def test_a_single_faint_or_bright_galaxy_does_not_blunt_the_guard(self, factor):
        rng = np.random.default_rng(0)
        brightness = 10 ** rng.normal(-4, 0.5, (3000, 1))
        brightness[:2, 0] = 1e-9, 10.0
        flux = brightness * rng.uniform(0.9, 1.1, (3000, 3))
        X = np.column_stack([flux, 0.1 * flux, np.full(3000, 0.2)])
        select = sfml.GamaSampleSelector(THREE, min_bands=3, keep_errors=True).fit(X)
        assert np.isfinite(select.transform(X)).all()
        with pytest.raises(ValueError, match=r"of 3000 galaxies are at least ten times brighter"):
            select.transform(X * np.r_[np.full(6, factor), 1])

    def test_the_papers_recipe_is_guarded_too(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline("surana2020", method="random_forest").fit(X, y)
        assert np.isfinite(pipe.predict(X)).any()
        with pytest.raises(ValueError, match="another unit, such as mJy for Jy"):
            pipe.predict(in_unit(X, 1e3))

    def test_other_bands_are_no_other_unit(self, gappy_pipe, kept):
        """Far-infrared fluxes are a thousand times those of the ultraviolet."""
        X, _ = kept
        for lost in (GAMA.names[:12], GAMA.names[12:]):
            gaps = X.assign(**{f"{n}_{w}": np.nan for n in lost for w in ("flux", "fluxerr")})
            assert gappy_pipe.predict(gaps).shape == (len(X), 3)

    def test_a_catalogue_in_another_unit_is_declared(self, linear, survey):
        X, y = survey
        millijansky = in_unit(X, 1e3)
        plain = {"features__redshift_grid": None}
        pipe = linear(bands=replace(GAMA, unit="mJy")).set_params(**plain).fit(millijansky, y)
        expected = linear().set_params(**plain).fit(X, y)
        inputs = [p[:-1].transform(t) for p, t in ((pipe, millijansky), (expected, X))]
        # Luminosities are three decades more; all else is the same.
        names = pipe[:-1].get_feature_names_out().tolist()
        shift = inputs[0] - inputs[1]
        np.testing.assert_allclose(shift[:, names.index("log_snr")], 0, atol=1e-8)
        brightness = [p[:2].transform(t)[:, -1] for p, t in ((pipe, millijansky), (expected, X))]
        np.testing.assert_allclose(brightness[0], brightness[1] + 3, atol=1e-8)
        predicted = pipe.predict(millijansky)
        assert np.isfinite(predicted).all(axis=1).sum() == np.isfinite(inputs[1][:, -1]).sum()
        with pytest.raises(ValueError, match="another unit"):
            pipe.predict(in_unit(X, 1e6))
        with pytest.raises(ValueError, match="another unit"):
            expected.predict(millijansky)

    def test_units_of_columns_are_converted(self, gappy_pipe, kept):
        X, _ = kept
        columns = {name: 1e3 * X[name].to_numpy() * u.mJy for name in FLUXES + ERRORS}
        table = QTable({**columns, "Z": X["Z"].to_numpy()})
        np.testing.assert_allclose(gappy_pipe.predict(table), gappy_pipe.predict(X), rtol=1e-5)

    def test_a_few_odd_galaxies_are_no_other_unit(self, gappy_pipe, kept):
        X, _ = kept
        odd = X.copy()
        odd.iloc[: len(X) // 3, :42] *= 1e3
        assert np.isfinite(gappy_pipe.predict(odd)).all()

    def test_the_guard_can_be_switched_off(self, linear, kept):
        X, y = kept
        pipe = linear().set_params(select__unit_guard=False).fit(X, y)
        assert np.isfinite(pipe.predict(in_unit(X, 1e3))).all()

    def test_nothing_to_judge_by(self, gappy_pipe, kept):
        X, _ = kept
        assert gappy_pipe.predict(X[:0]).shape == (0, 3)
        assert np.isnan(gappy_pipe.predict(X.assign(Z=-0.9))).all()
        few = sfml.GamaSampleSelector().fit(X[:99])
        assert np.isfinite(few.transform(in_unit(X, 100))).all()


class TestFeatures:
    def test_gaps_are_told(self, kept):
        rows = kept[0][[*FLUXES, *ERRORS, "Z"]].to_numpy(copy=True)
        rows[::3, [5, 26]] = np.nan
        features = FluxFeatures().fit(rows)
        names = features.get_feature_names_out().tolist()
        out = pd.DataFrame(features.transform(rows), columns=names)
        assert features.flags_missing_
        missing = np.arange(len(rows)) % 3 == 0
        np.testing.assert_array_equal(out["i_observed"], ~missing)
        assert (out["r_observed"] == 1).all()
        own = out[["i_asinh", "i_log_error"]]
        np.testing.assert_array_equal(own.isna().all(axis=1), missing)
        np.testing.assert_array_equal(own.isna().any(axis=1), missing)
        assert np.isfinite(out.drop(columns=own.columns)).all(axis=None)

    def test_all_reference_bands_may_be_missing(self, kept):
        rows = kept[0][[*FLUXES, *ERRORS, "Z"]].to_numpy(copy=True)
        features = FluxFeatures(missing="flag").fit(rows)
        whole = features.transform(rows)
        used = [0.85 <= wavelength <= 2.5 for wavelength in GAMA.wavelengths]
        assert sum(used) == 6
        rows[:, [*used, *used, False]] = np.nan
        without = features.transform(rows)
        assert np.isfinite(without[:, -5:]).all()
        # Still a brightness: within the scatter of the galaxies' colours.
        assert np.corrcoef(without[:, -2], whole[:, -2])[0, 1] > 0.9

    def test_no_band_at_all_is_blank(self, kept):
        rows = kept[0][[*FLUXES, *ERRORS, "Z"]].to_numpy(copy=True)
        features = FluxFeatures(missing="flag").fit(rows)
        rows[0, :42] = np.nan
        out = features.transform(rows[:2])
        assert np.isnan(out).all(axis=1).tolist() == [True, False]

    def test_complete_catalogues_have_no_further_outputs(self, kept):
        rows = kept[0][[*FLUXES, *ERRORS, "Z"]].to_numpy()
        assert FluxFeatures().fit_transform(rows).shape[1] == 42 + 5
        assert FluxFeatures(missing="flag").fit_transform(rows).shape[1] == 42 + 21 + 5
        assert FluxFeatures(missing="nan").fit_transform(rows).shape[1] == 42 + 5

    def test_gaps_may_be_left(self, kept):
        rows = kept[0][[*FLUXES, *ERRORS, "Z"]].to_numpy(copy=True)
        rows[0, [5, 26]] = np.nan
        out = FluxFeatures(missing="nan").fit_transform(rows)
        assert np.isnan(out[0, [5, 26]]).all()
        assert np.isfinite(np.delete(out, [5, 26], axis=1)).all()

    def test_a_wrong_choice(self):
        with pytest.raises(ValueError, match="'missing' parameter of FluxFeatures must be a str"):
            FluxFeatures(missing="mean").fit(np.ones((5, 43)))

    def test_the_mean_signal_to_noise_ratio(self):
        flux = np.array([[100.0, 1000.0, np.nan], [0.0, 0.0, 0.0], [np.nan] * 3])
        snr = mean_log_snr(flux, np.ones((3, 3)))
        np.testing.assert_allclose(snr, [2.5, 0, np.nan], atol=1e-4)

    def test_photometry_without_some_bands_is_a_copy(self):
        whole = Photometry(np.ones((2, 3)), np.ones((2, 3)), np.ones(2), None)
        dropped = np.array([[True, False, False]] * 2)
        less = whole.without(dropped)
        assert np.isnan(less.flux[:, 0]).all()
        assert np.isnan(less.error[:, 0]).all()
        assert np.isfinite(whole.flux).all()


def test_the_recipe_for_missing_bands():
    ours = sfml.make_star_formation_pipeline()["select"]
    assert (ours.missing, ours.negative, ours.min_bands) == ("allow", "allow", 3)
    assert sfml.make_star_formation_pipeline(bands=GAMA.only("g", "r"))["select"].min_bands == 2
    paper = sfml.make_star_formation_pipeline("surana2020")["select"]
    assert (paper.missing, paper.negative, paper.min_bands) == ("reject", "reject", 6)
