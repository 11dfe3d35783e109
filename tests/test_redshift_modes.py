"""Redshifts that are known, uncertain, or not known and perhaps to be predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import FillingRidge

import sfml
from sfml import GAMA, TARGETS, FluxFeatures, GamaSampleSelector
from sfml.flags import Flag

PHOTOMETRIC = replace(GAMA, redshift_error="Z_err")


@pytest.fixture
def photometric(survey):
    """The survey with redshifts as from photometry, and their errors."""
    X, y = survey
    rng = np.random.default_rng(0)
    error = 0.03 * (1 + X["Z"])
    noisy = np.maximum(X["Z"] + error * rng.normal(size=len(X)), 0.005)
    return X.assign(Z=noisy, Z_err=error), y


@pytest.fixture
def linear(quick_pipeline):
    """Function that makes recipe "sfml" with one linear model per target, trained at once."""

    def make(**parameters):
        pipe = quick_pipeline("sfml", **parameters)
        names = [name for name, _ in pipe["regress"].estimators]
        return pipe.set_params(**{f"regress__{name}": FillingRidge() for name in names})

    return make


class TestPhotometric:
    def test_the_error_is_an_input(self, linear, photometric):
        X, y = photometric
        pipe = linear(bands=PHOTOMETRIC, redshift="photometric").fit(X, y)
        assert pipe["select"].feature_names_in_.tolist() == [*GAMA.columns, "Z_err"]
        names = pipe["features"].get_feature_names_out().tolist()
        inputs = pipe[:2].transform(X)
        kept = np.isfinite(inputs).all(axis=1)
        column = inputs[:, names.index("log_redshift_error")]
        expected = np.log10(X["Z_err"] / (1 + X["Z"]))
        np.testing.assert_allclose(column[kept], expected[kept])
        worse = X.assign(Z_err=10 * X["Z_err"])
        assert not np.allclose(pipe.predict(worse)[kept], pipe.predict(X)[kept])

    def test_rows_stay_in_place(self, linear, photometric):
        X, y = photometric
        pipe = linear(bands=PHOTOMETRIC, redshift="photometric").fit(X, y)
        rejected = pipe["select"].reasons(X).any(axis=1)
        predicted = pipe.predict(X)
        np.testing.assert_array_equal(np.isnan(predicted).any(axis=1), rejected)
        order = np.random.default_rng(0).permutation(len(X))
        np.testing.assert_allclose(pipe.predict(X.iloc[order]), predicted[order], rtol=1e-12)
        assert pipe.predict_table(X).index.equals(X.index)

    @pytest.mark.parametrize("error", [np.nan, -999.0, -0.1])
    def test_a_redshift_without_an_error_is_refused_as_a_redshift(self, linear, photometric, error):
        X, y = photometric
        pipe = linear(bands=PHOTOMETRIC, redshift="photometric").fit(X, y)
        table = pipe.predict_table(X.assign(Z_err=error))
        assert (table["flag"] & Flag.REDSHIFT > 0).all()
        assert (table["flag"] & Flag.NOT_PREDICTED > 0).all()

    def test_an_error_of_zero_is_as_good_as_a_spectrum(self, linear, photometric):
        X, y = photometric
        pipe = linear(bands=PHOTOMETRIC, redshift="photometric").fit(X, y)
        assert np.isfinite(pipe.predict(X.assign(Z_err=0.0))).any()

    def test_the_band_set_must_name_the_error(self, linear, photometric):
        X, y = photometric
        with pytest.raises(ValueError, match=r"redshift='photometric' needs .*redshift_error"):
            linear(redshift="photometric").fit(X, y)

    def test_the_column_must_be_there(self, linear, survey):
        with pytest.raises(ValueError, match="lacks 1 of the 44 columns needed: 'Z_err'"):
            linear(bands=PHOTOMETRIC, redshift="photometric").fit(*survey)

    def test_a_column_of_errors_is_left_alone_unless_asked_for(self, linear, photometric):
        X, y = photometric
        plain, named = (linear(bands=bands).fit(X, y) for bands in (GAMA, PHOTOMETRIC))
        np.testing.assert_array_equal(named.predict(X), plain.predict(X))
        assert "Z_err" not in named["select"].feature_names_in_

    def test_with_missing_bands(self, quick_pipeline, photometric):
        X, y = photometric
        pipe = quick_pipeline(
            "sfml", bands=PHOTOMETRIC, redshift="photometric", targets=("sfr",)
        ).fit(X, y[["sfr"]])
        predicted = pipe.predict(X.assign(u_flux=np.nan))
        rejected = pipe["select"].reasons(X.assign(u_flux=np.nan)).any(axis=1)
        np.testing.assert_array_equal(np.isnan(predicted[:, 0]), rejected)


class TestNone:
    def test_no_column_is_needed(self, linear, survey):
        X, y = survey
        pipe = linear(redshift="none").fit(X.drop(columns="Z"), y)
        assert "Z" not in pipe["select"].feature_names_in_
        names = pipe["features"].get_feature_names_out().tolist()
        assert not {"redshift", "log_redshift", "redshift_grid_shift"} & set(names)
        predicted = pipe.predict(X.drop(columns="Z"))
        rejected = pipe["select"].reasons(X).any(axis=1)
        np.testing.assert_array_equal(np.isnan(predicted).any(axis=1), rejected)
        assert pipe.predict_interval(X).shape == (len(X), 3, 2)

    def test_a_redshift_that_is_there_plays_no_part(self, linear, survey):
        X, y = survey
        expected = linear(redshift="none").fit(X.drop(columns="Z"), y).predict_table(X)
        for z in (X["Z"], 7.0, np.nan):
            changed = X.assign(Z=z)
            pipe = linear(redshift="none").fit(changed, y)
            pd.testing.assert_frame_equal(pipe.predict_table(changed), expected)

    def test_galaxies_are_rejected_for_no_redshift(self, linear, survey):
        X, y = survey
        pipe = linear(redshift="none").fit(X, y)
        assert "redshift" not in pipe["select"].reasons(X)
        assert not (pipe.predict_table(X)["flag"] & Flag.REDSHIFT).any()

    def test_a_network_with_missing_bands(self, quick_pipeline, survey):
        X, y = survey
        X = X.drop(columns="Z")
        pipe = quick_pipeline("sfml", redshift="none", targets=("sfr",))
        table = pipe.fit(X, y[["sfr"]]).predict_table(X.assign(u_flux=-999.0))
        assert table["sfr"].notna().mean() > 0.9


class TestRedshiftAsATarget:
    TARGETS = ("redshift", "stellar_mass")

    def test_it_is_predicted_with_the_rest(self, linear, survey):
        X, y = survey
        y = y[["stellar_mass"]].assign(redshift=X["Z"])
        pipe = linear(redshift="none", targets=self.TARGETS).fit(X.drop(columns="Z"), y)
        predicted = pipe.predict(X.drop(columns="Z"))
        kept = np.isfinite(predicted).all(axis=1)
        assert np.corrcoef(predicted[kept, 0], X["Z"][kept])[0, 1] > 0.7
        table = pipe.predict_table(X)
        assert table.columns.tolist()[:4] == [
            *("redshift", "redshift_p16", "redshift_p84"),
            "stellar_mass",
        ]

    def test_a_network_does_not_take_it_to_grow_with_brightness(self):
        pipe = sfml.make_star_formation_pipeline(redshift="none", targets=self.TARGETS)
        networks = dict(pipe["regress"].estimators)
        assert networks["redshift"].offset_feature is None
        assert networks["redshift"].ignored_features == ("log_brightness",)
        assert networks["stellar_mass"].offset_feature == "log_brightness"

    def test_a_photometric_one_can_be_improved(self, linear, survey, photometric):
        X, y = photometric
        y = y[["stellar_mass"]].assign(redshift=survey[0]["Z"])
        pipe = linear(bands=PHOTOMETRIC, redshift="photometric", targets=self.TARGETS).fit(X, y)
        predicted = pipe.predict(X)[:, 0]
        kept = np.isfinite(predicted)
        error = np.std(predicted[kept] - y["redshift"][kept])
        assert error < np.std(X["Z"][kept] - y["redshift"][kept])

    def test_not_where_it_is_given(self):
        with pytest.raises(ValueError, match=r"The redshift is an input.*none.* or .*photometric"):
            sfml.make_star_formation_pipeline(targets=self.TARGETS)


class TestTheParts:
    @pytest.mark.parametrize(("redshift", "n_last"), [("none", 0), ("photometric", 2)])
    def test_columns_of_the_selector_are_those_of_the_features(self, photometric, redshift, n_last):
        X, _ = photometric
        selector = GamaSampleSelector(PHOTOMETRIC, redshift=redshift, keep_errors=True)
        selector.set_output(transform="pandas")
        selected = selector.fit_transform(X)
        names = [f"{band}_{what}" for what in ("flux", "fluxerr") for band in GAMA.names]
        assert selected.columns.tolist() == [*names, *["redshift", "redshift_error"][:n_last]]
        features = FluxFeatures(PHOTOMETRIC, redshift=redshift).fit(selected)
        n_late = {"none": 1, "photometric": 4}[redshift]
        assert features.transform(selected).shape == (len(X), 42 + n_late + 2)
        with pytest.raises(ValueError, match=f"X has {42 + n_last} columns, but 43 are needed"):
            FluxFeatures(PHOTOMETRIC).fit(selected)
        told = FluxFeatures().fit(selected, layout=selector.layout_)
        np.testing.assert_array_equal(told.transform(selected), features.transform(selected))

    def test_without_redshift_the_last_outputs_are_the_reference_flux(self, survey):
        X, _ = survey
        flux = X[[*GAMA.flux_columns, *GAMA.error_columns]].to_numpy()
        flux = flux[(flux > 0).all(axis=1)]
        features = FluxFeatures(redshift="none").fit(flux)
        assert features.get_feature_names_out()[-3:].tolist() == [
            *("log_snr", "log_reference_flux", "log_brightness")
        ]
        out = features.transform(flux)
        np.testing.assert_array_equal(out[:, -2], out[:, -1])
        assert features.redshift_range_ == (-np.inf, np.inf)

    def test_wrong_choices(self, survey):
        for step in (GamaSampleSelector(redshift="phot"), FluxFeatures(redshift="phot")):
            with pytest.raises(ValueError, match=r"'redshift' parameter of .* Got 'phot' instead"):
                step.fit(survey[0])
        with pytest.raises(ValueError, match=r"redshift must be one of .*; got 'phot'"):
            sfml.make_star_formation_pipeline(redshift="phot")
        with pytest.raises(ValueError, match="needs a BandSet that says which columns are which"):
            GamaSampleSelector("positional", min_bands=0, redshift="none").fit(np.ones((5, 4)))

    def test_the_name_of_the_error_must_be_its_own(self):
        with pytest.raises(ValueError, match="name a column more than once"):
            replace(GAMA, redshift_error="Z")

    def test_the_default_is_a_spectroscopic_redshift(self):
        pipe = sfml.make_star_formation_pipeline()
        assert pipe["select"].redshift == "spectroscopic"
        assert pipe["features"].redshift is None  # as the selection says
        assert [name for name, _ in pipe["regress"].estimators] == list(TARGETS)
